package strictyaml

import (
	"strings"
	"testing"
)

func TestSuggest(t *testing.T) {
	known := []string{"database", "west", "us-east"}
	for name, want := range map[string]string{
		"databse": `did you mean "database"?`, "datbaase": `did you mean "database"?`, "wset": `did you mean "west"?`,
		"us_east": `did you mean "us-east"?`, "nothing": "known are database, us-east, west",
	} {
		if got := Suggest(name, known); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
	if got := Suggest("x", nil); got != "there are none" {
		t.Error(got)
	}
}

func TestRootSaysWhyATextCannotBeRead(t *testing.T) {
	for text, want := range map[string]string{
		"a: [1": "look at the indentation", "a: 1\n---\nb: 2": "a second document", strings.Repeat("[", 100): "nests deeper", "- - - - - - - - - - a": "nests deeper",
	} {
		if root, fault := Root([]byte(text)); fault == nil && root != nil {
			t.Errorf("%q was read", text)
		} else if fault != nil && !strings.Contains(fault.Message, want) {
			t.Errorf("%q: %s", text, fault.Message)
		}
	}
	for _, text := range []string{"", "# nothing", "---\n"} {
		if root, fault := Root([]byte(text)); root != nil || fault != nil {
			t.Errorf("%q gives %v, %v", text, root, fault)
		}
	}
	root, fault := Root([]byte("\na:\n  b: 1\n"))
	if fault != nil || At(root) != (Place{2, 1}) {
		t.Error(fault, At(root))
	}
}

func TestQuoteKeepsSecretsToItself(t *testing.T) {
	for text, want := range map[string]string{"us-east": `"us-east"`, "postgres://u:p@h/d": "the value here", "napi_abc": "the value here", strings.Repeat("a", 60): "the value here"} {
		if got := Quote(text); got != want {
			t.Errorf("%s: %s", text, got)
		}
	}
}
