package activities_test

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"go.temporal.io/sdk/temporal"

	"github.com/lifeboat-dr/lifeboat/activities"
	"github.com/lifeboat-dr/lifeboat/internal/execution"
	"github.com/lifeboat-dr/lifeboat/internal/plan"
	"github.com/lifeboat-dr/lifeboat/runbooks"
)

const planExecution = "scale/database/20261125T020000Z"

// plans writes the journal of an execution of the runbook that only says what it would do; last are its last events.
func (c *court) plans(t *testing.T, id string, b plan.Brief, last ...execution.Event) {
	t.Helper()
	must(t, c.plansWith(t, id, b, func(map[string]any) {}, last...))
}

// plansWith is plans with parameters that somebody changed.
func (c *court) plansWith(t *testing.T, id string, b plan.Brief, change func(with map[string]any), last ...execution.Event) error {
	t.Helper()
	c.execution = id
	defer func() { c.execution = scaleExecution }()
	docket, digest := c.docketOf(t, "alice", b)
	a := call[activities.Admitted](t, c, "AdmitExecution", activities.AdmitInput{Execution: id, Docket: docket})
	events := []execution.Event{{Kind: execution.Started, Person: "alice", Approach: b.Approach, Docket: docket, Receipt: &a.Accepted}}
	for _, step := range a.Runbook.Steps {
		if b.Mode != plan.ModePlan {
			break
		}
		with, err := runbooks.Foresee(step.With, runbooks.Scope{Inputs: b.Inputs}, runbooks.Unforeseen(func(string) bool { return true }))
		must(t, err)
		change(with)
		events = append(events, execution.Event{Kind: execution.StepStarted, Step: step.ID}, execution.Event{Kind: execution.StepIntended, Step: step.ID, With: with})
	}
	events = append(events, last...)
	for i := range events {
		events[i].Time = c.clock
	}
	_, err := c.env.ExecuteActivity("AppendJournal", activities.JournalInput{
		Guard:  plan.Guard{Execution: id, Step: "journal", Target: "database", Mode: b.Mode, Order: digest, Work: &plan.WorkOrder{Docket: docket, Receipts: []plan.Receipt{a.Accepted}}},
		Events: events,
	})
	return err
}

// TestAPlanIntendsWhatTheRunbookSays: a run may be bound to it, so nobody makes it up.
func TestAPlanIntendsWhatTheRunbookSays(t *testing.T) {
	c := newCourt(t)
	for i, change := range []func(with map[string]any){
		func(with map[string]any) { with["more"] = 1.0 },
		func(with map[string]any) { delete(with, "roles") },
		func(with map[string]any) {
			if with["args"] != nil {
				with["args"] = []any{4.0}
			}
		},
	} {
		var refused *temporal.ApplicationError
		if err := c.plansWith(t, planExecution, c.brief(plan.ModePlan), change, completed); !errors.As(err, &refused) || refused.Type() != activities.TypeNotAllowed {
			t.Errorf("change %d ended with %v", i, err)
		}
	}
	c.plans(t, planExecution, c.brief(plan.ModePlan), completed)
}

var completed = execution.Event{Kind: execution.Ended, State: plan.ExecutionCompleted}

// TestBoundToAPlan: an execution is admitted with a plan that was made of the same, and with no other.
func TestBoundToAPlan(t *testing.T) {
	c := newCourt(t)
	c.plans(t, planExecution, c.brief(plan.ModePlan), completed)
	planned, err := activities.ReadPlan(t.Context(), c.x.Journal.Vaults, c.x.Signers, planExecution)
	must(t, err)
	if digest := call[string](t, c, "DigestPlan", planned.Changes); digest != planned.Digest || len(planned.Changes) != 2 {
		t.Errorf("the plan ended with digest %s, its journal gives %s: %s", digest, planned.Digest, planned.Text)
	}
	const unfinished, drilled, partly = "scale/database/20261125T010000Z", "scale/database/20261125T011000Z", "scale/database/20261125T012000Z"
	c.plans(t, unfinished, c.brief(plan.ModePlan))
	c.plans(t, drilled, c.brief(plan.ModeDrill), completed)
	c.plans(t, partly, c.brief(plan.ModePlan), execution.Event{Kind: execution.Ended, State: plan.ExecutionCompletedWithExceptions})

	admit := func(change func(*plan.Brief, *plan.Docket)) (a activities.Admitted, err error) {
		b, extra := c.brief(plan.ModeDrill), plan.Docket{Plan: planned.Text}
		b.Plan, b.PlanExecution = planned.Digest, planExecution
		change(&b, &extra)
		c.edit = func(d *plan.Docket) { d.Plan = extra.Plan }
		defer func() { c.edit = nil }()
		docket, _ := c.docketOf(t, "alice", b)
		value, err := c.env.ExecuteActivity("AdmitExecution", activities.AdmitInput{Execution: scaleExecution, Docket: docket})
		if err == nil {
			err = value.Get(&a)
		}
		return a, err
	}
	if a, err := admit(func(*plan.Brief, *plan.Docket) {}); err != nil || !reflect.DeepEqual(a.Planned, planned.Changes) {
		t.Fatalf("what was planned is not admitted, so nothing is proven: %v, %+v", err, a.Planned)
	}
	other := strings.Replace(planned.Text, "3", "4", 1)
	for name, tc := range map[string]struct {
		change func(*plan.Brief, *plan.Docket)
		kind   string
	}{
		"other inputs":            {func(b *plan.Brief, _ *plan.Docket) { b.Inputs = map[string]any{"size": 4.0} }, activities.TypePlanMismatch},
		"another approach":        {func(b *plan.Brief, _ *plan.Docket) { b.Approach = plan.Ungraceful }, activities.TypePlanMismatch},
		"a plan that was edited":  {func(b *plan.Brief, d *plan.Docket) { d.Plan, b.Plan = other, sha(other) }, activities.TypePlanMismatch},
		"another text of a plan":  {func(_ *plan.Brief, d *plan.Docket) { d.Plan = other }, activities.TypeNotAllowed},
		"a digest without a text": {func(_ *plan.Brief, d *plan.Docket) { d.Plan = "" }, activities.TypeNotAllowed},
		"a text without a digest": {func(b *plan.Brief, _ *plan.Docket) { b.Plan = "" }, activities.TypeNotAllowed},
		"a plan bound to a plan":  {func(b *plan.Brief, _ *plan.Docket) { b.Mode = plan.ModePlan }, activities.TypeNotAllowed},
		"a plan that is not there": {func(b *plan.Brief, _ *plan.Docket) {
			b.PlanExecution = "scale/database/20261125T000000Z"
		}, activities.TypeNotFound},
		"no id of a plan":                {func(b *plan.Brief, _ *plan.Docket) { b.PlanExecution = "../plan" }, activities.TypeInvalidInput},
		"a plan that goes on":            {func(b *plan.Brief, _ *plan.Docket) { b.PlanExecution = unfinished }, activities.TypeInvalidInput},
		"a drill":                        {func(b *plan.Brief, _ *plan.Docket) { b.PlanExecution = drilled }, activities.TypeInvalidInput},
		"a plan with something left out": {func(b *plan.Brief, _ *plan.Docket) { b.PlanExecution = partly }, activities.TypeInvalidInput},
		"a runbook that was edited and signed again since": {func(b *plan.Brief, _ *plan.Docket) {
			c.runbook += "# more\n"
			c.signRunbook(t)
			b.RunbookDigest = sha(c.runbook)
		}, activities.TypePlanMismatch},
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				c.runbook = scaleRunbook
				c.signRunbook(t)
			}()
			_, err := admit(tc.change)
			var refused *temporal.ApplicationError
			if !errors.As(err, &refused) || refused.Type() != tc.kind || !refused.NonRetryable() {
				t.Errorf("ended with %v, want %s", err, tc.kind)
			}
		})
	}
}

// TestActivitiesKeepToThePlan: the engine compares before a step begins, and the activity compares again.
func TestActivitiesKeepToThePlan(t *testing.T) {
	c := newCourt(t)
	for planned, runs := range map[string]bool{
		`[{"step":"scale","type":"exec","with":{"args":[3],"exit":0,"program":"scale"}}]`: true,
		`[{"step":"scale","type":"exec","with":{"args":[2],"exit":0,"program":"scale"}}]`: false,
		`[{"step":"gate","type":"approval"}]`:                                             false,
		`null`:                                                                            false,
	} {
		c.ran = nil
		b := c.brief(plan.ModeDrill)
		b.Plan, b.PlanExecution = sha(planned), planExecution
		c.edit = func(d *plan.Docket) { d.Plan = planned }
		docket, digest := c.docketOf(t, "alice", b)
		in := c.scaling(t, docket, digest, "gate", "scale")
		_, err := c.env.ExecuteActivity("RunProgram", in)
		var refused *temporal.ApplicationError
		switch {
		case runs && (err != nil || fmt.Sprint(c.ran) != "[3]"):
			t.Errorf("%s: ended with %v, ran %v", planned, err, c.ran)
		case !runs && (!errors.As(err, &refused) || refused.Type() != activities.TypeNotAllowed || !strings.Contains(err.Error(), "plan") || len(c.ran) > 0):
			t.Errorf("%s: ended with %v, ran %v", planned, err, c.ran)
		}
		// What was done is taken back, planned or not.
		in.Guard.Work.Undo, in.With = true, map[string]any{"program": "scale", "args": []any{1.0}, "exit": 0.0}
		if _, err := c.env.ExecuteActivity("RunProgram", in); err != nil {
			t.Errorf("%s: the undo ended with %v", planned, err)
		}
	}
}

// scaling is what the step that scales asks for, with bob's approval at its gate.
func (c *court) scaling(t *testing.T, docket, digest, gate, step string) activities.StepInput {
	t.Helper()
	with := map[string]any{"program": "scale", "args": []any{3.0}, "exit": 0.0}
	facts := call[activities.GatePrepared](t, c, "PrepareGate", activities.GateInput{Facts: plan.Facts{
		Format: 1, Execution: scaleExecution, Gate: gate, Round: 1, Brief: digest, Mode: plan.ModeDrill, Target: "database", Summary: "Go on", Requires: 1,
		Roles: []string{"approver"}, ExcludeRequester: true, Opened: c.clock, Steps: []plan.FactStep{{ID: step, Type: "exec", Effect: "reversible", With: with}},
	}})
	return activities.StepInput{With: with, Guard: plan.Guard{
		Execution: scaleExecution, Step: step, Target: "database", Mode: plan.ModeDrill, Order: digest,
		Work: &plan.WorkOrder{Docket: docket, Gates: []plan.GateEvidence{{Gate: gate, Facts: facts.Facts, Decisions: []plan.SignedCommand{c.command(t, "bob", plan.CommandApprove, gate, facts.Digest)}}}},
	}}
}

// TestRunbooksInside: an execution follows the steps of the runbooks inside, and their activities ask for their gates.
func TestRunbooksInside(t *testing.T) {
	c := newCourt(t)
	deeper := strings.Replace(scaleRunbook, "name: scale\n", "name: deeper\n", 1)
	head, _, _ := strings.Cut(scaleRunbook, "roles:")
	outer := head + "limits: {duration: 8h}\nsteps:\n  - {id: inner, type: runbook, title: Inner, with: {name: deeper, inputs: {size: \"${inputs.size}\"}}}\n"
	prepare := func(outer, inner string) (docket, digest string) {
		c.runbook = outer
		c.signRunbook(t)
		b := c.brief(plan.ModeDrill)
		b.Nested = map[string]string{"deeper": sha(inner)}
		c.edit = func(d *plan.Docket) { d.Nested = []plan.NestedText{c.owned(t, inner)} }
		return c.docketOf(t, "alice", b)
	}
	docket, digest := prepare(outer, deeper)
	a := call[activities.Admitted](t, c, "AdmitExecution", activities.AdmitInput{Execution: scaleExecution, Docket: docket})
	if len(a.Runbook.Steps) != 2 || a.Runbook.Steps[1].ID != "inner.scale" || a.RunbookDigest != sha(outer) || len(a.Runbook.Nested) != 1 {
		t.Fatalf("admitted %+v", a.Runbook)
	}
	in := c.scaling(t, docket, digest, "inner.gate", "inner.scale")
	done := call[activities.StepDone](t, c, "RunProgram", in)
	if fmt.Sprint(c.ran) != "[3]" || done.Receipt == nil || done.Receipt.Step != "inner.scale" {
		t.Errorf("done %+v, ran %v", done, c.ran)
	}
	in.Guard.Work.Gates = nil
	if _, err := c.env.ExecuteActivity("RunProgram", in); err == nil || len(c.ran) > 1 {
		t.Errorf("without its gate: %v, ran %v", err, c.ran)
	}
	for name, tc := range map[string]struct{ outer, inner, why string }{
		"another target":            {outer, strings.Replace(deeper, "target: database", "target: payroll", 1), `acts on "payroll"`},
		"more than it takes":        {outer, strings.Replace(deeper, "title: size,", "title: size, max: 2,", 1), "input size of runbook deeper"},
		"a target that comes later": {outer, strings.Replace(deeper, "target: database", "target: ${execution.nothing}", 1), "is not known when the execution starts"},
	} {
		docket, _ := prepare(tc.outer, tc.inner)
		_, err := c.env.ExecuteActivity("AdmitExecution", activities.AdmitInput{Execution: scaleExecution, Docket: docket})
		var refused *temporal.ApplicationError
		if !errors.As(err, &refused) || refused.Type() != activities.TypeInvalidInput || !strings.Contains(err.Error(), tc.why) {
			t.Errorf("%s: ended with %v, want %q", name, err, tc.why)
		}
	}
}
