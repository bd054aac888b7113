package runbooks

import (
	"slices"
	"strings"

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
