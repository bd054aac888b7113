package workflows

import (
	"time"

	"go.temporal.io/sdk/workflow"

	"github.com/lifeboat-dr/lifeboat/activities"
	"github.com/lifeboat-dr/lifeboat/internal/execution"
	"github.com/lifeboat-dr/lifeboat/internal/plan"
	"github.com/lifeboat-dr/lifeboat/runbooks"
)

// The types of steps that the engine does itself.
const (
	typeApproval = "approval"
	typeManual   = "manual"
	typeWait     = "wait"
	typePage     = "page"
)

// gate waits for people: for their decisions at an approval, or for the confirmation of a task.
func (e *engine) gate(ctx workflow.Context, step *runbooks.Step, with map[string]any) execution.Event {
	if e.admitted.Brief.Mode == plan.ModePlan {
		// A plan asks nobody; it says whom a live run would ask.
		return execution.Event{Kind: execution.StepIntended, With: with, Outputs: plannedOutputs(step)}
	}
	fresh := e.state.Step(step.ID).State != plan.StepAwaitingApproval
	if fresh {
		if err := e.openGate(ctx, step, with); err != nil {
			return ended(err)
		}
	}
	stop := e.escalate(ctx, step, fresh)
	defer stop()
	return e.attend(ctx, step, textValue(with["onTimeout"]))
}

// openGate puts into words what people decide about, and asks them.
func (e *engine) openGate(ctx workflow.Context, step *runbooks.Step, with map[string]any) error {
	now := workflow.Now(ctx).UTC()
	gate := &execution.Gate{
		Round: e.state.Step(step.ID).Attempt, Requires: max(1, wholeNumber(with["requires"])), Roles: textList(with["roles"]),
		ExcludeRequester: step.Type == typeApproval && with["excludeRequester"] != false, Confirm: step.Type == typeManual, Opened: now,
	}
	if expires := e.durationOf(with["expires"]); expires > 0 {
		gate.Deadline = now.Add(expires)
	}
	b := e.admitted.Brief
	facts := plan.Facts{
		Format: 1, Execution: e.id, Gate: step.ID, Round: gate.Round, Brief: e.admitted.BriefDigest, Mode: b.Mode, Target: b.Target, Epoch: e.epoch(),
		Summary: textValue(with["message"]) + textValue(with["instructions"]), Requires: gate.Requires, Roles: gate.Roles, Opened: now, Deadline: gate.Deadline,
		ExcludeRequester: gate.ExcludeRequester,
	}
	facts.Shows, _ = with["shows"].(map[string]any)
	scope := e.scope()
	for _, id := range e.runbook.Behind(step.ID) {
		behind := e.runbook.Step(id)
		shown := plan.FactStep{ID: id, Type: behind.Type, Effect: string(behind.Effect), Summary: behind.Summary}
		if known, err := runbooks.Resolve(behind.With, scope); err == nil {
			shown.With = known
		} else {
			shown.With = behind.With // the references say where the rest will come from
		}
		facts.Steps = append(facts.Steps, shown)
	}
	var receipts []plan.Receipt
	for _, other := range e.runbook.Closure(step.ID) {
		if at := e.state.Step(other); at.Receipt != nil {
			receipts = append(receipts, *at.Receipt)
		}
	}
	var prepared activities.GatePrepared
	var executions *activities.Executions
	in := activities.GateInput{Guard: e.guard(step.ID), Facts: facts, Receipts: receipts}
	var err error
	if workflow.GetVersion(ctx, "2026-11-25-gate-here", workflow.DefaultVersion, 1) == workflow.DefaultVersion {
		err = workflow.ExecuteActivity(lookup.on(ctx, "", summaryOf(step, false)), executions.PrepareGate, in).Get(ctx, &prepared)
	} else {
		err = workflow.ExecuteLocalActivity(judgement.here(ctx, summaryOf(step, false)), executions.PrepareGate, in).Get(ctx, &prepared)
	}
	if err != nil {
		return err
	}
	gate.Facts, gate.Digest = prepared.Facts, prepared.Digest
	e.apply(ctx, execution.Event{Kind: execution.GateOpened, Step: step.ID, Gate: gate})
	e.tellGate(ctx, step, "")
	return nil
}

// attend waits until the gate is decided.
func (e *engine) attend(ctx workflow.Context, step *runbooks.Step, onTimeout string) execution.Event {
	for {
		gate := e.state.Step(step.ID).Gate
		decided := func() bool {
			approved, rejected := gate.Verdict()
			return approved || rejected || e.draining
		}
		var err error
		inTime := true
		if gate.Deadline.IsZero() || onTimeout == runbooks.TimeoutHold && workflow.Now(ctx).After(gate.Deadline) {
			err = workflow.Await(ctx, decided)
		} else {
			left := max(gate.Deadline.Sub(workflow.Now(ctx)), time.Millisecond)
			inTime, err = workflow.AwaitWithOptions(ctx, workflow.AwaitOptions{Timeout: left, TimerOptions: workflow.TimerOptions{Summary: step.ID + ": deadline"}}, decided)
		}
		if err != nil {
			return ended(err)
		}
		gate = e.state.Step(step.ID).Gate
		approved, rejected := gate.Verdict()
		switch {
		case rejected:
			last := gate.Decisions[len(gate.Decisions)-1]
			return failed("Rejected", last.Person+" rejected: "+last.Reason, "undo or cancel the execution; retry opens the gate again, with decisions of its own")
		case approved:
			return execution.Event{Kind: execution.StepCompleted, Outputs: gateOutputs(gate, workflow.Now(ctx))}
		case e.draining:
			return execution.Event{}
		case inTime:
			continue
		}
		e.apply(ctx, execution.Event{Kind: execution.GateExpired, Step: step.ID})
		switch {
		case onTimeout == runbooks.TimeoutDeny:
			return failed("GateExpired", "nobody decided in time", "retry opens the gate again; undo takes back what was done")
		case onTimeout == runbooks.TimeoutProceed && e.admitted.Brief.Mode == plan.ModeDrill:
			return execution.Event{Kind: execution.StepCompleted, Cause: "the gate's time was over, and this is a drill", Outputs: gateOutputs(gate, workflow.Now(ctx))}
		}
		e.tellGate(ctx, step, "expired")
	}
}

func gateOutputs(gate *execution.Gate, now time.Time) map[string]any {
	waited := now.Sub(gate.Opened).Round(time.Second).String()
	if !gate.Confirm {
		return map[string]any{"approvals": float64(len(gate.Decisions)), "waited": waited}
	}
	out := map[string]any{"waited": waited}
	for _, d := range gate.Decisions {
		out["by"], out["at"], out["note"] = d.Person, d.Time.UTC().Format(time.RFC3339), d.Reason
	}
	return out
}

// plannedOutputs are the outputs of a gate that nobody was asked at.
func plannedOutputs(step *runbooks.Step) map[string]any {
	if step.Type == typeApproval {
		return map[string]any{"approvals": 0.0, "waited": "0s"}
	}
	return map[string]any{"by": "nobody", "at": "1970-01-01T00:00:00Z", "note": "not asked in a plan", "waited": "0s"}
}

// confirmation is a person's word that something was done by hand.
type confirmation struct {
	plan.Command
	signed plan.SignedCommand
}

// confirmUndo asks a person to undo a step by hand, and waits for the word.
func (e *engine) confirmUndo(ctx workflow.Context, step *runbooks.Step, with map[string]any) execution.Event {
	e.tell(ctx, message{
		step: step.ID, kind: "undo.manual", severity: "critical", title: "A person has to undo: " + step.Title,
		text: "do what the undo of the step says, then: lifeboat confirm " + e.id + " " + step.ID, fields: map[string]string{"step": step.ID},
	})
	inTime, err := workflow.AwaitWithTimeout(ctx, step.Undo.Timeout, func() bool { return e.confirmed[step.ID].ID != "" })
	if err != nil || !inTime {
		return failed("NotConfirmed", "nobody confirmed in time that it was undone by hand: "+textValue(with["instructions"]), "do it, and note it in the report")
	}
	c := e.confirmed[step.ID]
	return execution.Event{Kind: execution.StepCompleted, Person: c.Person, Reason: c.Reason, Command: &c.signed}
}

func textValue(v any) string { s, _ := v.(string); return s }

func wholeNumber(v any) int { n, _ := v.(float64); return int(n) }

func textList(v any) (list []string) {
	values, _ := v.([]any)
	for _, value := range values {
		if s, ok := value.(string); ok {
			list = append(list, s)
		}
	}
	return list
}

func (e *engine) durationOf(v any) time.Duration {
	d, _ := plan.ParseDuration(textValue(v))
	return d
}
