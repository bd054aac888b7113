package runbooks

import (
	"errors"
	"strings"

	"github.com/lifeboat-dr/lifeboat/internal/strictyaml"
)

// expand puts the steps of the runbooks inside in their places, so that everything that is asked of steps is
// asked of them, too. What it says of those stands at the step that runs the runbook.
func (l *linter) expand() {
	for i := range l.written.Steps {
		if step := &l.written.Steps[i]; step.Type == typeRunbook {
			l.names(step)
			l.runs(step)
		}
	}
	if l.views.Runbook == nil || len(l.written.Runs()) == 0 || len(l.problems.Errors()) > 0 {
		return
	}
	r, err := Expand(l.written, l.views.Runbook)
	var why *Unexpandable
	if errors.As(err, &why) {
		path := "steps"
		if why.Step != "" {
			path = join(join("steps", why.Step), "with.name")
		}
		l.wrong(path, "%s", why.Reason)
		return
	}
	paths := make([]string, len(r.Steps))
	for i := range r.Steps {
		paths[i] = join("steps", r.Steps[i].ID)
	}
	l.r, l.paths = r, paths
}

// notExpanded says whether a step would be one of a runbook whose steps are not known here.
func (l *linter) notExpanded(id string) bool {
	outer, _, dotted := strings.Cut(id, ".")
	step := l.written.Step(outer)
	return dotted && step != nil && step.Type == typeRunbook && l.r == l.written
}

// givenFromOutside says whether a reference of a nested runbook's step came into it by one of its inputs.
func givenFromOutside(step *Step, ref Reference) bool {
	end := strings.LastIndexByte(step.ID, '.')
	return end >= 0 && (ref.Root == RootInputs || ref.Root == RootSteps && !strings.HasPrefix(ref.Step, step.ID[:end+1]))
}

// runs checks the runbook that a step runs, and what it is given as far as that stands there.
func (l *linter) runs(step *Step) {
	name, _ := step.With["name"].(string)
	if name == "" {
		return
	}
	path := join(l.path(step), "with")
	if name == l.written.Name {
		l.wrong(join(path, "name"), "a runbook cannot run itself")
		return
	}
	if l.views.Runbook == nil {
		return
	}
	other, _ := l.views.Runbook(name)
	if other == nil {
		l.wrong(join(path, "name"), "there is no runbook %s that can be read", strictyaml.Quote(name))
		return
	}
	if l.leadsBack(other, map[string]bool{}) {
		l.wrong(join(path, "name"), "runbook %s runs this one again: they would never end", name)
	}
	given, _ := step.With["inputs"].(map[string]any)
	for _, key := range sortedKeys(given) {
		where := join(join(path, "inputs"), key)
		if in := other.Input(key); in == nil {
			l.wrong(where, "runbook %s has no input %s: %s", name, strictyaml.Quote(key), strictyaml.Suggest(key, other.inputNames()))
		} else if known, err := resolve(given[key], Scope{}); err == nil {
			if wrong := in.wrong(known); wrong != "" {
				l.wrong(where, "%s", wrong)
			}
		}
	}
	for _, in := range other.Inputs {
		if _, there := given[in.Name]; in.Required && !there {
			l.wrong(path, "runbook %s needs its input %s", name, in.Name)
		}
	}
}

// leadsBack says whether a runbook runs the one that is looked at, directly or not.
func (l *linter) leadsBack(other *Runbook, seen map[string]bool) bool {
	seen[other.Name] = true
	for _, name := range other.Runs() {
		if name == l.written.Name {
			return true
		}
		if seen[name] {
			continue
		}
		if next, _ := l.views.Runbook(name); next != nil && l.leadsBack(next, seen) {
			return true
		}
	}
	return false
}

// inside checks what the runbooks inside are given by reference, and what they act upon.
func (l *linter) inside() {
	for i := range l.written.Steps {
		step := &l.written.Steps[i]
		if step.Type != typeRunbook {
			continue
		}
		l.before[step.ID] = l.beforeAll(step.Needs)
		path := join(l.pathOf(step.ID), "with.inputs")
		name, _ := step.With["name"].(string)
		var other *Runbook
		if l.views.Runbook != nil {
			other, _ = l.views.Runbook(name)
		}
		given, _ := step.With["inputs"].(map[string]any)
		for _, key := range sortedKeys(given) {
			references(given[key], join(path, key), func(ref Reference, where string, whole bool) {
				kind := l.refer(step, ref, where, false)
				if other == nil || other.Input(key) == nil || kind == "" {
					return
				}
				expected := other.Input(key).Type
				switch {
				case !whole && expected != KindString:
					l.say(where, "a reference can only be the whole of this value, not a part of it")
				case !whole && (kind.isList() || kind.isMapping() || kind == KindAny):
					l.say(where, "%s is of type %s, which cannot stand inside a text", ref, kind)
				case whole && !expected.accepts(kind):
					l.say(where, "%s is of type %s, but input %s of runbook %s takes %s", ref, kind, key, name, expected)
				}
			})
		}
	}
	for _, n := range l.r.Nested {
		l.sameTarget(n)
	}
}

// sameTarget checks that a runbook inside acts upon the target of the whole.
func (l *linter) sameTarget(n Nested) {
	outer, _, _ := strings.Cut(n.Step, ".")
	path := join(l.pathOf(outer), "with")
	fromStep := false
	references(n.Target, "", func(ref Reference, _ string, _ bool) { fromStep = fromStep || ref.Root == RootSteps })
	switch {
	case n.Target == l.written.Target, n.Target == Reference{Root: RootExecution, Name: "target"}.String():
	case fromStep:
		l.say(path, "runbook %s acts on %s, which is not known when the execution starts", n.Runbook, n.Target)
	case !hasReference(n.Target) && !hasReference(l.written.Target):
		l.say(path, "runbook %s acts on %s, this one on %s: one execution acts on one target", n.Runbook, n.Target, l.written.Target)
	default:
		l.report(SeverityWarning, l.place(path), path, "runbook %s acts on %s, this one on %s: unless these are the same when it starts, it does not start", n.Runbook, n.Target, l.written.Target)
	}
}

// pathOf is where a step of the text stands.
func (l *linter) pathOf(id string) string { return join("steps", id) }

// beforeAll are the steps that have run when these are settled.
func (l *linter) beforeAll(needs []string) map[string]bool {
	before := map[string]bool{}
	for i := range l.r.Steps {
		id := l.r.Steps[i].ID
		for _, need := range needs {
			if id == need || strings.HasPrefix(id, need+".") {
				before[id] = true
				for other := range l.before[id] {
					before[other] = true
				}
			}
		}
	}
	return before
}
