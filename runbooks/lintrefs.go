package runbooks

import (
	"strings"

	"github.com/lifeboat-dr/lifeboat/internal/strictyaml"
)

// target checks what the runbook acts upon.
func (l *linter) target() {
	ref := wholeReference(l.r.Target)
	if ref == nil {
		return
	}
	if ref.Root != RootInputs {
		l.wrong("target", "%s is not known when the execution starts: refer to an input", ref)
		return
	}
	kind := l.kindOf(*ref, nil, "target")
	if kind != "" && kind != KindComponent && kind != KindTarget && kind != KindSite && kind != KindVault && kind != KindString {
		l.wrong("target", "%s is of type %s: a target is a component, a target, a site, a vault or a text", ref, kind)
	}
	if in := l.r.Input(ref.Name); in != nil && !in.Required && in.Default == nil {
		l.wrong("target", "input %s may be left out, and then there is no target: make it required", ref.Name)
	}
}

// stepReferences checks everything that a step refers to.
func (l *linter) stepReferences(step *Step) {
	path := l.path(step)
	for _, text := range []struct{ name, text string }{{"title", step.Title}, {"summary", step.Summary}} {
		if strings.Contains(text.text, "${") {
			l.warn(join(path, text.name), "references are not replaced here, only below with")
		}
	}
	if t := TypeNamed(step.Type); t != nil {
		l.values(step, t, step.With, join(path, "with"), false)
	}
	if step.Undo != nil {
		if t := TypeNamed(step.Undo.Type); t != nil {
			l.values(step, t, step.Undo.With, join(path, "undo.with"), true)
		}
	}
	if step.When == nil {
		return
	}
	for i, e := range step.When.Equals {
		where := at(join(path, "when.equals"), i)
		ref, err := ParseReference(e.Ref)
		if err != nil {
			continue
		}
		kind := l.refer(step, ref, where, false)
		if wrong := kind.wrong(e.Value); kind != "" && wrong != "" {
			l.say(where, "it is compared with %s, which is of type %s: %s", ref, kind, wrong)
		}
	}
}

// values checks the references in parameters against the kinds that are expected.
func (l *linter) values(step *Step, t *Type, with map[string]any, path string, undo bool) {
	visit(t.Params, with, path, func(p *Param, expected Kind, value any, where string) {
		references(value, where, func(ref Reference, where string, whole bool) {
			kind := l.refer(step, ref, where, undo)
			switch {
			case kind == "":
			case !whole && (kind.isList() || kind.isMapping() || kind == KindAny):
				l.say(where, "%s is of type %s, which cannot stand inside a text", ref, kind)
			case whole && p.Of == ofDoor && kind == KindString: // there is no kind of its own for doors
			case whole && !expected.accepts(kind):
				l.say(where, "%s is of type %s, but %s takes %s", ref, kind, p.Name, expected)
			}
		})
	})
}

// refer checks one reference of a step and gives the kind of what it stands for, "" when it stands for nothing.
func (l *linter) refer(step *Step, ref Reference, path string, undo bool) Kind {
	if givenFromOutside(step, ref) {
		l.used[ref] = true
		return "" // it stands at the step that runs the runbook, and is checked there
	}
	kind := l.kindOf(ref, step, path)
	if kind == "" {
		return ""
	}
	switch ref.Root {
	case RootInputs:
		if in := l.r.Input(ref.Name); !in.Required && in.Default == nil {
			l.say(path, "input %s may be left out, and then this step fails: make it required, or give it a default", ref.Name)
		}
	case RootSteps:
		if undo && ref.Step == step.ID {
			return kind
		}
		other := l.r.Step(ref.Step)
		switch {
		case !l.before[step.ID][ref.Step]:
			l.say(path, "step %s need not have run by then: add it to needs, directly or through another step", ref.Step)
		case !always(step.When, other.When, ""):
			l.say(path, "step %s does not always apply when this one does, and then %s stands for nothing: give both the same when", ref.Step, ref)
		case other.OnFailure == FailureIgnore:
			l.warn(path, "a failure of step %s is ignored, and then %s stands for nothing and this step fails", ref.Step, ref)
		}
	}
	return kind
}

// kindOf is the kind of what a reference stands for.
func (l *linter) kindOf(ref Reference, step *Step, path string) Kind {
	switch ref.Root {
	case RootInputs:
		l.used[ref] = true
		if in := l.r.Input(ref.Name); in != nil {
			return in.Type
		}
		if !l.failed[join("inputs", ref.Name)] {
			l.say(path, "there is no input %s: %s", ref.Name, strictyaml.Suggest(ref.Name, l.r.inputNames()))
		}
	case RootExecution:
		if ref.Name == "target" && step != nil {
			return l.targetKind()
		}
		names := make([]string, len(executionFields))
		for i, field := range executionFields {
			if names[i] = field.Name; field.Name == ref.Name {
				return field.Kind
			}
		}
		l.say(path, "an execution has no %s: %s", ref.Name, strictyaml.Suggest(ref.Name, names))
	case RootSteps:
		return l.outputKind(ref, path)
	}
	return ""
}

func (l *linter) outputKind(ref Reference, path string) Kind {
	other := l.r.Step(ref.Step)
	if runs := l.written.Step(ref.Step); runs != nil && runs.Type == typeRunbook {
		l.say(path, "a step of type runbook has no outputs of its own: refer to a step of the runbook, as ${steps.%s.STEP.OUTPUT}", ref.Step)
		return ""
	}
	if other == nil && l.notExpanded(ref.Step) {
		return "" // that was said already
	}
	if other == nil {
		l.say(path, "there is no step %s: %s", ref.Step, strictyaml.Suggest(ref.Step, l.r.ids()))
		return ""
	}
	t := TypeNamed(other.Type)
	if t == nil {
		return "" // that was said already
	}
	if output := t.Output(ref.Name); output != nil {
		return output.Kind
	}
	names := make([]string, len(t.Outputs))
	for i, o := range t.Outputs {
		names[i] = o.Name
	}
	l.say(path, "a step of type %s has no output %s: %s", t.Name, ref.Name, strictyaml.Suggest(ref.Name, names))
	return ""
}

// targetKind is the kind of the execution's target. A name of unknown kind fits nothing but texts.
func (l *linter) targetKind() Kind {
	if ref := wholeReference(l.r.Target); ref != nil && ref.Root == RootInputs {
		if in := l.r.Input(ref.Name); in != nil {
			return in.Type
		}
		return ""
	}
	return KindName
}

func (r *Runbook) inputNames() []string {
	names := make([]string, len(r.Inputs))
	for i, in := range r.Inputs {
		names[i] = in.Name
	}
	return names
}
