package activities

import (
	"encoding/json"
	"reflect"
	"slices"

	"github.com/lifeboat-dr/lifeboat/internal/execution"
	"github.com/lifeboat-dr/lifeboat/internal/plan"
	"github.com/lifeboat-dr/lifeboat/internal/roster"
	"github.com/lifeboat-dr/lifeboat/runbooks"
)

// saidBy are the commands that an event can come from. Where a person is named, one of them has to be shown.
var saidBy = map[execution.Kind][]plan.CommandKind{
	execution.Decided:       {plan.CommandApprove, plan.CommandReject, plan.CommandConfirm},
	execution.Acknowledged:  {plan.CommandAcknowledge},
	execution.Paused:        {plan.CommandPause},
	execution.Continued:     {plan.CommandResume},
	execution.Retried:       {plan.CommandRetry},
	execution.Skipped:       {plan.CommandSkip},
	execution.Switched:      {plan.CommandUngraceful},
	execution.HandedOver:    {plan.CommandHandover},
	execution.Judged:        {plan.CommandUndo, plan.CommandCancel},
	execution.UndoCompleted: {plan.CommandConfirm},
}

// unsaid are the events that also happen by themselves: the Temporal UI may pause, a step that failed or the clock
// may end the way forward, and an undo that a worker did needs no word of a person.
var unsaid = []execution.Kind{execution.Paused, execution.Judged, execution.UndoCompleted}

// witness says why a journal must not hold an event. What an execution says that people said has to bear their
// signatures, and what it says that workers did, their receipts: the entry gets a worker's signature, and a
// recovery that lost its Temporal goes on from it, so it must not be whatever a workflow makes up.
type witness struct {
	bench  *roster.Bench
	permit roster.Permit
	guard  plan.Guard
}

func (w witness) check(e execution.Event) error {
	switch e.Kind {
	case execution.Started:
		if e.Person != w.permit.Start.Person.ID || e.Docket != w.guard.Work.Docket {
			return roster.Refuse(roster.CauseWrongBrief, "the first entry is not about what %s started", w.permit.Start.Person.ID)
		}
		return nil
	case execution.StepCompleted:
		return w.worked(e)
	case execution.StepIntended:
		return w.intended(e)
	}
	kinds, ok := saidBy[e.Kind]
	if !ok {
		return nil
	}
	if e.Kind == execution.Decided {
		if e.Decision == nil {
			return roster.Refuse(roster.CauseMalformed, "nobody decided anything")
		}
		c, err := w.said(e, &e.Decision.Command, e.Decision.Person, kinds)
		if err == nil && c.Kind != e.Decision.Kind {
			return roster.Refuse(roster.CauseWrongKind, "%s said %s, not %s", c.Person, c.Kind, e.Decision.Kind)
		}
		return err
	}
	if e.Person == "" && e.Command == nil && slices.Contains(unsaid, e.Kind) {
		if e.Kind == execution.Judged && e.Verdict == execution.VerdictUndo {
			return roster.Refuse(roster.CauseWrongKind, "only a person decides to undo")
		}
		if e.Kind == execution.UndoCompleted && w.byHand(e.Step) {
			return roster.Refuse(roster.CauseBadSignature, "step %q is undone by hand, and nobody says so", e.Step)
		}
		return nil
	}
	c, err := w.said(e, e.Command, e.Person, kinds)
	if err == nil && e.Kind == execution.Judged && string(c.Kind) != string(e.Verdict) {
		return roster.Refuse(roster.CauseWrongKind, "%s said %s, not %s", c.Person, c.Kind, e.Verdict)
	}
	return err
}

// said checks that a person said it about this execution and this step.
func (w witness) said(e execution.Event, signed *plan.SignedCommand, person string, kinds []plan.CommandKind) (plan.Command, error) {
	if signed == nil {
		return plan.Command{}, roster.Refuse(roster.CauseBadSignature, "nothing shows that %q said it", person)
	}
	c, err := w.bench.Roster.Spoke(*signed, w.bench.Vouchers)
	if err != nil {
		return c, err
	}
	speaker := c.Person
	if c.Kind == plan.CommandHandover {
		speaker = c.To
	}
	switch {
	case !slices.Contains(kinds, c.Kind):
		return c, roster.Refuse(roster.CauseWrongKind, "%s said %s", c.Person, c.Kind)
	case c.Execution != w.guard.Execution:
		return c, roster.Refuse(roster.CauseWrongExecution, "%s said it to %q", c.Person, c.Execution)
	case c.Step != e.Step:
		return c, roster.Refuse(roster.CauseWrongStep, "%s said it about step %q", c.Person, c.Step)
	case speaker != person:
		return c, roster.Refuse(roster.CauseBadSignature, "%s said it, not %q", speaker, person)
	}
	return c, nil
}

// byHand says that a person takes a step back.
func (w witness) byHand(id string) bool {
	step := w.permit.Runbook.Step(id)
	return step != nil && step.Undo != nil && runbooks.TypeNamed(step.Undo.Type).Control
}

// intended checks that a plan intends what the signed runbook says; a run may be bound to it. What earlier steps
// give is not known here: where a parameter refers to one, any value is taken.
func (w witness) intended(e execution.Event) error {
	b, step := w.permit.Brief, w.permit.Runbook.Step(e.Step)
	switch {
	case step == nil:
		return roster.Refuse(roster.CauseWrongStep, "the runbook has no step %q", e.Step)
	case b.Mode != plan.ModePlan:
		return roster.Refuse(roster.CauseWrongBrief, "a %s intends nothing, it does it", b.Mode)
	}
	scope := runbooks.Scope{Inputs: b.Inputs, Execution: runbooks.Execution{Target: b.Target, Approach: b.Approach}}
	given := func(r runbooks.Reference) bool { return r.Root != runbooks.RootInputs }
	if err := runbooks.Fits(step.With, e.With, scope, given); err != nil {
		return roster.Refuse(roster.CauseWrongFacts, "step %q: what is intended is not what the signed runbook says: %v", e.Step, err)
	}
	return nil
}

// worked checks that a worker of the fleet did what a step's activity does.
func (w witness) worked(e execution.Event) error {
	step := w.permit.Runbook.Step(e.Step)
	if step == nil {
		return roster.Refuse(roster.CauseWrongStep, "the runbook has no step %q", e.Step)
	}
	r := e.Receipt
	if r == nil && runbooks.TypeNamed(step.Type).Activity == "" {
		return nil // people give no receipts, nor do workflows that lean on what a person said
	}
	if r == nil || r.Execution != w.guard.Execution || r.Step != e.Step || w.bench.Genuine == nil || !w.bench.Genuine(*r) {
		return roster.Refuse(roster.CauseBadReceipt, "no worker of this fleet says that step %q was done", e.Step)
	}
	var outputs map[string]any
	if err := json.Unmarshal(r.Outputs, &outputs); err != nil || !reflect.DeepEqual(outputs, e.Outputs) {
		return roster.Refuse(roster.CauseBadReceipt, "step %q had another result", e.Step)
	}
	return nil
}
