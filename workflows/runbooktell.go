package workflows

import (
	"go.temporal.io/sdk/workflow"
	"strconv"

	"github.com/lifeboat-dr/lifeboat/activities"
	"github.com/lifeboat-dr/lifeboat/internal/execution"
	"github.com/lifeboat-dr/lifeboat/internal/plan"
	"github.com/lifeboat-dr/lifeboat/runbooks"
)

// tellGate asks people to decide. They are told what is asked and where; they see the facts where they
// decide.
func (e *engine) tellGate(ctx workflow.Context, step *runbooks.Step) {
	gate := e.state.Step(step.ID).Gate
	e.tell(ctx, step.ID, "gate.open", "warning", "Waiting for people: "+step.Title,
		"look at it and decide: lifeboat approve "+e.id+" "+step.ID, map[string]string{"required": strconv.Itoa(gate.Requires), "digest": gate.Digest})
}

// tellFailed tells the commander that the execution waits.
func (e *engine) tellFailed(ctx workflow.Context, step *runbooks.Step, failure *execution.Failure) {
	text := "the execution waits: lifeboat retry, skip, undo or cancel " + e.id
	if e.state.Verdict != "" {
		text = "undoing it failed: do by hand what the step's undo says"
	}
	fields := map[string]string{"step": step.ID}
	if failure != nil {
		fields["error_type"] = failure.Type
	}
	e.tell(ctx, step.ID, "step.failed", "critical", "Step failed: "+step.Title, text, fields)
}

func (e *engine) tellEnd(ctx workflow.Context, outcome plan.ExecutionState) {
	severity := "info"
	if outcome != plan.ExecutionCompleted {
		severity = "warning"
	}
	e.tell(ctx, "", "execution.ended", severity, e.runbook.Title+": "+string(outcome), "lifeboat show "+e.id, map[string]string{"state": string(outcome)})
}

// tell sends a message without holding anything up.
func (e *engine) tell(ctx workflow.Context, step, kind, severity, title, text string, fields map[string]string) {
	b := e.admitted.Brief
	if b.Mode == plan.ModePlan {
		return // a plan changes nothing, not even somebody's night
	}
	if b.Mode == plan.ModeDrill {
		title = "DRILL · " + title
		if severity == "critical" {
			severity = "warning"
		}
	}
	at := e.state.Step(step)
	a := activities.Alert{
		ID: e.id + "/" + kind + "/" + step + "/" + strconv.Itoa(at.Attempt), Kind: kind, Severity: severity, Component: b.Target, Site: e.admitted.Site,
		Title: title, Text: text, Fields: merge(fields, map[string]string{"mode": string(b.Mode), "runbook": e.runbook.Name}),
	}
	e.telling++
	ctx, done := workflow.NewDisconnectedContext(ctx) // a step that is stopped does not take its message back
	workflow.Go(ctx, func(ctx workflow.Context) {
		defer done()
		alert(ctx, a)
		e.telling--
	})
}

func merge(a, b map[string]string) map[string]string {
	for _, key := range workflow.DeterministicKeys(b) {
		a[key] = b[key]
	}
	return a
}
