package workflows_test

import (
	"strings"
	"testing"
	"time"

	"go.temporal.io/sdk/workflow"

	"github.com/lifeboat-dr/lifeboat/internal/execution"
	"github.com/lifeboat-dr/lifeboat/internal/plan"
	"github.com/lifeboat-dr/lifeboat/workflows"
)

const head = `apiVersion: lifeboat/v1
name: rehearsal
title: Rehearsal
scenario: maintenance
description: For tests.
target: database
objectives: {rto: 4h}
roles:
  approver: {title: Approver}
steps:
`

// step is a step that a test's activity does: reversible, with an undo.
func step(id, more string) string {
	return "  - {id: " + id + ", type: exec, title: " + id + ", with: {program: p}, effect: reversible, undo: {type: exec, with: {program: q}}" + more + "}\n"
}

const gate = "  - {id: gate, type: approval, title: Gate, with: {requires: 2, roles: [approver], message: Go on}}\n"

func expectState(t *testing.T, got, want plan.ExecutionState) {
	t.Helper()
	if got != want {
		t.Errorf("ended as %s, want %s", got, want)
	}
}

func TestRunbookRunsInOrder(t *testing.T) {
	s := newStage(t, head+step("one", "")+step("left", ", needs: [one]")+step("right", ", needs: [one]")+step("last", ", needs: [left, right]"))
	state, _ := s.run()
	expectState(t, state, plan.ExecutionCompleted)
	did := s.acted()
	if !strings.HasPrefix(did, "one, ") || !strings.HasSuffix(did, ", last") || len(s.did) != 4 {
		t.Errorf("did %s", did)
	}
	if last := s.journal[len(s.journal)-1]; last.Kind != execution.Ended {
		t.Errorf("the journal ends with %s", last.Kind)
	}
}

func TestRunbookWaitsForEnoughPeople(t *testing.T) {
	s := newStage(t, head+step("one", "")+gate+step("two", ""))
	s.send(time.Minute, by(plan.CommandApprove, "gate", "ann"), "")
	s.send(2*time.Minute, by(plan.CommandApprove, "gate", "ann"), "wrongState")
	s.send(3*time.Minute, by(plan.CommandApprove, "one", "bob"), "wrongState")
	s.env.RegisterDelayedCallback(func() {
		if s.acted() != "one" {
			t.Errorf("before the second approval it did %s", s.acted())
		}
		value, err := s.env.QueryWorkflow(workflows.ViewQuery)
		var view workflows.View
		if err != nil || value.Get(&view) != nil || view.State != plan.ExecutionAwaitingApproval || view.Steps[1].Gate == nil || view.Steps[1].Gate.Digest == "" {
			t.Errorf("the view is %+v: %v", view, err)
		}
	}, 4*time.Minute)
	s.send(5*time.Minute, by(plan.CommandApprove, "gate", "bob"), "")
	state, _ := s.run()
	expectState(t, state, plan.ExecutionCompleted)
	if s.acted() != "one, two" {
		t.Errorf("did %s", s.acted())
	}
}

func TestRunbookRejected(t *testing.T) {
	s := newStage(t, head+step("one", "")+strings.Replace(gate, "title: Gate", "title: Gate, onFailure: undo", 1)+step("two", ""))
	s.send(time.Minute, by(plan.CommandApprove, "gate", "ann"), "")
	s.send(2*time.Minute, by(plan.CommandReject, "gate", "bob"), "")
	state, steps := s.run()
	expectState(t, state, plan.ExecutionFailed)
	if s.acted() != "one, undo one" || steps["one"] != plan.StepUndone || steps["two"] != plan.StepNotStarted {
		t.Errorf("did %s, steps %v", s.acted(), steps)
	}
}

func TestRunbookFailedStepWaitsForACommand(t *testing.T) {
	for name, tc := range map[string]struct {
		command plan.Command
		state   plan.ExecutionState
		did     string
	}{
		"retry":  {by(plan.CommandRetry, "two", "carol"), plan.ExecutionCompleted, "one, two, three"},
		"skip":   {by(plan.CommandSkip, "two", "carol"), plan.ExecutionCompletedWithExceptions, "one, three"},
		"undo":   {by(plan.CommandUndo, "", "carol"), plan.ExecutionCanceled, "one, undo two, undo one"},
		"cancel": {by(plan.CommandCancel, "", "carol"), plan.ExecutionCanceled, "one, undo two, undo one"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStage(t, head+step("one", "")+step("two", "")+step("three", ""))
			s.fail["two"] = 1
			s.send(time.Hour, by(plan.CommandRetry, "one", "carol"), "wrongState")
			s.send(2*time.Hour, tc.command, "")
			state, _ := s.run()
			expectState(t, state, tc.state)
			if s.acted() != tc.did {
				t.Errorf("did %s, want %s", s.acted(), tc.did)
			}
			if len(s.alerts) < 2 || s.alerts[0] != "step.failed" {
				t.Errorf("people were told %v", s.alerts)
			}
		})
	}
}

func TestRunbookPauseAndContinue(t *testing.T) {
	s := newStage(t, head+"  - {id: nap, type: wait, title: Nap, with: {duration: 1h}}\n"+step("one", ""))
	s.send(time.Minute, by(plan.CommandPause, "", "carol"), "")
	s.send(2*time.Minute, by(plan.CommandPause, "", "carol"), "wrongState")
	s.env.RegisterDelayedCallback(func() {
		if s.acted() != "" {
			t.Errorf("while paused it did %s", s.acted())
		}
	}, 3*time.Hour)
	s.send(4*time.Hour, by(plan.CommandResume, "", "carol"), "")
	state, _ := s.run()
	expectState(t, state, plan.ExecutionCompleted)
	if s.acted() != "one" {
		t.Errorf("did %s", s.acted())
	}
}

func TestRunbookUnsignedSignalMayOnlyPause(t *testing.T) {
	s := newStage(t, head+"  - {id: nap, type: wait, title: Nap, with: {duration: 1h}}\n"+step("one", ""))
	s.env.RegisterDelayedCallback(func() { s.env.SignalWorkflow(workflows.PauseSignal, nil) }, time.Minute)
	s.env.RegisterDelayedCallback(func() { s.env.SignalWorkflow("resume", nil) }, 2*time.Hour)
	s.env.RegisterDelayedCallback(func() {
		if s.acted() != "" {
			t.Errorf("while paused it did %s", s.acted())
		}
	}, 3*time.Hour)
	s.send(4*time.Hour, by(plan.CommandResume, "", "carol"), "")
	state, _ := s.run()
	expectState(t, state, plan.ExecutionCompleted)
}

func TestRunbookPastThePointOfNoReturn(t *testing.T) {
	irreversible := "  - {id: open, type: exec, title: Open, with: {program: p}, effect: irreversible}\n"
	s := newStage(t, head+step("one", "")+gate+irreversible+step("last", ""))
	s.fail["last"] = 1
	s.send(time.Minute, by(plan.CommandApprove, "gate", "ann"), "")
	s.send(time.Minute, by(plan.CommandApprove, "gate", "bob"), "")
	s.send(time.Hour, by(plan.CommandUndo, "", "carol"), "pointOfNoReturn")
	s.send(2*time.Hour, by(plan.CommandCancel, "", "carol"), "")
	state, steps := s.run()
	expectState(t, state, plan.ExecutionCanceled)
	if s.acted() != "one, open" || steps["one"] != plan.StepCompleted {
		t.Errorf("did %s, steps %v", s.acted(), steps)
	}
}

func TestRunbookSwitchedToUngraceful(t *testing.T) {
	s := newStage(t, head+
		"  - {id: drain, type: wait, title: Drain, when: {approach: graceful}, with: {duration: 10h}}\n"+
		"  - {id: choose, type: exec, title: Choose, effect: reversible, undo: {type: exec, with: {program: q}}, when: {approach: ungraceful}, with: {program: p}}\n"+step("one", ""))
	s.send(time.Minute, by(plan.CommandUngraceful, "", "carol"), "")
	s.send(time.Hour, by(plan.CommandUngraceful, "", "carol"), "ended")
	state, steps := s.run()
	expectState(t, state, plan.ExecutionCompleted)
	if s.acted() != "choose, one" || steps["drain"] != plan.StepNotApplicable {
		t.Errorf("did %s, steps %v", s.acted(), steps)
	}
}

func TestRunbookCanceledInTemporal(t *testing.T) {
	s := newStage(t, head+step("one", "")+gate+step("two", ""))
	s.env.RegisterDelayedCallback(s.env.CancelWorkflow, time.Hour)
	state, steps := s.run()
	expectState(t, state, plan.ExecutionCanceled)
	if s.acted() != "one, undo one" || steps["gate"] != plan.StepCanceled {
		t.Errorf("did %s, steps %v", s.acted(), steps)
	}
}

func TestRunbookUndoThatFailsKeepsOthersFromNothing(t *testing.T) {
	s := newStage(t, head+step("one", "")+step("two", "")+step("three", ", onFailure: undo"))
	s.fail["three"], s.fail["undo two"] = 1, 1
	state, steps := s.run()
	expectState(t, state, plan.ExecutionFailed)
	if s.acted() != "one, two, undo three, undo one" || steps["two"] != plan.StepUndoFailed || steps["one"] != plan.StepUndone {
		t.Errorf("did %s, steps %v", s.acted(), steps)
	}
}

func TestRunbookTimeOfTheStartIsOver(t *testing.T) {
	s := newStage(t, head+step("one", "")+gate)
	state, _ := s.run()
	expectState(t, state, plan.ExecutionTimedOut)
	if s.acted() != "one, undo one" {
		t.Errorf("did %s", s.acted())
	}
}

func TestRunbookPlanChangesNothing(t *testing.T) {
	s := newStage(t, head+step("one", "")+gate+step("two", ""))
	s.mode = plan.ModePlan
	state, _ := s.run()
	expectState(t, state, plan.ExecutionCompleted)
	if s.acted() != "" || len(s.alerts) > 0 {
		t.Errorf("a plan did %s and told people %v", s.acted(), s.alerts)
	}
	var intended []string
	for _, event := range s.journal {
		if event.Kind == execution.StepIntended {
			intended = append(intended, event.Step)
		}
	}
	var view workflows.View
	if value, err := s.env.QueryWorkflow(workflows.ViewQuery); err != nil || value.Get(&view) != nil || view.State != plan.ExecutionCompleted {
		t.Errorf("the plan that has ended says %+v: %v", view.State, err)
	}
	if strings.Join(intended, " ") != "one gate two" {
		t.Errorf("intended %v", intended)
	}
}

func TestRunbookNothingChangesWithoutAJournal(t *testing.T) {
	s := newStage(t, head+"  - {id: save, type: backup, title: Save, with: {component: database}}\n"+step("one", ""))
	s.refuse = true
	began := false
	s.env.RegisterWorkflowWithOptions(func(workflow.Context, workflows.BackupInput) (*workflows.BackupResult, error) {
		began = true
		return &workflows.BackupResult{}, nil
	}, workflowName(workflows.BackupName))
	s.env.RegisterDelayedCallback(func() {
		if s.acted() != "" || began {
			t.Errorf("without a journal it did %s, and began a backup: %t", s.acted(), began)
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		s.refuse = false
	}, time.Hour)
	state, _ := s.run()
	expectState(t, state, plan.ExecutionCompleted)
	if s.acted() != "save, one" || !began { // that somebody vouches for the backup counts, too
		t.Errorf("did %s, and began a backup: %t", s.acted(), began)
	}
}

func TestRunbookPagesLevelAfterLevel(t *testing.T) {
	text := head + "  - {id: call, type: page, title: Call, with: {policy: urgent, message: come}}\n" + step("one", "")
	for name, tc := range map[string]struct {
		after time.Duration
		state plan.ExecutionState
		pages int
	}{
		"somebody takes it":  {7 * time.Minute, plan.ExecutionCompleted, 2},
		"nobody takes it":    {0, plan.ExecutionTimedOut, 4},
		"taken at once":      {time.Minute, plan.ExecutionCompleted, 1},
		"taken in the night": {35 * time.Minute, plan.ExecutionTimedOut, 4},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStage(t, text)
			if tc.after > 0 && tc.state == plan.ExecutionCompleted {
				s.send(tc.after, by(plan.CommandAcknowledge, "call", "bob"), "")
			}
			state, _ := s.run()
			expectState(t, state, tc.state)
			pages := 0
			for _, kind := range s.alerts {
				if kind == "page" {
					pages++
				}
			}
			if pages != tc.pages {
				t.Errorf("%d pages, want %d: %v", pages, tc.pages, s.alerts)
			}
		})
	}
}

func TestRunbookUndoByHandIsConfirmed(t *testing.T) {
	byHand := "  - {id: one, type: exec, title: One, with: {program: p}, effect: reversible, undo: {type: manual, timeout: 8h, with: {roles: [operator], instructions: put it back}}}\n"
	for confirmed, want := range map[bool]plan.StepState{true: plan.StepUndone, false: plan.StepUndoFailed} {
		s := newStage(t, strings.Replace(head, "steps:", "  operator: {title: Operator}\nsteps:", 1)+byHand+step("two", ", onFailure: undo"))
		s.fail["two"] = 1
		if confirmed {
			s.send(time.Hour, by(plan.CommandConfirm, "one", "dan"), "")
		}
		state, steps := s.run()
		expectState(t, state, plan.ExecutionFailed)
		if steps["one"] != want {
			t.Errorf("confirmed: %t: the step is %s, want %s", confirmed, steps["one"], want)
		}
	}
}

func TestRunbookHealsItsJournalOnce(t *testing.T) {
	for name, missed := range map[string][]string{"whole": nil, "a vault was away": {"west"}} {
		t.Run(name, func(t *testing.T) {
			s := newStage(t, head+step("one", "")+step("two", ""))
			s.missed = missed
			state, _ := s.run()
			expectState(t, state, plan.ExecutionCompleted)
			if want := len(missed); s.healed != want {
				t.Errorf("healed %d times, want %d", s.healed, want)
			}
		})
	}
}
