package runbooks

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml/ast"

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
