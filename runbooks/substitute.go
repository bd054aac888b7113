package runbooks

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/lifeboat-dr/lifeboat/internal/strictyaml"
)

// substitution says a nested runbook in the words of the one around it.
type substitution struct {
	*expansion
	// within is the id of the step that runs it.
	within  string
	runbook *Runbook
	given   []Given
}

// given are the inputs of a nested runbook: what the step gives, checked as far as it is known, and the defaults.
func (r *Runbook) given(with map[string]any) ([]Given, error) {
	values, _ := with["inputs"].(map[string]any)
	for _, name := range sortedKeys(values) {
		if r.Input(name) == nil {
			return nil, fmt.Errorf("runbook %s has no input %s", r.Name, strictyaml.Quote(name))
		}
	}
	var all []Given
	for _, in := range r.Inputs {
		value, there := values[in.Name]
		switch {
		case !there && in.Required:
			return nil, fmt.Errorf("runbook %s needs its input %s: %s", r.Name, in.Name, in.purpose())
		case !there && in.Default == nil:
			continue
		case !there:
			value = asText(in.Default)
		case !hasReference(value):
			known, err := resolve(value, Scope{})
			if err != nil {
				return nil, fmt.Errorf("input %s of runbook %s: %w", in.Name, r.Name, err)
			}
			if wrong := in.wrong(known); wrong != "" {
				return nil, fmt.Errorf("input %s of runbook %s: %s", in.Name, r.Name, wrong)
			}
		}
		all = append(all, Given{Input: in, Value: value})
	}
	return all, nil
}

// asText writes a value so that resolving it gives the value.
func asText(value any) any {
	if text, ok := value.(string); ok {
		return strings.ReplaceAll(text, "${", "$${")
	}
	return value
}

// runbookOf says the whole runbook, which was expanded itself, in the words of the one around it.
func (s *substitution) runbookOf(r *Runbook, by *Step, digest string) (*Runbook, error) {
	out := *r
	out.Steps, out.Nested = nil, nil
	for i := range r.Steps {
		step, err := s.step(r.Steps[i], by)
		if err != nil {
			return nil, err
		}
		out.Steps = append(out.Steps, step)
	}
	target, err := s.text(s.runbook.Target)
	if err != nil {
		return nil, fmt.Errorf("target of runbook %s: %w", r.Name, err)
	}
	out.Nested = append(out.Nested, Nested{Step: s.within, Runbook: r.Name, Title: r.Title, Digest: digest, Target: target, Inputs: s.given})
	for _, n := range r.Nested {
		if n.Target, err = s.text(n.Target); err != nil {
			return nil, err
		}
		n.Step, n.Inputs = s.id(n.Step), slices.Clone(n.Inputs)
		for i := range n.Inputs {
			if n.Inputs[i].Value, err = s.value(n.Inputs[i].Value); err != nil {
				return nil, err
			}
		}
		out.Nested = append(out.Nested, n)
	}
	return &out, nil
}

// id is the id of one of its steps.
func (s *substitution) id(step string) string { return s.within + "." + step }

// step says one of its steps in the words of the runbook around it.
func (s *substitution) step(step Step, by *Step) (Step, error) {
	own := step.ID
	failed := func(err error) (Step, error) {
		return step, fmt.Errorf("step %s of runbook %s: %w", own, s.runbook.Name, err)
	}
	step.ID = s.id(own)
	needs := make([]string, len(step.Needs))
	for i, need := range step.Needs {
		needs[i] = s.id(need)
	}
	step.Needs = needs
	if err := s.take(len(step.ID) + len(step.Title) + len(step.Summary) + size(needs)); err != nil {
		return failed(err)
	}
	var err error
	if step.When, err = s.when(step.When, by.When); err != nil {
		return failed(err)
	}
	if step.With, err = s.values(step.With); err != nil {
		return failed(err)
	}
	if step.Type == "page" && step.With["policy"] == nil && s.runbook.Escalation != "" {
		step.With["policy"] = s.runbook.Escalation // it calls whom its own runbook would call
	}
	if step.Undo != nil {
		undo := *step.Undo
		if undo.With, err = s.values(undo.With); err != nil {
			return failed(err)
		}
		step.Undo = &undo
	}
	if by.OnFailure == FailureUndo && step.OnFailure == FailurePause {
		step.OnFailure = FailureUndo
	}
	return step, nil
}

func (s *substitution) values(with map[string]any) (map[string]any, error) {
	value, err := s.value(with)
	if err != nil || with == nil {
		return nil, err
	}
	values, _ := value.(map[string]any)
	return values, nil
}

// value says any value in the words of the runbook around it.
func (s *substitution) value(value any) (any, error) {
	switch v := value.(type) {
	case string:
		return s.any(v)
	case []any:
		list := make([]any, len(v))
		for i, item := range v {
			var err error
			if list[i], err = s.value(item); err != nil {
				return nil, err
			}
		}
		return list, nil
	case map[string]any:
		values := make(map[string]any, len(v))
		for _, key := range sortedKeys(v) {
			var err error
			if values[key], err = s.value(v[key]); err != nil {
				return nil, err
			}
			if err := s.take(len(key)); err != nil {
				return nil, err
			}
		}
		return values, nil
	}
	return value, nil
}

// text is any for what has to stay a text.
func (s *substitution) text(text string) (string, error) {
	value, err := s.any(text)
	if err != nil {
		return "", err
	}
	if text, ok := value.(string); ok {
		return text, nil
	}
	return written(value)
}

var errDollar = errors.New("a $ would come to stand before a reference, which cannot be written: give the input another value")

// any says a text in the words of the runbook around it. One that is nothing but a reference to an input
// becomes what is given for it, and keeps its type.
func (s *substitution) any(text string) (any, error) {
	parts, err := split(text)
	if err != nil {
		return nil, err
	}
	var all []part
	for _, p := range parts {
		switch {
		case p.ref == nil, p.ref.Root == RootExecution:
			all = append(all, p)
		case p.ref.Root == RootSteps:
			ref := *p.ref
			ref.Step = s.id(ref.Step)
			all = append(all, part{ref: &ref})
		default:
			value, err := s.input(p.ref.Name)
			if err != nil {
				return nil, err
			}
			if len(parts) == 1 {
				return value, s.take(weight(value))
			}
			words, err := inText(value)
			if err != nil {
				return nil, fmt.Errorf("write %s: %w", p.ref, err)
			}
			all = append(all, words...)
			if err := s.take(weight(value)); err != nil { // before there is too much of it
				return nil, err
			}
		}
	}
	joined, err := unsplit(all)
	if err != nil {
		return nil, err
	}
	return joined, s.take(len(joined))
}

func weight(value any) int {
	text, _ := value.(string)
	return len(text) + 8
}

// input is what is given for one of the runbook's inputs.
func (s *substitution) input(name string) (any, error) {
	for _, g := range s.given {
		if g.Input.Name == name {
			return g.Value, nil
		}
	}
	return nil, fmt.Errorf("${inputs.%s} stands for nothing: give the input, or let it have a default", name)
}

// inText are the parts of a value that comes to stand inside of a text.
func inText(value any) ([]part, error) {
	if text, ok := value.(string); ok {
		return split(text)
	}
	words, err := written(value)
	return []part{{text: words}}, err
}

// unsplit is the text that [split] cuts into these parts.
func unsplit(parts []part) (string, error) {
	var b, literal strings.Builder
	flush := func() string {
		text := literal.String()
		literal.Reset()
		b.WriteString(strings.ReplaceAll(text, "${", "$${"))
		return text
	}
	for _, p := range parts {
		if p.ref == nil {
			literal.WriteString(p.text)
			continue
		}
		if strings.HasSuffix(flush(), "$") {
			return "", errDollar
		}
		b.WriteString(p.ref.String())
	}
	flush()
	return b.String(), nil
}
