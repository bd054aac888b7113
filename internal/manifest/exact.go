package manifest

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
)

// exact refuses what [encoding/json] reads generously: a name that is there twice, of which the last one would
// win, and a field's name in another case. It reads one value, which is known to be well-formed; of is the
// type it was read into, nil where that says nothing about names.
func exact(d *json.Decoder, of reflect.Type) error {
	for of != nil && of.Kind() == reflect.Pointer {
		of = of.Elem()
	}
	token, err := d.Token()
	if err != nil {
		return fmt.Errorf("decode document: %w", err)
	}
	switch token {
	case json.Delim('{'):
		err = exactNames(d, of)
	case json.Delim('['):
		var elem reflect.Type
		if of != nil && (of.Kind() == reflect.Slice || of.Kind() == reflect.Array) {
			elem = of.Elem()
		}
		for err == nil && d.More() {
			err = exact(d, elem)
		}
	default:
		return nil
	}
	if err == nil {
		_, err = d.Token() // the end
	}
	return err
}

// exactNames reads the inside of an object.
func exactNames(d *json.Decoder, of reflect.Type) error {
	fields, elem := namesOf(of)
	seen := map[string]bool{}
	for d.More() {
		token, err := d.Token()
		if err != nil {
			return fmt.Errorf("decode document: %w", err)
		}
		name, _ := token.(string)
		if seen[name] {
			return fmt.Errorf("decode document: %q is there twice", name)
		}
		seen[name] = true
		inner := elem
		if fields != nil {
			field, known := fields[name]
			if !known {
				return fmt.Errorf("decode document: %q is not the name of a field", name)
			}
			inner = field
		}
		if err := exact(d, inner); err != nil {
			return err
		}
	}
	return nil
}

// namesOf are the fields of a struct by their names in JSON, or the type of a map's values. A type that
// decodes itself has neither.
func namesOf(of reflect.Type) (fields map[string]reflect.Type, elem reflect.Type) {
	if of == nil || reflect.PointerTo(of).Implements(reflect.TypeFor[json.Unmarshaler]()) {
		return nil, nil
	}
	switch of.Kind() {
	case reflect.Map:
		return nil, of.Elem()
	case reflect.Struct:
		fields = map[string]reflect.Type{}
		for _, f := range reflect.VisibleFields(of) {
			name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
			switch {
			case name != "":
				fields[name] = f.Type
			case !f.Anonymous:
				fields[f.Name] = f.Type
			}
		}
	}
	return fields, nil
}
