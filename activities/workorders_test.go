package activities_test

import (
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"
	"golang.org/x/crypto/ssh"

	"github.com/lifeboat-dr/lifeboat/activities"
	"github.com/lifeboat-dr/lifeboat/internal/evidence"
	"github.com/lifeboat-dr/lifeboat/internal/execution"
	"github.com/lifeboat-dr/lifeboat/internal/plan"
	"github.com/lifeboat-dr/lifeboat/internal/roster"
	"github.com/lifeboat-dr/lifeboat/internal/secret"
	"github.com/lifeboat-dr/lifeboat/internal/signature"
	"github.com/lifeboat-dr/lifeboat/internal/store/dir"
	"github.com/lifeboat-dr/lifeboat/internal/workrecord"
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

// court is everybody and everything that a work order needs.
type court struct {
	keys    map[string]*signature.Signer
	people  *roster.Roster
	fleet   workrecord.Keys
	orders  *activities.Orders
	x       *activities.Executions
	steps   *activities.Steps
	ran     []string
	env     *testsuite.TestActivityEnvironment
	clock   time.Time
	runbook string
	sigs    []string
}

// scaler is a program that notes what it was run with.
type scaler struct{ c *court }

func (s scaler) Site() string { return "" }

func (s scaler) Run(_ context.Context, args []string) (int, string, error) {
	s.c.ran = append(s.c.ran, strings.Join(args, " "))
	return 0, "scaled", nil
}

func newCourt(t *testing.T) *court {
	t.Helper()
	c := &court{keys: map[string]*signature.Signer{}, clock: time.Now().UTC().Truncate(time.Second), runbook: scaleRunbook}
	v := roster.First(c.clock.Add(-time.Hour))
	for id, roles := range map[string][]string{
		"alice": {plan.RoleOwner, plan.RoleCommander}, "bob": {plan.RoleOwner, plan.RoleCommander, plan.RoleApprover}, "carol": {plan.RoleApprover}, "erin": {plan.RoleAuditor},
	} {
		_, private, err := ed25519.GenerateKey(nil)
		must(t, err)
		block, err := ssh.MarshalPrivateKey(private, "")
		must(t, err)
		c.keys[id], err = signature.NewSigner(pem.EncodeToMemory(block))
		must(t, err)
		key, _, err := signature.ParsePublicKey(c.keys[id].PublicKey())
		must(t, err)
		v.Put(roster.Person{ID: id, Name: id, Email: id + "@medlink.example", Roles: roles, Keys: []roster.Key{{Key: key}}})
	}
	v.Require(0)
	signed, err := roster.NewVersion(v)
	must(t, err)
	must(t, signed.Sign(c.keys["alice"]))
	must(t, signed.Sign(c.keys["bob"]))
	chain := &roster.Chain{Format: 1, Versions: []*roster.SignedVersion{signed}}
	c.people, err = chain.Verify(chain.Fingerprint(), c.clock)
	must(t, err)
	for _, id := range []string{"alice", "bob"} {
		sig, err := c.keys[id].Sign(signature.Runbook, []byte(c.runbook))
		must(t, err)
		c.sigs = append(c.sigs, string(sig))
	}
	c.fleet, err = workrecord.ParseKeys([]secret.String{secret.New("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=")})
	must(t, err)
	c.orders = &activities.Orders{
		Application: "medlink", People: func() (*roster.Roster, error) { return c.people, nil }, Now: func() time.Time { return c.clock },
		Genuine: func(r plan.Receipt) bool { return activities.GenuineReceipt(c.fleet, r) },
	}
	vault, err := dir.Open(t.TempDir())
	must(t, err)
	signers, err := signature.ParseAllowedSigners([]byte("worker " + c.keys["erin"].PublicKey() + "\n"))
	must(t, err)
	c.x = &activities.Executions{
		Crew: &activities.Crew{Application: "medlink"}, Orders: c.orders, Signers: signers, Keys: c.fleet,
		Journal: &evidence.Journal{Vaults: []evidence.Vault{{Name: "v", Store: vault}}, Signer: c.keys["erin"]},
	}
	program := map[string]activities.Program{"scale": scaler{c}}
	c.steps = &activities.Steps{Crew: c.x.Crew, Orders: c.orders, Keys: c.fleet, Programs: program, DrillPrograms: program}
	var suite testsuite.WorkflowTestSuite
	c.env = suite.NewTestActivityEnvironment()
	c.env.RegisterActivity(c.x)
	c.env.RegisterActivity(c.steps)
	return c
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func sha(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

// command is a signed command of somebody, issued now.
func (c *court) command(t *testing.T, who string, kind plan.CommandKind, step, digest string) plan.SignedCommand {
	t.Helper()
	s, err := roster.SignCommand(plan.Command{
		Format: 1, Kind: kind, ID: roster.NewCommandID(), Execution: scaleExecution, Step: step, Digest: digest, Person: who, Reason: "because",
		Issued: c.clock, Expires: c.clock.Add(time.Hour),
	}, c.keys[who])
	must(t, err)
	return s
}

// docket is that of an execution that somebody started.
func (c *court) docket(t *testing.T, who string, mode plan.Mode) (packed, briefDigest string) {
	t.Helper()
	brief, err := json.Marshal(plan.Brief{
		Format: 1, Runbook: "scale", RunbookDigest: runbooks.Digest([]byte(c.runbook)), Application: "medlink", Mode: mode, Target: "database",
		Approach: plan.Graceful, Inputs: map[string]any{"size": 3.0}, Until: c.clock.Add(6 * time.Hour),
	})
	must(t, err)
	packed, err = roster.PackDocket(plan.Docket{
		Runbook: c.runbook, Signatures: c.sigs, Brief: string(brief), Start: c.command(t, who, plan.CommandStart, "", sha(string(brief))),
	})
	must(t, err)
	return packed, sha(string(brief))
}

// admitted is an execution that alice started, its gate open; facts is what was shown there.
func (c *court) admitted(t *testing.T, mode plan.Mode) (docket string, a activities.Admitted, facts activities.GatePrepared) {
	t.Helper()
	docket, _ = c.docket(t, "alice", mode)
	a = call[activities.Admitted](t, c, "AdmitExecution", activities.AdmitInput{Execution: scaleExecution, Docket: docket})
	facts = call[activities.GatePrepared](t, c, "PrepareGate", activities.GateInput{Facts: plan.Facts{
		Format: 1, Execution: scaleExecution, Gate: "gate", Round: 1, Brief: a.BriefDigest, Mode: mode, Target: "database", Summary: "Go on", Requires: 1,
		Roles: []string{"approver"}, ExcludeRequester: true, Opened: c.clock,
		Steps: []plan.FactStep{{ID: "scale", Type: "exec", Effect: "reversible", With: map[string]any{"program": "scale", "args": []any{3.0}}}},
	}})
	return docket, a, facts
}

func call[T any](t *testing.T, c *court, name string, in any) (out T) {
	t.Helper()
	value, err := c.env.ExecuteActivity(name, in)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	must(t, value.Get(&out))
	return out
}

// judge asks what a command counts for at the open gate.
func (c *court) judge(t *testing.T, a activities.Admitted, facts activities.GatePrepared, signed plan.SignedCommand, used ...string) activities.Judged {
	t.Helper()
	return call[activities.Judged](t, c, "JudgeCommand", activities.JudgeInput{
		Execution: scaleExecution, Signed: signed, Brief: a.BriefDigest, Commander: "alice", Requester: "alice", Used: used, Now: c.clock,
		Gates: []activities.OpenGate{{Step: "gate", Digest: facts.Digest, Roles: []string{"approver"}, ExcludeRequester: true, Opened: c.clock}},
	})
}

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
	t.Run("the journal", func(t *testing.T) {
		in := activities.JournalInput{
			Guard:  plan.Guard{Execution: scaleExecution, Step: "journal", Target: "database", Mode: plan.ModeDrill, Order: a.BriefDigest, Work: order()},
			Events: []execution.Event{{Kind: execution.Started, Time: c.clock, Person: "alice"}},
		}
		if done := call[activities.Journaled](t, c, "AppendJournal", in); done.Head.Seq != 1 {
			t.Errorf("journaled %+v", done)
		}
		in.Guard.Execution = "scale/database/20261125T050000Z"
		var refused *temporal.ApplicationError
		if _, err := c.env.ExecuteActivity("AppendJournal", in); !errors.As(err, &refused) || refused.Type() != activities.TypeNotAllowed {
			t.Errorf("another execution's journal was written: %v", err)
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
	refuse := func(name, docket string) {
		t.Helper()
		var refused *temporal.ApplicationError
		if _, err := c.env.ExecuteActivity("AdmitExecution", activities.AdmitInput{Execution: scaleExecution, Docket: docket}); !errors.As(err, &refused) || !refused.NonRetryable() {
			t.Errorf("%s was admitted: %v", name, err)
		}
	}
	by, _ := c.docket(t, "carol", plan.ModeDrill)
	refuse("a start by an approver", by)
	c.sigs = c.sigs[:1]
	one, _ := c.docket(t, "alice", plan.ModeDrill)
	refuse("a runbook that one owner signed", one)
	c.runbook += "# and one more line\n"
	edited, _ := c.docket(t, "alice", plan.ModeDrill)
	refuse("a runbook that was edited", edited)
	refuse("nonsense", "nonsense")
}
