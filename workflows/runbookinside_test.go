package workflows_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/lifeboat-dr/lifeboat/activities"
	"github.com/lifeboat-dr/lifeboat/internal/execution"
	"github.com/lifeboat-dr/lifeboat/internal/plan"
	"github.com/lifeboat-dr/lifeboat/workflows"
)

// inner is a runbook that others run: a gate, and a step behind it.
var inner = map[string]string{"inner": strings.NewReplacer("name: rehearsal", "name: inner", "roles:", "inputs:\n  n: {type: integer, title: n, default: 1, max: 5}\nroles:").Replace(head) +
	gate + "  - {id: act, type: exec, title: Act, with: {program: p, args: [\"${inputs.n}\"]}, effect: reversible, undo: {type: exec, with: {program: q}}}\n"}

const runInner = "  - {id: run, type: runbook, title: Run, with: {name: inner}}\n"

func TestRunbookInsideOfAnother(t *testing.T) {
	s := newStage(t, head+step("one", "")+runInner+step("two", ""), inner)
	s.send(time.Minute, by(plan.CommandApprove, "gate", "ann"), "wrongState")
	s.send(2*time.Minute, by(plan.CommandApprove, "run.gate", "ann"), "")
	s.env.RegisterDelayedCallback(func() {
		if s.acted() != "one" {
			t.Errorf("before the second approval it did %s", s.acted())
		}
	}, 3*time.Minute)
	s.send(4*time.Minute, by(plan.CommandApprove, "run.gate", "bob"), "")
	state, steps := s.run()
	expectState(t, state, plan.ExecutionCompleted)
	if s.acted() != "one, run.act, two" || steps["run.act"] != plan.StepCompleted {
		t.Errorf("did %s, steps %v", s.acted(), steps)
	}
}

func TestRunbookInsideIsUndone(t *testing.T) {
	s := newStage(t, head+step("one", "")+runInner+step("two", ", onFailure: undo"), inner)
	s.fail["two"] = 1
	s.send(time.Minute, by(plan.CommandApprove, "run.gate", "ann"), "")
	s.send(time.Minute, by(plan.CommandApprove, "run.gate", "bob"), "")
	state, _ := s.run()
	expectState(t, state, plan.ExecutionFailed)
	if s.acted() != "one, run.act, undo two, undo run.act, undo one" {
		t.Errorf("did %s", s.acted())
	}
}

func TestRunbookInsideIsGivenWhatItDoesNotTake(t *testing.T) {
	s := newStage(t, head+step("one", "")+strings.Replace(runInner, "name: inner", `name: inner, inputs: {n: "${steps.one.exit}"}`, 1)+step("two", ""), inner)
	s.outputs = map[string]map[string]any{"one": {"exit": 6.0}}
	s.send(time.Hour, by(plan.CommandSkip, "run.gate", "carol"), "notSkippable")
	s.send(2*time.Hour, by(plan.CommandCancel, "", "carol"), "")
	state, steps := s.run()
	expectState(t, state, plan.ExecutionCanceled)
	failure := s.failure("run.gate")
	if s.acted() != "one, undo one" || steps["run.gate"] != plan.StepFailed || failure.Type != activities.TypeInvalidInput || !strings.Contains(failure.Message, "input n of runbook inner (step run): it is too large") {
		t.Errorf("did %s, steps %v, %+v", s.acted(), steps, failure)
	}
}

// failure is the last failure of a step, by the journal.
func (s *stage) failure(step string) (last execution.Failure) {
	for _, event := range s.journal {
		if event.Kind == execution.StepFailed && event.Step == step {
			last = *event.Failure
		}
	}
	return last
}

const asking = `  - {id: ask, type: sql, title: Ask, with: {on: {component: database}, query: SELECT 1, expect: {rows: 1}}}
  - {id: act, type: exec, title: Act, ON with: {program: p, args: ["${steps.ask.value}", "${execution.mode}"]}, effect: reversible, undo: {type: exec, with: {program: q}}}
`

// TestRunbookBoundToAPlan: a run that a plan was made for goes through, one that would do something else pauses
// before it does anything, whatever the runbook says about failures.
func TestRunbookBoundToAPlan(t *testing.T) {
	// The plan itself: what it asked is in it, what only the run knows is not.
	s := newStage(t, head+strings.Replace(asking, "ON", "", 1))
	s.mode, s.outputs = plan.ModePlan, map[string]map[string]any{"ask": {"value": "7"}}
	state, _ := s.run()
	expectState(t, state, plan.ExecutionCompleted)
	var result workflows.RunbookResult
	if err := s.env.GetWorkflowResult(&result); err != nil {
		t.Fatal(err)
	}
	if text, err := json.Marshal(result.Intended); err != nil || string(text) != `[{"step":"act","type":"exec","with":{"args":["7","${execution.mode}"],"exit":0,"program":"p"}}]` {
		t.Fatalf("the plan is %s: %v", text, err)
	}
	for name, tc := range map[string]struct {
		on, value string
		planned   []plan.PlannedChange
		why       string
	}{
		"as planned":                          {"", "7", result.Intended, ""},
		"another answer":                      {"", "8", result.Intended, `args[0]: planned "7", now "8"`},
		"another answer, failures ignored":    {"onFailure: ignore,", "8", result.Intended, `args[0]: planned "7", now "8"`},
		"another answer, failures undone":     {"onFailure: undo,", "8", result.Intended, `args[0]: planned "7", now "8"`},
		"a step that the plan did not intend": {"", "7", []plan.PlannedChange{}, "did not intend step act"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStage(t, head+strings.Replace(asking, "ON", tc.on, 1))
			s.planned, s.outputs = tc.planned, map[string]map[string]any{"ask": {"value": tc.value}}
			if tc.why == "" {
				state, _ := s.run()
				expectState(t, state, plan.ExecutionCompleted)
				if s.acted() != "ask, act" {
					t.Errorf("did %s", s.acted())
				}
				return
			}
			s.send(time.Hour, by(plan.CommandRetry, "act", "carol"), "")
			looked := false
			s.env.RegisterDelayedCallback(func() {
				looked = true
				value, err := s.env.QueryWorkflow(workflows.ViewQuery)
				var view workflows.View
				if err != nil || value.Get(&view) != nil || view.State != plan.ExecutionPausedByFailedStep || !strings.Contains(view.Steps[1].Error, tc.why) {
					t.Errorf("the view is %+v: %v", view, err)
				}
			}, 2*time.Hour)
			s.send(3*time.Hour, by(plan.CommandSkip, "act", "carol"), "")
			state, _ := s.run()
			expectState(t, state, plan.ExecutionCompletedWithExceptions)
			if failure := s.failure("act"); !looked || s.acted() != "ask" || failure.Type != activities.TypePlanMismatch {
				t.Errorf("did %s, %+v", s.acted(), failure)
			}
		})
	}
}
