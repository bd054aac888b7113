package workflows

import (
	"strings"
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/lifeboat-dr/lifeboat/internal/plan"
)

// The search attributes of executions of runbooks, besides those that everything has.
var (
	AttrRunbook   = temporal.NewSearchAttributeKeyKeyword("LifeboatRunbook")
	AttrScenario  = temporal.NewSearchAttributeKeyKeyword("LifeboatScenario")
	AttrMode      = temporal.NewSearchAttributeKeyKeyword("LifeboatMode")
	AttrPhase     = temporal.NewSearchAttributeKeyKeyword("LifeboatPhase")
	AttrCommander = temporal.NewSearchAttributeKeyKeyword("LifeboatCommander")
	AttrAwaiting  = temporal.NewSearchAttributeKeyBool("LifeboatAwaitingApproval")
	AttrDeadline  = temporal.NewSearchAttributeKeyTime("LifeboatDeadline")
)

// labels are what changes of an execution's search attributes while it runs.
type labels struct {
	state, phase, commander string
	awaiting                bool
	deadline                time.Time
}

// mostOfPhase is how many bytes of an attribute SQL stores keep.
const mostOfPhase = 255

// searchable are the labels of now. The phase is the steps at work.
func (e *engine) searchable() labels {
	l := labels{state: string(e.state.Status(e.runbook)), commander: e.state.Commander}
	var at []string
	for _, step := range e.runbook.Steps {
		s := e.state.Step(step.ID)
		switch s.State {
		case plan.StepAwaitingApproval:
			l.awaiting = true
			if !s.Gate.Deadline.IsZero() && (l.deadline.IsZero() || s.Gate.Deadline.Before(l.deadline)) {
				l.deadline = s.Gate.Deadline
			}
			at = append(at, step.ID)
		case plan.StepRunning, plan.StepUndoing, plan.StepFailed:
			at = append(at, step.ID)
		}
	}
	for _, id := range at[:min(len(at), 5)] {
		if len(l.phase)+len(id) < mostOfPhase { // ids of steps inside of nested runbooks are long
			l.phase = strings.TrimSpace(l.phase + " " + id)
		}
	}
	return l
}

func (l labels) updates() []temporal.SearchAttributeUpdate {
	deadline := AttrDeadline.ValueUnset()
	if !l.deadline.IsZero() {
		deadline = AttrDeadline.ValueSet(l.deadline)
	}
	return []temporal.SearchAttributeUpdate{
		AttrState.ValueSet(l.state), AttrPhase.ValueSet(l.phase), AttrCommander.ValueSet(l.commander), AttrAwaiting.ValueSet(l.awaiting), deadline,
	}
}

// label sets what does not change any more, as search attributes and, for those who list, as memo.
func (e *engine) label(ctx workflow.Context) error {
	b := e.admitted.Brief
	updates := []temporal.SearchAttributeUpdate{
		AttrKind.ValueSet(KindRunbook), AttrRunbook.ValueSet(e.runbook.Name), AttrScenario.ValueSet(e.runbook.Scenario), AttrMode.ValueSet(string(b.Mode)),
		AttrComponent.ValueSet(b.Target),
	}
	if e.admitted.Site != "" {
		updates = append(updates, AttrSite.ValueSet(e.admitted.Site))
	}
	if err := workflow.UpsertTypedSearchAttributes(ctx, updates...); err != nil {
		return err
	}
	e.show(ctx)
	return workflow.UpsertMemo(ctx, map[string]any{"title": e.runbook.Title, "mode": string(b.Mode), "target": b.Target, "commander": e.admitted.Commander})
}
