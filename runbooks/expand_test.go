package runbooks

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/lifeboat-dr/lifeboat/internal/plan"
)

// book parses a runbook of which only a part matters.
func book(t testing.TB, name, inputs, steps string) *Runbook {
	t.Helper()
	r, err := Parse([]byte("apiVersion: lifeboat/v1\nname: " + name + "\ntitle: Title of " + name + "\nscenario: maintenance\ntarget: ${inputs.it}\nescalation: " + name +
		"-policy\ninputs:\n  it: {type: component, title: it, required: true}\n" + inputs + "roles:\n  operator: {title: " + name + "}\nsteps:\n" + steps))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func library(books ...*Runbook) Library {
	return func(name string) (*Runbook, string) {
		for _, b := range books {
			if b.Name == name {
				return b, "digest of " + name
			}
		}
		return nil, ""
	}
}

const innerInputs = "  n: {type: integer, default: 3, max: 9}\n  word: {type: string, default: \"costs ${much}\"}\n  site: {type: site}\n"

const innerSteps = `  - {id: one, type: notify, title: One, when: {mode: [drill]}, with: {message: "${inputs.it} at ${inputs.word}"}}
  - {id: two, type: notify, title: Two, needs: [], when: {approach: graceful, equals: {"${inputs.n}": 4}}, with: {message: x, facts: {n: "${inputs.n}", w: "${inputs.word}"}}}
  - id: three
    type: exec
    title: Three
    needs: [one]
    with: {program: p, args: ["${steps.one.delivered}", "${inputs.n}", "n=${inputs.n}"]}
    effect: reversible
    undo: {type: exec, with: {program: q, args: ["${steps.three.line}", "${inputs.n}"]}}
  - {id: four, type: page, title: Four, needs: [one], onFailure: ignore, with: {message: come}}
`

func TestExpandPutsStepsIntoPlace(t *testing.T) {
	inner := book(t, "inner", innerInputs, innerSteps)
	before := fmt.Sprintf("%+v", *inner)
	outer := book(t, "outer", "", `  - {id: first, type: notify, title: First, with: {message: x}}
  - {id: run, type: runbook, title: Run, onFailure: undo, when: {mode: [live, drill]}, with: {name: inner, inputs: {it: "${execution.target}", n: "${steps.first.delivered}", word: "w ${inputs.it}"}}}
  - {id: again, type: runbook, title: Again, needs: [], with: {name: inner, inputs: {it: "${inputs.it}", n: 4}}}
  - {id: last, type: notify, title: Last, needs: [run, first], with: {message: "${steps.run.three.line}"}}
`)
	r, err := Expand(outer, library(inner))
	if err != nil {
		t.Fatal(err)
	}
	if after := fmt.Sprintf("%+v", *inner); after != before {
		t.Errorf("the inner runbook was changed: %s", after)
	}
	needs := map[string]string{}
	for _, s := range r.Steps {
		needs[s.ID] = strings.Join(s.Needs, " ")
	}
	want := map[string]string{
		"first": "", "run.one": "first", "run.two": "first", "run.three": "run.one", "run.four": "run.one",
		"again.one": "", "again.two": "", "again.three": "again.one", "again.four": "again.one", "last": "run.two run.three run.four first",
	}
	if !reflect.DeepEqual(needs, want) {
		t.Errorf("needs %v", needs)
	}
	three := r.Step("run.three")
	if got := fmt.Sprint(three.With["args"], three.Undo.With["args"]); got != "[${steps.run.one.delivered} ${steps.first.delivered} n=${steps.first.delivered}] [${steps.run.three.line} ${steps.first.delivered}]" {
		t.Errorf("parameters %s", got)
	}
	if got := r.Step("again.three").With["args"]; !reflect.DeepEqual(got, []any{"${steps.again.one.delivered}", 4.0, "n=4"}) {
		t.Errorf("a value lost its type: %#v", got)
	}
	if got := r.Step("run.one").With["message"]; got != "${execution.target} at w ${inputs.it}" {
		t.Errorf("message %s", got)
	}
	if got := r.Step("again.one").With["message"]; got != "${inputs.it} at costs $${much}" {
		t.Errorf("a default became a reference: %s", got)
	}
	if three.OnFailure != FailureUndo || r.Step("run.four").OnFailure != FailureIgnore || r.Step("again.three").OnFailure != FailurePause {
		t.Error("onFailure of the step counts for those that pause, and for no others")
	}
	if got := r.Step("run.four").With["policy"]; got != "inner-policy" {
		t.Errorf("the page calls %v", got)
	}
	for id, want := range map[string]string{"run.one": "drill", "run.two": "live / drill; graceful; ${steps.first.delivered} = 4", "run.three": "live / drill", "again.two": "graceful", "again.four": ""} {
		if got := r.Step(id).When.words(); got != want {
			t.Errorf("%s applies when %q, want %q", id, got, want)
		}
	}
	if len(r.Nested) != 2 || r.Nested[0].Step != "run" || r.Nested[0].Target != "${execution.target}" || r.Nested[1].Digest != "digest of inner" || len(r.Nested[1].Inputs) != 3 {
		t.Errorf("nested %+v", r.Nested)
	}
	var back Runbook
	if text, err := json.Marshal(r); err != nil || json.Unmarshal(text, &back) != nil || !reflect.DeepEqual(&back, r) {
		t.Errorf("it does not survive JSON")
	}
	if same, err := Expand(inner, nil); err != nil || same != inner {
		t.Errorf("a runbook that runs no other is not left alone: %v", err)
	}
}

func TestExpandedConditionsThatCannotHold(t *testing.T) {
	for _, tc := range []struct {
		inner, outer string
		n            string
		never        bool
	}{
		{"mode: [drill]", "mode: [live]", "3", true},
		{"mode: [plan]", "mode: [live]", "3", false}, // what applies live applies in a plan
		{"approach: graceful", "approach: ungraceful", "3", true},
		{"equals: {\"${inputs.n}\": 3}", "mode: [live]", "4", true},
		{"equals: {\"${inputs.n}\": 3}", "mode: [live]", "3", false},
	} {
		inner := book(t, "inner", innerInputs, "  - {id: a, type: notify, title: A, when: {"+tc.inner+"}, with: {message: x}}\n")
		outer := book(t, "outer", "", "  - {id: b, type: runbook, title: B, when: {"+tc.outer+"}, with: {name: inner, inputs: {it: x, n: "+tc.n+"}}}\n")
		r, err := Expand(outer, library(inner))
		if err != nil {
			t.Fatal(err)
		}
		when := r.Step("b.a").When
		if when.Never != tc.never || tc.never && when.fits(plan.ModeDrill, plan.Graceful) {
			t.Errorf("%s inside of %s with n=%s: %+v", tc.inner, tc.outer, tc.n, when)
		}
	}
}

func TestExpandRefuses(t *testing.T) {
	run := func(id, name, with string) string {
		return "  - {id: " + id + ", type: runbook, title: R, needs: [], with: {name: " + name + ", inputs: {it: x" + with + "}}}\n"
	}
	var deep []*Runbook
	for i := range MaxDepth {
		deep = append(deep, book(t, fmt.Sprintf("deep-%d", i), "", run("r", fmt.Sprintf("deep-%d", i+1), "")))
	}
	many := ""
	for i := range 251 {
		many += fmt.Sprintf("  - {id: s%d, type: notify, title: S, with: {message: x}}\n", i)
	}
	long := "  word: {type: string, default: " + strings.Repeat("x", 4000) + "}\n"
	more := `, word: "` + strings.Repeat("${inputs.word}", 20) + `"`
	grow, grow1 := book(t, "grow", long, run("r", "grow-1", more)), book(t, "grow-1", long, run("r", "grow-2", more))
	grow2 := book(t, "grow-2", long, "  - {id: s, type: notify, title: S, with: {message: \""+strings.Repeat("${inputs.word}", 20)+"\"}}\n")
	shelf := library(append(deep, book(t, "inner", innerInputs, innerSteps), book(t, "many", "", many), grow, grow1, grow2,
		book(t, "loop", "", run("r", "back", "")), book(t, "back", "", run("r", "loop", "")),
		book(t, "needy", "  opt: {type: string}\n", "  - {id: s, type: notify, title: S, with: {message: \"${inputs.opt}\"}}\n"),
		book(t, "money", "  word: {type: string}\n", "  - {id: s, type: notify, title: S, with: {message: \"${inputs.word}${inputs.it}\"}}\n"))...)
	for name, tc := range map[string]struct{ steps, why string }{
		"a runbook that is not there":    {run("a", "nobody", ""), `step a: there is no runbook "nobody"`},
		"itself":                         {run("a", "outer", ""), "outer runs outer"},
		"a circle":                       {run("a", "loop", ""), "outer runs loop runs back runs loop"},
		"more levels than allowed":       {run("a", "deep-0", ""), "5 runbooks stand inside of each other"},
		"more steps than allowed":        {run("a", "many", "") + run("b", "many", ""), "it has 502 steps"},
		"texts that grow":                {run("a", "grow", ""), "larger than"},
		"an input that is not there":     {run("a", "inner", ", nn: 3"), `no input "nn"`},
		"an input of another type":       {run("a", "inner", ", n: three"), "input n of runbook inner: a whole number"},
		"an input beyond its bounds":     {run("a", "inner", ", n: 10"), "too large"},
		"a required input left out":      {"  - {id: a, type: runbook, title: R, with: {name: inner}}\n", "needs its input it"},
		"an input that stands for none":  {run("a", "needy", ""), "${inputs.opt} stands for nothing"},
		"a dollar before a reference":    {strings.Replace(run("a", "money", ", word: a$"), "it: x", `it: "${inputs.it}"`, 1), "a $ would come to stand before a reference"},
		"another text than the one seen": {"  - {id: a, type: runbook, title: R, with: {name: inner, digest: abc, inputs: {it: x}}}\n", "only the text of runbook inner with digest abc"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Expand(book(t, "outer", "", tc.steps), shelf)
			var why *Unexpandable
			if !errors.As(err, &why) || !strings.Contains(err.Error(), tc.why) {
				t.Errorf("ended with %v, want %q", err, tc.why)
			}
		})
	}
	if r, err := Expand(deep[1], shelf); err == nil || r != nil {
		t.Errorf("deep-5 is not there, and nothing was said: %v", err)
	}
	impostor := func(string) (*Runbook, string) {
		return book(t, "other", "", innerSteps[:strings.Index(innerSteps, "\n")+1]), "d"
	}
	if _, err := Expand(book(t, "outer", "", run("a", "inner", "")), impostor); err == nil {
		t.Error("a runbook of another name was taken")
	}
}

// TestExpandedTextsMeanTheSame: whatever characters stand in texts and inputs, a step of a nested runbook gets
// the parameters that it would get alone.
func TestExpandedTextsMeanTheSame(t *testing.T) {
	word := rapid.SliceOfN(rapid.SampledFrom([]string{"$", "{", "}", "$${", "a", "${inputs.word}", "${inputs.it}", "${execution.mode}", "${steps.s.out}", "x.y"}), 0, 8)
	rapid.Check(t, func(rt *rapid.T) {
		template, given := strings.Join(word.Draw(rt, "template"), ""), strings.Join(word.Draw(rt, "given"), "")
		given = strings.NewReplacer("${inputs.word}", "b", "${steps.s.out}", "${steps.o.out}").Replace(given)
		if _, err := split(template); err != nil {
			return
		}
		if _, err := split(given); err != nil {
			return
		}
		outer := Scope{Inputs: map[string]any{"it": "IT$"}, Execution: Execution{Mode: plan.ModeDrill}, Outputs: map[string]map[string]any{"r.s": {"out": "inner $${"}, "o": {"out": "{outer"}}}
		value, err := resolve(given, outer)
		if err != nil {
			rt.Fatal(err)
		}
		alone := Scope{Inputs: map[string]any{"it": "IN", "word": value}, Execution: outer.Execution, Outputs: map[string]map[string]any{"s": outer.Outputs["r.s"]}}
		want, err := resolve(template, alone)
		if err != nil {
			rt.Fatal(err)
		}
		s := substitution{expansion: &expansion{room: 1 << 20}, within: "r", runbook: &Runbook{}, given: []Given{{Input{Name: "it"}, "IN"}, {Input{Name: "word"}, given}}}
		whole, err := s.any(template)
		if errors.Is(err, errDollar) {
			return
		}
		if err != nil {
			rt.Fatal(err)
		}
		if got, err := resolve(whole, outer); err != nil || got != want {
			rt.Fatalf("%q given %q became %q, which means %q, not %q: %v", template, given, whole, got, want, err)
		}
	})
}
