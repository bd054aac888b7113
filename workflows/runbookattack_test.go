package workflows_test

import (
	"errors"
	"testing"
	"time"

	"go.temporal.io/sdk/temporal"

	"github.com/lifeboat-dr/lifeboat/activities"
	"github.com/lifeboat-dr/lifeboat/internal/execution"
	"github.com/lifeboat-dr/lifeboat/internal/plan"
	"github.com/lifeboat-dr/lifeboat/workflows"
)

// TestRunbookDecisionAfterCancel: once an execution is given up nobody can approve what it waited for.
func TestRunbookDecisionAfterCancel(t *testing.T) {
	s := newStage(t, head+step("one", "")+gate+step("two", ""))
	s.send(time.Minute, by(plan.CommandCancel, "", "carol"), "")
	for _, who := range []string{"ann", "ben"} {
		s.say(time.Minute+time.Nanosecond, by(plan.CommandApprove, "gate", who), func(outcome workflows.CommandOutcome) { refusedAsLate(t, who, outcome) })
	}
	state, steps := s.run()
	if state != plan.ExecutionCanceled || steps["two"] == plan.StepCompleted || s.acted() != "one, undo one" {
		t.Errorf("ended as %s, %v after %s", state, steps, s.acted())
	}
}

// TestRunbookDecisionsAtOnce: decisions that come in the same moment, in whatever order, are judged one after the
// other: two people count, nobody counts twice, and whoever comes when the gate is decided is told so.
func TestRunbookDecisionsAtOnce(t *testing.T) {
	s := newStage(t, head+gate+step("two", ""))
	accepted := map[string]int{}
	for _, who := range []string{"ann", "ann", "ben", "cyd"} {
		s.say(time.Minute, by(plan.CommandApprove, "gate", who), func(outcome workflows.CommandOutcome) {
			if outcome.Accepted {
				accepted[who]++
				return
			}
			refusedAsLate(t, who, outcome)
		})
	}
	state, _ := s.run()
	expectState(t, state, plan.ExecutionCompleted)
	voices := 0
	for who, times := range accepted {
		if times > 1 {
			t.Errorf("%s counted %d times", who, times)
		}
		voices += times
	}
	if voices != 2 || s.acted() != "two" {
		t.Errorf("%d voices counted, did %s", voices, s.acted())
	}
}

// refusedAsLate says that whoever came last was told so: the gate is decided, or the execution has ended already.
func refusedAsLate(t *testing.T, who string, outcome workflows.CommandOutcome) {
	t.Helper()
	if outcome.Accepted || outcome.Cause != "wrongState" && outcome.Cause != "ended" {
		t.Errorf("%s was told %+v", who, outcome)
	}
}

// TestRunbookWhoseJournalIsForkedEnds: an execution that finds another one's entries in its journal ends at once,
// also while it waits for people, and undoes nothing: it may be the one that was reset.
func TestRunbookWhoseJournalIsForkedEnds(t *testing.T) {
	s := newStage(t, head+step("one", "")+gate+step("two", ""))
	s.env.RegisterDelayedCallback(func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.journal = append(s.journal, execution.Event{Kind: execution.StepCompleted, Step: "gate"}) // somebody else's
	}, time.Hour)
	s.send(2*time.Hour, by(plan.CommandApprove, "gate", "ann"), "")
	s.env.SetStartWorkflowOptions(startOptions(testExecution))
	began := s.env.Now()
	s.env.ExecuteWorkflow(workflows.Runbook, workflows.RunbookInput{Docket: "docket"})
	err := s.env.GetWorkflowError()
	var failed *temporal.ApplicationError
	if !errors.As(err, &failed) || failed.Type() != activities.TypeForked || s.acted() != "one" {
		t.Errorf("it ended with %v after %s", err, s.acted())
	}
	if took := s.env.Now().Sub(began); took > 3*time.Hour {
		t.Errorf("it went on waiting for %s", took)
	}
}
