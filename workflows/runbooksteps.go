package workflows

import (
	"errors"
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/lifeboat-dr/lifeboat/activities"
	"github.com/lifeboat-dr/lifeboat/internal/execution"
	"github.com/lifeboat-dr/lifeboat/internal/plan"
	"github.com/lifeboat-dr/lifeboat/runbooks"
)

// ending is why the way forward ended.
type ending int

const (
	settled ending = iota // nothing is left to do, or there is a verdict
	nextRun               // the history has grown long
)

// forward runs steps until nothing is left to do.
func (e *engine) forward(ctx workflow.Context) ending {
	for _, id := range e.state.Interrupted(e.runbook) {
		e.begin(ctx, id)
	}
	for {
		e.dirty = false
		if e.broken == nil && !e.draining {
			for _, id := range e.state.Ready(e.runbook) {
				e.begin(ctx, id)
			}
			e.draining = e.state.Verdict == "" && workflow.GetInfo(ctx).GetContinueAsNewSuggested()
		}
		if len(e.running) == 0 {
			switch {
			case e.broken != nil, e.state.Verdict != "", e.state.Done(e.runbook):
				return settled
			case e.draining:
				return nextRun
			}
		}
		// What changed while steps began is looked at before waiting.
		if err := workflow.Await(ctx, func() bool { return e.dirty }); err != nil {
			e.canceled(ctx)
			return settled
		}
	}
}

// canceled is Temporal's own cancellation: the same as the command, but nobody signed it.
func (e *engine) canceled(ctx workflow.Context) {
	ctx, done := workflow.NewDisconnectedContext(ctx)
	defer done()
	e.judge(ctx, execution.Event{Kind: execution.Judged, Verdict: execution.VerdictCancel, Cause: "the workflow was canceled in Temporal"})
	_ = workflow.Await(ctx, func() bool { return len(e.running) == 0 })
}

// scope is what references stand for now.
func (e *engine) scope() runbooks.Scope {
	b := e.admitted.Brief
	outputs := map[string]map[string]any{}
	for _, step := range e.runbook.Steps {
		if at := e.state.Step(step.ID); at.Outputs != nil {
			outputs[step.ID] = at.Outputs
		}
	}
	return runbooks.Scope{Inputs: b.Inputs, Outputs: outputs, Execution: runbooks.Execution{
		ID: e.id, Mode: b.Mode, Target: b.Target, Approach: e.state.Approach, Commander: e.state.Commander,
		Started: e.admitted.Started,
	}}
}

// begin starts a step in a coroutine of its own. A step that a run before had begun, and that only waits,
// goes on waiting.
func (e *engine) begin(ctx workflow.Context, id string) {
	step := e.runbook.Step(id)
	at := e.state.Step(id)
	waits := at.State == plan.StepAwaitingApproval || at.State == plan.StepRunning && step.Type == typeWait && e.in.Carried != nil
	if !waits {
		applies, err := runbooks.Applies(step.When, e.scope())
		if err == nil && !applies {
			e.apply(ctx, execution.Event{Kind: execution.StepNotApplicable, Step: id})
			return
		}
		if !e.apply(ctx, execution.Event{Kind: execution.StepStarted, Step: id}) {
			return
		}
	}
	ctx, stop := workflow.WithCancel(ctx)
	e.running[id] = stop
	workflow.Go(ctx, func(ctx workflow.Context) {
		defer stop()
		outcome := stopped(ctx, e.perform(ctx, step))
		if outcome.Kind != "" {
			outcome.Step = id
			e.finish(ctx, outcome)
		}
		delete(e.running, id)
		e.dirty = true
	})
}

// stopped makes of a failure that came of being stopped what it is: a call that was cut off says that it failed.
// Nobody is called for that, and it does not keep the others from going on.
func stopped(ctx workflow.Context, outcome execution.Event) execution.Event {
	if outcome.Kind != execution.StepFailed || ctx.Err() == nil || workflow.GetVersion(ctx, "2026-11-25-stopped-step", workflow.DefaultVersion, 1) == workflow.DefaultVersion {
		return outcome
	}
	return execution.Event{Kind: execution.StepCanceled, Failure: outcome.Failure}
}

// finish notes how a step ended, and what follows for the execution.
func (e *engine) finish(ctx workflow.Context, outcome execution.Event) {
	step := e.runbook.Step(outcome.Step)
	if outcome.Kind == execution.StepCanceled && e.state.Verdict == "" {
		// It was stopped because it does not belong to what the execution has become.
		outcome.Kind = execution.StepNotApplicable
	}
	e.apply(ctx, outcome)
	if outcome.Kind != execution.StepFailed {
		return
	}
	onFailure := step.OnFailure
	if outcome.Failure.Holds {
		onFailure = runbooks.FailurePause
	}
	switch onFailure {
	case runbooks.FailureUndo:
		e.judge(ctx, execution.Event{Kind: execution.Judged, Verdict: execution.VerdictFailed, Cause: "step " + step.ID + " failed"})
	case runbooks.FailurePause:
		e.tellFailed(ctx, step, outcome.Failure)
	}
}

// perform does a step and says how it ended; an event without a kind says that it goes on in the next run.
// What a plan intends of it is what the runbook says, as far as a plan can know it.
func (e *engine) perform(ctx workflow.Context, step *runbooks.Step) execution.Event {
	outcome := e.do(ctx, step)
	if outcome.Kind == execution.StepIntended {
		foreseen, err := runbooks.Foresee(step.With, e.scope(), runbooks.Unforeseen(e.planned))
		if err != nil {
			return failed(activities.TypeInvalidInput, err.Error(), "look at the runbook: lifeboat runbook lint")
		}
		outcome.With = foreseen
	}
	return outcome
}

// do is perform, with what the engine or an activity says that it intends.
func (e *engine) do(ctx workflow.Context, step *runbooks.Step) execution.Event {
	kind := runbooks.TypeNamed(step.Type)
	with, err := runbooks.Resolve(step.With, e.scope())
	if err != nil {
		return failed(activities.TypeInvalidInput, err.Error(), "the step that it refers to was skipped or failed: skip this one, or undo")
	}
	if err := e.runbook.CheckNested(step.ID, e.knownScope()); err != nil {
		return failed(activities.TypeInvalidInput, err.Error(), "look at what the step before gave; retry looks again, otherwise undo or cancel")
	}
	if e.admitted.Brief.Mode == plan.ModePlan && e.leansOnIntended(step) {
		// What it would look at is not there yet.
		return execution.Event{Kind: execution.StepIntended, Outputs: plannedValues(kind)}
	}
	if outcome := e.asPlanned(step); outcome.Kind != "" {
		return outcome
	}
	if len(kind.Actions) > 0 {
		if err := e.journaled(ctx); err != nil {
			return ended(err)
		}
	}
	var done activities.StepDone
	switch {
	case step.Type == typeApproval, step.Type == typeManual:
		return e.gate(ctx, step, with)
	case step.Type == typeWait:
		return e.wait(ctx, step, with)
	case step.Type == typePage:
		return e.page(ctx, step, with)
	case kind.Workflow != "":
		done, err = e.child(ctx, step, kind, with)
	default:
		done, err = e.activity(ctx, step, kind, with, plan.WorkOrder{})
	}
	if err != nil {
		return ended(err)
	}
	if e.admitted.Brief.Mode == plan.ModePlan && done.Intended != nil {
		return execution.Event{Kind: execution.StepIntended, With: done.Intended, Outputs: done.Outputs}
	}
	return execution.Event{Kind: execution.StepCompleted, Outputs: done.Outputs, Receipt: done.Receipt}
}

// activity runs the activity of a step's type, under a work order: also what only looks does it with a worker's
// credentials.
func (e *engine) activity(ctx workflow.Context, step *runbooks.Step, kind *runbooks.Type, with map[string]any, order plan.WorkOrder) (done activities.StepDone, err error) {
	guard := e.guard(step.ID)
	guard.Work = e.workOrder(step, order)
	options := profileOf(kind, step.Retry, step.Timeout)
	if order.Undo {
		options = profileOf(kind, step.Undo.Retry, step.Undo.Timeout)
	}
	site := e.admitted.Site
	if door := kind.Door(with); door != "" {
		site = e.admitted.Doors[door]
	}
	if kind.Anywhere {
		site = textValue(with[kind.By])
	}
	err = workflow.ExecuteActivity(options.on(ctx, site, summaryOf(step, order.Undo)), kind.Activity, activities.StepInput{Guard: guard, With: with}).Get(ctx, &done)
	return done, err
}

// workOrder completes what a step's activity has to be shown.
func (e *engine) workOrder(step *runbooks.Step, order plan.WorkOrder) *plan.WorkOrder {
	order.Docket = e.in.Docket
	order.Gates, order.Receipts = e.evidence(step)
	if s := e.state; s.Ungraceful != nil && s.UngracefulReceipt != nil {
		order.Ungraceful, order.Receipts = s.Ungraceful, append(order.Receipts, *s.UngracefulReceipt)
	}
	return &order
}

// evidence gathers what a step's activity has to see: the decisions at the gates before it, and the results
// that its parameters and those gates refer to.
func (e *engine) evidence(step *runbooks.Step) (gates []plan.GateEvidence, receipts []plan.Receipt) {
	receipts = append(receipts, e.admitted.Accepted)
	wanted := e.leansOn(step, step.With)
	if step.Undo != nil {
		wanted = e.leansOn(step, step.With, step.Undo.With)
	}
	wanted[step.ID] = true
	for _, id := range e.runbook.GatesBefore(step.ID) {
		gate := e.state.Step(id).Gate
		if gate == nil || gate.Confirm {
			continue
		}
		shown := plan.GateEvidence{Gate: id, Facts: gate.Facts}
		for _, d := range gate.Decisions {
			shown.Decisions = append(shown.Decisions, d.Command)
			if d.Accepted != nil {
				receipts = append(receipts, *d.Accepted)
			}
		}
		gates = append(gates, shown)
	}
	for _, other := range e.runbook.Steps {
		if at := e.state.Step(other.ID); (wanted[other.ID] || other.Type == runbooks.TypeTakeEpoch) && at.Receipt != nil {
			receipts = append(receipts, *at.Receipt)
		}
	}
	return gates, receipts
}

// leansOn are the steps whose results parameters of a step refer to, its condition, and those of the gates before it.
func (e *engine) leansOn(step *runbooks.Step, parameters ...map[string]any) map[string]bool {
	leans := map[string]bool{}
	note := func(values any) {
		for _, ref := range runbooks.References(values) {
			if ref.Root == runbooks.RootSteps {
				leans[ref.Step] = true
			}
		}
	}
	for _, values := range parameters {
		note(values)
	}
	conditional := []*runbooks.Step{step}
	for _, id := range e.runbook.GatesBefore(step.ID) {
		conditional = append(conditional, e.runbook.Step(id))
	}
	for _, s := range conditional {
		if s.When == nil {
			continue
		}
		for _, equal := range s.When.Equals {
			note(map[string]any{"": equal.Ref})
		}
	}
	return leans
}

// withDocket shows a guard's activity what the execution began with.
func (e *engine) withDocket(g plan.Guard) plan.Guard {
	g.Work = &plan.WorkOrder{Docket: e.in.Docket, Receipts: []plan.Receipt{e.admitted.Accepted}}
	return g
}

// profileOf gives a runbook's words for retries their numbers.
func profileOf(kind *runbooks.Type, retry runbooks.Retry, timeout time.Duration) profile {
	p := control
	if kind.Long {
		p = bulk
	}
	p.budget = timeout
	switch retry {
	case runbooks.RetryNever:
		p.tries = 1
	case runbooks.RetryQuick:
		p.budget, p.most = min(timeout, 5*time.Minute), 10*time.Second
	case runbooks.RetryStubborn:
		p.first, p.most = time.Second, 30*time.Second
	}
	p.attempt = min(p.attempt, p.budget)
	if kind.Long {
		// Cut off sooner it would begin again, or count as failed, while it was at work; it says that it is alive.
		p.attempt = p.budget
	}
	return p
}

// summaryOf is the line that the Temporal UI shows for a step.
func summaryOf(step *runbooks.Step, undo bool) string {
	text := step.ID + ": " + step.Title
	if undo {
		text = "Undo " + text
	}
	return text[:min(len(text), 200)]
}

func ended(err error) execution.Event {
	if temporal.IsCanceledError(err) {
		return execution.Event{Kind: execution.StepCanceled}
	}
	kind, message, hint := errorText(err)
	var child *temporal.ChildWorkflowExecutionError
	if errors.As(err, &child) {
		hint = "look at the workflow " + child.Error()
	}
	return failed(kind, message, hint)
}

func failed(kind, message, hint string) execution.Event {
	return execution.Event{Kind: execution.StepFailed, Failure: &execution.Failure{Type: kind, Message: message, Hint: hint}}
}
