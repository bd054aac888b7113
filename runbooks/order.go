package runbooks

import (
	"slices"
	"strings"

	"github.com/lifeboat-dr/lifeboat/internal/plan"
	"github.com/lifeboat-dr/lifeboat/internal/strictyaml"
)

// graph makes needs explicit, and finds those that lead nowhere or in circles.
func (d *document) graph() {
	steps := d.runbook.Steps
	ids := d.runbook.ids()
	for i := range steps {
		step, path := &steps[i], d.paths[i]
		if step.Needs == nil {
			step.Needs = []string{}
			if i > 0 {
				step.Needs = append(step.Needs, steps[i-1].ID)
			}
			continue
		}
		for k, need := range step.Needs {
			where := at(join(path, "needs"), k)
			if need == step.ID {
				d.fail(d.places[where], where, "a step cannot need itself")
			} else if !slices.Contains(ids, need) {
				d.fail(d.places[where], where, "there is no step %s: %s", strictyaml.Quote(need), strictyaml.Suggest(need, ids))
			}
		}
	}
	if cycle := d.runbook.cycle(); len(cycle) > 0 {
		path := join("steps", cycle[0])
		where, ok := d.places[join(path, "needs")]
		if !ok {
			where = d.places[path]
		}
		d.fail(where, path, "these steps wait for each other and would never begin: %s", strings.Join(append(cycle, cycle[0]), " needs "))
	}
}

// cycle is one circle of steps that need each other, beginning with the first of the text; nil when there
// is none.
func (r *Runbook) cycle() []string {
	const (
		onPath = 1
		done   = 2
	)
	state, known := map[string]int{}, r.index()
	var path, found []string
	var visit func(step *Step)
	visit = func(step *Step) {
		state[step.ID] = onPath
		path = append(path, step.ID)
		for _, need := range step.Needs {
			next := known[need]
			if next == nil || next == step || found != nil {
				continue
			}
			switch state[need] {
			case onPath:
				found = slices.Clone(path[slices.Index(path, need):])
			case 0:
				visit(next)
			}
		}
		path = path[:len(path)-1]
		state[step.ID] = done
	}
	for i := range r.Steps {
		if state[r.Steps[i].ID] == 0 && found == nil {
			visit(&r.Steps[i])
		}
	}
	if found == nil {
		return nil
	}
	first := 0
	for i := range r.Steps {
		if at := slices.Index(found, r.Steps[i].ID); at >= 0 {
			first = at
			break
		}
	}
	return append(found[first:], found[:first]...)
}

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
