package workflows

import (
	"go.temporal.io/sdk/workflow"

	"github.com/lifeboat-dr/lifeboat/activities"
	"github.com/lifeboat-dr/lifeboat/internal/execution"
	"github.com/lifeboat-dr/lifeboat/internal/plan"
	"github.com/lifeboat-dr/lifeboat/runbooks"
)

// undo takes back what was done, the step that was begun last first. A step whose undo fails for good does
// not keep the others from theirs: people are told, and the execution ends with it in plain sight. After
// the point of no return nothing is undone.
func (e *engine) undo(ctx workflow.Context) {
	if e.state.Verdict == "" || e.broken != nil || e.admitted.Brief.Mode == plan.ModePlan {
		return
	}
	for _, id := range e.state.Undoable(e.runbook) {
		e.undoStep(ctx, e.runbook.Step(id))
		if e.broken != nil {
			return
		}
	}
}

func (e *engine) undoStep(ctx workflow.Context, step *runbooks.Step) {
	e.apply(ctx, execution.Event{Kind: execution.UndoStarted, Step: step.ID})
	if err := e.journaled(ctx); err != nil {
		return
	}
	outcome := e.performUndo(ctx, step)
	outcome.Step = step.ID
	e.apply(ctx, outcome)
	if outcome.Kind == execution.UndoFailed {
		e.tellFailed(ctx, step, outcome.Failure)
	}
}

func (e *engine) performUndo(ctx workflow.Context, step *runbooks.Step) execution.Event {
	failedUndo := func(f *execution.Failure) execution.Event {
		return execution.Event{Kind: execution.UndoFailed, Failure: f}
	}
	with, err := runbooks.Resolve(step.Undo.With, e.scope())
	if err != nil {
		return failedUndo(&execution.Failure{Type: activities.TypeInvalidInput, Message: err.Error(), Hint: "do by hand what the undo of this step says"})
	}
	kind := runbooks.TypeNamed(step.Undo.Type)
	if step.Undo.Type == typeManual {
		confirmed := e.confirmUndo(ctx, step, with)
		if confirmed.Kind != execution.StepCompleted {
			return failedUndo(confirmed.Failure)
		}
		return execution.Event{Kind: execution.UndoCompleted, Person: confirmed.Person, Reason: confirmed.Reason, Command: confirmed.Command, Used: e.confirmed[step.ID].ID}
	}
	if _, err := e.activity(ctx, step, kind, with, plan.WorkOrder{Undo: true}); err != nil {
		return failedUndo(ended(err).Failure)
	}
	return execution.Event{Kind: execution.UndoCompleted}
}
