package runbooks

import (
	"slices"

	"github.com/lifeboat-dr/lifeboat/internal/plan"
	"github.com/lifeboat-dr/lifeboat/internal/strictyaml"
)

var (
	modes      = []plan.Mode{plan.ModePlan, plan.ModeDrill, plan.ModeLive}
	approaches = []plan.Approach{plan.Graceful, plan.Ungraceful}
)

// when reads the condition of a step.
func (d *document) when(s *section) *When {
	node := s.values["when"]
	if node == nil {
		return nil
	}
	path := join(s.path, "when")
	w, ok := d.section(node, path, "mode", "approach", "equals")
	if !ok {
		return nil
	}
	when := &When{Approach: word(w, "approach", approaches, "")}
	if node := w.values["mode"]; node != nil {
		value, ok := d.value(node, join(path, "mode"))
		list, isList := value.([]any)
		if one, isText := value.(string); isText {
			list, isList = []any{one}, true
		}
		if ok && (!isList || len(list) == 0) {
			d.fail(d.places[join(path, "mode")], join(path, "mode"), "a list of modes is expected here: plan, drill, live")
		}
		for _, item := range list {
			text, _ := item.(string)
			mode := plan.Mode(text)
			if !slices.Contains(modes, mode) {
				d.fail(d.places[join(path, "mode")], join(path, "mode"), "%s is no mode: use plan, drill or live", strictyaml.Quote(text))
			} else if !slices.Contains(when.Modes, mode) {
				when.Modes = append(when.Modes, mode)
			}
		}
	}
	if w.has("equals") {
		when.Equals = d.equals(w)
	}
	return when
}

// equals reads comparisons, each of a reference with a single value.
func (d *document) equals(w *section) []Equal {
	path := join(w.path, "equals")
	pairs, ok := d.pairs(w.values["equals"], path)
	if !ok {
		return nil
	}
	var all []Equal
	for _, pair := range pairs {
		key := pair.Key.GetToken().Value
		if _, err := ParseReference(key); err != nil {
			d.fail(strictyaml.At(pair.Key), path, "the left side of a comparison is one reference in quotation marks, such as \"${inputs.promote}\"")
			continue
		}
		where := at(path, len(all))
		value, ok := d.value(pair.Value, where)
		if ok && KindScalar.wrong(value) != "" || hasReference(value) {
			d.fail(d.places[where], where, "the right side of a comparison is one single value without references")
		}
		all = append(all, Equal{Ref: key, Value: value})
	}
	return all
}
