package runbooks

import (
	"errors"
	"reflect"
	"testing"

	"github.com/lifeboat-dr/lifeboat/internal/plan"
)

var testScope = Scope{
	Inputs:    map[string]any{"count": 3.0, "word": "a b", "yes": true, "half": 0.5, "list": []any{1.0}},
	Outputs:   map[string]map[string]any{"a": {"rows": 12345678.0, "note": "${inputs.word}"}},
	Execution: Execution{ID: "x/1", Mode: plan.ModeLive, Target: "medlink", Approach: plan.Graceful, Commander: "ann", Started: "2026-11-23T14:05:00Z"},
}

func TestResolve(t *testing.T) {
	with := map[string]any{
		"whole": "${inputs.count}", "flag": "${inputs.yes}", "text": "n=${inputs.count} ${inputs.half} ${inputs.yes}, ${steps.a.rows}",
		"list": []any{"${inputs.word}", 1.0, true}, "nested": map[string]any{"deep": "${execution.id}/${execution.mode}/${execution.target}"},
		"literal": "$${inputs.word} $5 $ ${inputs.count}$", "once": "${steps.a.note}", "whole list": "${inputs.list}",
		"who": "${execution.commander} ${execution.started} ${execution.approach}",
	}
	got, err := Resolve(with, testScope)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]any{
		"whole": 3.0, "flag": true, "text": "n=3 0.5 true, 12345678", "list": []any{"a b", 1.0, true},
		"nested": map[string]any{"deep": "x/1/live/medlink"}, "literal": "${inputs.word} $5 $ 3$",
		// What people and databases answer is never read as a reference again.
		"once": "${inputs.word}", "whole list": []any{1.0}, "who": "ann 2026-11-23T14:05:00Z graceful",
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
	if with["whole"] != "${inputs.count}" || with["nested"].(map[string]any)["deep"] == "x/1/live/medlink" {
		t.Error("the parameters were changed")
	}
	if got, err := Resolve(nil, testScope); err != nil || len(got) != 0 {
		t.Error(got, err)
	}
}

func TestResolveNamesWhatStandsForNothing(t *testing.T) {
	for text, want := range map[string]Reference{
		"${inputs.no}":         {Root: RootInputs, Name: "no"},
		"x ${steps.a.no}":      {Root: RootSteps, Step: "a", Name: "no"},
		"x ${steps.b.rows}":    {Root: RootSteps, Step: "b", Name: "rows"},
		"${execution.weather}": {Root: RootExecution, Name: "weather"},
	} {
		_, err := Resolve(map[string]any{"z": "${inputs.later}", "a": []any{"fine", text}}, testScope)
		var unresolved *Unresolved
		if !errors.As(err, &unresolved) || unresolved.Reference != want {
			t.Errorf("%s: %v", text, err)
		}
	}
	for _, text := range []string{"x ${inputs.list}", "${", "${inputs.a", "${}", "${inputs}", "${inputs.a.b}", "${steps.a}", "${other.a}", "${Inputs.a}", "${inputs. a}"} {
		if _, err := ResolveText(text, testScope); err == nil {
			t.Errorf("%s was resolved", text)
		}
	}
}

func TestReferencesReadAsWritten(t *testing.T) {
	for _, text := range []string{"${inputs.a-b}", "${steps.a-1.rows_at_least}", "${execution.id}"} {
		ref, err := ParseReference(text)
		if err != nil || ref.String() != text {
			t.Error(text, ref, err)
		}
	}
	refs := References(map[string]any{"b": "${inputs.b} ${inputs.a}", "a": []any{"${inputs.a}", "$${inputs.c}"}})
	if !reflect.DeepEqual(refs, []Reference{{Root: RootInputs, Name: "a"}, {Root: RootInputs, Name: "b"}}) {
		t.Error(refs)
	}
}

func TestApplies(t *testing.T) {
	for _, tc := range []struct {
		when *When
		want bool
	}{
		{nil, true},
		{&When{}, true},
		{&When{Modes: []plan.Mode{plan.ModeDrill}}, false},
		{&When{Modes: []plan.Mode{plan.ModeDrill, plan.ModeLive}}, true},
		{&When{Approach: plan.Ungraceful}, false},
		{&When{Approach: plan.Graceful, Equals: []Equal{{"${inputs.count}", 3.0}, {"${inputs.yes}", true}}}, true},
		{&When{Equals: []Equal{{"${inputs.count}", "3"}}}, false},
		{&When{Equals: []Equal{{"${inputs.word}", "a b"}, {"${inputs.count}", 4.0}}}, false},
		{&When{Equals: []Equal{{"${inputs.list}", 1.0}}}, false},
		// What does not fit the mode need not be known.
		{&When{Approach: plan.Ungraceful, Equals: []Equal{{"${steps.b.rows}", 1.0}}}, false},
	} {
		if got, err := Applies(tc.when, testScope); err != nil || got != tc.want {
			t.Errorf("%+v: %v, %v", tc.when, got, err)
		}
	}
	if _, err := Applies(&When{Equals: []Equal{{"${steps.b.rows}", 1.0}}}, testScope); err == nil {
		t.Error("a comparison with nothing has an outcome")
	}
	planned := testScope
	planned.Execution.Mode = plan.ModePlan
	for mode, want := range map[plan.Mode]bool{plan.ModeLive: true, plan.ModeDrill: false, plan.ModePlan: true} {
		if got, _ := Applies(&When{Modes: []plan.Mode{mode}}, planned); got != want {
			t.Errorf("in a plan a step of mode %s: %v", mode, got)
		}
	}
}
