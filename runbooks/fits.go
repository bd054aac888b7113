package runbooks

import (
	"errors"
	"fmt"
	"reflect"
	"regexp"
	"strings"
)

// Fits returns nil when values are what a step's parameters say with every reference followed. Where a reference
// stands for nothing in the scope and free allows it, any single value fits: nobody can vouch for that one. The
// error names the parameter and repeats no value.
func Fits(with, values map[string]any, scope Scope, free func(Reference) bool) error {
	if len(with) == 0 && len(values) == 0 {
		return nil
	}
	return fits("with", with, values, scope, free)
}

func fits(at string, text, value any, scope Scope, free func(Reference) bool) error {
	differs := fmt.Errorf("%s is not what the text says", at)
	switch t := text.(type) {
	case string:
		return fitsText(at, t, value, scope, free)
	case []any:
		list, ok := value.([]any)
		if !ok || len(list) != len(t) {
			return differs
		}
		for i := range t {
			if err := fits(fmt.Sprintf("%s[%d]", at, i), t[i], list[i], scope, free); err != nil {
				return err
			}
		}
		return nil
	case map[string]any:
		fields, ok := value.(map[string]any)
		if !ok || len(fields) != len(t) {
			return differs
		}
		for _, key := range sortedKeys(t) {
			field, there := fields[key]
			if !there {
				return fmt.Errorf("%s.%s is missing", at, key)
			}
			if err := fits(at+"."+key, t[key], field, scope, free); err != nil {
				return err
			}
		}
		return nil
	}
	if !reflect.DeepEqual(text, value) {
		return differs
	}
	return nil
}

func fitsText(at, text string, value any, scope Scope, free func(Reference) bool) error {
	expected, err := resolveText(text, scope)
	if err == nil {
		if !reflect.DeepEqual(expected, value) {
			return fmt.Errorf("%s is not what the text says", at)
		}
		return nil
	}
	if !errors.As(err, new(*Unresolved)) {
		return err
	}
	parts, err := split(text)
	if err != nil {
		return err
	}
	var shape strings.Builder
	for _, p := range parts {
		if p.ref == nil {
			shape.WriteString(regexp.QuoteMeta(p.text))
			continue
		}
		known, err := scope.value(*p.ref)
		if err == nil {
			words, err := written(known)
			if err != nil {
				return err
			}
			shape.WriteString(regexp.QuoteMeta(words))
			continue
		}
		if !free(*p.ref) {
			return fmt.Errorf("%s: %w", at, err)
		}
		shape.WriteString(".*")
	}
	switch v := value.(type) {
	case string:
		if regexp.MustCompile(`(?s)^` + shape.String() + `$`).MatchString(v) {
			return nil
		}
	case bool, float64:
		if len(parts) == 1 {
			return nil
		}
	}
	return fmt.Errorf("%s is not what the text says", at)
}
