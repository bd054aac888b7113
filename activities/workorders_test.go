package activities_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"go.temporal.io/sdk/temporal"

	"github.com/lifeboat-dr/lifeboat/activities"
	"github.com/lifeboat-dr/lifeboat/internal/execution"
	"github.com/lifeboat-dr/lifeboat/internal/plan"
	"github.com/lifeboat-dr/lifeboat/internal/roster"
	"github.com/lifeboat-dr/lifeboat/runbooks"
)

const scaleRunbook = `apiVersion: lifeboat/v1
name: scale
title: Scale
scenario: maintenance
description: For tests.
target: database
inputs:
  size: {type: integer, title: size, required: true}
roles:
  approver: {title: Approver}
limits: {duration: 8h}
steps:
  - {id: gate, type: approval, title: Gate, with: {requires: 1, roles: [approver], message: Go on}}
  - id: scale
    type: exec
    title: Scale
    with: {program: scale, args: ["${inputs.size}"]}
    effect: reversible
    undo: {type: exec, with: {program: scale, args: [1]}}
`

const scaleExecution = "scale/database/20261125T030000Z"

// TestWorkOrderIsCheckedByTheActivity: with an approval the program runs, once for each call and with the
// signed parameters; with anything else it does not run at all.
func TestWorkOrderIsCheckedByTheActivity(t *testing.T) {
	c := newCourt(t)
	docket, a, facts := c.admitted(t, plan.ModeDrill)
	approval := c.command(t, "bob", plan.CommandApprove, "gate", facts.Digest)
	judged := c.judge(t, a, facts, approval)
	if !judged.Accepted {
		t.Fatalf("the approval was refused: %s %s", judged.Cause, judged.Message)
	}
	order := func() *plan.WorkOrder {
		return &plan.WorkOrder{
			Docket: docket, Receipts: []plan.Receipt{a.Accepted, *judged.Receipt},
			Gates: []plan.GateEvidence{{Gate: "gate", Facts: facts.Facts, Decisions: []plan.SignedCommand{approval}}},
		}
	}
	input := func() activities.StepInput {
		return activities.StepInput{
			Guard: plan.Guard{Execution: scaleExecution, Step: "scale", Target: "database", Mode: plan.ModeDrill, Order: a.BriefDigest, Work: order()},
			With:  map[string]any{"program": "scale", "args": []any{3.0}, "exit": 0.0},
		}
	}
	// What Parse fills in is part of what is signed.
	signed, err := runbooks.Parse([]byte(c.runbook))
	must(t, err)
	with, err := runbooks.Resolve(signed.Step("scale").With, runbooks.Scope{Inputs: map[string]any{"size": 3.0}})
	must(t, err)
	good := input()
	good.With = with
	if done := call[activities.StepDone](t, c, "RunProgram", good); done.Receipt == nil || !activities.GenuineReceipt(c.fleet, *done.Receipt) || fmt.Sprint(c.ran) != "[3]" {
		t.Fatalf("done %+v, ran %v", done, c.ran)
	}
	c.ran = nil
	for name, spoil := range map[string]func(in *activities.StepInput){
		"no work order": func(in *activities.StepInput) { in.Guard.Work = nil },
		"no approval":   func(in *activities.StepInput) { in.Guard.Work.Gates[0].Decisions = nil },
		"no gate":       func(in *activities.StepInput) { in.Guard.Work.Gates = nil },
		"other parameters": func(in *activities.StepInput) {
			in.With = map[string]any{"program": "scale", "args": []any{99.0}, "exit": 0.0}
		},
		"another execution":        func(in *activities.StepInput) { in.Guard.Execution = "scale/database/20261125T040000Z" },
		"another target":           func(in *activities.StepInput) { in.Guard.Target = "payroll" },
		"live instead of a drill":  func(in *activities.StepInput) { in.Guard.Mode = plan.ModeLive },
		"the gate as the step":     func(in *activities.StepInput) { in.Guard.Step = "gate" },
		"a step that is not there": func(in *activities.StepInput) { in.Guard.Step = "destroy" },
		"another brief":            func(in *activities.StepInput) { in.Guard.Order = sha("x") },
		"facts that were edited": func(in *activities.StepInput) {
			in.Guard.Work.Gates[0].Facts = strings.Replace(facts.Facts, "Go on", "Go home", 1)
		},
		"a made-up receipt": func(in *activities.StepInput) { in.Guard.Work.Receipts[0].MAC = strings.Repeat("0", 72) },
		"an approval of the requester": func(in *activities.StepInput) {
			in.Guard.Work.Gates[0].Decisions[0] = c.command(t, "alice", plan.CommandApprove, "gate", facts.Digest)
		},
		"an approval by an auditor": func(in *activities.StepInput) {
			in.Guard.Work.Gates[0].Decisions[0] = c.command(t, "erin", plan.CommandApprove, "gate", facts.Digest)
		},
		"an approval of other facts": func(in *activities.StepInput) {
			in.Guard.Work.Gates[0].Decisions[0] = c.command(t, "bob", plan.CommandApprove, "gate", sha("other facts"))
		},
		"a rejection": func(in *activities.StepInput) {
			in.Guard.Work.Gates[0].Decisions = append(in.Guard.Work.Gates[0].Decisions, c.command(t, "carol", plan.CommandReject, "gate", facts.Digest))
		},
		"a docket of somebody who is no commander": func(in *activities.StepInput) {
			in.Guard.Work.Docket, in.Guard.Order = c.docket(t, "carol", plan.ModeDrill)
		},
		"a standing order": func(in *activities.StepInput) { in.Guard.Mode = plan.ModeStanding },
	} {
		t.Run(name, func(t *testing.T) {
			in := input()
			in.With = with
			spoil(&in)
			_, err := c.env.ExecuteActivity("RunProgram", in)
			var refused *temporal.ApplicationError
			if !errors.As(err, &refused) || refused.Type() != activities.TypeNotAllowed || !refused.NonRetryable() || len(c.ran) > 0 {
				t.Errorf("ended with %v, ran %v", err, c.ran)
			}
		})
	}
	t.Run("after the start's time", func(t *testing.T) {
		now := c.clock
		defer func() { c.clock = now }()
		c.clock = now.Add(7 * time.Hour)
		in := input()
		in.With = with
		if _, err := c.env.ExecuteActivity("RunProgram", in); err == nil || len(c.ran) > 0 {
			t.Errorf("ended with %v, ran %v", err, c.ran)
		}
	})
	t.Run("undone after the start's time", func(t *testing.T) {
		now := c.clock
		defer func() { c.clock, c.ran = now, nil }()
		in := input()
		in.Guard.Work.Undo = true
		var err error
		if in.With, err = runbooks.Resolve(signed.Step("scale").Undo.With, runbooks.Scope{}); err != nil {
			t.Fatal(err)
		}
		c.clock = now.Add(7 * time.Hour)
		if _, err := c.env.ExecuteActivity("RunProgram", in); err != nil || fmt.Sprint(c.ran) != "[1]" {
			t.Errorf("an hour after it: %v, ran %v", err, c.ran)
		}
		c.clock = now.Add(6*time.Hour + roster.WindingUp)
		if _, err := c.env.ExecuteActivity("RunProgram", in); err == nil || len(c.ran) > 1 {
			t.Errorf("a day after it: %v, ran %v", err, c.ran)
		}
	})
	t.Run("the journal", func(t *testing.T) {
		in := activities.JournalInput{
			Guard:  plan.Guard{Execution: scaleExecution, Step: "journal", Target: "database", Mode: plan.ModeDrill, Order: a.BriefDigest, Work: order()},
			Events: []execution.Event{{Kind: execution.Started, Time: c.clock, Person: "alice", Docket: docket}},
		}
		if done := call[activities.Journaled](t, c, "AppendJournal", in); done.Head.Seq != 1 {
			t.Errorf("journaled %+v", done)
		}
		now := c.clock
		defer func() { c.clock = now }()
		c.clock = now.Add(7 * time.Hour) // how it ended is written down after its time, too
		in.Head = call[activities.Journaled](t, c, "AppendJournal", in).Head
		if healed := call[activities.Healed](t, c, "HealJournal", activities.HealInput{Guard: in.Guard}); healed.Filled > 0 || len(healed.Left) > 0 {
			t.Errorf("healed %+v", healed)
		}
		in.Guard.Execution = "scale/database/20261125T050000Z"
		var refused *temporal.ApplicationError
		if _, err := c.env.ExecuteActivity("AppendJournal", in); !errors.As(err, &refused) || refused.Type() != activities.TypeNotAllowed {
			t.Errorf("another execution's journal was written: %v", err)
		}
		if _, err := c.env.ExecuteActivity("HealJournal", activities.HealInput{Guard: in.Guard}); !errors.As(err, &refused) || refused.Type() != activities.TypeNotAllowed {
			t.Errorf("another execution's journal was healed: %v", err)
		}
	})
}

// TestCommandsAreJudged: what does not count is refused with its cause.
func TestCommandsAreJudged(t *testing.T) {
	c := newCourt(t)
	_, a, facts := c.admitted(t, plan.ModeDrill)
	good := c.command(t, "bob", plan.CommandApprove, "gate", facts.Digest)
	id := c.judge(t, a, facts, good).Command.ID
	forged := good
	forged.Signed = strings.Replace(forged.Signed, `"bob"`, `"carol"`, 1)
	late := c.command(t, "bob", plan.CommandApprove, "gate", facts.Digest)
	for name, tc := range map[string]struct {
		signed plan.SignedCommand
		used   []string
		later  time.Duration
		cause  string
	}{
		"forged":         {forged, nil, 0, "badSignature"},
		"replayed":       {good, []string{id}, 0, "replayed"},
		"expired":        {late, nil, 2 * time.Hour, "expired"},
		"wrong gate":     {c.command(t, "bob", plan.CommandApprove, "other", facts.Digest), nil, 0, "wrongKind"},
		"wrong digest":   {c.command(t, "bob", plan.CommandApprove, "gate", sha("x")), nil, 0, "wrongDigest"},
		"wrong role":     {c.command(t, "erin", plan.CommandApprove, "gate", facts.Digest), nil, 0, "wrongRole"},
		"the requester":  {c.command(t, "alice", plan.CommandApprove, "gate", facts.Digest), nil, 0, "wrongRole"},
		"hand-made":      {plan.SignedCommand{Signed: "approve, please", Signature: "me"}, nil, 0, "malformed"},
		"no commander":   {c.command(t, "carol", plan.CommandCancel, "", a.BriefDigest), nil, 0, "wrongRole"},
		"a second start": {c.command(t, "alice", plan.CommandStart, "", a.BriefDigest), nil, 0, "wrongKind"},
	} {
		t.Run(name, func(t *testing.T) {
			now := c.clock
			defer func() { c.clock = now }()
			c.clock = now.Add(tc.later)
			if judged := c.judge(t, a, facts, tc.signed, tc.used...); judged.Accepted || judged.Cause != tc.cause {
				t.Errorf("judged %+v, want cause %q", judged, tc.cause)
			}
		})
	}
}

// TestAdmissionLooksAtSignatures: no execution without a commander, or with a runbook that too few owners
// signed.
func TestAdmissionLooksAtSignatures(t *testing.T) {
	c := newCourt(t)
	bound := c.brief(plan.ModeDrill)
	bound.Plan = sha("a plan")
	refuse := func(name, docket string) {
		t.Helper()
		var refused *temporal.ApplicationError
		if _, err := c.env.ExecuteActivity("AdmitExecution", activities.AdmitInput{Execution: scaleExecution, Docket: docket}); !errors.As(err, &refused) || !refused.NonRetryable() {
			t.Errorf("%s was admitted: %v", name, err)
		}
	}
	byPlan, _ := c.docketOf(t, "alice", bound)
	refuse("an execution bound to a plan, which nothing holds it to", byPlan)
	by, _ := c.docket(t, "carol", plan.ModeDrill)
	refuse("a start by an approver", by)
	c.sigs = c.sigs[:1]
	one, _ := c.docket(t, "alice", plan.ModeDrill)
	refuse("a runbook that one owner signed", one)
	c.runbook += "# and one more line\n"
	edited, _ := c.docket(t, "alice", plan.ModeDrill)
	refuse("a runbook that was edited", edited)
	refuse("nonsense", "nonsense")
	c.runbook = strings.Replace(scaleRunbook, "steps:\n", "steps:\n  - {id: inner, type: runbook, title: Inner, with: {name: other}}\n", 1)
	c.signRunbook(t)
	nested, _ := c.docket(t, "alice", plan.ModeDrill)
	refuse("a runbook inside that is not there", nested)
	c.runbook = scaleRunbook
	c.signRunbook(t)
	good, _ := c.docket(t, "alice", plan.ModeDrill)
	if _, err := c.env.ExecuteActivity("AdmitExecution", activities.AdmitInput{Execution: scaleExecution, Docket: good}); err != nil {
		t.Errorf("what is right is refused, so nothing is proven: %v", err)
	}
}
