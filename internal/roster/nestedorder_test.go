package roster_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/lifeboat-dr/lifeboat/internal/plan"
	"github.com/lifeboat-dr/lifeboat/internal/roster"
	"github.com/lifeboat-dr/lifeboat/internal/signature"
)

// outerText runs innerText, whose gate stands before the step that is asked for.
const outerText = `apiVersion: lifeboat/v1
name: region-outage
title: A region is down
scenario: region-outage
target: ${inputs.site}
inputs:
  site: {type: site, title: the site, required: true}
limits: {duration: 48h}
steps:
  - id: measure
    type: sql
    title: How much would be lost?
    with: {on: {component: database}, query: SELECT 1, expect: {rows: 1}}
  - id: run
    type: runbook
    title: Promote
    with: {name: promote-site, inputs: {site: "${inputs.site}", rows: "${steps.measure.rows}"}}
`

const innerText = `apiVersion: lifeboat/v1
name: promote-site
title: Promote a site
scenario: maintenance
target: ${inputs.site}
inputs:
  site: {type: site, title: the site, required: true}
  rows: {type: integer, title: what is lost, max: 100, default: 0}
roles:
  approver: {title: decides}
steps:
  - id: go
    type: approval
    title: Promote?
    with: {requires: 2, roles: [approver], expires: 30m, onTimeout: deny}
  - id: promote
    type: http
    title: Promote
    with: {endpoint: promoter, method: POST, body: {rows: "${inputs.rows}"}}
    effect: irreversible
`

// nestedOrder is a work order that holds, for a step of a runbook inside of another; inner are the texts inside.
func nestedOrder(t *testing.T) (o *order, inner *[]plan.NestedText) {
	o = newOrder(t)
	inner = &[]plan.NestedText{o.owned(innerText, "olga", "otto")}
	o.book, o.brief.Nested, o.gate, o.facts.Gate = outerText, map[string]string{"promote-site": sum(innerText)}, "run.go", "run.go"
	o.facts.Steps = []plan.FactStep{{ID: "run.promote", Type: "http", Effect: "irreversible"}}
	for i := range o.decisions {
		o.decisions[i].Step = "run.go"
	}
	o.guard.Step = "run.promote"
	o.measured(7)
	o.docket = func(d *plan.Docket) {
		d.Signatures, d.Nested = o.owned(o.book, "olga", "otto").Signatures, *inner
	}
	return o, inner
}

// owned is a text with signatures.
func (o *order) owned(text string, by ...string) plan.NestedText {
	o.t.Helper()
	signed := plan.NestedText{Text: text}
	for _, id := range by {
		armored, err := o.keys[id].Sign(signature.Runbook, []byte(text))
		if err != nil {
			o.t.Fatal(err)
		}
		signed.Signatures = append(signed.Signatures, string(armored))
	}
	return signed
}

// measured is what the step before the runbook inside found.
func (o *order) measured(rows int) {
	o.receipts = []plan.Receipt{{Execution: execution, Step: "measure", Outputs: json.RawMessage(text(o.t, map[string]int{"rows": rows})), MAC: "genuine"}}
}

func TestWorkOrderOfARunbookInside(t *testing.T) {
	o, _ := nestedOrder(t)
	permit, err := o.check()
	if err != nil {
		t.Fatal(err)
	}
	step := permit.Runbook.Step("run.promote")
	if step == nil || len(permit.Decisions) != 2 || permit.Scope.Outputs["measure"]["rows"] != 7.0 {
		t.Errorf("%+v %+v", permit.Runbook, permit.Scope)
	}
}

func TestWorkOrdersOfRunbooksInsideThatDoNotHold(t *testing.T) {
	another := strings.Replace(innerText, "requires: 2", "requires: 1", 1)
	for _, tc := range []struct {
		name   string
		change func(o *order, inner *[]plan.NestedText)
		cause  roster.Cause
	}{
		{"a text that was swapped", func(o *order, inner *[]plan.NestedText) {
			*inner = []plan.NestedText{o.owned(another, "olga", "otto")}
		}, roster.CauseWrongBrief},
		{"a text that is missing", func(_ *order, inner *[]plan.NestedText) { *inner = nil }, roster.CauseWrongBrief},
		{"a text more", func(o *order, inner *[]plan.NestedText) {
			*inner = append(*inner, o.owned(another, "olga", "otto"))
		}, roster.CauseWrongBrief},
		{"the same text twice", func(_ *order, inner *[]plan.NestedText) { *inner = append(*inner, (*inner)[0]) }, roster.CauseWrongBrief},
		{"no text where none is briefed", func(o *order, inner *[]plan.NestedText) { o.brief.Nested, *inner = nil, nil }, roster.CauseWrongBrief},
		{"a text that the brief names and nobody runs", func(o *order, inner *[]plan.NestedText) {
			more := strings.Replace(innerText, "name: promote-site", "name: other", 1)
			o.brief.Nested["other"] = sum(more)
			*inner = append(*inner, o.owned(more, "olga", "otto"))
		}, roster.CauseWrongBrief},
		{"a text under another name", func(o *order, inner *[]plan.NestedText) {
			renamed := strings.Replace(innerText, "name: promote-site", "name: other", 1)
			o.brief.Nested["promote-site"] = sum(renamed)
			*inner = []plan.NestedText{o.owned(renamed, "olga", "otto")}
		}, roster.CauseWrongBrief},
		{"one text under two names", func(o *order, _ *[]plan.NestedText) { o.brief.Nested["other"] = sum(innerText) }, roster.CauseWrongBrief},
		{"nobody signed it", func(_ *order, inner *[]plan.NestedText) { (*inner)[0].Signatures = nil }, roster.CauseRunbookUnsigned},
		{"one owner signed it", func(o *order, inner *[]plan.NestedText) {
			*inner = []plan.NestedText{o.owned(innerText, "olga", "olga")}
		}, roster.CauseRunbookUnsigned},
		{"the signatures of the runbook around it", func(o *order, inner *[]plan.NestedText) {
			(*inner)[0].Signatures = o.owned(outerText, "olga", "otto").Signatures
		}, roster.CauseRunbookUnsigned},
		{"one that cannot be read", func(o *order, inner *[]plan.NestedText) {
			o.brief.Nested["promote-site"] = sum("name: x")
			*inner = []plan.NestedText{o.owned("name: x", "olga", "otto")}
		}, roster.CauseWrongBrief},
		{"one that runs itself", func(o *order, inner *[]plan.NestedText) {
			loop := innerText + "  - {id: more, type: runbook, title: More, with: {name: promote-site, inputs: {site: a}}}\n"
			o.brief.Nested["promote-site"] = sum(loop)
			*inner = []plan.NestedText{o.owned(loop, "olga", "otto")}
		}, roster.CauseWrongBrief},
		{"its gate was passed by", func(o *order, _ *[]plan.NestedText) {
			o.last = func(g *plan.Guard) { g.Work.Gates = nil }
		}, roster.CauseNoGate},
		{"a decision at the gate of that name outside", func(o *order, _ *[]plan.NestedText) {
			o.decisions[1].Step = "go"
		}, roster.CauseWrongStep},
		{"it is given more than it takes", func(o *order, _ *[]plan.NestedText) { o.measured(101) }, roster.CauseWrongFacts},
		{"it acts on another target", func(o *order, _ *[]plan.NestedText) {
			o.book = strings.Replace(outerText, `site: "${inputs.site}"`, "site: us-west", 1)
		}, roster.CauseWrongTarget},
		{"a step of the runbook alone", func(o *order, _ *[]plan.NestedText) { o.guard.Step = "promote" }, roster.CauseWrongStep},
		{"the step that runs it", func(o *order, _ *[]plan.NestedText) { o.guard.Step = "run" }, roster.CauseWrongStep},
	} {
		t.Run(tc.name, func(t *testing.T) {
			o, inner := nestedOrder(t)
			tc.change(o, inner)
			permit, err := o.check()
			if cause := roster.CauseOf(err); cause != tc.cause {
				t.Fatalf("%v: cause %q, want %q", err, cause, tc.cause)
			}
			if permit.Runbook != nil || permit.Decisions != nil {
				t.Errorf("a refused order permits something: %+v", permit)
			}
		})
	}
}
