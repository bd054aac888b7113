package attack

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"testing"
	"time"

	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/temporal"

	"github.com/lifeboat-dr/lifeboat/activities"
	"github.com/lifeboat-dr/lifeboat/internal/plan"
	"github.com/lifeboat-dr/lifeboat/workflows"
)

// history reads an execution as an attacker can: everything is there, and every payload is sealed.
func (w *world) history(id, run string) (events []*historypb.HistoryEvent) {
	w.t.Helper()
	list := w.attacker.GetWorkflowHistory(w.t.Context(), id, run, false, enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	for list.HasNext() {
		event, err := list.Next()
		w.must(err)
		events = append(events, event)
	}
	return events
}

// scheduled is the sealed input that an activity got in an execution.
func (w *world) scheduled(id, activity string) *commonpb.Payload {
	w.t.Helper()
	for _, event := range w.history(id, "") {
		if a := event.GetActivityTaskScheduledEventAttributes(); a.GetActivityType().GetName() == activity {
			payload := a.GetInput().GetPayloads()[0]
			if strings.Contains(string(payload.GetData()), "docket") {
				w.t.Errorf("the input of %s lies in the history in the clear", activity)
			}
			return payload
		}
	}
	w.t.Fatalf("%s did not run %s", id, activity)
	return nil
}

// approved runs the runbook to its end, with bob's consent.
func (w *world) approved() (id string, run client.WorkflowRun) {
	w.t.Helper()
	id, run = w.begin()
	gate := w.gate(id)
	if heard, err := w.tell(w.fleet, id, w.signed(id, "bob", plan.CommandApprove, "gate", gate.Digest)); err != nil || !heard.Accepted {
		w.t.Fatalf("bob's approval: %+v, %v", heard, err)
	}
	w.must(run.Get(w.t.Context(), nil))
	if n := w.ran(); n != 1 {
		w.t.Fatalf("the program ran %d times", n)
	}
	return id, run
}

// TestAResetDoesNothingTwice: whoever owns the namespace resets an execution that has ended, to its beginning and
// to the moment before the gate was decided, and gives it bob's sealed decision again. The journal in the vaults
// knows better: the new run ends, and nothing is done again.
func TestAResetDoesNothingTwice(t *testing.T) {
	w := newWorld(t)
	id, run := w.approved()
	var first, beforeGate int64
	var decision *commonpb.Payload
	for _, event := range w.history(id, run.GetRunID()) {
		switch event.GetEventType() {
		case enumspb.EVENT_TYPE_WORKFLOW_TASK_COMPLETED:
			if first == 0 {
				first = event.GetEventId()
			}
			if decision == nil {
				beforeGate = event.GetEventId()
			}
		case enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_UPDATE_ACCEPTED:
			if decision == nil {
				decision = event.GetWorkflowExecutionUpdateAcceptedEventAttributes().GetAcceptedRequest().GetInput().GetArgs().GetPayloads()[0]
			}
		}
	}
	if first == 0 || decision == nil {
		t.Fatal("the history holds no decision")
	}
	for name, at := range map[string]int64{"to its beginning": first, "to before the gate": beforeGate} {
		t.Run(name, func(t *testing.T) {
			reset, err := w.attacker.ResetWorkflowExecution(t.Context(), &workflowservice.ResetWorkflowExecutionRequest{
				Namespace: "lifeboat", WorkflowExecution: &commonpb.WorkflowExecution{WorkflowId: id, RunId: run.GetRunID()}, Reason: "an attack", RequestId: name,
				WorkflowTaskFinishEventId: at,
			})
			w.must(err)
			// Where the server has not brought the decision along, the attacker does.
			_ = w.attacker.SignalWorkflow(t.Context(), id, reset.GetRunId(), workflows.CommandSignal, converter.NewRawValue(decision))
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			err = w.fleet.GetWorkflow(ctx, id, reset.GetRunId()).Get(ctx, nil)
			var failed *temporal.ApplicationError
			if !errors.As(err, &failed) || failed.Type() != activities.TypeForked {
				t.Errorf("the run that was reset ended with %v", err)
				for _, e := range w.history(id, reset.GetRunId()) {
					t.Log(e.GetEventId(), e.GetEventType(), e.GetActivityTaskScheduledEventAttributes().GetActivityType().GetName(), e.GetActivityTaskFailedEventAttributes().GetFailure())
				}
			}
			if n := w.ran(); n != 1 {
				t.Errorf("the program ran %d times", n)
			}
		})
	}
}

// TestHandMadeSignalsOnlyPause: signals and updates that nobody signed, or that somebody signed for something
// else, do nothing; the plain signal keeps new steps from beginning. Going on takes a signature.
func TestHandMadeSignalsOnlyPause(t *testing.T) {
	w := newWorld(t)
	id, run := w.begin()
	gate := w.gate(id)
	forged := w.signed(id, "bob", plan.CommandApprove, "gate", gate.Digest)
	forged.Signed = strings.Replace(forged.Signed, `"bob"`, `"carol"`, 1)
	made := []any{
		"approve", map[string]any{"signed": "approve", "signature": "me"}, plan.SignedCommand{Signed: `{"kind":"approve"}`}, forged,
		w.signed(id, "alice", plan.CommandApprove, "gate", gate.Digest), w.signed(id, "erin", plan.CommandApprove, "gate", gate.Digest),
		w.signed(id, "bob", plan.CommandApprove, "gate", strings.Repeat("0", 64)), w.signed("scale/database/20261125T040000Z", "bob", plan.CommandApprove, "gate", gate.Digest),
		w.signed(id, "carol", plan.CommandCancel, "", w.brief(id)), []int{1}, nil,
	}
	for _, command := range made {
		w.must(w.attacker.SignalWorkflow(t.Context(), id, "", workflows.CommandSignal, command))
		_, _ = w.tell(w.attacker, id, command)
	}
	w.must(w.attacker.SignalWorkflow(t.Context(), id, "", "approve", true))
	w.must(w.attacker.SignalWorkflow(t.Context(), id, "", workflows.PauseSignal, nil))
	v := w.await(id, "the pause", func(v workflows.View) bool { return v.State == plan.ExecutionPausedByOperator })
	if v.Steps[0].State != plan.StepAwaitingApproval || len(v.Steps[0].Gate.Decisions) > 0 || w.ran() > 0 {
		t.Errorf("the execution is %+v, the program ran %d times", v.Steps[0], w.ran())
	}
	// People go on as if nothing had happened.
	if heard, err := w.tell(w.fleet, id, w.signed(id, "alice", plan.CommandResume, "", w.brief(id))); err != nil || !heard.Accepted {
		t.Errorf("alice resumes: %+v, %v", heard, err)
	}
	if heard, err := w.tell(w.fleet, id, w.signed(id, "bob", plan.CommandApprove, "gate", gate.Digest)); err != nil || !heard.Accepted {
		t.Errorf("bob approves: %+v, %v", heard, err)
	}
	w.must(run.Get(t.Context(), nil))
	if w.ran() != 1 {
		t.Errorf("the program ran %d times", w.ran())
	}
}

func (w *world) brief(id string) string {
	w.t.Helper()
	return w.await(id, "an answer", func(workflows.View) bool { return true }).Brief
}

// TestActivitiesByHand: whoever owns the namespace starts every activity that changes something, without a
// workflow, with inputs of their own making and with the sealed ones of an execution that people approved.
func TestActivitiesByHand(t *testing.T) {
	w := newWorld(t)
	id, _ := w.approved()
	guard := plan.Guard{Execution: "backup/database/x", Step: "copy", Target: "database", Mode: plan.ModeStanding, Order: strings.Repeat("0", 64)}
	for _, name := range changing(t) {
		if told[name] {
			continue
		}
		for what, input := range map[string]any{
			"nothing": map[string]any{}, "nobody's order": map[string]any{"guard": guard, "Guard": guard, "component": "database", "backup": "20261123T020000Z-k3v7qa"},
			"text": "please", "a list": []string{"x"},
		} {
			if err := w.byHand(name, input); err == nil {
				t.Errorf("%s did it, with %s as its input", name, what)
			}
		}
	}
	for _, name := range []string{"RunProgram", "AppendJournal"} {
		err := w.byHand(name, converter.NewRawValue(w.scheduled(id, name)))
		if err == nil || w.ran() != 1 {
			t.Errorf("%s did it again with a sealed input of %s: %v, the program ran %d times", name, id, err, w.ran())
		}
	}
	for _, vault := range []string{"east", "west"} {
		if files := w.objects(vault, "v1/database"); len(files) > 0 {
			t.Errorf("vault %s holds %v", vault, files)
		}
	}
}

// byHand starts an activity that belongs to no workflow, and waits for its end.
func (w *world) byHand(name string, input any) error {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), patience)
	defer cancel()
	w.hands++
	handle, err := w.attacker.ExecuteActivity(ctx, client.StartActivityOptions{
		ID: name + "/" + strconv.Itoa(w.hands), TaskQueue: workflows.SiteQueue("home"), StartToCloseTimeout: 10 * time.Second, ScheduleToCloseTimeout: 20 * time.Second,
		RetryPolicy: &temporal.RetryPolicy{MaximumAttempts: 1},
	}, name, input)
	w.must(err)
	err = handle.Get(ctx, nil)
	var late *temporal.TimeoutError
	if errors.As(err, &late) {
		w.t.Errorf("%s was not refused, it timed out: %v", name, err)
	}
	return err
}
