package runbooks

import (
	"math"

	"github.com/goccy/go-yaml/ast"

	"github.com/lifeboat-dr/lifeboat/internal/strictyaml"
)

// value reads a value as JSON has it, and where each part of it stands.
func (r *reader) value(node ast.Node, path string) (any, bool) {
	if _, known := r.places[path]; !known {
		r.places[path] = strictyaml.At(node)
	}
	switch n := node.(type) {
	case *ast.StringNode:
		return n.Value, true
	case *ast.LiteralNode:
		return n.Value.Value, true
	case *ast.BoolNode:
		return n.Value, true
	case *ast.IntegerNode:
		return r.whole(n, path)
	case *ast.FloatNode:
		if math.IsInf(n.Value, 0) || math.IsNaN(n.Value) {
			r.fail(strictyaml.At(n), path, "this is no number that can be counted with")
			return nil, false
		}
		return n.Value, true
	case *ast.SequenceNode:
		return r.list(n, path)
	case *ast.MappingNode, *ast.MappingValueNode:
		return r.values(n, path)
	case nil, *ast.NullNode:
		r.fail(r.places[path], path, "it has no value: fill it in or remove the line")
	case *ast.InfinityNode, *ast.NanNode:
		r.fail(strictyaml.At(n), path, "this is no number that can be counted with")
	default:
		r.fail(strictyaml.At(n), path, "%s", noAnchors)
	}
	return nil, false
}

// whole reads a whole number; larger ones than a float64 holds exactly would change on their way.
func (r *reader) whole(node *ast.IntegerNode, path string) (any, bool) {
	switch n := node.Value.(type) {
	case int64:
		if n >= -maxWhole && n <= maxWhole {
			return float64(n), true
		}
	case uint64:
		if n <= maxWhole {
			return float64(n), true
		}
	}
	r.fail(strictyaml.At(node), path, "this number is too large: put it in quotation marks if it is a name, %.0f is the most", math.Ldexp(1, 53))
	return nil, false
}

func (r *reader) list(node *ast.SequenceNode, path string) (any, bool) {
	list, all := make([]any, 0, len(node.Values)), true
	for i, item := range node.Values {
		value, ok := r.value(item, at(path, i))
		list, all = append(list, value), all && ok
	}
	if !all {
		r.failed[path] = true
		return nil, false
	}
	return list, true
}

func (r *reader) values(node ast.Node, path string) (any, bool) {
	pairs, ok := r.pairs(node, path)
	if !ok {
		return nil, false
	}
	values, all := make(map[string]any, len(pairs)), true
	for _, pair := range pairs {
		key := pair.Key.GetToken().Value
		where := strictyaml.At(pair.Key)
		if _, leaf := pair.Value.(ast.ScalarNode); leaf && pair.Value.Type() != ast.NullType {
			where = strictyaml.At(pair.Value)
		}
		r.places[join(path, key)] = where
		value, ok := r.value(pair.Value, join(path, key))
		values[key], all = value, all && ok
	}
	if !all {
		r.failed[path] = true
		return nil, false
	}
	return values, true
}
