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
func (e *engine) tellGate(ctx workflow.Context, step *runbooks.Step, again string) {
	gate := e.state.Step(step.ID).Gate
	e.tell(ctx, message{
		step: step.ID, kind: "gate.open", again: again, severity: "warning", title: "Waiting for people: " + step.Title,
		text:   "look at it and decide: lifeboat approve " + e.id + " " + step.ID,
		fields: map[string]string{"required": strconv.Itoa(gate.Requires), "digest": gate.Digest}, carded: e.carded,
	})
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
	e.tell(ctx, message{step: step.ID, kind: "step.failed", severity: "critical", title: "Step failed: " + step.Title, text: text, fields: fields})
}

func (e *engine) tellEnd(ctx workflow.Context, outcome plan.ExecutionState) {
	severity := "info"
	if outcome != plan.ExecutionCompleted {
		severity = "warning"
	}
	e.tell(ctx, message{
		kind: "execution.ended", severity: severity, title: e.runbook.Title + ": " + string(outcome), text: "lifeboat show " + e.id,
		fields: map[string]string{"state": string(outcome)},
	})
}

// message is what people are told of a step, or of the whole execution.
type message struct {
	step, kind string
	// again tells messages apart that the same attempt of a step sends: receivers drop what they have had.
	again                 string
	severity, title, text string
	fields                map[string]string
	// carded says that Slack shows a card for it.
	carded bool
	// call is who is called besides; nil for nobody.
	call *activities.Call
}

// tell sends a message without holding anything up.
func (e *engine) tell(ctx workflow.Context, m message) {
	b := e.admitted.Brief
	if b.Mode == plan.ModePlan {
		return // a plan changes nothing, not even somebody's night
	}
	if b.Mode == plan.ModeDrill {
		m.title = "DRILL · " + m.title
		if m.severity == "critical" {
			m.severity = "warning"
		}
	}
	id := e.id + "/" + m.kind + "/" + m.step + "/" + strconv.Itoa(e.state.Step(m.step).Attempt)
	if m.again != "" {
		id += "/" + m.again
	}
	a := activities.Alert{
		ID: id, Kind: m.kind, Severity: m.severity, Component: b.Target, Site: e.admitted.Site,
		Title: m.title, Text: m.text, Fields: merge(m.fields, map[string]string{"mode": string(b.Mode), "runbook": e.runbook.Name}), Carded: m.carded, Call: m.call,
	}
	e.telling++
	ctx, done := workflow.NewDisconnectedContext(ctx) // a step that is stopped does not take its message back
	if m.call != nil {
		e.ringing[m.step] = append(e.ringing[m.step], done)
	}
	workflow.Go(ctx, func(ctx workflow.Context) {
		defer done()
		alert(ctx, a)
		e.telling--
		if m.call != nil {
			e.rung[m.step]++
		}
	})
}

func merge(a, b map[string]string) map[string]string {
	for _, key := range workflow.DeterministicKeys(b) {
		a[key] = b[key]
	}
	return a
}
