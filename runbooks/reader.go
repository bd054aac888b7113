package runbooks

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"

	"github.com/lifeboat-dr/lifeboat/internal/plan"
	"github.com/lifeboat-dr/lifeboat/internal/strictyaml"
)

// reader gathers what is wrong with a text, and knows where everything stands for the checks that follow.
type reader struct {
	places   map[string]strictyaml.Place
	problems Problems
	// failed are paths that no later check should speak of.
	failed map[string]bool
}

func (r *reader) report(severity Severity, at strictyaml.Place, path, format string, args ...any) {
	r.problems = append(r.problems, Problem{Severity: severity, Line: at.Line, Column: at.Column, Path: shown(path), Message: fmt.Sprintf(format, args...)})
}

var plainPath = regexp.MustCompile(`^[A-Za-z0-9_-]{1,60}(\[[0-9]+\])*$`)

// shown is a path up to the first part that is no plain word: there people may have put anything.
func shown(path string) string {
	parts := strings.Split(path, ".")
	for i, part := range parts {
		if !plainPath.MatchString(part) {
			return strings.Join(parts[:i], ".")
		}
	}
	return path
}

// fail records a mistake and keeps later checks silent about the same thing.
func (r *reader) fail(at strictyaml.Place, path, format string, args ...any) {
	r.failed[path] = true
	r.report(SeverityError, at, path, format, args...)
}

// section is a mapping whose keys the format knows.
type section struct {
	*reader
	path   string
	at     strictyaml.Place
	values map[string]ast.Node
}

// pairs gives the pairs of a mapping, without keys that are none or stand there twice.
func (r *reader) pairs(node ast.Node, path string) (pairs []*ast.MappingValueNode, ok bool) {
	switch n := node.(type) {
	case *ast.MappingNode:
		pairs = n.Values
	case *ast.MappingValueNode:
		pairs = []*ast.MappingValueNode{n}
	case *ast.AnchorNode, *ast.AliasNode, *ast.TagNode:
		r.fail(strictyaml.At(node), path, "%s", noAnchors)
		return nil, false
	default:
		r.fail(strictyaml.At(node), path, "settings are expected here, one \"name: value\" a line, not %s", strictyaml.KindOf(node))
		return nil, false
	}
	first := map[string]strictyaml.Place{}
	return slices.DeleteFunc(slices.Clone(pairs), func(pair *ast.MappingValueNode) bool {
		key, at := pair.Key.GetToken().Value, strictyaml.At(pair.Key)
		if _, plain := pair.Key.(ast.ScalarNode); !plain || pair.Key.IsMergeKey() {
			r.report(SeverityError, at, path, "only plain names can stand before a colon here: anchors, merge keys and \"?\" are not used")
			return true
		}
		if before, twice := first[key]; twice {
			r.report(SeverityError, at, path, "%s stands here a second time, the first is in line %d: keep one", strictyaml.Quote(key), before.Line)
			return true
		}
		first[key] = at
		return false
	}), true
}

const noAnchors = "anchors, aliases and tags are not used here: write the value itself"

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

func join(path, name string) string {
	switch {
	case path == "":
		return name
	case name == "":
		return path
	}
	return path + "." + name
}

func at(path string, i int) string { return path + "[" + strconv.Itoa(i) + "]" }

// sortedKeys are the keys of a mapping in the order that everything here goes through them.
func sortedKeys[V any](m map[string]V) []string {
	return slices.Sorted(maps.Keys(m)) //workflowcheck:ignore sorted at once
}
