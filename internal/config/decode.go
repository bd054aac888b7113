package config

import (
	"fmt"
	"log/slog"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"

	"github.com/lifeboat-dr/lifeboat/internal/plan"
	"github.com/lifeboat-dr/lifeboat/internal/secret"
	"github.com/lifeboat-dr/lifeboat/internal/strictyaml"
)

// The YAML package decodes too, but stops at the first mistake and quotes the lines around it. This
// decoder goes on, knows the place of every setting for the checks that follow, and quotes with care.
type decoder struct {
	file string // as it is shown
	dir  string // what relative paths are meant from
	// places are where each setting stands; failed are those that no later check should speak of.
	places   map[string]place
	failed   map[string]bool
	problems []Problem
	warnings []Problem
}

type place = strictyaml.Place

// defaulter is a section with defaults, which are set before the file is read into it.
type defaulter interface{ defaults() }

// fail records a mistake at a setting and keeps later checks silent about it and all that is in it.
func (d *decoder) fail(at place, path, format string, args ...any) {
	d.failed[path] = true
	d.report(at, path, format, args...)
}

// report records a mistake that leaves the other settings of the section worth looking at.
func (d *decoder) report(at place, path, format string, args ...any) {
	d.problems = append(d.problems, Problem{File: d.file, Line: at.Line, Column: at.Column, Path: path, Message: fmt.Sprintf(format, args...)})
}

// value reads a node into a Go value that is addressable.
func (d *decoder) value(node ast.Node, path string, into reflect.Value) {
	if into.CanAddr() {
		if section, ok := into.Addr().Interface().(defaulter); ok {
			section.defaults()
		}
	}
	switch n := node.(type) {
	case nil, *ast.NullNode:
		// A setting without a value is as good as none, so that all lines below it can be commented out.
		if into.Kind() == reflect.Struct && into.Type() != reflect.TypeFor[secret.Ref]() {
			d.fields(nil, path, into)
		}
		return
	case *ast.AnchorNode, *ast.AliasNode, *ast.TagNode:
		d.fail(strictyaml.At(n), path, "anchors, aliases and tags are not used here: write the value itself")
		return
	}
	switch target := into.Addr().Interface().(type) {
	case *secret.Ref:
		d.ref(node, path, target)
		return
	case *Signers:
		d.signers(node, path, target)
		return
	}
	switch into.Kind() {
	case reflect.Pointer:
		into.Set(reflect.New(into.Type().Elem()))
		d.value(node, path, into.Elem())
	case reflect.Struct:
		if pairs, ok := d.mapping(node, path); ok {
			d.fields(pairs, path, into)
		}
	case reflect.Map:
		d.names(node, path, into)
	case reflect.Slice:
		d.list(node, path, into)
	default:
		d.scalar(node, path, into)
	}
}

// mapping gives the pairs of a mapping, and complains about keys that stand there twice.
func (d *decoder) mapping(node ast.Node, path string) (pairs []*ast.MappingValueNode, ok bool) {
	switch n := node.(type) {
	case *ast.MappingNode:
		pairs = n.Values
	case *ast.MappingValueNode:
		pairs = []*ast.MappingValueNode{n}
	default:
		d.fail(strictyaml.At(node), path, "settings are expected here, one \"name: value\" a line, not %s", strictyaml.KindOf(node))
		return nil, false
	}
	seen := map[string]place{}
	pairs = slices.DeleteFunc(slices.Clone(pairs), func(pair *ast.MappingValueNode) bool {
		key, at := pair.Key.GetToken().Value, strictyaml.At(pair.Key)
		if _, plain := pair.Key.(ast.ScalarNode); !plain || pair.Key.IsMergeKey() {
			d.report(at, path, "only plain names can stand before a colon here: anchors, merge keys and \"?\" are not used")
			return true
		}
		if first, twice := seen[key]; twice {
			d.report(at, shown(path, key), "this stands here a second time, the first is in line %d: keep one", first.Line)
			return true
		}
		seen[key] = at
		return false
	})
	return pairs, true
}

// fields reads pairs into a struct. Structs inside it that are not in the file get their defaults, too.
func (d *decoder) fields(pairs []*ast.MappingValueNode, path string, into reflect.Value) {
	known, absent := map[string]reflect.Value{}, map[string]reflect.Value{}
	for i := range into.NumField() {
		if name := into.Type().Field(i).Tag.Get("yaml"); name != "" && name != "-" {
			known[name], absent[name] = into.Field(i), into.Field(i)
		}
	}
	for _, pair := range pairs {
		name, at := pair.Key.GetToken().Value, strictyaml.At(pair.Key)
		field, ok := known[name]
		if !ok {
			d.unknown(at, path, name, known)
			continue
		}
		delete(absent, name)
		if _, leaf := pair.Value.(ast.ScalarNode); leaf && pair.Value.Type() != ast.NullType {
			at = strictyaml.At(pair.Value)
		}
		d.places[join(path, name)] = at
		d.value(pair.Value, join(path, name), field)
	}
	for name, field := range absent {
		if field.Kind() == reflect.Struct {
			d.value(nil, join(path, name), field)
		}
	}
}

// unknown complains about a key. What it was probably meant to be counts as failed, so that nobody is
// also told that it is missing.
func (d *decoder) unknown(at place, path, name string, known map[string]reflect.Value) {
	hint := strictyaml.Suggest(name, sorted(known))
	for k := range known {
		if strings.Contains(hint, strconv.Quote(k)) {
			d.failed[join(path, k)] = true
		}
	}
	d.report(at, shown(path, name), "there is no such setting here: %s", hint)
}

// shown is a path whose last part stands in the file as a key, where people may have put anything.
func shown(path, key string) string {
	if isName(strings.ReplaceAll(key, "_", "-")) {
		return join(path, key)
	}
	return path
}

// names reads a mapping whose keys are names that people chose.
func (d *decoder) names(node ast.Node, path string, into reflect.Value) {
	pairs, ok := d.mapping(node, path)
	if !ok {
		return
	}
	into.Set(reflect.MakeMap(into.Type()))
	for _, pair := range pairs {
		name, at := pair.Key.GetToken().Value, strictyaml.At(pair.Key)
		if !isName(name) {
			d.report(at, path, "%s is no name: use lower-case letters, digits and hyphens, a letter first, 40 at most", strictyaml.Quote(name))
			continue
		}
		d.places[join(path, name)] = at
		entry := reflect.New(into.Type().Elem()).Elem()
		d.value(pair.Value, join(path, name), entry)
		into.SetMapIndex(reflect.ValueOf(name), entry)
	}
}

func (d *decoder) list(node ast.Node, path string, into reflect.Value) {
	list, ok := node.(*ast.SequenceNode)
	if !ok {
		d.fail(strictyaml.At(node), path, "a list is expected here, one \"- …\" a line, not %s", strictyaml.KindOf(node))
		return
	}
	into.Set(reflect.MakeSlice(into.Type(), len(list.Values), len(list.Values)))
	for i, item := range list.Values {
		at := fmt.Sprintf("%s[%d]", path, i)
		d.places[at] = strictyaml.At(item)
		if item == nil || item.Type() == ast.NullType {
			d.fail(strictyaml.At(item), at, "this entry is empty: fill it in or remove the line")
			continue
		}
		d.value(item, at, into.Index(i))
	}
}

func (d *decoder) scalar(node ast.Node, path string, into reflect.Value) {
	leaf, ok := node.(ast.ScalarNode)
	if !ok {
		d.fail(strictyaml.At(node), path, "one value is expected here, not %s", strictyaml.KindOf(node))
		return
	}
	text, isText := leaf.GetToken().Value, node.Type() == ast.StringType
	if literal, ok := node.(*ast.LiteralNode); ok {
		text, isText = literal.Value.Value, true
	}
	var err error
	switch target := into.Addr().Interface().(type) {
	case *time.Duration:
		if *target, err = plan.ParseDuration(text); err != nil {
			d.fail(strictyaml.At(node), path, "%s: %v", strictyaml.Quote(text), err)
		}
	case *Size:
		if *target, err = ParseSize(text); err != nil {
			d.fail(strictyaml.At(node), path, "%s: %v", strictyaml.Quote(text), err)
		}
	case *Path:
		*target = d.path(text)
	case *Text:
		*target = Text(text)
	case *slog.Level:
		if !slices.Contains([]string{"debug", "info", "warn", "error"}, text) || target.UnmarshalText([]byte(text)) != nil {
			d.fail(strictyaml.At(node), path, "%s is no level: use debug, info, warn or error", strictyaml.Quote(text))
		}
	default:
		d.plain(node, text, isText, path, into)
	}
}

// plain reads what is neither a section nor a type of this package.
func (d *decoder) plain(node ast.Node, text string, isText bool, path string, into reflect.Value) {
	switch into.Kind() {
	case reflect.String:
		if !isText {
			d.fail(strictyaml.At(node), path, "a text is expected here: put the value in quotation marks")
			return
		}
		into.SetString(text)
	case reflect.Bool:
		b, ok := node.(*ast.BoolNode)
		if !ok {
			d.fail(strictyaml.At(node), path, "%s is neither true nor false", strictyaml.Quote(text))
			return
		}
		into.SetBool(b.Value)
	case reflect.Int, reflect.Int64:
		n, err := strconv.ParseInt(text, 10, into.Type().Bits())
		if err != nil || isText {
			d.fail(strictyaml.At(node), path, "%s is no whole number", strictyaml.Quote(text))
			return
		}
		into.SetInt(n)
	default:
		panic("config: no decoding for " + into.Type().String())
	}
}

// path makes a relative path absolute, so that it means the same wherever the program is started.
func (d *decoder) path(text string) Path {
	if text == "" || filepath.IsAbs(text) {
		return Path(text)
	}
	return Path(filepath.Join(d.dir, text))
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
