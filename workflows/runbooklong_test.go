package workflows_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/workflow"

	"github.com/lifeboat-dr/lifeboat/activities"
	"github.com/lifeboat-dr/lifeboat/internal/plan"
	"github.com/lifeboat-dr/lifeboat/workflows"
)

// after gives the stage on which an execution goes on: the same journal and the same deeds.
func (s *stage) after(t *testing.T, text string) *stage {
	t.Helper()
	next := newStage(t, text)
	next.mode, next.journal, next.did, next.seen = s.mode, s.journal, s.did, s.seen
	next.env.SetStartTime(s.env.Now())
	return next
}

// TestRunbookContinuesAsNew: when the history has grown long, a new run goes on where the old one stood:
// before a step, and while a gate waits that one person has approved at already.
func TestRunbookContinuesAsNew(t *testing.T) {
	text := head + step("one", "") + gate + step("two", "")
	first := newStage(t, text)
	first.send(time.Minute, by(plan.CommandApprove, "gate", "ann"), "")
	first.env.RegisterDelayedCallback(func() { first.env.SetContinueAsNewSuggested(true) }, 2*time.Minute)
	first.send(3*time.Minute, by(plan.CommandPause, "", "carol"), "") // something that wakes it
	first.env.SetStartWorkflowOptions(startOptions(testExecution))
	first.env.ExecuteWorkflow(workflows.Runbook, workflows.RunbookInput{Docket: "docket"})
	var again *workflow.ContinueAsNewError
	if err := first.env.GetWorkflowError(); !errors.As(err, &again) {
		t.Fatalf("the first run ended with %v", err)
	}
	var in workflows.RunbookInput
	if err := converter.GetDefaultDataConverter().FromPayloads(again.Input, &in); err != nil {
		t.Fatal(err)
	}
	second := first.after(t, text)
	second.send(time.Minute, by(plan.CommandResume, "", "carol"), "")
	second.send(2*time.Minute, by(plan.CommandApprove, "gate", "ann"), "wrongState")
	second.send(3*time.Minute, by(plan.CommandApprove, "gate", "bob"), "")
	state, _ := second.runWith(in)
	expectState(t, state, plan.ExecutionCompleted)
	if second.acted() != "one, two" {
		t.Errorf("did %s", second.acted())
	}
}

// TestRunbookGoesOnFromItsJournal ends the world after each entry of the journal in turn, and goes on from
// what the vault holds on another Temporal: the outcome is the same, and a step that the journal calls
// completed is not done again.
func TestRunbookGoesOnFromItsJournal(t *testing.T) {
	text := head + step("one", "") + gate + step("two", "") + step("three", "")
	whole := newStage(t, text)
	whole.send(time.Minute, by(plan.CommandApprove, "gate", "ann"), "")
	whole.send(2*time.Minute, by(plan.CommandApprove, "gate", "bob"), "")
	whole.run()
	for n := 1; n < len(whole.journal); n++ {
		t.Run(fmt.Sprintf("after entry %d, %s %s", n, whole.journal[n-1].Kind, whole.journal[n-1].Step), func(t *testing.T) {
			s := newStage(t, text)
			s.journal = append(s.journal, whole.journal[:n]...)
			s.events = s.journal
			s.seen = 10
			waiting := ""
			voted := false
			for _, event := range s.journal {
				if event.Decision != nil {
					voted = true
				}
				if event.Step == "gate" {
					waiting = string(event.Kind)
				}
			}
			if waiting != "stepCompleted" {
				if !voted {
					s.send(time.Minute, by(plan.CommandApprove, "gate", "ann"), "")
				}
				s.send(2*time.Minute, by(plan.CommandApprove, "gate", "bob"), "")
			}
			state, _ := s.runWith(workflows.RunbookInput{Docket: "docket", Journal: activities.JournalHead{Seq: int64(n), Hash: "h"}})
			expectState(t, state, plan.ExecutionCompleted)
			for _, id := range []string{"one", "two", "three"} {
				done := false
				for _, event := range whole.journal[:n] {
					done = done || event.Step == id && event.Kind == "stepCompleted"
				}
				if again := strings.Contains(s.acted(), id); again == done {
					t.Errorf("step %s was completed before: %t; it acted: %t (%s)", id, done, again, s.acted())
				}
			}
		})
	}
}

func TestRunbookOfFiveHundredSteps(t *testing.T) {
	var text strings.Builder
	text.WriteString(head)
	for i := range 500 {
		text.WriteString(step(fmt.Sprintf("s%d", i), ""))
	}
	s := newStage(t, text.String())
	state, steps := s.run()
	expectState(t, state, plan.ExecutionCompleted)
	if len(steps) != 500 || len(s.did) != 500 {
		t.Errorf("%d steps, %d done", len(steps), len(s.did))
	}
}

func TestRunbookHoldsItsTarget(t *testing.T) {
	s := newStage(t, head+step("one", ""))
	s.mode = plan.ModeLive
	state, _ := s.run()
	expectState(t, state, plan.ExecutionCompleted)
}
