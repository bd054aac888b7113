package activities_test

import (
	"strings"
	"testing"

	"github.com/lifeboat-dr/lifeboat/activities"
	"github.com/lifeboat-dr/lifeboat/internal/plan"
	"github.com/lifeboat-dr/lifeboat/runbooks"
)

// TestAStepThatWaitsMayAsk: what it asks until the answer is as expected is in the signed runbook, one level deeper.
func TestAStepThatWaitsMayAsk(t *testing.T) {
	c := newCourt(t)
	c.runbook = strings.Replace(scaleRunbook, "steps:\n", "steps:\n  - {id: until, type: wait, title: Until, with: {sql: {on: {component: database}, query: SELECT 1, args: [\"${inputs.size}\"], expect: {rows: 1}}}}\n", 1)
	c.signRunbook(t)
	docket, a, _ := c.admitted(t, plan.ModeDrill)
	asked, err := runbooks.Resolve(a.Runbook.Step("until").With, runbooks.Scope{Inputs: map[string]any{"size": 3.0}})
	must(t, err)
	with, _ := asked["sql"].(map[string]any)
	in := activities.StepInput{With: with, Guard: plan.Guard{
		Execution: scaleExecution, Step: "until", Target: "database", Mode: plan.ModeDrill, Order: a.BriefDigest,
		Work: &plan.WorkOrder{Docket: docket, Receipts: []plan.Receipt{a.Accepted}},
	}}
	if err := c.orders.CheckLook(in, "CheckSQL"); err != nil {
		t.Error(err)
	}
	if err := c.orders.CheckLook(in, "CallHTTP"); err == nil {
		t.Error("it may call, and the runbook lets it ask a database")
	}
	with["query"] = "SELECT 2"
	if err := c.orders.CheckLook(in, "CheckSQL"); err == nil {
		t.Error("it may ask something else")
	}
}
