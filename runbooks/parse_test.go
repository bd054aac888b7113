package runbooks

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/lifeboat-dr/lifeboat/internal/plan"
)

// runbookOf is a small runbook with these steps, each a line of flow YAML.
func runbookOf(steps ...string) []byte {
	return []byte("apiVersion: lifeboat/v1\nname: small\ntitle: small\nscenario: maintenance\ntarget: medlink\n" +
		"inputs:\n  count: {type: integer, default: 3}\n  word: {type: string, required: true}\nroles: {ops: {}}\nsteps:\n  - " + strings.Join(steps, "\n  - ") + "\n")
}

func parsed(t *testing.T, text []byte) *Runbook {
	t.Helper()
	r, err := Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestParseFillsInEverything(t *testing.T) {
	r := parsed(t, runbookOf(
		"{id: a, type: notify, title: a, with: {message: hello}}",
		"{id: b, type: http, title: b, with: {endpoint: claims}}",
		"{id: c, type: http, title: c, needs: [], with: {endpoint: claims, method: POST}}",
		"{id: d, type: exec, title: d, with: {program: p}}",
		"{id: e, type: approval, title: e, needs: [a, d], with: {roles: [ops], expires: 30m}}",
	))
	if r.Duration != 48*time.Hour {
		t.Error(r.Duration)
	}
	for _, want := range []Step{
		{ID: "a", Type: "notify", Title: "a", Needs: []string{}, With: map[string]any{"message": "hello", "severity": "info"}, Timeout: 5 * time.Minute, Retry: RetryPatient, Effect: EffectNone, OnFailure: FailurePause},
		{ID: "b", Type: "http", Title: "b", Needs: []string{"a"}, With: map[string]any{"endpoint": "claims", "method": "GET", "path": "/", "expect": map[string]any{"status": 200.0}}, Timeout: 2 * time.Minute, Retry: RetryQuick, Effect: EffectNone, OnFailure: FailurePause},
		{ID: "c", Type: "http", Title: "c", Needs: []string{}, With: map[string]any{"endpoint": "claims", "method": "POST", "path": "/", "expect": map[string]any{"status": 200.0}}, Timeout: 2 * time.Minute, Retry: RetryNever, Effect: EffectIrreversible, OnFailure: FailurePause},
		{ID: "d", Type: "exec", Title: "d", Needs: []string{"c"}, With: map[string]any{"program": "p", "exit": 0.0}, Timeout: 10 * time.Minute, Retry: RetryNever, Effect: EffectIrreversible, OnFailure: FailurePause},
		{ID: "e", Type: "approval", Title: "e", Needs: []string{"a", "d"}, With: map[string]any{"roles": []any{"ops"}, "expires": "30m", "requires": 1.0, "excludeRequester": true, "onTimeout": "hold"}, Timeout: 30 * time.Minute, Retry: RetryNever, Effect: EffectNone, OnFailure: FailurePause},
	} {
		if got := r.Step(want.ID); !reflect.DeepEqual(*got, want) {
			t.Errorf("got  %+v\nwant %+v", *got, want)
		}
	}
	if g := GateOf(r.Step("e")); !reflect.DeepEqual(g, Gate{Requires: 1, Roles: []string{"ops"}, ExcludeRequester: true, OnTimeout: TimeoutHold}) {
		t.Error(g)
	}
}

// The engine gets runbooks as JSON: what it resolves has to be what an activity resolves from the text.
func TestRunbooksSurviveJSON(t *testing.T) {
	for _, text := range append([][]byte{large(60)}, Builtin()[0].Text) {
		before := parsed(t, text)
		encoded, err := json.Marshal(before)
		if err != nil {
			t.Fatal(err)
		}
		var after Runbook
		if err := json.Unmarshal(encoded, &after); err != nil {
			t.Fatal(err)
		}
		again, err := json.Marshal(after)
		if err != nil || string(again) != string(encoded) {
			t.Errorf("%v\n%s\n%s", err, encoded, again)
		}
		for i := range before.Steps {
			if !reflect.DeepEqual(before.Steps[i].With, after.Steps[i].With) {
				t.Errorf("step %s: %v became %v", before.Steps[i].ID, before.Steps[i].With, after.Steps[i].With)
			}
		}
	}
}

func TestParseRefusesTextsThatAreNotWhatTheySeem(t *testing.T) {
	good := string(runbookOf("{id: a, type: notify, title: a, with: {message: hello}}"))
	for name, text := range map[string]string{
		"too large":        good + "#" + strings.Repeat("x", MaxText),
		"direction":        strings.Replace(good, "hello", "hel\u202elo", 1),
		"invisible":        strings.Replace(good, "hello", "hel\u200blo", 1),
		"control":          strings.Replace(good, "hello", "hel\x07lo", 1),
		"overwritten":      strings.Replace(good, "hello", "hel\rlo", 1),
		"no UTF-8":         strings.Replace(good, "hello", "hel\xff", 1),
		"second document":  good + "---\n" + good,
		"deep":             good + "x: " + strings.Repeat("[", 200),
		"empty":            "\n# nothing\n",
		"list":             "- a\n",
		"merge key":        strings.Replace(good, "{message: hello}", "{<<: {message: hello}}", 1),
		"tag":              strings.Replace(good, "hello", "!!binary aGVsbG8=", 1),
		"infinity":         strings.Replace(good, "hello", ".inf", 1),
		"too large number": strings.Replace(good, "{message: hello}", "{message: hello, facts: {a: 9007199254740993}}", 1),
	} {
		if _, err := Parse([]byte(text)); err == nil {
			t.Errorf("%s: it was read", name)
		}
	}
	if _, err := Parse([]byte(good)); err != nil {
		t.Error(err)
	}
}

// large is a runbook of n steps in a ladder, with conditions, gates and references.
func large(n int) []byte {
	steps := []string{"{id: s0, type: sql, title: s0, with: {on: {component: database}, query: SELECT 1, expect: {rows: 1}}}"}
	for i := 1; i < n; i++ {
		needs := fmt.Sprintf("[s%d]", i-1)
		if i > 3 && i%3 == 0 {
			needs = fmt.Sprintf("[s%d, s%d, s%d]", i-1, i-2, i-3)
		}
		switch {
		case i%25 == 24:
			steps = append(steps, fmt.Sprintf("{id: s%d, type: approval, title: gate %d, needs: %s, with: {roles: [ops], expires: 1h}}", i, i, needs))
		case i%7 == 6:
			steps = append(steps, fmt.Sprintf("{id: s%d, type: notify, title: notice %d, needs: %s, when: {mode: [live, drill], equals: {\"${inputs.count}\": 3}}, with: {message: \"${inputs.word}: ${steps.s0.rows}\", facts: {n: 1.5, m: %d}}}", i, i, needs, i))
		default:
			steps = append(steps, fmt.Sprintf("{id: s%d, type: sql, title: query %d, needs: %s, timeout: 10s, with: {on: {component: database}, query: SELECT %d, args: [\"${steps.s0.rows}\"], expect: {rows_at_least: 1}}}", i, i, needs, i))
		}
	}
	return runbookOf(steps...)
}

func TestFiveHundredSteps(t *testing.T) {
	text := large(MaxSteps)
	r := parsed(t, text)
	started := time.Now()
	if errs := Lint(text, testViewsFor("ops")).Errors(); len(errs) > 0 {
		t.Fatal(errs)
	}
	if took := time.Since(started); took > 5*time.Second {
		t.Errorf("lint took %s", took)
	}
	if order := r.Order(); len(order) != MaxSteps || order[499] != "s499" {
		t.Error(order)
	}
	if closure := r.Closure("s499"); len(closure) != 499 {
		t.Error(len(closure))
	}
	if _, err := Parse(large(MaxSteps + 1)); err == nil {
		t.Error("501 steps were read")
	}
	if r.PointOfNoReturn(plan.ModeLive) != nil {
		t.Error("nothing in it is irreversible")
	}
}

func testViewsFor(role string) Views {
	views := testViews
	views.Roster = testRoster{role: {"ann", "bob", "cem"}}
	return views
}

func TestDigestIsOfTheExactBytes(t *testing.T) {
	if got := Digest([]byte("a\n")); got != "87428fc522803d31065e7bce3cf03fe475096631e5e07bbd7a0fde60c4cf25c7" {
		t.Error(got)
	}
}

// An undo by hand that waits for nobody would fail before anybody could read what to do.
func TestUndoByHandWaits(t *testing.T) {
	text, _ := BuiltinNamed("backup-restore-rehearsal")
	r, err := Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	if undo := r.Step("restore").Undo; undo.Timeout != 12*time.Hour {
		t.Errorf("a person has %s to undo the restore", undo.Timeout)
	}
}
