package runbooks

import (
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/lifeboat-dr/lifeboat/internal/plan"
)

func expandedFrom(t *testing.T, file string) (outer, whole *Runbook) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	outer = parsed(t, text)
	if whole, err = Expand(outer, shelf); err != nil {
		t.Fatal(err)
	}
	return outer, whole
}

func TestNestedOnPaper(t *testing.T) {
	outer, whole := expandedFrom(t, "testdata/lint/nestedwhole.yaml")
	page, err := whole.Page(Sheet{})
	if err != nil {
		t.Fatal(err)
	}
	for what, got := range map[string]string{"page": string(page), "Markdown": string(whole.Markdown(Sheet{}))} {
		for _, want := range []string{"asked.*", "Drop what is not needed", whole.Nested[0].Digest, "unasked.drop", "never / jamais"} {
			if !strings.Contains(got, want) {
				t.Errorf("%q is not in the %s:\n%s", want, what, got)
			}
		}
	}
	if drawn := string(outer.Graph()); !strings.Contains(drawn, "RUNBOOK / PROCÉDURE: destroy") || strings.Contains(drawn, "asked.drop") {
		t.Errorf("a runbook inside is no box of its own: %s", drawn)
	}
	if drawn := string(whole.Graph()); !strings.Contains(drawn, "asked.drop · exec") {
		t.Errorf("its steps are not drawn: %s", drawn)
	}
}

func TestWhatNestedRunbooksAreGiven(t *testing.T) {
	r := &Runbook{Nested: []Nested{{Step: "a", Runbook: "inner", Target: "${inputs.it}", Inputs: []Given{
		{Input{Name: "n", Type: KindInteger, Max: ptr(9)}, "${steps.count.rows}"},
		{Input{Name: "site", Type: KindSite, Enum: []any{"us-west"}}, "us-${inputs.it}"},
	}}, {Step: "a.b", Runbook: "deeper", Target: "west", Inputs: []Given{{Input{Name: "word", Type: KindString, Pattern: "[a-z]+"}, "${execution.mode}"}}}}}
	scope := func(it string, rows any) Scope {
		s := Scope{Inputs: map[string]any{"it": it}, Execution: Execution{Target: "west", Mode: plan.ModeDrill}}
		if rows != nil {
			s.Outputs = map[string]map[string]any{"count": {"rows": rows}}
		}
		return s
	}
	for name, tc := range map[string]struct {
		step  string
		scope Scope
		why   string
	}{
		"at the start, what a step will give is not known": {"", scope("west", nil), ""},
		"all of it is well":                                 {"a.b.c", scope("west", 9.0), ""},
		"what a step gave is too much":                      {"a.x", scope("west", 10.0), "input n of runbook inner (step a): it is too large"},
		"and so for the runbooks inside":                    {"a.b.c", scope("west", 10.0), "input n of runbook inner"},
		"what a step gave is of another type":               {"a.x", scope("west", "many"), "a whole number is expected"},
		"steps outside do not care":                         {"ab.x", scope("west", "many"), ""},
		"a text that was put together":                      {"", scope("east", nil), "input site of runbook inner (step a): this value is not among"},
		"a mode that the innermost does not know as a word": {"a.b.c", Scope{Inputs: map[string]any{"it": "west"}, Execution: Execution{Mode: "PLAN"}}, "input word of runbook deeper (step a.b)"},
	} {
		if err := r.CheckNested(tc.step, tc.scope); (err == nil) != (tc.why == "") || err != nil && !strings.Contains(err.Error(), tc.why) {
			t.Errorf("%s: %v, want %q", name, err, tc.why)
		}
	}
	if err := r.CheckTargets(scope("west", nil)); err != nil {
		t.Error(err)
	}
	if err := r.CheckTargets(scope("east", nil)); err == nil || !strings.Contains(err.Error(), `runbook inner (step a) acts on "east", the execution on "west"`) {
		t.Errorf("another target: %v", err)
	}
	if err := r.CheckTargets(Scope{Execution: Execution{Target: "west"}}); err == nil || !strings.Contains(err.Error(), "is not known") {
		t.Errorf("an unknown target: %v", err)
	}
}

func TestForesee(t *testing.T) {
	scope := Scope{Inputs: map[string]any{"n": 3.0}, Outputs: map[string]map[string]any{"known": {"v": "x"}, "later": {"v": "placeholder"}}}
	unknown := func(ref Reference) bool { return ref.Step == "later" }
	got, err := Foresee(map[string]any{"n": "${inputs.n}", "l": []any{"${steps.later.v}", "a ${steps.known.v} ${steps.later.v} $${b}"}}, scope, unknown)
	want := map[string]any{"n": 3.0, "l": []any{"${steps.later.v}", "a x ${steps.later.v} ${b}"}}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%#v, %v", got, err)
	}
	if _, err := Foresee(map[string]any{"n": "${inputs.m}"}, scope, unknown); err == nil {
		t.Error("what stands for nothing was foreseen")
	}
}
