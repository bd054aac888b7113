package runbooks

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"

	"github.com/lifeboat-dr/lifeboat/internal/plan"
	"github.com/lifeboat-dr/lifeboat/internal/strictyaml"
)

// steps reads the steps. What is said of a step is said under its id, so ids are looked at first.
func (d *document) steps(s *section) {
	if !s.need("steps", "a list of steps, one \"- id: …\" each") {
		return
	}
	list, ok := s.values["steps"].(*ast.SequenceNode)
	if !ok || len(list.Values) == 0 {
		d.fail(d.places["steps"], "steps", "a list of steps is expected here, one \"- id: …\" each")
		return
	}
	if len(list.Values) > MaxSteps {
		d.fail(d.places["steps"], "steps", "there are %d steps, %d are the most: let a step of type runbook run a part of them", len(list.Values), MaxSteps)
		return
	}
	lines := map[string]int{}
	for i, node := range list.Values {
		path := at("steps", i)
		if id := peek(node, "id"); validName(id) {
			if line, twice := lines[id]; twice {
				d.fail(strictyaml.At(node), path, "a step %q is in line %d already: every step has an id of its own", id, line)
			} else {
				lines[id], path = strictyaml.At(node).Line, join("steps", id)
			}
		}
		d.places[path] = strictyaml.At(node)
		d.step(node, path)
	}
	d.graph()
}

// peek is the text of a setting of a mapping that was not yet read.
func peek(node ast.Node, name string) string {
	var pairs []*ast.MappingValueNode
	switch n := node.(type) {
	case *ast.MappingNode:
		pairs = n.Values
	case *ast.MappingValueNode:
		pairs = []*ast.MappingValueNode{n}
	}
	for _, pair := range pairs {
		if text, ok := pair.Value.(*ast.StringNode); ok && pair.Key.GetToken().Value == name {
			return text.Value
		}
	}
	return ""
}

// step reads one step, and appends it also when it is not all right, so that others can speak of it.
func (d *document) step(node ast.Node, path string) {
	s, ok := d.section(node, path, "id", "type", "title", "summary", "needs", "when", "with", "timeout", "retry", "effect", "undo", "onFailure")
	if !ok {
		return
	}
	step := Step{ID: s.name("id", "the step's name, for example restore"), Summary: s.text("summary")}
	if s.need("title", "what the step does, in a few words") {
		step.Title = s.line("title")
	}
	step.Needs = d.needs(s)
	step.When = d.when(s)
	t := d.stepType(s)
	step.With = d.with(s, t)
	if t == nil {
		t = &Type{}
	}
	step.Type = t.Name
	step.Timeout = s.duration("timeout", t.Timeout)
	step.Retry, step.Effect = cmp.Or(t.Retry, RetryNever), t.Assumed
	if t.Name == "http" && step.With["method"] != "GET" && step.With["method"] != "HEAD" {
		step.Retry, step.Effect = RetryNever, EffectIrreversible
	}
	step.Retry = word(s, "retry", Retries, step.Retry)
	step.Effect = word(s, "effect", Effects, step.Effect)
	step.OnFailure = word(s, "onFailure", Failures, FailurePause)
	step.Undo = d.undo(s, t)
	switch t.Name {
	case "approval":
		d.gateTimeout(s, &step)
	case typeRunbook:
		d.insideAnother(s, &step)
	}
	d.runbook.Steps = append(d.runbook.Steps, step)
	d.paths = append(d.paths, path)
}

// gateTimeout takes the deadline of a gate from its parameters; the other settings mean nothing to it.
func (d *document) gateTimeout(s *section, step *Step) {
	for _, name := range []string{"timeout", "retry", "effect", "undo"} {
		if s.has(name) {
			d.fail(d.places[join(s.path, name)], join(s.path, name), "a gate has no %s: what it has is expires and onTimeout, under with", name)
		}
	}
	step.Retry, step.Effect, step.Undo = RetryNever, EffectNone, nil
	if text, ok := step.With["expires"].(string); ok {
		step.Timeout, _ = plan.ParseDuration(text) // checked with the other parameters
	}
}

// insideAnother refuses settings that mean nothing for a step that others take the place of: each of those has
// its own.
func (d *document) insideAnother(s *section, step *Step) {
	for _, name := range []string{"timeout", "retry", "effect", "undo"} {
		if s.has(name) {
			d.fail(d.places[join(s.path, name)], join(s.path, name), "a step that runs a runbook has no %s: the steps of that runbook have their own", name)
		}
	}
	if path := join(s.path, "onFailure"); step.OnFailure == FailureIgnore {
		d.fail(d.places[path], path, "each step of the other runbook says for itself whether its failure may be ignored: use pause, or undo where those that say pause shall undo")
	}
	step.Timeout, step.Retry, step.Effect, step.Undo = 0, RetryNever, EffectNone, nil
}

func (d *document) stepType(s *section) *Type {
	if !s.need("type", "what does it: "+strings.Join(typeNames(), ", ")) {
		return nil
	}
	name, path := s.text("type"), join(s.path, "type")
	t := TypeNamed(name)
	if t == nil && !d.failed[path] {
		d.fail(d.places[path], path, "there is no type %s: %s", strictyaml.Quote(name), strictyaml.Suggest(name, typeNames()))
	}
	return t
}

// with reads the parameters of a step or of its undo.
func (d *document) with(s *section, t *Type) map[string]any {
	path := join(s.path, "with")
	values := map[string]any{}
	if node := s.values["with"]; node != nil {
		value, ok := d.value(node, path)
		read, isMapping := value.(map[string]any)
		switch {
		case ok && !isMapping:
			d.fail(d.places[path], path, "parameters are expected here, one \"name: value\" a line")
			return nil
		case !ok:
			return nil
		}
		values = read
	} else {
		d.places[path] = s.at
	}
	if t == nil {
		return values
	}
	d.params(t.Params, t.OneOf, values, path)
	if len(values) == 0 {
		return nil
	}
	return values
}

// needs reads what a step needs; nil means that the text does not say, so that the step before counts.
func (d *document) needs(s *section) []string {
	path := join(s.path, "needs")
	node := s.values["needs"]
	if node == nil {
		return nil
	}
	value, ok := d.value(node, path)
	list, isList := value.([]any)
	if ok && !isList {
		d.fail(d.places[path], path, "a list of ids is expected here, such as [backup, verify]; [] for none")
	}
	needs := make([]string, 0, len(list))
	for i, item := range list {
		id, isText := item.(string)
		switch where := at(path, i); {
		case !isText:
			d.fail(d.places[where], where, "the id of a step is expected here")
		case slices.Contains(needs, id):
			d.fail(d.places[where], where, "this stands here a second time: keep one")
		default:
			needs = append(needs, id)
		}
	}
	return needs
}

// byHand is how long an undo waits for a person where the text says nothing: the steps after it wait, too.
const byHand = 12 * time.Hour

// undo reads what takes a step back.
func (d *document) undo(s *section, t *Type) *Undo {
	node := s.values["undo"]
	if node == nil {
		return nil
	}
	path := join(s.path, "undo")
	u, ok := d.section(node, path, "type", "with", "timeout", "retry", "summary")
	if !ok {
		return nil
	}
	by := d.stepType(u)
	undo := &Undo{With: d.with(u, by), Summary: u.text("summary")}
	if by == nil {
		return undo
	}
	if t.Name != "" && !slices.Contains(t.UndoTypes, by.Name) {
		message := "a step of type " + t.Name + " has nothing that could be undone: remove this"
		if len(t.UndoTypes) > 0 {
			message = "a step of type " + t.Name + " can be undone by " + strings.Join(t.UndoTypes, ", ") + ", not by " + by.Name
		}
		d.fail(d.places[join(path, "type")], join(path, "type"), "%s", message)
	}
	undo.Type, undo.Timeout = by.Name, u.duration("timeout", cmp.Or(by.Timeout, byHand))
	undo.Retry = word(u, "retry", Retries, RetryStubborn)
	return undo
}
