package runbooks

import (
	"reflect"
	"strings"
	"testing"

	"github.com/lifeboat-dr/lifeboat/internal/plan"
)

func TestGraph(t *testing.T) {
	r := parsed(t, runbookOf(
		"{id: end, type: notify, title: a, needs: [wipe, note], with: {message: a}}",
		"{id: first, type: approval, title: a, needs: [], with: {roles: [ops]}}",
		"{id: note, type: notify, title: a, needs: [first], with: {message: a}}",
		"{id: prepare, type: exec, title: a, effect: reversible, needs: [first], with: {program: p}, undo: {type: exec, with: {program: q}}}",
		"{id: second, type: approval, title: a, with: {roles: [ops]}}",
		"{id: wipe, type: exec, title: a, when: {mode: [live]}, with: {program: p}}",
		"{id: wipe-again, type: exec, title: a, with: {program: p}}",
	))
	check := func(what string, got []string, want string) {
		t.Helper()
		if strings.Join(got, " ") != want {
			t.Errorf("%s: %v, want %s", what, got, want)
		}
	}
	check("order", r.Order(), "first note prepare second wipe wipe-again end")
	check("closure", r.Closure("end"), "first note prepare second wipe")
	check("closure of the first", r.Closure("first"), "")
	check("dependents", r.Dependents("first"), "note prepare")
	check("gates", r.GatesBefore("wipe"), "first second")
	check("behind", r.Behind("first"), "note prepare second end")
	check("behind the second", r.Behind("second"), "wipe wipe-again end")
	check("no return", r.PointOfNoReturn(plan.ModeLive), "wipe")
	check("no return in a drill", r.PointOfNoReturn(plan.ModeDrill), "wipe-again")
	if r.Step("nothing") != nil || r.Closure("nothing") != nil {
		t.Error("there is no such step")
	}
}

func TestBind(t *testing.T) {
	r := parsed(t, []byte(`apiVersion: lifeboat/v1
name: small
title: small
scenario: maintenance
target: medlink
inputs:
  need: {type: site, title: the site, required: true}
  count: {type: integer, default: 3, min: 1, max: 5}
  wait: {type: duration, min: 60, max: 3600}
  word: {type: string, pattern: "a|b"}
  one: {type: string, enum: [x, y]}
steps: [{id: a, type: notify, title: a, with: {message: a}}]
`))
	got, err := r.Bind(map[string]any{"need": "us-east", "wait": "5m", "word": "b", "one": nil})
	if err != nil || !reflect.DeepEqual(got, map[string]any{"need": "us-east", "count": 3.0, "wait": "5m", "word": "b"}) {
		t.Error(got, err)
	}
	_, err = r.Bind(map[string]any{"count": 6.0, "wait": "2h", "word": "ab", "one": "hunter2", "nede": 1})
	for _, want := range []string{"input need is needed: the site", "input count: it is too large: 5", "input wait: it is too large: 1h is", "input word: it does not match", "input one: this value is not among", `no input "nede": did you mean "need"?`} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not in %v", want, err)
		}
	}
	if strings.Contains(err.Error(), "hunter2") {
		t.Error("a value is repeated")
	}
	for text, want := range map[string]any{"5": 5.0, "x": nil, "NaN": nil, "Inf": nil} {
		if got, _ := r.Input("count").ReadText(text); got != want {
			t.Errorf("%s: %v", text, got)
		}
	}
	if got, err := (Input{Type: KindBoolean}).ReadText("true"); got != true || err != nil {
		t.Error(got, err)
	}
}

func TestARegionOutageSaysWhichSiteIsLost(t *testing.T) {
	text := strings.Replace(string(runbookOf("{id: a, type: notify, title: a, with: {message: a}}")), "maintenance", "region-outage", 1)
	if got := Lint([]byte(text), testViews).Error(); !strings.Contains(got, "4:11: error: scenario: ") {
		t.Error(got)
	}
}

// A step that probes may name the site that is gone.
func TestProbesMayNameTheLostSite(t *testing.T) {
	probe := TypeNamed("exec")
	text := strings.NewReplacer("maintenance", "region-outage", "roles:", "  gone: {type: site, required: true, lost: true}\nroles:").Replace(
		string(runbookOf(`{id: a, type: exec, title: a, effect: none, with: {program: drop, site: "${inputs.gone}"}}`)))
	if got := Lint([]byte(text), testViews).Error(); !strings.Contains(got, "supposed to be gone") {
		t.Error(got)
	}
	probe.Probe = true
	defer func() { probe.Probe = false }()
	if got := Lint([]byte(text), testViews).Error(); strings.Contains(got, "supposed to be gone") {
		t.Error(got)
	}
}
