package config

import (
	"fmt"
	"log/slog"
	"reflect"
	"strings"
	"time"

	"github.com/goccy/go-yaml"

	"github.com/lifeboat-dr/lifeboat/internal/plan"
	"github.com/lifeboat-dr/lifeboat/internal/secret"
)

// Redacted renders the configuration as it is in force, with every default, for people to look at. It is
// YAML that [Load] reads again. Secrets appear as the references they are.
func (c *Config) Redacted() string {
	out, err := yaml.MarshalWithOptions(plain(reflect.ValueOf(*c)), yaml.IndentSequence(true), yaml.UseLiteralStyleIfMultiline(true))
	if err != nil {
		return fmt.Sprintf("# the configuration cannot be rendered: %v\n", err)
	}
	return string(out)
}

// LogValue implements [slog.LogValuer]: a whole configuration is no attribute of a log line.
func (c *Config) LogValue() slog.Value {
	return slog.GroupValue(slog.String("file", c.File), slog.String("application", c.Application))
}

// plain turns a value into what the YAML package renders; nil leaves it out.
func plain(v reflect.Value) any {
	switch x := v.Interface().(type) {
	case time.Duration:
		if x == 0 {
			return nil
		}
		return plan.FormatDuration(x)
	case Size:
		return x.String()
	case slog.Level:
		return strings.ToLower(x.String())
	case secret.Ref:
		if x.IsZero() {
			return nil
		}
	case Signers:
		switch {
		case x.IsZero():
			return nil
		case x.File != "":
			return string(x.File)
		}
		return x.Lines
	}
	switch v.Kind() {
	case reflect.Pointer:
		if v.IsNil() {
			return nil
		}
		return plain(v.Elem())
	case reflect.Struct:
		return plainFields(v)
	case reflect.Map:
		var out yaml.MapSlice
		for _, name := range sortedKeys(v) {
			out = append(out, yaml.MapItem{Key: name, Value: plain(v.MapIndex(reflect.ValueOf(name)))})
		}
		if out == nil {
			return nil
		}
		return out
	case reflect.Slice:
		var out []any
		for i := range v.Len() {
			out = append(out, plain(v.Index(i)))
		}
		if out == nil {
			return nil
		}
		return out
	case reflect.String:
		if v.Len() == 0 && v.Type() != reflect.TypeFor[Text]() {
			return nil
		}
		return v.String()
	case reflect.Bool:
		return v.Bool()
	}
	return v.Int()
}

func plainFields(v reflect.Value) any {
	var out yaml.MapSlice
	for i := range v.NumField() {
		name, _, _ := strings.Cut(v.Type().Field(i).Tag.Get("yaml"), ",")
		if name == "" || name == "-" {
			continue
		}
		if value := plain(v.Field(i)); value != nil {
			out = append(out, yaml.MapItem{Key: name, Value: value})
		}
	}
	if out == nil {
		return nil
	}
	return out
}

func sortedKeys(v reflect.Value) []string {
	names := make(map[string]bool, v.Len())
	for _, k := range v.MapKeys() {
		names[k.String()] = true
	}
	return sorted(names)
}
