package runbooks

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/santhosh-tekuri/jsonschema/v6"
)

func compiled(t *testing.T) *jsonschema.Schema {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(Schema()))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("urn:lifeboat:runbook:v1", doc); err != nil {
		t.Fatal(err)
	}
	schema, err := c.Compile("urn:lifeboat:runbook:v1")
	if err != nil {
		t.Fatal(err)
	}
	return schema
}

func valid(t *testing.T, schema *jsonschema.Schema, text []byte) error {
	t.Helper()
	asJSON, err := yaml.YAMLToJSON(text)
	if err != nil {
		t.Fatal(err)
	}
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(asJSON))
	if err != nil {
		t.Fatal(err)
	}
	return schema.Validate(value)
}

func TestSchemaIsUpToDate(t *testing.T) { golden(t, "schema.json", Schema()) }

func TestSchemaAcceptsWhatParseAccepts(t *testing.T) {
	schema := compiled(t)
	texts := [][]byte{large(60)}
	for _, file := range Builtin() {
		texts = append(texts, file.Text)
	}
	for _, name := range []string{"nested", "lost", "cycle"} { // wrong in ways that a schema cannot see
		text, err := os.ReadFile(filepath.Join("testdata/lint", name+".yaml"))
		if err != nil {
			t.Fatal(err)
		}
		texts = append(texts, text)
	}
	for _, text := range texts {
		if err := valid(t, schema, text); err != nil {
			t.Errorf("%v", err)
		}
	}
}

func TestSchemaRefusesWhatParseRefuses(t *testing.T) {
	schema := compiled(t)
	for _, step := range []string{
		"{id: a, type: bakcup, title: a}",
		"{id: a, type: notify, title: a}",
		"{id: a, type: notify, title: a, with: {message: a, text: b}}",
		"{id: a, type: notify, title: a, with: {message: 5}}",
		"{id: a, type: wait, title: a, with: {duration: 5m, until: 2026-11-23T14:05:00Z}}",
		"{id: a, type: wait, title: a, with: {duration: five}}",
		"{id: a, type: wait, title: a, with: {until: 2026-11-23T14:05:00}}",
		"{id: a, type: approval, title: a, with: {roles: [ops], requires: 0}}",
		"{id: a, type: approval, title: a, with: {roles: [\"${inputs.word}\"]}}",
		"{id: a, type: restore, title: a, with: {component: d, to: {site: a, target: b}}}",
		"{id: a, type: backup, title: a, with: {component: d}, undo: {type: manual}}",
		"{id: a, type: exec, title: a, with: {program: d}, undo: {type: backup, with: {component: d}}}",
		"{id: a, type: exec, title: a, with: {program: d}, undo: {type: exec, with: {}}}",
		"{id: a, type: runbook, title: a, with: {name: b}, timeout: 1h}",
		"{id: a, type: runbook, title: a, with: {name: b}, effect: none}",
		"{id: a, type: runbook, title: a, with: {name: b}, undo: {type: manual, with: {roles: [ops], instructions: a}}}",
		"{id: a, type: runbook, title: a, with: {name: b}, onFailure: ignore}",
		"{id: A, type: notify, title: a, with: {message: a}}",
		"{id: a, type: notify, title: a, when: {mode: [night]}, with: {message: a}}",
	} {
		text := runbookOf(step)
		if _, err := Parse(text); err == nil {
			t.Errorf("parse accepts %s", step)
		}
		if valid(t, schema, text) == nil {
			t.Errorf("the schema accepts %s", step)
		}
	}
}
