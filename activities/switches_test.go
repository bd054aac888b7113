package activities_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/lifeboat-dr/lifeboat/activities"
	"github.com/lifeboat-dr/lifeboat/internal/neon"
	"github.com/lifeboat-dr/lifeboat/internal/plan"
)

const switchRunbook = `apiVersion: lifeboat/v1
name: scale
title: Scale
scenario: maintenance
description: For tests.
target: database
inputs:
  at: {type: time, title: before the DELETE, required: true}
limits: {duration: 8h}
steps:
  - {id: damaged, type: branch, title: T, with: {component: database, purpose: damaged}, undo: {type: drop-branch, with: {component: database, purpose: damaged}}}
  - {id: point, type: branch, title: T, with: {component: database, purpose: point, at: "${inputs.at}"}, undo: {type: drop-branch, with: {component: database, purpose: point}}}
  - {id: switch, type: switch, title: T, with: {component: database, purpose: point, newest: SELECT max(at) FROM public.claims}, undo: {type: switch-back, with: {component: database, purpose: point}}}
  - {id: again, type: switch, title: T, with: {component: database, purpose: damaged}, undo: {type: switch-back, with: {component: database, purpose: damaged}}}
  - {id: nothing, type: switch, title: T, with: {component: database, purpose: nothing}, undo: {type: switch-back, with: {component: database, purpose: nothing}}}
`

// production reads the claims of the project's own branch through a new connection, with the host and the password of
// before.
func (p *project) production(t *testing.T) []int32 {
	t.Helper()
	return p.rows(t, p.main.Config().ConnString())
}

func (p *project) rows(t *testing.T, address string) (all []int32) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), address)
	if err != nil {
		t.Fatal("the database does not answer")
	}
	defer conn.Close(context.Background())
	must(t, conn.QueryRow(t.Context(), "SELECT coalesce(array_agg(n ORDER BY n), '{}') FROM claims").Scan(&all))
	return all
}

// minute waits until the server's clock has left a millisecond, and gives it.
func (p *project) minute(t *testing.T) time.Time {
	t.Helper()
	at, _ := p.clock(t)
	at = at.Truncate(time.Millisecond).Add(time.Millisecond)
	for now := at; !now.After(at.Add(time.Millisecond)); now, _ = p.clock(t) {
	}
	return at
}

// TestSwitchPutsProductionBack: what was deleted is there again under the same address, what was given up is kept, and
// both can be changed round until it is decided.
func TestSwitchPutsProductionBack(t *testing.T) {
	p := newProject(t, "127.94.0.0/16")
	p.exec(t, "INSERT INTO claims VALUES (1), (2)")
	at := p.minute(t)
	p.exec(t, "DELETE FROM claims WHERE n = 1")
	p.exec(t, "INSERT INTO claims VALUES (3)")
	components := map[string]*activities.Component{"database": {Name: "database", Source: p.source()}}
	s := newScene(t, switchRunbook, plan.ModeLive, map[string]any{"at": at.Format(time.RFC3339Nano)}, components)
	main, err := p.client.DefaultBranch(t.Context(), p.id)
	must(t, err)

	if done, err := s.does(t, "switch", true); err != nil || done.Outputs["kept"] != "" { // nothing was switched
		t.Errorf("taking nothing back: %+v, %v", done, err)
	}
	s.fails(t, "switch", activities.TypeNotFound, "point")
	for _, step := range []string{"damaged", "point"} {
		_, err := s.does(t, step, false)
		must(t, err)
	}
	s.fails(t, "nothing", activities.TypeNotFound, "nothing")
	kept := "lifeboat/" + scaleExecution + "/point.before"
	for range 2 { // safe to repeat
		done, err := s.does(t, "switch", false)
		must(t, err)
		if done.Outputs["kept"] != kept || done.Outputs["lsn"] == "" || done.Outputs["newest"] == "" || done.Receipt == nil {
			t.Errorf("%+v", done)
		}
		if got := p.production(t); !slices.Equal(got, []int32{1, 2}) {
			t.Fatalf("production holds %v", got)
		}
		if got := p.holds(t, kept); !slices.Equal(got, []int32{2, 3}) {
			t.Fatalf("%s holds %v", kept, got)
		}
	}
	if now, err := p.client.DefaultBranch(t.Context(), p.id); err != nil || now.ID != main.ID || now.Name != main.Name {
		t.Errorf("production is %+v now: %v", now, err)
	}
	s.fails(t, "again", activities.TypeConflict, "") // what is kept has that name

	for range 2 {
		done, err := s.does(t, "switch", true)
		must(t, err)
		if done.Outputs["kept"] != "lifeboat/"+scaleExecution+"/point.undone" {
			t.Errorf("taken back: %+v", done)
		}
		if got := p.production(t); !slices.Equal(got, []int32{2, 3}) {
			t.Fatalf("taken back, production holds %v", got)
		}
	}
	s.fails(t, "switch", activities.TypeConflict, "taken back")

	look := newScene(t, switchRunbook, plan.ModePlan, map[string]any{"at": at.Format(time.RFC3339Nano)}, components)
	if done, err := look.does(t, "switch", false); err != nil || done.Receipt != nil || done.Intended == nil {
		t.Errorf("planned: %+v, %v", done, err)
	}
}

const copyRunbook = `apiVersion: lifeboat/v1
name: scale
title: Scale
scenario: maintenance
description: For tests.
target: database
inputs:
  at: {type: time, title: before the DELETE, default: "2026-01-01T00:00:00Z"}
limits: {duration: 8h}
steps:
  - {id: copy, type: drill-copy, title: T, when: {mode: drill}, with: {component: database}, undo: {type: drop-drill-copy, with: {component: database}}}
  - {id: fault, type: fault, title: T, when: {mode: drill}, with: {component: database, fault: delete}, undo: {type: drop-drill-copy, with: {component: database}}}
  - {id: harmless, type: fault, title: T, when: {mode: drill}, with: {component: database, fault: harmless}, undo: {type: drop-drill-copy, with: {component: database}}}
  - {id: unknown, type: fault, title: T, when: {mode: drill}, with: {component: database, fault: unknown}, undo: {type: drop-drill-copy, with: {component: database}}}
  - {id: count, type: sql, title: T, with: {on: {component: database}, query: SELECT count(*) FROM public.claims, expect: {equals: 0}}}
  - {id: point, type: branch, title: T, with: {component: database, purpose: point, at: "${inputs.at}"}, undo: {type: drop-branch, with: {component: database, purpose: point}}}
  - {id: counted, type: sql, title: T, with: {on: {component: database, purpose: point}, query: SELECT count(*) FROM public.claims, expect: {equals: 3}}}
  - {id: switch, type: switch, title: T, with: {component: database, purpose: point}, undo: {type: switch-back, with: {component: database, purpose: point}}}
  - {id: drop, type: drop-drill-copy, title: T, when: {mode: drill}, with: {component: database}}
`

// TestADrillWorksOnACopy: the same steps, with a fault of their own, and production is never touched; not even when
// the copy is not there yet, or not any more.
func TestADrillWorksOnACopy(t *testing.T) {
	p := newProject(t, "127.95.0.0/16")
	p.exec(t, "INSERT INTO claims VALUES (1), (2), (3)")
	components := map[string]*activities.Component{"database": {Name: "database", Source: p.source()}}
	inputs := map[string]any{"at": "2026-01-01T00:00:00Z"}
	faults := map[string]activities.Fault{
		"delete": {Component: "database", SQL: "DELETE FROM public.claims"}, "harmless": {Component: "database", SQL: "DELETE FROM public.claims WHERE n > 99"},
	}
	s := newScene(t, copyRunbook, plan.ModeDrill, inputs, components)
	s.steps.Faults = faults
	copied := "lifeboat/" + scaleExecution + "/production"
	for _, step := range []string{"fault", "count", "point"} {
		s.fails(t, step, activities.TypeNotFound, "") // there is no copy, and nothing else will do
	}
	for range 2 {
		done, err := s.does(t, "copy", false)
		must(t, err)
		if done.Outputs["branch"] != copied || done.Outputs["site"] != "east" {
			t.Errorf("%+v", done)
		}
	}
	s.fails(t, "unknown", activities.TypeNotFound, "drills.faults")
	s.fails(t, "harmless", activities.TypeUnexpected, "changed no row")
	before := ""
	for range 2 {
		done, err := s.does(t, "fault", false)
		must(t, err)
		if done.Outputs["rows"] != 3.0 || before != "" && before != done.Outputs["before"] {
			t.Errorf("the second time: %+v, before it was %s", done, before)
		}
		before = fmt.Sprint(done.Outputs["before"])
	}
	_, err := s.does(t, "count", false)
	must(t, err)

	// The brief of an execution is fixed; that of the next one has the point.
	next := newScene(t, copyRunbook, plan.ModeDrill, map[string]any{"at": before}, components)
	for _, step := range []string{"point", "counted", "switch", "switch"} {
		_, err := next.does(t, step, false)
		must(t, err)
	}
	if got := p.holds(t, copied); !slices.Equal(got, []int32{1, 2, 3}) {
		t.Errorf("the copy holds %v", got)
	}
	for range 2 {
		_, err := next.does(t, "switch", true)
		must(t, err)
	}
	if got := p.holds(t, copied); len(got) != 0 {
		t.Errorf("taken back, the copy holds %v", got)
	}
	if got := p.production(t); !slices.Equal(got, []int32{1, 2, 3}) {
		t.Errorf("production holds %v", got)
	}

	// Another execution's branches stay.
	_, err = p.client.EnsureBranch(t.Context(), neon.BranchSpec{Project: p.id, Name: "lifeboat/other/target/20261125T050000Z/production"})
	must(t, err)
	for range 2 {
		_, err := next.does(t, "drop", false)
		must(t, err)
	}
	all, err := p.client.Branches(t.Context(), p.id)
	must(t, err)
	if len(all) != 2 {
		t.Errorf("%d branches are left: %+v", len(all), all)
	}
	s.fails(t, "count", activities.TypeNotFound, "")
	for _, mode := range []plan.Mode{plan.ModeLive, plan.ModePlan} {
		other := newScene(t, copyRunbook, mode, inputs, components)
		other.steps.Faults = faults
		for _, step := range []string{"copy", "fault", "drop"} {
			other.fails(t, step, activities.TypeNotAllowed, "")
		}
		if mode != plan.ModePlan {
			continue
		}
		// A plan makes no branch, and so there is none to ask.
		if done, err := other.does(t, "counted", false); err != nil || done.Intended == nil {
			t.Errorf("planned: %+v, %v", done, err)
		}
	}
	if got := p.production(t); !slices.Equal(got, []int32{1, 2, 3}) {
		t.Errorf("production holds %v", got)
	}
}
