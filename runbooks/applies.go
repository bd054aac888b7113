package runbooks

import (
	"slices"

	"github.com/lifeboat-dr/lifeboat/internal/plan"
)

// Applies says whether a step's condition holds; nil always does. Mode and approach are those of the scope's
// execution. It is deterministic. The error names a reference that stands for nothing; it can only come
// from a step whose mode and approach fit.
func Applies(when *When, scope Scope) (bool, error) {
	if when == nil {
		return true, nil
	}
	if !when.fits(scope.Execution.Mode, scope.Execution.Approach) {
		return false, nil
	}
	for _, e := range when.Equals {
		value, err := resolveText(e.Ref, scope)
		if err != nil {
			return false, err
		}
		if !same(value, e.Value) {
			return false, nil
		}
	}
	return true, nil
}

// fits says whether mode and approach let the step apply, whatever it compares besides. A plan is that
// of a live execution, so what applies live applies in it, too.
func (w *When) fits(mode plan.Mode, approach plan.Approach) bool {
	if w == nil {
		return true
	}
	if w.Never {
		return false
	}
	inMode := len(w.Modes) == 0 || slices.Contains(w.Modes, mode) || mode == plan.ModePlan && slices.Contains(w.Modes, plan.ModeLive)
	return inMode && (w.Approach == "" || w.Approach == approach)
}

// same compares single values; whatever is none is never the same as anything.
func same(a, b any) bool {
	switch a := a.(type) {
	case string:
		b, ok := b.(string)
		return ok && a == b
	case bool:
		b, ok := b.(bool)
		return ok && a == b
	case float64:
		b, ok := b.(float64)
		return ok && a == b
	}
	return false
}
