package runbooks

import (
	"slices"
	"time"

	"github.com/goccy/go-yaml/ast"

	"github.com/lifeboat-dr/lifeboat/internal/plan"
	"github.com/lifeboat-dr/lifeboat/internal/strictyaml"
)

// section is a mapping whose keys the format knows.
type section struct {
	*reader
	path   string
	at     strictyaml.Place
	values map[string]ast.Node
}

// section reads a mapping with only known keys.
func (r *reader) section(node ast.Node, path string, known ...string) (*section, bool) {
	s := &section{reader: r, path: path, at: strictyaml.At(node), values: map[string]ast.Node{}}
	pairs, ok := r.pairs(node, path)
	if !ok {
		return s, false
	}
	for _, pair := range pairs {
		key, at := pair.Key.GetToken().Value, strictyaml.At(pair.Key)
		if !slices.Contains(known, key) {
			r.report(SeverityError, at, path, "there is no setting %s here: %s", strictyaml.Quote(key), strictyaml.Suggest(key, known))
			continue
		}
		if pair.Value == nil || pair.Value.Type() == ast.NullType {
			r.fail(at, join(path, key), "it has no value: fill it in or remove the line")
			continue
		}
		if _, leaf := pair.Value.(ast.ScalarNode); leaf {
			at = strictyaml.At(pair.Value)
		}
		r.places[join(path, key)] = at
		s.values[key] = pair.Value
	}
	return s, true
}

func (s *section) has(name string) bool { return s.values[name] != nil }

// need complains when a setting is not there and nothing was said about it yet.
func (s *section) need(name, what string) bool {
	if s.has(name) {
		return true
	}
	if !s.failed[join(s.path, name)] {
		s.fail(s.at, join(s.path, name), "it is needed: %s", what)
	}
	return false
}

// text reads a text; "" when there is none.
func (s *section) text(name string) string {
	node := s.values[name]
	if node == nil {
		return ""
	}
	value, ok := s.value(node, join(s.path, name))
	if !ok {
		return ""
	}
	text, isText := value.(string)
	if !isText {
		s.fail(strictyaml.At(node), join(s.path, name), "a text is expected here: put the value in quotation marks")
	}
	return text
}

// name reads a name that may be a reference's part, an id or a key.
func (s *section) name(name, what string) string {
	if !s.need(name, what) {
		return ""
	}
	text := s.text(name)
	if path := join(s.path, name); !s.failed[path] {
		if wrong := KindName.wrongText(text); wrong != "" {
			s.fail(s.places[path], path, "%s: %s", strictyaml.Quote(text), wrong)
			return ""
		}
	}
	return text
}

// word reads one of known words.
func word[T ~string](s *section, name string, known []T, otherwise T) T {
	if !s.has(name) {
		return otherwise
	}
	text := s.text(name)
	if path := join(s.path, name); !s.failed[path] && !oneOf(T(text), known) {
		names := make([]string, len(known))
		for i, k := range known {
			names[i] = string(k)
		}
		s.fail(s.places[path], path, "%s is not known here: %s", strictyaml.Quote(text), strictyaml.Suggest(text, names))
		return otherwise
	}
	return T(text)
}

// duration reads a duration above zero.
func (s *section) duration(name string, otherwise time.Duration) time.Duration {
	if !s.has(name) {
		return otherwise
	}
	text := s.text(name)
	path := join(s.path, name)
	if s.failed[path] {
		return otherwise
	}
	d, err := plan.ParseDuration(text)
	switch {
	case err != nil:
		s.fail(s.places[path], path, "%s: %v", strictyaml.Quote(text), err)
		return otherwise
	case d <= 0:
		s.fail(s.places[path], path, "it has to be longer than nothing")
		return otherwise
	}
	return d
}

// boolean reads true or false.
func (s *section) boolean(name string) bool {
	if !s.has(name) {
		return false
	}
	value, ok := s.value(s.values[name], join(s.path, name))
	b, isBool := value.(bool)
	if ok && !isBool {
		s.fail(s.places[join(s.path, name)], join(s.path, name), "true or false is expected here")
	}
	return b
}

// number reads a number, nil when there is none.
func (s *section) number(name string) *float64 {
	if !s.has(name) {
		return nil
	}
	value, ok := s.value(s.values[name], join(s.path, name))
	if n, isNumber := value.(float64); isNumber {
		return &n
	}
	if ok {
		s.fail(s.places[join(s.path, name)], join(s.path, name), "a number is expected here")
	}
	return nil
}
