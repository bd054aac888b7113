package roster

import (
	"errors"
	"slices"
	"time"

	"github.com/lifeboat-dr/lifeboat/internal/plan"
)

// gates makes sure that people consented at every gate before the step.
func (h *hearing) gates() error {
	step := h.guard.Step
	gates, known := h.permit.Runbook.Gates(step)
	if !known {
		return refuse(CauseWrongStep, "runbook %q has no step %q", h.permit.Runbook.Name(), step)
	}
	grave := h.guard.Mode == plan.ModeLive && h.permit.Runbook.Irreversible(step) && !h.guard.Work.Undo
	if grave && !slices.ContainsFunc(gates, func(g Gate) bool { return slices.Contains(g.Steps, step) }) {
		return refuse(CauseNoGate, "step %q cannot be put back and no gate asks anybody about it: the runbook needs one", step)
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
		if grave && !h.ClicksSuffice && !own && slices.Contains(gate.Steps, step) {
			return refuse(CauseNoOwnSignature, "at gate %q everybody clicked; step %q cannot be put back, so one of them signs with their own key", gate.ID, step)
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
	var shown []string
	for _, s := range f.Steps {
		shown = append(shown, s.ID)
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
	case !sameSet(shown, gate.Steps):
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
	if gate.Proceed && h.guard.Mode == plan.ModeDrill && !f.Deadline.IsZero() && h.now.After(f.Deadline) {
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
