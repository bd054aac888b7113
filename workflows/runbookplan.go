package workflows

import (
	"github.com/lifeboat-dr/lifeboat/activities"
	"github.com/lifeboat-dr/lifeboat/internal/execution"
	"github.com/lifeboat-dr/lifeboat/runbooks"
)

// planned says that a step only said what it would do.
func (e *engine) planned(id string) bool {
	at := e.state.Step(id)
	return at.Planned || at.Intended != nil
}

// knownScope is the scope without what steps of a plan only said they would give.
func (e *engine) knownScope() runbooks.Scope {
	scope := e.scope()
	for _, step := range e.runbook.Steps {
		if e.planned(step.ID) {
			delete(scope.Outputs, step.ID)
		}
	}
	return scope
}

// asPlanned compares what a step is about to do with the plan that the execution is bound to. An event with a
// kind says that it is something else: then people look at it, whatever the runbook says about failures.
func (e *engine) asPlanned(step *runbooks.Step) execution.Event {
	if e.admitted.Brief.Plan == "" {
		return execution.Event{}
	}
	err := runbooks.Deviates(step, e.admitted.Planned, e.scope())
	if err == nil {
		return execution.Event{}
	}
	outcome := failed(activities.TypePlanMismatch, err.Error(),
		"nothing was done: compare with "+e.admitted.Brief.PlanExecution+"; retry looks again, otherwise undo or cancel, and make a new plan")
	outcome.Failure.Holds = true
	return outcome
}

// leansOnIntended says that a step refers to what another one would make, in mode plan.
func (e *engine) leansOnIntended(step *runbooks.Step) bool {
	for _, ref := range runbooks.References(step.With) {
		if ref.Root == runbooks.RootSteps && e.planned(ref.Step) {
			return true
		}
	}
	return false
}
