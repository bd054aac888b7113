package runbooks

import (
	"slices"

	"github.com/lifeboat-dr/lifeboat/internal/plan"
)

// when is the condition of a step, and that of the step that runs its runbook: both have to hold.
func (s *substitution) when(inner, outer *When) (*When, error) {
	if inner == nil {
		return outer, nil
	}
	both := When{Approach: inner.Approach, Modes: inner.Modes, Never: inner.Never}
	for _, e := range inner.Equals {
		value, err := s.any(e.Ref)
		if err != nil {
			return nil, err
		}
		if hasReference(value) {
			text, _ := value.(string)
			both.Equals = append(both.Equals, Equal{Ref: text, Value: e.Value})
			continue
		}
		known, err := resolve(value, Scope{})
		if err != nil {
			return nil, err
		}
		both.Never = both.Never || !same(known, e.Value)
	}
	if outer == nil {
		return &both, nil
	}
	both.Never = both.Never || outer.Never
	both.Equals = append(both.Equals, outer.Equals...)
	switch {
	case both.Approach == "":
		both.Approach = outer.Approach
	case outer.Approach != "" && outer.Approach != both.Approach:
		both.Never = true
	}
	both.Modes, both.Never = commonModes(inner.Modes, outer.Modes, both.Never)
	return &both, nil
}

// commonModes are the modes in which both conditions hold; empty for all, unless never says that there is none.
func commonModes(inner, outer []plan.Mode, never bool) ([]plan.Mode, bool) {
	switch {
	case len(outer) == 0:
		return inner, never
	case len(inner) == 0:
		return outer, never
	}
	fits := func(modes []plan.Mode, mode plan.Mode) bool {
		return (&When{Modes: modes}).fits(mode, "")
	}
	var common []plan.Mode
	for _, mode := range modes {
		if fits(inner, mode) && fits(outer, mode) {
			common = append(common, mode)
		}
	}
	if slices.Contains(common, plan.ModeLive) { // whatever applies live applies in a plan
		common = slices.DeleteFunc(common, func(mode plan.Mode) bool { return mode == plan.ModePlan })
	}
	return common, never || len(common) == 0
}
