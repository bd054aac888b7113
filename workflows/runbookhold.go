package workflows

import (
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/lifeboat-dr/lifeboat/activities"
	"github.com/lifeboat-dr/lifeboat/internal/plan"
)

// HoldName is the durable name of the workflow that holds a target.
const HoldName = "HoldTarget"

// releaseSignal ends a hold; it carries the id of the execution that held it.
const releaseSignal = "release"

// HoldID is the workflow id by which one live execution at a time acts on a target.
func HoldID(target string) string { return "live/" + target }

// HoldInput says who holds a target, and until when at most.
type HoldInput struct {
	Execution string    `json:"execution"`
	Until     time.Time `json:"until"`
}

// HoldTarget holds a target for one live execution, until that lets go or its time is over. It does
// nothing: its workflow id is the lock. It is no fence against another Temporal; the epoch is.
func HoldTarget(ctx workflow.Context, in HoldInput) error {
	workflow.SetCurrentDetails(ctx, "Held by the live execution `"+in.Execution+"` until it ends. If that was terminated, terminate this, too.")
	release := workflow.GetSignalChannel(ctx, releaseSignal)
	over := workflow.NewTimerWithOptions(ctx, max(in.Until.Sub(workflow.Now(ctx)), time.Second), workflow.TimerOptions{Summary: "The execution's time is over"})
	for {
		var who string
		ended := false
		workflow.NewSelector(ctx).
			AddReceive(release, func(c workflow.ReceiveChannel, _ bool) { c.Receive(ctx, &who) }).
			AddFuture(over, func(workflow.Future) { ended = true }).
			Select(ctx)
		if ended || who == in.Execution || ctx.Err() != nil {
			return nil
		}
	}
}

// hold takes the target of a live execution. Another one that is at work keeps this one from beginning.
func (e *engine) hold(ctx workflow.Context) error {
	if e.admitted.Brief.Mode != plan.ModeLive || e.in.Carried != nil {
		return nil
	}
	target := e.admitted.Brief.Target
	child := workflow.WithChildOptions(ctx, workflow.ChildWorkflowOptions{
		WorkflowID: HoldID(target), TaskQueue: Queue, StaticSummary: "Held by " + e.id,
		// It outlives this run, for the next one goes on with it.
		ParentClosePolicy:     enumspb.PARENT_CLOSE_POLICY_ABANDON,
		WorkflowIDReusePolicy: enumspb.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE,
	})
	err := workflow.ExecuteChildWorkflow(child, HoldName, HoldInput{Execution: e.id, Until: e.admitted.Brief.Until}).GetChildWorkflowExecution().Get(ctx, nil)
	if temporal.IsWorkflowExecutionAlreadyStartedError(err) {
		return activities.Busy(target, HoldID(target))
	}
	return err
}

// release lets go of the target. When that fails the hold ends with the execution's time.
func (e *engine) release(ctx workflow.Context) {
	if e.admitted.Brief.Mode != plan.ModeLive {
		return
	}
	if err := workflow.SignalExternalWorkflow(ctx, HoldID(e.admitted.Brief.Target), "", releaseSignal, e.id).Get(ctx, nil); err != nil {
		workflow.GetLogger(ctx).Warn("let go of target", "target", e.admitted.Brief.Target, "error", err)
	}
}

// continueAsNew goes on in a run with a short history. By now nothing runs, and everything is journaled.
func (e *engine) continueAsNew(ctx workflow.Context) error {
	if err := e.journaled(ctx); err != nil {
		return err
	}
	cards := e.leaveCards(ctx)
	if err := workflow.Await(ctx, func() bool {
		return e.unheard() == 0 && !e.judging.IsLocked() && workflow.AllHandlersFinished(ctx) && len(e.journal.pending) == 0
	}); err != nil {
		return err
	}
	return workflow.NewContinueAsNewError(ctx, RunbookName, RunbookInput{
		Docket: e.in.Docket, Journal: e.in.Journal, Carried: &Carried{Admitted: e.admitted, State: e.state, Head: e.journal.head, Holes: e.journal.holes, Cards: cards,
			Acknowledged: e.acknowledged, Called: e.called},
	})
}
