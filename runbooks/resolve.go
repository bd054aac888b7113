package runbooks

import (
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/lifeboat-dr/lifeboat/internal/plan"
)

// Scope is what references stand for while an execution runs.
type Scope struct {
	// Inputs are complete, as [Runbook.Bind] makes them.
	Inputs map[string]any `json:"inputs"`
	// Outputs are the outputs of the steps that have completed, by step.
	Outputs   map[string]map[string]any `json:"outputs,omitempty"`
	Execution Execution                 `json:"execution"`
}

// Execution is what an execution says about itself.
type Execution struct {
	ID        string        `json:"id"`
	Mode      plan.Mode     `json:"mode"`
	Target    string        `json:"target"`
	Approach  plan.Approach `json:"approach"`
	Commander string        `json:"commander"`
	// Started is RFC 3339.
	Started string `json:"started"`
}

// Unresolved says that a reference stands for nothing, most often because its step was skipped.
type Unresolved struct{ Reference Reference }

func (u *Unresolved) Error() string {
	switch u.Reference.Root {
	case RootSteps:
		return fmt.Sprintf("%s has no value: step %s did not complete, or gave none", u.Reference, u.Reference.Step)
	case RootInputs:
		return fmt.Sprintf("%s has no value: give the input, or a default", u.Reference)
	}
	return fmt.Sprintf("%s has no value", u.Reference)
}

// Resolve replaces every reference in a step's parameters. A value that is nothing but a reference keeps
// its type; inside a text it is written out. It is deterministic, and leaves with as it is. The error is
// an [Unresolved] for the first reference, in the order of keys, that stands for nothing.
func Resolve(with map[string]any, scope Scope) (map[string]any, error) {
	resolved, err := resolve(with, scope)
	if err != nil {
		return nil, err
	}
	values, _ := resolved.(map[string]any)
	return values, nil
}

// ResolveText replaces every reference in a text.
func ResolveText(text string, scope Scope) (string, error) {
	value, err := resolve(text, scope)
	if err != nil {
		return "", err
	}
	return written(value)
}

func resolve(value any, scope Scope) (any, error) { return resolveBy(value, scope.value) }

// resolveBy replaces every reference by what it stands for.
func resolveBy(value any, standsFor func(Reference) (any, error)) (any, error) {
	switch v := value.(type) {
	case string:
		return resolveTextBy(v, standsFor)
	case []any:
		list := make([]any, len(v))
		for i, item := range v {
			var err error
			if list[i], err = resolveBy(item, standsFor); err != nil {
				return nil, err
			}
		}
		return list, nil
	case map[string]any:
		values := make(map[string]any, len(v))
		for _, key := range sortedKeys(v) {
			var err error
			if values[key], err = resolveBy(v[key], standsFor); err != nil {
				return nil, err
			}
		}
		return values, nil
	}
	return value, nil
}

func resolveText(text string, scope Scope) (any, error) { return resolveTextBy(text, scope.value) }

func resolveTextBy(text string, standsFor func(Reference) (any, error)) (any, error) {
	parts, err := split(text)
	if err != nil {
		return nil, err
	}
	if len(parts) == 1 && parts[0].ref != nil {
		return standsFor(*parts[0].ref)
	}
	result := ""
	for _, p := range parts {
		if p.ref == nil {
			result += p.text
			continue
		}
		value, err := standsFor(*p.ref)
		if err != nil {
			return nil, err
		}
		words, err := written(value)
		if err != nil {
			return nil, fmt.Errorf("write %s: %w", p.ref, err)
		}
		result += words
	}
	return result, nil
}

// value is what a reference stands for.
func (s Scope) value(ref Reference) (any, error) {
	var value any
	switch ref.Root {
	case RootInputs:
		value = s.Inputs[ref.Name]
	case RootSteps:
		value = s.Outputs[ref.Step][ref.Name]
	case RootExecution:
		if text := s.Execution.field(ref.Name); text != "" {
			value = text
		}
	}
	if value == nil {
		return nil, &Unresolved{Reference: ref}
	}
	return value, nil
}

func (e Execution) field(name string) string {
	switch name {
	case "id":
		return e.ID
	case "mode":
		return string(e.Mode)
	case "target":
		return e.Target
	case "approach":
		return string(e.Approach)
	case "commander":
		return e.Commander
	case "started":
		return e.Started
	}
	return ""
}

// written is a value inside a text.
func written(value any) (string, error) {
	switch v := value.(type) {
	case string:
		return v, nil
	case bool:
		return strconv.FormatBool(v), nil
	case float64:
		return textOf(v), nil
	}
	return "", errors.New("a list or a mapping cannot stand inside a text")
}

// textOf writes a number without an exponent, and a whole one without a point.
func textOf(n float64) string { return strconv.FormatFloat(n, 'f', -1, 64) }

func seconds(n float64) time.Duration { return time.Duration(n * float64(time.Second)) }
