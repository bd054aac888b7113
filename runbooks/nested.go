package runbooks

import (
	"errors"
	"fmt"
	"strings"
)

// CheckNested checks what the runbooks around a step are given, as far as scope knows it; all nested
// runbooks when step is empty. What comes from a step that has not completed is checked when it has: the steps
// that use it cannot begin before. It is deterministic. The error repeats no value.
func (r *Runbook) CheckNested(step string, scope Scope) error {
	for _, n := range r.Nested {
		if step != "" && !n.Holds(step) {
			continue
		}
		for _, g := range n.Inputs {
			value, err := resolve(g.Value, scope)
			if unknown := (*Unresolved)(nil); errors.As(err, &unknown) {
				continue
			}
			if err != nil {
				return fmt.Errorf("input %s of runbook %s (step %s): %w", g.Input.Name, n.Runbook, n.Step, err)
			}
			if wrong := g.Input.wrong(value); wrong != "" {
				return fmt.Errorf("input %s of runbook %s (step %s): %s", g.Input.Name, n.Runbook, n.Step, wrong)
			}
		}
	}
	return nil
}

// CheckTargets makes sure that every nested runbook acts upon what the execution acts upon, and nothing else:
// one live execution at a time holds a target.
func (r *Runbook) CheckTargets(scope Scope) error {
	for _, n := range r.Nested {
		target, err := ResolveText(n.Target, scope)
		if err != nil {
			return fmt.Errorf("the target of runbook %s (step %s) is not known when the execution starts: %w", n.Runbook, n.Step, err)
		}
		if target != scope.Execution.Target {
			return fmt.Errorf("runbook %s (step %s) acts on %q, the execution on %q: give it an input so that both are the same, or run it on its own", n.Runbook, n.Step, target, scope.Execution.Target)
		}
	}
	return nil
}

// Holds says whether a step is one of the nested runbook's, or of those inside of it.
func (n Nested) Holds(step string) bool { return strings.HasPrefix(step, n.Step+".") }

// Foresee replaces every reference in a step's parameters that is not unknown, as [Resolve] does, and leaves
// the unknown ones as they are written. What two executions foresee of a step is equal when all that both can
// know of it is. It is deterministic.
func Foresee(with map[string]any, scope Scope, unknown func(Reference) bool) (map[string]any, error) {
	foreseen, err := resolveBy(with, func(ref Reference) (any, error) {
		if unknown(ref) {
			return ref.String(), nil
		}
		return scope.value(ref)
	})
	if err != nil {
		return nil, err
	}
	values, _ := foreseen.(map[string]any)
	return values, nil
}
