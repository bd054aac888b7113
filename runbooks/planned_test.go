package runbooks

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/lifeboat-dr/lifeboat/internal/plan"
)

// TestDeviations: what a plan and a run know alike has to be the same, what only the run can know is not compared.
func TestDeviations(t *testing.T) {
	steps := `  - {id: count, type: sql, title: Count, with: {on: {component: d}, query: SELECT 1, expect: {rows: 1}}}
  - {id: make, type: backup, title: Make, with: {component: "${inputs.it}"}}
  - {id: look, type: http, title: Look, with: {endpoint: e, path: "/${steps.count.value}"}}
  - id: act
    type: exec
    title: Act
    with: {program: p, args: ["${steps.count.value}", "${steps.make.backup}", "${execution.mode} of ${execution.target}", 3]}
`
	r := book(t, "outer", "", steps)
	scope := func(mode plan.Mode, count string) Scope {
		s := Scope{Inputs: map[string]any{"it": "d"}, Execution: Execution{Mode: mode, Target: "d", Approach: plan.Graceful, ID: string(mode)}, Outputs: map[string]map[string]any{"count": {"value": count, "rows": 1.0}, "make": {"backup": "of " + string(mode)}}}
		return s
	}
	// The plan only said that it would make a backup; the query it really asked.
	var planned []plan.PlannedChange
	for _, id := range []string{"make", "act"} {
		with, err := Foresee(r.Step(id).With, scope(plan.ModePlan, "7"), Unforeseen(func(id string) bool { return id == "make" }))
		if err != nil {
			t.Fatal(err)
		}
		planned = append(planned, plan.PlannedChange{Step: id, Type: r.Step(id).Type, With: with})
	}
	text, err := json.Marshal(planned)
	if err != nil || json.Unmarshal(text, &planned) != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(text), `["7","${steps.make.backup}","${execution.mode} of d",3]`) {
		t.Errorf("the plan is %s", text)
	}
	spoiled := func(change func(with map[string]any)) []plan.PlannedChange {
		var copied []plan.PlannedChange
		if err := json.Unmarshal(text, &copied); err != nil {
			t.Fatal(err)
		}
		change(copied[1].With)
		return copied
	}
	for name, tc := range map[string]struct {
		step    string
		planned []plan.PlannedChange
		scope   Scope
		why     string
	}{
		"the same":                            {"act", planned, scope(plan.ModeLive, "7"), ""},
		"a query that answers otherwise now":  {"act", planned, scope(plan.ModeLive, "8"), `args[0]: planned "7", now "8"`},
		"a step that only asks":               {"count", planned, scope(plan.ModeLive, "8"), ""},
		"a request that only looks":           {"look", planned, scope(plan.ModeLive, "8"), ""},
		"a child workflow":                    {"make", planned, scope(plan.ModeLive, "8"), ""},
		"nothing was intended":                {"act", planned[:1], scope(plan.ModeLive, "7"), "the plan did not intend step act"},
		"another type was intended":           {"act", []plan.PlannedChange{{Step: "act", Type: "http", With: planned[1].With}}, scope(plan.ModeLive, "7"), "did not intend"},
		"a parameter more than was planned":   {"act", spoiled(func(w map[string]any) { delete(w, "program") }), scope(plan.ModeLive, "7"), `program: planned nothing, now "p"`},
		"a parameter less than was planned":   {"act", spoiled(func(w map[string]any) { w["site"] = "s" }), scope(plan.ModeLive, "7"), `site: planned "s", now nothing`},
		"a list that is longer than planned":  {"act", spoiled(func(w map[string]any) { w["args"] = []any{"7"} }), scope(plan.ModeLive, "7"), "args: planned"},
		"an approach that nobody asked about": {"act", planned, func() Scope { s := scope(plan.ModeLive, "7"); s.Execution.Target = "e"; return s }(), `args[2]: planned "${execution.mode} of d", now "${execution.mode} of e"`},
	} {
		err := Deviates(r.Step(tc.step), tc.planned, tc.scope)
		var deviation *Deviation
		if tc.why == "" && err == nil {
			continue
		}
		if !errors.As(err, &deviation) || tc.why == "" || !strings.Contains(err.Error(), tc.why) {
			t.Errorf("%s: %v, want %q", name, err, tc.why)
		}
	}
}
