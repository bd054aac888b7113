package runbooks

import (
	"strings"
	"testing"
)

// TestDiffWhole: an edit of an inner runbook is told in the places where its steps stand in the outer one, however deep,
// with what it changes there for the steps around it.
func TestDiffWhole(t *testing.T) {
	const middleSteps = "  - {id: deep, type: runbook, title: Deep, with: {name: inner, inputs: {it: \"${inputs.it}\", n: \"${inputs.n}\"}}}\n"
	const outerSteps = "  - {id: first, type: notify, title: First, with: {message: x}}\n" +
		"  - {id: run, type: runbook, title: Run, with: {name: middle, inputs: {it: \"${inputs.it}\"}}}\n" +
		"  - {id: last, type: notify, title: Last, with: {message: done}}\n"
	const middleInputs = "  n: {type: integer, default: 3}\n"
	changes := func(outer, middle, inner string) string {
		t.Helper()
		whole := func(outer, middle, inner *Runbook) *Runbook {
			r, err := Expand(outer, library(middle, inner))
			if err != nil {
				t.Fatal(err)
			}
			return r
		}
		before, after := book(t, "outer", "", outerSteps), book(t, "outer", "", outer)
		all := DiffWhole(before, after,
			whole(before, book(t, "middle", middleInputs, middleSteps), book(t, "inner", innerInputs, innerSteps)),
			whole(after, book(t, "middle", middleInputs, middle), book(t, "inner", innerInputs, inner)))
		var lines []string
		for _, c := range all {
			lines = append(lines, c.String())
		}
		return strings.Join(lines, "\n")
	}
	edit := func(text, from, to string) string {
		t.Helper()
		if !strings.Contains(text, from) {
			t.Fatalf("%q is not in the text", from)
		}
		return strings.Replace(text, from, to, 1)
	}
	for _, c := range []struct{ name, outer, middle, inner, want string }{
		{"nothing", outerSteps, middleSteps, innerSteps, ""},
		{"a comment inside", outerSteps, middleSteps, innerSteps + "# a comment\n", ""},
		{
			"a parameter two runbooks deep", outerSteps, middleSteps, edit(innerSteps, "program: p,", "program: other,"),
			"~ steps.run.deep.three.with.program: p → other",
		},
		{
			"what an inner runbook is given", outerSteps, edit(middleSteps, `"${inputs.n}"`, "5"), innerSteps,
			"~ inside.run.deep.inputs.n: 3 → 5\n" +
				"~ steps.run.deep.two.with.facts.n: 3 → 5\n" +
				"~ steps.run.deep.three.with.args: ${steps.run.deep.one.delivered}, 3, n=3 → ${steps.run.deep.one.delivered}, 5, n=5\n" +
				"~ steps.run.deep.three.undo.with.args: ${steps.run.deep.three.line}, 3 → ${steps.run.deep.three.line}, 5",
		},
		{
			"the last inner step", outerSteps, middleSteps, edit(innerSteps, "id: four, ", "id: fifth, "),
			"- steps.run.deep.four: ", // and what follows
		},
		{
			"the outer text alone", edit(outerSteps, "message: x", "message: y"), middleSteps, innerSteps,
			"~ steps.first.with.message: x → y",
		},
	} {
		got := changes(c.outer, c.middle, c.inner)
		if prefix, more := strings.CutSuffix(c.want, ": "); more {
			for _, line := range []string{prefix, "+ steps.run.deep.fifth", "~ steps.last.needs: [run.deep.two, run.deep.three, run.deep.four] → [run.deep.two, run.deep.three, run.deep.fifth]"} {
				if !strings.Contains("\n"+got, "\n"+line) {
					t.Errorf("%s: %q is missing in\n%s", c.name, line, got)
				}
			}
		} else if got != c.want {
			t.Errorf("%s:\n%s\nwanted\n%s", c.name, got, c.want)
		}
	}
}

// TestDiffWholeOfAStepThatBecomesARunbook tells the step once, by the texts, and what took its place.
func TestDiffWholeOfAStepThatBecomesARunbook(t *testing.T) {
	inner := book(t, "inner", innerInputs, innerSteps)
	before := book(t, "outer", "", "  - {id: run, type: notify, title: Run, with: {message: x}}\n")
	after := book(t, "outer", "", "  - {id: run, type: runbook, title: Run, with: {name: inner, inputs: {it: \"${inputs.it}\"}}}\n")
	whole, err := Expand(after, library(inner))
	if err != nil {
		t.Fatal(err)
	}
	paths := map[string]int{}
	for _, c := range DiffWhole(before, after, before, whole) {
		paths[c.Path]++
	}
	if paths["steps.run.type"] != 1 || paths["steps.run"] != 0 || paths["steps.run.one"] != 1 || paths["inside.run"] != 1 {
		t.Errorf("%v", paths)
	}
}
