package runbooks

import (
	"slices"

	"github.com/lifeboat-dr/lifeboat/internal/plan"
)

// ids are the ids of all steps that have one.
func (r *Runbook) ids() []string {
	var ids []string
	for i := range r.Steps {
		if r.Steps[i].ID != "" {
			ids = append(ids, r.Steps[i].ID)
		}
	}
	return ids
}

// index finds steps by their ids; of two with the same id the first counts.
func (r *Runbook) index() map[string]*Step {
	known := make(map[string]*Step, len(r.Steps))
	for i := len(r.Steps) - 1; i >= 0; i-- {
		known[r.Steps[i].ID] = &r.Steps[i]
	}
	return known
}

// Order are the ids of all steps so that each comes after what it needs, otherwise as in the text.
func (r *Runbook) Order() []string {
	order, placed, known := make([]string, 0, len(r.Steps)), make(map[string]bool, len(r.Steps)), r.index()
	for len(order) < len(r.Steps) {
		before := len(order)
		for i := range r.Steps {
			step := &r.Steps[i]
			if placed[step.ID] || slices.ContainsFunc(step.Needs, func(id string) bool { return !placed[id] && known[id] != nil }) {
				continue
			}
			placed[step.ID] = true
			order = append(order, step.ID)
		}
		if len(order) == before { // a cycle, which Parse refuses
			break
		}
	}
	return order
}

// Closure are the ids of all steps that a step needs, directly or not, in the order of the text. The step
// itself is not among them.
func (r *Runbook) Closure(id string) []string {
	reached, known := map[string]bool{}, r.index()
	open := []string{id}
	for len(open) > 0 {
		step := known[open[len(open)-1]]
		open = open[:len(open)-1]
		if step == nil {
			continue
		}
		for _, need := range step.Needs {
			if !reached[need] {
				reached[need] = true
				open = append(open, need)
			}
		}
	}
	var closure []string
	for i := range r.Steps {
		if reached[r.Steps[i].ID] && r.Steps[i].ID != id {
			closure = append(closure, r.Steps[i].ID)
		}
	}
	return closure
}

// Dependents are the ids of the steps that need a step directly, in the order of the text.
func (r *Runbook) Dependents(id string) []string {
	var ids []string
	for i := range r.Steps {
		if slices.Contains(r.Steps[i].Needs, id) {
			ids = append(ids, r.Steps[i].ID)
		}
	}
	return ids
}

// GatesBefore are the ids of the gates that a step stands behind, in the order of the text.
func (r *Runbook) GatesBefore(id string) []string {
	var gates []string
	for _, before := range r.Closure(id) {
		if r.Step(before).Type == "approval" {
			gates = append(gates, before)
		}
	}
	return gates
}

// Behind are the ids of the steps that a gate lets through: those that need it, up to and without the next
// gate. It is what the people at the gate decide about.
func (r *Runbook) Behind(gate string) []string {
	var behind []string
	reached := map[string]bool{gate: true}
	for _, id := range r.Order() {
		step := r.Step(id)
		if !slices.ContainsFunc(step.Needs, func(need string) bool { return reached[need] }) || id == gate {
			continue
		}
		behind = append(behind, id)
		if step.Type != "approval" {
			reached[id] = true
		}
	}
	return behind
}

// PointOfNoReturn are the first steps of a mode that cannot be taken back: as long as none of them has
// begun, undoing brings everything back. Empty when everything can be undone.
func (r *Runbook) PointOfNoReturn(mode plan.Mode) []string {
	final := map[string]bool{}
	for i := range r.Steps {
		step := &r.Steps[i]
		if step.Effect == EffectIrreversible && (step.When.fits(mode, plan.Graceful) || step.When.fits(mode, plan.Ungraceful)) {
			final[step.ID] = true
		}
	}
	var first []string
	for i := range r.Steps {
		id := r.Steps[i].ID
		if final[id] && !slices.ContainsFunc(r.Closure(id), func(before string) bool { return final[before] }) {
			first = append(first, id)
		}
	}
	return first
}
