package runbooks

import (
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write golden files anew")

// golden compares what was made with a file, or writes it.
func golden(t *testing.T, path string, got []byte) {
	t.Helper()
	if *update {
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(want) != string(got) {
		t.Errorf("%s is not what it was: look at the difference, then run go test ./runbooks -update\n%s", path, got)
	}
}

type testRoster map[string][]string

func (r testRoster) Holders(role string) []string { return r[role] }
func (r testRoster) HasPolicy(name string) bool   { return name == "on-call" }

// testConfiguration has a database at us-east with its vault and scratch at us-west.
type testConfiguration struct{}

func (testConfiguration) Has(of, name string) bool {
	return slices.Contains(map[string][]string{
		"component": {"database"}, "site": {"us-east", "us-west"}, "target": {"spare"}, "vault": {"west"},
		"endpoint": {"claims", "claims-east"}, "program": {"drop", "change"}, "receiver": {"on-call"}, "secret": {"claims-token"}, "fault": {"delete", "bad-delete"},
	}[of], name)
}

func (testConfiguration) Site(use Use, name string) string {
	switch {
	case use == UseSite:
		return name
	case use == UseSource && name == "database", use == UseEndpoint && name == "claims-east":
		return "us-east"
	case name == "database", use == UseTarget:
		return "us-west"
	}
	return ""
}

// shelf are the runbooks that tests put into others.
func shelf(name string) (*Runbook, string) {
	text, ok := BuiltinNamed(name)
	if !ok {
		var err error
		if text, err = os.ReadFile(filepath.Join("testdata", "nested", name+".yaml")); err != nil {
			return nil, ""
		}
	}
	r, err := Parse(text)
	if err != nil {
		panic(err)
	}
	return r, Digest(text)
}

var testViews = Views{
	Roster:        testRoster{"commander": {"ann"}, "operator": {"ann", "bob", "cem"}, "incident-commander": {"ann", "bob", "cem", "dea"}, "database-operator": {"ann", "bob"}},
	Configuration: testConfiguration{},
	Runbook: func(name string) (*Runbook, string) {
		if name == "returns" {
			return &Runbook{Name: name, Steps: []Step{{ID: "a", Type: "runbook", With: map[string]any{"name": "nested"}}}}, "d"
		}
		return shelf(name)
	},
}

func TestLintSaysEverythingAtOnce(t *testing.T) {
	paths, err := filepath.Glob("testdata/lint/*.yaml")
	if err != nil || len(paths) == 0 {
		t.Fatal(paths, err)
	}
	for _, path := range paths {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".yaml"), func(t *testing.T) {
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			problems := Lint(text, testViews)
			golden(t, strings.TrimSuffix(path, ".yaml")+".txt", []byte(problems.Error()+"\n"))
			for _, p := range problems {
				if strings.Contains(p.String(), "hunter2") || strings.Contains(p.String(), "abcdefghij") {
					t.Errorf("a secret is repeated: %s", p)
				}
			}
		})
	}
}

func TestBuiltinsAreFree(t *testing.T) {
	for _, file := range Builtin() {
		r, err := Parse(file.Text)
		if err != nil {
			t.Errorf("%s: %v", file.Name, err)
			continue
		}
		if r.Name != file.Name {
			t.Errorf("%s.yaml calls itself %s", file.Name, r.Name)
		}
		if problems := Lint(file.Text, testViews); len(problems) > 0 {
			t.Errorf("%s:\n%v", file.Name, problems)
		}
	}
}

func TestLintSaysWhatItDidNotCheck(t *testing.T) {
	text, _ := BuiltinNamed("backup-restore-rehearsal")
	problems := Lint(text, Views{})
	if len(problems) != 2 || len(problems.Errors()) != 0 {
		t.Fatalf("%v", problems)
	}
}
