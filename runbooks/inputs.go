package runbooks

import (
	"regexp"
	"slices"

	"github.com/goccy/go-yaml/ast"

	"github.com/lifeboat-dr/lifeboat/internal/strictyaml"
)

// inputs reads the inputs, in the order of the text.
func (d *document) inputs(s *section) {
	node := s.values["inputs"]
	if node == nil {
		return
	}
	pairs, _ := d.pairs(node, "inputs")
	for _, pair := range pairs {
		name := pair.Key.GetToken().Value
		if !validName(name) {
			d.report(SeverityError, strictyaml.At(pair.Key), "inputs", "%s: %s", strictyaml.Quote(name), KindName.wrongText(name))
			continue
		}
		path := join("inputs", name)
		d.places[path] = strictyaml.At(pair.Key)
		if in, ok := d.input(pair.Value, name, path); ok {
			d.runbook.Inputs = append(d.runbook.Inputs, in)
		}
	}
}

func (d *document) input(node ast.Node, name, path string) (Input, bool) {
	in := Input{Name: name}
	s, ok := d.section(node, path, "type", "title", "description", "required", "default", "enum", "pattern", "min", "max", "lost")
	if !ok {
		return in, false
	}
	if s.need("type", "what kind of value it is") {
		in.Type = word(s, "type", InputKinds, "")
	}
	in.Title, in.Description, in.Pattern = s.text("title"), s.text("description"), s.text("pattern")
	in.Required, in.Lost, in.Min, in.Max = s.boolean("required"), s.boolean("lost"), s.number("min"), s.number("max")
	if s.has("enum") {
		value, ok := d.value(s.values["enum"], join(path, "enum"))
		if in.Enum, _ = value.([]any); ok && len(in.Enum) == 0 {
			d.fail(d.places[join(path, "enum")], join(path, "enum"), "a list of the values that are allowed is expected here")
		}
	}
	if s.has("default") {
		in.Default, _ = d.value(s.values["default"], join(path, "default"))
	}
	d.checkInput(in, path)
	return in, true
}

// checkInput finds inputs that contradict themselves.
func (d *document) checkInput(in Input, path string) {
	if in.Type == "" || d.failed[join(path, "type")] {
		return
	}
	if _, err := pattern(in.Pattern); err != nil {
		d.fail(d.places[join(path, "pattern")], join(path, "pattern"), "this is no regular expression of RE2")
		in.Pattern = ""
	}
	number := in.Type == KindInteger || in.Type == KindNumber || in.Type == KindDuration
	if in.Pattern != "" && (number || in.Type == KindBoolean) {
		d.fail(d.places[join(path, "pattern")], join(path, "pattern"), "only texts can match a pattern")
	}
	for _, bound := range []struct {
		name  string
		there bool
	}{{"min", in.Min != nil}, {"max", in.Max != nil}} {
		if bound.there && !number {
			d.fail(d.places[join(path, bound.name)], join(path, bound.name), "only numbers, and durations in seconds, have bounds")
		}
	}
	if in.Min != nil && in.Max != nil && *in.Min > *in.Max {
		d.fail(d.places[join(path, "max")], join(path, "max"), "it is less than min")
	}
	if in.Lost && in.Type != KindSite {
		d.fail(d.places[join(path, "lost")], join(path, "lost"), "only an input of type site can be the site that is lost")
	}
	for i, value := range in.Enum {
		if wrong := in.Type.wrong(value); wrong != "" {
			d.fail(d.places[at(join(path, "enum"), i)], at(join(path, "enum"), i), "%s", wrong)
		}
	}
	if in.Default == nil {
		return
	}
	where := join(path, "default")
	if in.Required {
		d.fail(d.places[where], where, "a required input has no default: whoever starts the runbook has to say it")
	} else if wrong := in.wrong(in.Default); wrong != "" {
		d.fail(d.places[where], where, "%s", wrong)
	}
}

// pattern compiles a pattern so that it has to match the whole text.
func pattern(text string) (*regexp.Regexp, error) {
	if _, err := regexp.Compile(text); err != nil { // on its own, so that it cannot close our group
		return nil, err
	}
	return regexp.Compile(`^(?:` + text + `)$`)
}

// wrong says what is wrong with a value as this input, "" when nothing is. It repeats no value.
func (in Input) wrong(value any) string {
	if wrong := in.Type.wrong(value); wrong != "" {
		return wrong
	}
	if len(in.Enum) > 0 && !slices.ContainsFunc(in.Enum, func(allowed any) bool { return same(allowed, value) }) {
		return "this value is not among those that are allowed"
	}
	if text, ok := value.(string); ok {
		if len(text) > 4000 {
			return "it is longer than 4000 bytes"
		}
		if re, err := pattern(in.Pattern); in.Pattern != "" && (err != nil || !re.MatchString(text)) {
			return "it does not match the pattern " + in.Pattern
		}
	}
	return outside(in.Type, value, in.Min, in.Max)
}
