package runbooks

import (
	"slices"
	"strings"

	"github.com/lifeboat-dr/lifeboat/internal/plan"
	"github.com/lifeboat-dr/lifeboat/internal/strictyaml"
)

// params checks values against parameters, and fills in the defaults. Owner is where the whole stands.
func (r *reader) params(params []Param, oneOf [][]string, values map[string]any, path string) {
	owner := r.places[path]
	for _, key := range sortedKeys(values) {
		p := paramNamed(params, key)
		if p == nil {
			r.fail(r.places[join(path, key)], join(path, key), "there is no parameter %s here: %s", strictyaml.Quote(key), strictyaml.Suggest(key, paramNames(params)))
			continue
		}
		r.param(p, values[key], join(path, key))
	}
	for _, group := range oneOf {
		r.exactlyOne(group, values, path)
	}
	for _, p := range params {
		if _, there := values[p.Name]; there {
			if _, both := values[p.Beside]; p.Beside != "" && !both && !r.failed[path] {
				r.fail(r.places[join(path, p.Name)], join(path, p.Name), "it only goes with %s: %s", p.Beside, p.Doc)
			}
			continue
		}
		switch {
		case p.Required && !r.failed[join(path, p.Name)] && !r.failed[path]:
			r.fail(owner, join(path, p.Name), "it is needed: %s", p.Doc)
		case p.Always:
			fields := map[string]any{}
			r.places[join(path, p.Name)] = owner
			r.params(p.Fields, p.OneOf, fields, join(path, p.Name))
			values[p.Name] = fields
		case p.Default != nil:
			values[p.Name] = p.Default
		}
	}
}

func (r *reader) exactlyOne(group []string, values map[string]any, path string) {
	var there []string
	for _, name := range group {
		if _, ok := values[name]; ok || r.failed[join(path, name)] {
			there = append(there, name)
		}
	}
	switch {
	case r.failed[path]:
	case len(there) == 0:
		r.fail(r.places[path], path, "exactly one of %s is needed", strings.Join(group, ", "))
	case len(there) > 1:
		r.fail(r.places[join(path, there[1])], path, "only one of %s can be here, not %s", strings.Join(group, ", "), strings.Join(there, " and "))
	}
}

// param checks one value. References are only checked for their form here: what they stand for is lint's.
func (r *reader) param(p *Param, value any, path string) {
	if r.failed[path] || !r.syntax(value, path) {
		return
	}
	if p.Literal && hasReference(value) {
		r.fail(r.places[path], path, "no ${…} can stand here: what is signed is what runs")
		return
	}
	if wholeReference(value) != nil {
		return
	}
	switch {
	case p.Kind == KindAny:
	case p.Kind == KindObject:
		fields, ok := value.(map[string]any)
		if !ok {
			r.fail(r.places[path], path, "settings are expected here: %s", strings.Join(paramNames(p.Fields), ", "))
			return
		}
		r.params(p.Fields, p.OneOf, fields, path)
	case p.Kind.isMapping():
		r.mapping(p, value, path)
	case p.Kind.isList():
		r.elements(p, value, path)
	default:
		r.single(p, value, path)
	}
}

// syntax finds texts whose ${…} cannot be read.
func (r *reader) syntax(value any, path string) bool {
	switch v := value.(type) {
	case string:
		if _, err := split(v); err != nil {
			r.fail(r.places[path], path, "%v", err)
			return false
		}
	case []any:
		ok := true
		for i, item := range v {
			ok = r.syntax(item, at(path, i)) && ok
		}
		return ok
	case map[string]any:
		ok := true
		for _, key := range sortedKeys(v) {
			ok = r.syntax(v[key], join(path, key)) && ok
		}
		return ok
	}
	return true
}

func (r *reader) mapping(p *Param, value any, path string) {
	values, ok := value.(map[string]any)
	if !ok {
		r.fail(r.places[path], path, "settings are expected here, one \"name: value\" a line: %s", p.Doc)
		return
	}
	for _, key := range sortedKeys(values) {
		if wrong := p.Kind.element().wrong(values[key]); wrong != "" {
			r.fail(r.places[join(path, key)], join(path, key), "%s", wrong)
		}
	}
}

func (r *reader) elements(p *Param, value any, path string) {
	list, ok := value.([]any)
	if !ok {
		r.fail(r.places[path], path, "a list is expected here: %s", p.Doc)
		return
	}
	if len(list) == 0 && p.Required {
		r.fail(r.places[path], path, "the list is empty: %s", p.Doc)
	}
	for i, item := range list {
		if hasReference(item) {
			continue
		}
		if wrong := p.Kind.element().wrong(item); wrong != "" {
			r.fail(r.places[at(path, i)], at(path, i), "%s", wrong)
		} else if p.Kind == KindNames && slices.Contains(list[:i], item) {
			r.fail(r.places[at(path, i)], at(path, i), "this stands here a second time: keep one")
		}
	}
}

func (r *reader) single(p *Param, value any, path string) {
	if hasReference(value) && p.Kind != KindString && p.Kind != KindScalar {
		r.fail(r.places[path], path, "a reference can only be the whole of this value, not a part of it")
		return
	}
	if wrong := p.Kind.wrong(value); wrong != "" {
		r.fail(r.places[path], path, "%s", wrong)
		return
	}
	if text, ok := value.(string); ok && len(p.Enum) > 0 && !slices.Contains(p.Enum, text) {
		r.fail(r.places[path], path, "%s is not known here: %s", strictyaml.Quote(text), strictyaml.Suggest(text, p.Enum))
		return
	}
	if wrong := outside(p.Kind, value, p.Min, p.Max); wrong != "" {
		r.fail(r.places[path], path, "%s", wrong)
	}
}

// outside says how a number or a duration is beyond its bounds.
func outside(kind Kind, value any, least, most *float64) string {
	n, ok := value.(float64)
	shown := func(n float64) string { return textOf(n) }
	if text, isText := value.(string); isText && kind == KindDuration {
		d, err := plan.ParseDuration(text)
		n, ok = d.Seconds(), err == nil
		shown = func(n float64) string { return plan.FormatDuration(seconds(n)) }
	}
	switch {
	case !ok:
	case least != nil && n < *least:
		return "it is too small: " + shown(*least) + " is the least"
	case most != nil && n > *most:
		return "it is too large: " + shown(*most) + " is the most"
	}
	return ""
}
