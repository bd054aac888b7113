package activities

import (
	"context"
	"reflect"
	"slices"
	"time"

	"github.com/lifeboat-dr/lifeboat/internal/plan"
	"github.com/lifeboat-dr/lifeboat/internal/roster"
	"github.com/lifeboat-dr/lifeboat/runbooks"
)

// CheckStep returns nil when people allowed, with their signatures, what a step of a runbook is about to do:
// the work order holds, the step's type may do action, and the parameters are those of the signed runbook.
// Its error is of type NotAllowed.
func (o *Orders) CheckStep(ctx context.Context, in StepInput, action plan.Action) error {
	bench, err := o.bench()
	if err != nil {
		return err
	}
	permit, err := bench.Check(in.Guard, o.now())
	if err != nil {
		return refused(err, string(action))
	}
	if err := refused(allows(permit, in, action), string(action)); err != nil {
		return err
	}
	return o.checkEpoch(ctx, in.Guard, string(action))
}

// CheckLook is CheckStep for the activities that only look or tell. Whoever owns the Temporal namespace could
// else ask databases and endpoints anything, with a worker's credentials, and read the answer off whether it was
// as expected.
func (o *Orders) CheckLook(in StepInput, activity string) error {
	bench, err := o.bench()
	if err != nil {
		return err
	}
	permit, err := bench.CheckLook(in.Guard, o.now())
	if err != nil {
		return refused(err, activity)
	}
	return refused(looks(permit, in, activity), activity)
}

// CheckExecution returns nil when the guard's execution was started by a commander with a runbook that its
// owners signed. It is for what an execution does on its own behalf; winding is for what ends it, such as the
// last entries of its journal, which come after its time.
func (o *Orders) CheckExecution(g plan.Guard, winding bool) (roster.Permit, error) {
	bench, err := o.bench()
	if err != nil {
		return roster.Permit{}, err
	}
	permit, err := bench.CheckStart(g, o.now(), winding)
	return permit, refused(err, "the execution")
}

// checkJournal returns nil when the execution was started by a commander, and what the events say of people and
// of workers is shown to be so.
func (o *Orders) checkJournal(in JournalInput) error {
	permit, err := o.CheckExecution(in.Guard, true)
	if err != nil {
		return err
	}
	bench, err := o.bench()
	if err != nil {
		return err
	}
	w := witness{bench: bench, permit: permit, guard: in.Guard}
	for _, event := range in.Events {
		if err := w.check(event); err != nil {
			return refused(err, "the journal's entry "+string(event.Kind))
		}
	}
	return nil
}

// bench is who decides about work orders, by the roster of now.
func (o *Orders) bench() (*roster.Bench, error) {
	if o.People == nil {
		return nil, Misconfigured(nil, "there is no roster, so no execution can be allowed: name one under roster")
	}
	people, err := o.People()
	if err != nil {
		return nil, Misconfigured(err, "the roster")
	}
	return &roster.Bench{
		Application: o.Application, Roster: people, Target: o.Target, Genuine: o.Genuine, Vouchers: o.Vouchers, ClicksSuffice: o.ClicksSuffice,
	}, nil
}

func (o *Orders) now() time.Time {
	if o.Now != nil {
		return o.Now()
	}
	return time.Now()
}

// refused gives a refusal its type and, for the record, its cause.
func refused(err error, action string) error {
	if err == nil {
		return nil
	}
	return hinted(TypeNotAllowed, err, "look at who decided what: lifeboat show; a work order cannot be mended, only made anew", "%s is not allowed", action)
}

// asked is the type and the parameters that the signed text gives for what is about to be done.
func asked(p roster.Permit, in StepInput) (kind *runbooks.Type, with map[string]any, err error) {
	step := p.Runbook.Step(in.Guard.Step)
	if step == nil {
		return nil, nil, roster.Refuse(roster.CauseWrongStep, "the runbook has no step %q", in.Guard.Step)
	}
	name, with := step.Type, step.With
	if in.Guard.Work.Undo {
		if step.Undo == nil {
			return nil, nil, roster.Refuse(roster.CauseWrongStep, "step %q has no undo", step.ID)
		}
		name, with = step.Undo.Type, step.Undo.With
	}
	if kind = runbooks.TypeNamed(name); kind == nil {
		return nil, nil, roster.Refuse(roster.CauseWrongStep, "step %q is of type %s, which nobody knows", step.ID, name)
	}
	return kind, with, nil
}

// looks compares what is about to be looked at or told with the signed text. Results that people give have no
// receipt: where a parameter refers to one, any value is taken.
func looks(p roster.Permit, in StepInput, activity string) error {
	kind, with, err := asked(p, in)
	if err != nil {
		return err
	}
	for _, polls := range []string{"sql", "http"} { // a step that waits asks as steps of these types do
		if inner, ok := with[polls].(map[string]any); ok && kind.Name == "wait" {
			kind, with = runbooks.TypeNamed(polls), inner
		}
	}
	if kind.Activity != activity {
		return roster.Refuse(roster.CauseWrongStep, "step %q is of type %s, which does no %s", in.Guard.Step, kind.Name, activity)
	}
	unvouched := func(r runbooks.Reference) bool {
		if r.Root == runbooks.RootExecution {
			return r.Name == "commander"
		}
		if p.Scope.Outputs[r.Step] != nil {
			return false
		}
		step := p.Runbook.Step(r.Step)
		return r.Root == runbooks.RootSteps && step != nil && runbooks.TypeNamed(step.Type).Activity == ""
	}
	scope := p.Scope
	scope.Execution.Commander = "" // whoever started it may have handed it over
	if err := runbooks.Fits(with, in.With, scope, unvouched); err != nil {
		return roster.Refuse(roster.CauseWrongFacts, "step %q: its parameters are not those of the signed runbook: %v", in.Guard.Step, err)
	}
	return nil
}

// allows compares what is about to be done with the signed text: the step's type, and its parameters with
// every reference followed again, to the inputs that were signed and the results that were vouched for.
func allows(p roster.Permit, in StepInput, action plan.Action) error {
	kind, with, err := asked(p, in)
	if err != nil {
		return err
	}
	if !slices.Contains(kind.Actions, action) {
		return roster.Refuse(roster.CauseWrongStep, "step %q is of type %s, which does no %s", in.Guard.Step, kind.Name, action)
	}
	expected, err := runbooks.Resolve(with, p.Scope)
	if err != nil {
		return roster.Refuse(roster.CauseWrongFacts, "step %q: %v, or nobody vouched for it", in.Guard.Step, err)
	}
	if !reflect.DeepEqual(expected, in.With) && (len(expected) > 0 || len(in.With) > 0) {
		return roster.Refuse(roster.CauseWrongFacts, "step %q: its parameters are not those of the signed runbook", in.Guard.Step)
	}
	if p.Brief.Plan == "" || in.Guard.Work.Undo {
		return nil // what was done is taken back, planned or not
	}
	if err := runbooks.Deviates(p.Runbook.Step(in.Guard.Step), p.Planned, p.Scope); err != nil {
		return roster.Refuse(roster.CauseWrongPlan, "%v", err)
	}
	return nil
}
