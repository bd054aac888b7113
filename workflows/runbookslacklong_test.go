package workflows_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/workflow"

	"github.com/lifeboat-dr/lifeboat/activities"
	"github.com/lifeboat-dr/lifeboat/internal/execution"
	"github.com/lifeboat-dr/lifeboat/internal/plan"
	"github.com/lifeboat-dr/lifeboat/workflows"
)

// TestCardsAndCallsGoOnInTheNextRun: the open card is kept where it is, a call that was taken stays taken, and levels that
// were called are not called again.
func TestCardsAndCallsGoOnInTheNextRun(t *testing.T) {
	text := strings.Replace(head, "target: database", "target: database\nescalation: urgent", 1) + strings.Replace(gate, "requires: 2", "requires: 1", 1) + step("one", "")
	for name, taken := range map[string]bool{"nobody took the call": false, "somebody took it": true} {
		t.Run(name, func(t *testing.T) {
			first := withSlack(t, text)
			calls := first.calls()
			if taken {
				first.send(time.Minute, by(plan.CommandAcknowledge, "gate", "bob"), "")
			}
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
			if cards := in.Carried.Cards.All; len(cards) != 1 || cards[0].At.TS == "" || cards[0].State != activities.CardOpen {
				t.Fatalf("%+v", in.Carried.Cards)
			}

			second := withSlack(t, text)
			second.journal, second.did, second.seen = first.journal, first.did, first.seen
			second.env.SetStartTime(first.env.Now())
			later := second.calls()
			second.send(time.Minute, by(plan.CommandResume, "", "carol"), "")
			second.send(14*time.Minute, by(plan.CommandApprove, "gate", "bob"), "")
			state, _ := second.runWith(in)
			expectState(t, state, plan.ExecutionCompleted)
			for _, in := range second.shown {
				if in.At.TS == "" {
					t.Errorf("the card is posted again: %+v", in)
				}
			}
			if got := slices.Compact(second.states("gate")); got[len(got)-1] != activities.CardApproved {
				t.Errorf("%v", got)
			}
			before, after := []string{"trigger role:commander"}, []string{"trigger role:owner", "trigger role:commander", "resolve role:commander+role:owner"}
			if taken {
				before, after = append(before, "acknowledge role:commander"), []string{"acknowledge role:commander", "resolve role:commander"}
			}
			if !slices.Equal(*calls, before) || !slices.Equal(*later, after) {
				t.Errorf("called %v, then %v", *calls, *later)
			}
		})
	}
}

// TestCardsAfterALostTemporal: what goes on from its journal finds the card of a gate that is open.
func TestCardsAfterALostTemporal(t *testing.T) {
	text := head + strings.Replace(gate, "requires: 2", "requires: 1", 1) + step("one", "")
	whole := withSlack(t, text)
	whole.send(time.Minute, by(plan.CommandApprove, "gate", "bob"), "")
	whole.run()
	opened := slices.IndexFunc(whole.journal, func(e execution.Event) bool { return e.Gate != nil }) + 1
	s := withSlack(t, text)
	s.journal, s.events, s.seen = whole.journal[:opened:opened], whole.journal[:opened:opened], 10
	s.send(time.Minute, by(plan.CommandApprove, "gate", "bob"), "")
	state, _ := s.runWith(workflows.RunbookInput{Docket: "docket", Journal: activities.JournalHead{Seq: int64(opened), Hash: "h"}})
	expectState(t, state, plan.ExecutionCompleted)
	if first := s.shown[0]; !first.Look || first.State != activities.CardOpen {
		t.Errorf("%+v", first)
	}
}
