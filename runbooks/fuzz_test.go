package runbooks

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/lifeboat-dr/lifeboat/internal/plan"
)

// FuzzRunbook holds that no text makes anything here panic, that what Parse refuses lint refuses, too, and
// that what Parse accepts can be ordered, printed, drawn, sent as JSON and put inside of another runbook.
func FuzzRunbook(f *testing.F) {
	paths, err := filepath.Glob("testdata/lint/*.yaml")
	if err != nil || len(paths) == 0 {
		f.Fatal(paths, err)
	}
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	for _, text := range [][]byte{Builtin()[0].Text, crossing(), large(8), []byte("a: &a [*a]"), []byte("? a\n: b"), []byte("steps: [{<<: {}}]"), []byte("- - -")} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		problems := Lint(text, testViews)
		lines := bytes.Count(text, []byte("\n")) + 1
		for _, p := range problems {
			if p.Line < 1 || p.Column < 1 || p.Line > lines+1 || p.Message == "" {
				t.Errorf("%+v is in a text of %d lines", p, lines)
			}
		}
		r, err := Parse(text)
		if err != nil {
			if len(problems.Errors()) == 0 {
				t.Errorf("lint finds nothing, parse says %v", err)
			}
			return
		}
		use(t, r)
		if whole, err := Expand(r, shelf); err == nil {
			use(t, whole)
		}
		// The same inside of another, with references for all that it takes.
		given := map[string]any{}
		for _, in := range r.Inputs {
			given[in.Name] = "${execution.target}"
		}
		outer := &Runbook{Name: "fuzz-outer", Title: "o", Target: "t", Steps: []Step{{ID: "s", Type: typeRunbook, Title: "s", Needs: []string{}, With: map[string]any{"name": r.Name, "inputs": given}}}}
		whole, err := Expand(outer, func(name string) (*Runbook, string) {
			if name == r.Name {
				return r, "d"
			}
			return shelf(name)
		})
		if err != nil {
			return
		}
		use(t, whole)
		for i := range whole.Steps {
			references(whole.Steps[i].With, "", func(ref Reference, _ string, _ bool) {
				if ref.Root == RootInputs {
					t.Errorf("step %s still refers to %s", whole.Steps[i].ID, ref)
				}
			})
		}
	})
}

func use(t *testing.T, r *Runbook) {
	t.Helper()
	if order := r.Order(); len(order) != len(r.Steps) {
		t.Errorf("%d of %d steps have a place in the order", len(order), len(r.Steps))
	}
	if _, err := json.Marshal(r); err != nil {
		t.Error(err)
	}
	for i := range r.Steps {
		step := &r.Steps[i]
		_, _ = Resolve(step.With, testScope)
		_, _ = Applies(step.When, testScope)
		_ = GateOf(step)
		_, _ = r.GatesBefore(step.ID), r.Behind(step.ID)
	}
	_, _ = r.Bind(map[string]any{"count": 3.0})
	_ = r.PointOfNoReturn(plan.ModeDrill)
	_ = r.Markdown(Sheet{})
	if _, err := r.Page(Sheet{}); err != nil {
		t.Error(err)
	}
	wellFormed(t, r.Name, r.Graph())
	if changes := Diff(r, r); len(changes) != 0 {
		t.Error(changes)
	}
}
