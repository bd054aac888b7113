package activities_test

import (
	"context"
	"regexp"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/lifeboat-dr/lifeboat/activities"
	"github.com/lifeboat-dr/lifeboat/internal/devstack/medlink"
	"github.com/lifeboat-dr/lifeboat/internal/plan"
	"github.com/lifeboat-dr/lifeboat/runbooks"
)

// TestTheRunbookDeletedRowsIsRehearsed does all steps of the runbook deleted-rows that change or compare something, in
// their order, as a drill on the sample application: the copy is damaged and mended, and production is what it was.
func TestTheRunbookDeletedRowsIsRehearsed(t *testing.T) {
	p := newProject(t, "127.98.0.0/16")
	p.exec(t, "DROP TABLE claims")
	source := p.source()
	open := func(address string) *pgx.Conn {
		conn, err := pgx.Connect(t.Context(), address)
		if err != nil {
			t.Fatal("the database does not answer")
		}
		t.Cleanup(func() { _ = conn.Close(context.Background()) })
		return conn
	}
	address, err := source.Address(t.Context(), "")
	must(t, err)
	main := open(address.Reveal())
	must(t, medlink.Install(t.Context(), main))
	must(t, medlink.Generate(t.Context(), main, medlink.Size{Payers: 2, Providers: 5, Patients: 40, Claims: 300, Seed: 1}))
	counted := func(conn *pgx.Conn) (claims, lines, attachments int) {
		must(t, conn.QueryRow(t.Context(), "SELECT (SELECT count(*) FROM claims), (SELECT count(*) FROM claim_lines), (SELECT count(*) FROM attachments)").Scan(&claims, &lines, &attachments))
		return claims, lines, attachments
	}
	claims, lines, attachments := counted(main)

	text, ok := runbooks.BuiltinNamed("deleted-rows")
	if !ok {
		t.Fatal("there is no such runbook")
	}
	// The court knows one name; its gates have tests of their own.
	changed := strings.Replace(string(text), "name: deleted-rows", "name: scale", 1)
	changed = regexp.MustCompile(`(?s)  - id: allow\n.*?(  - id: back\n)`).ReplaceAllString(changed, "$1")
	components := map[string]*activities.Component{"database": {Name: "database", Source: source}}
	inputs := map[string]any{"component": "database", "at": "1970-01-01T00:00:00Z"}
	s := newScene(t, changed, plan.ModeDrill, inputs, components)
	s.steps.Faults = map[string]activities.Fault{"bad-delete": {Component: "database", SQL: `WITH lost AS (SELECT id FROM public.claims WHERE id % 3 = 0),
		l AS (DELETE FROM public.claim_lines WHERE claim_id IN (SELECT id FROM lost)), a AS (DELETE FROM public.attachments WHERE claim_id IN (SELECT id FROM lost))
		DELETE FROM public.claims WHERE id IN (SELECT id FROM lost)`}}
	outputs := map[string]map[string]any{}
	var receipts []plan.Receipt
	for _, step := range s.signed.Steps {
		if applies, err := runbooks.Applies(step.When, runbooks.Scope{Execution: runbooks.Execution{Mode: plan.ModeDrill}}); err != nil || !applies || step.Type == "notify" {
			continue
		}
		if step.ID == "drop" {
			copied, err := source.Copy("lifeboat/"+scaleExecution+"/production").Address(t.Context(), "")
			must(t, err)
			if c, l, a := counted(open(copied.Reveal())); c != claims || l != lines || a != attachments {
				t.Errorf("the copy has %d claims, %d lines, %d attachments, and had %d, %d, %d", c, l, a, claims, lines, attachments)
			}
		}
		with, err := runbooks.Resolve(step.With, runbooks.Scope{Inputs: s.a.Brief.Inputs, Outputs: outputs})
		must(t, err)
		value, err := s.env.ExecuteActivity(runbooks.TypeNamed(step.Type).Activity, activities.StepInput{With: with, Guard: plan.Guard{
			Execution: scaleExecution, Step: step.ID, Target: "database", Mode: plan.ModeDrill, Order: s.a.BriefDigest,
			Work: &plan.WorkOrder{Docket: s.docket, Receipts: append([]plan.Receipt{s.a.Accepted}, receipts...)},
		}})
		if err != nil {
			t.Fatalf("step %s: %v", step.ID, err)
		}
		var done activities.StepDone
		must(t, value.Get(&done))
		outputs[step.ID] = done.Outputs
		receipts = append(receipts, *done.Receipt)
	}
	back := outputs["back"]
	if back["found"] == 0.0 || back["rows"] != back["found"] || back["conflicts"] != 0.0 || back["orphans"] != 0.0 || outputs["window"]["deleted"] != back["found"] {
		t.Errorf("put back %v, of what was lost: %v", back, outputs["window"])
	}
	if c, l, a := counted(main); c != claims || l != lines || a != attachments {
		t.Errorf("production has %d claims, %d lines, %d attachments, and had %d, %d, %d", c, l, a, claims, lines, attachments)
	}
	if left, err := p.client.Branches(t.Context(), p.id); err != nil || len(left) != 1 {
		t.Errorf("left behind: %d branches, %v", len(left), err)
	}
}
