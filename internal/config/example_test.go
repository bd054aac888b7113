package config

import (
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/lifeboat-dr/lifeboat/internal/secret"
)

const example = "../../lifeboat.example.yaml"

func TestExampleLoads(t *testing.T) {
	c, err := Load(example)
	if err != nil {
		t.Fatal(err)
	}
	// Only the recipients, which are to be replaced, and the directory are complained about.
	var paths []string
	for _, w := range c.Warnings {
		paths = append(paths, w.Path)
	}
	if want := []string{"vaults.laptop.lock", "keys.recipients[0].recipient", "keys.recipients[1].recipient"}; !slices.Equal(paths, want) {
		t.Errorf("warnings %v, want about %v", c.Warnings, want)
	}
	root, _ := filepath.Abs("../..")
	for what, got := range map[string]string{
		"secret file": c.Keys.SigningKey.File, "path": string(c.Order.File), "signers": string(c.Keys.AllowedSigners.File),
		"dir": string(c.Vaults["laptop"].Dir.Path),
	} {
		if filepath.Dir(got) != root && filepath.Dir(filepath.Dir(got)) != root {
			t.Errorf("%s %q is not below the directory of the configuration", what, got)
		}
	}
}

var disabled = regexp.MustCompile(`(?m)^(\s*)#([a-z_]+:.*)$`)

// Every setting there is stands in the example, set or disabled, below a comment of its own.
func TestExampleDocumentsEverySetting(t *testing.T) {
	data, err := os.ReadFile(example)
	if err != nil {
		t.Fatal(err)
	}
	text := disabled.ReplaceAllString(string(data), "$1$2")
	d := decoder{file: "example", dir: "/", places: map[string]place{}, failed: map[string]bool{}}
	root, ok := d.root([]byte(text))
	if !ok {
		t.Fatal(Problems(d.problems))
	}
	var c Config
	d.value(root, "", reflect.ValueOf(&c).Elem())
	if len(d.problems) > 0 {
		t.Fatalf("with all settings enabled: %v", Problems(d.problems))
	}
	lines := strings.Split(text, "\n")
	found := map[string]bool{}
	for path, at := range d.places {
		generic := generalise(path)
		found[generic] = found[generic] || commented(lines, at.Line)
	}
	for _, want := range settings(reflect.TypeFor[Config](), "") {
		if shown, there := found[want]; !there {
			t.Errorf("%s is not in the example", want)
		} else if !shown {
			t.Errorf("%s has no comment in the example", want)
		}
	}
}

var index = regexp.MustCompile(`\[\d+\]`)

// generalise replaces names that people chose by "*".
func generalise(path string) string {
	parts := strings.Split(index.ReplaceAllString(path, "[]"), ".")
	if len(parts) > 1 && slices.Contains([]string{"sites", "vaults", "components", "targets", "schedules", "endpoints", "programs", "doors"}, parts[0]) {
		parts[1] = "*"
	}
	if len(parts) > 2 && parts[0] == "drills" {
		parts[2] = "*"
	}
	return strings.Join(parts, ".")
}

// commented looks for a comment in the lines around a setting: on it, before it, or before the setting it
// stands in one line or one paragraph with.
func commented(lines []string, line int) bool {
	for i := line - 1; i >= 0; i-- {
		text := strings.TrimSpace(lines[i])
		if strings.HasPrefix(text, "#") {
			return true
		}
		// One setting further up may share the comment, as role does with database.
		if text == "" || i < line-2 {
			return false
		}
	}
	return false
}

func settings(t reflect.Type, path string) (paths []string) {
	switch t.Kind() {
	case reflect.Pointer:
		return settings(t.Elem(), path)
	case reflect.Map:
		return settings(t.Elem(), path+".*")
	case reflect.Slice:
		return settings(t.Elem(), path+"[]")
	case reflect.Struct:
		if t == reflect.TypeFor[secret.Ref]() || t == reflect.TypeFor[Signers]() {
			return nil
		}
		for i := range t.NumField() {
			name := t.Field(i).Tag.Get("yaml")
			if name == "-" {
				continue
			}
			at := join(path, name)
			paths = append(paths, at)
			paths = append(paths, settings(t.Field(i).Type, at)...)
		}
	}
	return paths
}
