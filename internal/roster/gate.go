package roster

import (
	"errors"
	"slices"
	"time"

	"github.com/lifeboat-dr/lifeboat/internal/plan"
	"github.com/lifeboat-dr/lifeboat/runbooks"
)

// Gate is what a runbook asks for at one of its gates.
type Gate struct {
	ID string
	runbooks.Gate
	// Steps are those that the gate lets through, up to the next gate.
	Steps []string
}

// GateNamed reads a gate of a runbook.
func GateNamed(r *runbooks.Runbook, id string) Gate {
	return Gate{ID: id, Gate: runbooks.GateOf(r.Step(id)), Steps: r.Behind(id)}
}

// gates makes sure that people consented at every gate before the step that applies to the execution.
func (h *hearing) gates() error {
	r, step := h.permit.Runbook, h.permit.Runbook.Step(h.guard.Step)
	var gates []Gate
	for _, id := range r.GatesBefore(step.ID) {
		applies, err := runbooks.Applies(r.Step(id).When, h.permit.Scope)
		if err != nil {
			return refuse(CauseNoGate, "whether gate %q applies cannot be told: %v", id, err)
		}
		if applies {
			gates = append(gates, GateNamed(r, id))
		}
	}
	grave := h.guard.Mode == plan.ModeLive && step.Effect == runbooks.EffectIrreversible && !h.guard.Work.Undo
	if grave && !slices.ContainsFunc(gates, func(g Gate) bool { return slices.Contains(g.Steps, step.ID) }) {
		return refuse(CauseNoGate, "step %q cannot be put back and no gate asks anybody about it: the runbook needs one", step.ID)
	}
	for _, gate := range gates {
		evidence, err := h.evidence(gate.ID)
		if err != nil {
			return err
		}
		facts, err := h.readFacts(gate, evidence.Facts)
		if err != nil {
			return err
		}
		approvals, err := h.approvals(gate, facts, evidence)
		if err != nil {
			return err
		}
		own := slices.ContainsFunc(approvals, func(a Accepted) bool { return !a.Vouched })
		if grave && !h.ClicksSuffice && !own && slices.Contains(gate.Steps, step.ID) {
			return refuse(CauseNoOwnSignature, "at gate %q everybody clicked; step %q cannot be put back, so one of them signs with their own key", gate.ID, step.ID)
		}
		h.permit.Decisions = append(h.permit.Decisions, approvals...)
	}
	return nil
}

func (h *hearing) evidence(gate string) (plan.GateEvidence, error) {
	all := h.guard.Work.Gates
	i := slices.IndexFunc(all, func(e plan.GateEvidence) bool { return e.Gate == gate })
	if i < 0 {
		return plan.GateEvidence{}, refuse(CauseNoGate, "nothing shows what happened at gate %q", gate)
	}
	if len(all[i].Decisions) > maxPeople {
		return plan.GateEvidence{}, refuse(CauseNoGate, "gate %q: too many decisions", gate)
	}
	return all[i], nil
}

// readFacts makes sure that what people were shown is what the runbook and the brief say.
func (h *hearing) readFacts(gate Gate, text string) (plan.Facts, error) {
	var f plan.Facts
	if len(text) > maxDocket {
		return f, refuse(CauseWrongFacts, "gate %q: its facts are too large", gate.ID)
	}
	if err := strict([]byte(text), &f); err != nil {
		return f, refuse(CauseWrongFacts, "gate %q: its facts cannot be read: %v", gate.ID, err)
	}
	wrong := func(what string) (plan.Facts, error) {
		return f, refuse(CauseWrongFacts, "gate %q: people were shown another %s than it is", gate.ID, what)
	}
	switch {
	case f.Format != 1:
		return wrong("format")
	case f.Execution != h.guard.Execution:
		return wrong("execution")
	case f.Gate != gate.ID:
		return wrong("gate")
	case f.Brief != h.guard.Order:
		return wrong("brief")
	case f.Mode != h.guard.Mode:
		return wrong("mode")
	case f.Requires != gate.Requires || !sameSet(f.Roles, gate.Roles):
		return wrong("number or kind of approvers")
	case !h.shown(gate, f):
		return wrong("list of steps")
	case f.Opened.IsZero() || f.Opened.After(h.now.Add(clockSkew)):
		return wrong("time of opening")
	}
	// What earlier steps found is part of what was approved.
	for _, r := range h.guard.Work.Receipts {
		if approved, ok := f.Outputs[r.Step]; ok && approved != digest(string(r.Outputs)) {
			return f, refuse(CauseWrongFacts, "gate %q: people were shown another result of step %q", gate.ID, r.Step)
		}
	}
	return f, nil
}

// shown says that people saw the step that is to be done, as what it is, and none that the gate does not let through.
func (h *hearing) shown(gate Gate, f plan.Facts) bool {
	r, found := h.permit.Runbook, false
	for _, seen := range f.Steps {
		step := r.Step(seen.ID)
		if !slices.Contains(gate.Steps, seen.ID) || seen.Type != step.Type || seen.Effect != string(step.Effect) {
			return false
		}
		found = found || seen.ID == h.guard.Step
	}
	return found || !slices.Contains(gate.Steps, h.guard.Step)
}

// approvals are those that count; a rejection that counts ends it.
func (h *hearing) approvals(gate Gate, f plan.Facts, e plan.GateEvidence) ([]Accepted, error) {
	var approvals []Accepted
	var decided, used []string
	var refusals []error
	want := Expectation{
		Execution: h.guard.Execution, Kinds: []plan.CommandKind{plan.CommandApprove, plan.CommandReject}, Step: gate.ID,
		Digest: digest(e.Facts), StepRoles: gate.Roles, Vouchers: h.Vouchers,
		Seen: func(id string) bool { return slices.Contains(used, id) },
	}
	if gate.ExcludeRequester {
		want.Requester = h.permit.Start.Person.ID
	}
	for _, s := range e.Decisions {
		a, err := h.decision(s, want, decided, f)
		if err != nil {
			refusals = append(refusals, err)
			continue
		}
		if a.Command.Kind == plan.CommandReject {
			return nil, refuse(CauseRejected, "%s rejected at gate %q", a.Person.ID, gate.ID)
		}
		decided, used = append(decided, a.Person.ID), append(used, a.Command.ID)
		approvals = append(approvals, a)
	}
	if len(approvals) >= gate.Requires && gate.Requires > 0 {
		return approvals, nil
	}
	if gate.OnTimeout == runbooks.TimeoutProceed && h.guard.Mode == plan.ModeDrill && !f.Deadline.IsZero() && h.now.After(f.Deadline) {
		return approvals, nil
	}
	cause := CauseTooFew
	if len(refusals) > 0 {
		cause = CauseOf(refusals[0]) // what would have to be mended
	}
	return nil, refuse(cause, "%d of %d people consented at gate %q%s", len(approvals), max(gate.Requires, 1), gate.ID, because(errors.Join(refusals...)))
}

func (h *hearing) decision(s plan.SignedCommand, want Expectation, decided []string, f plan.Facts) (Accepted, error) {
	at, err := h.dated(s)
	if err != nil {
		return Accepted{}, err
	}
	want.Now, want.Decided = at, decided
	a, err := h.Roster.Check(s, want)
	if err != nil {
		return a, err
	}
	if issued := a.Command.Issued; issued.Before(f.Opened.Add(-clockSkew)) || after(issued, f.Deadline) || (!at.Equal(h.now) && after(at, f.Deadline)) {
		return a, refuse(CauseOutsideGate, "%s decided at %s, outside of the time that gate %q was open", a.Person.ID, issued.Format(time.RFC3339), f.Gate)
	}
	return a, nil
}

// after says that a moment is past a deadline; a deadline of zero never passes.
func after(at, deadline time.Time) bool { return !deadline.IsZero() && at.After(deadline) }

func sameSet(a, b []string) bool {
	a, b = slices.Clone(a), slices.Clone(b)
	slices.Sort(a)
	slices.Sort(b)
	return slices.Equal(slices.Compact(a), slices.Compact(b))
}
