package activities_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"go.temporal.io/sdk/temporal"

	"github.com/lifeboat-dr/lifeboat/activities"
	"github.com/lifeboat-dr/lifeboat/internal/database"
	"github.com/lifeboat-dr/lifeboat/internal/plan"
)

const putBackRunbook = `apiVersion: lifeboat/v1
name: scale
title: Scale
scenario: maintenance
description: For tests.
target: database
inputs:
  at: {type: time, title: before the DELETE, required: true}
limits: {duration: 8h}
steps:
  - {id: copy, type: drill-copy, title: T, when: {mode: [drill]}, with: {component: database}, undo: {type: drop-drill-copy, with: {component: database}}}
  - {id: point, type: branch, title: T, when: {mode: [live]}, with: {component: database, purpose: point, at: "${inputs.at}"}, undo: {type: drop-branch, with: {component: database, purpose: point}}}
  - {id: head, type: branch, title: T, when: {mode: [drill]}, with: {component: database, purpose: point}, undo: {type: drop-branch, with: {component: database, purpose: point}}}
  - {id: stage, type: branch, title: T, with: {component: database, purpose: stage, compute: read-write}, undo: {type: drop-branch, with: {component: database, purpose: stage}}}
  - {id: rehearse, type: put-back, title: T, with: {component: database, from: point, rehearse: stage, tables: [public.claims]}}
  - {id: back, type: put-back, title: T, with: {component: database, from: point, tables: [public.claims]}}
  - {id: copied, type: put-back, title: T, with: {component: database, from: point, tables: [public.claims]}}
  - {id: watched, type: put-back, title: T, with: {component: database, from: point, tables: [public.watched]}}
  - {id: nowhere, type: put-back, title: T, with: {component: database, from: point, tables: [public.nowhere]}}
  - {id: twice, type: put-back, title: T, with: {component: database, from: point, tables: [public.claims, public.claims]}}
  - {id: itself, type: put-back, title: T, with: {component: database, from: point, rehearse: point, tables: [public.claims]}}
  - {id: unmade, type: put-back, title: T, with: {component: database, from: unmade, tables: [public.claims]}}
`

// claims are those of production.
func (p *project) claims(t *testing.T) (all []int32) {
	t.Helper()
	must(t, p.main.QueryRow(t.Context(), "SELECT coalesce(array_agg(n ORDER BY n), '{}') FROM claims").Scan(&all))
	return all
}

// point is a time in whole milliseconds between what committed before and what commits after.
func (p *project) point(t *testing.T) time.Time {
	t.Helper()
	now, _ := p.clock(t)
	point := now.Truncate(time.Millisecond).Add(time.Millisecond)
	for !now.After(point.Add(time.Millisecond)) {
		now, _ = p.clock(t)
	}
	return point
}

// TestDeletedRowsArePutBack: first on a branch, which changes nothing, then in production, once.
func TestDeletedRowsArePutBack(t *testing.T) {
	p := newProject(t, "127.95.0.0/16")
	p.exec(t, "INSERT INTO claims SELECT generate_series(1, 9)")
	p.exec(t, "CREATE TABLE watched (id int PRIMARY KEY)")
	p.exec(t, "CREATE FUNCTION watch() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'")
	p.exec(t, "CREATE TRIGGER w BEFORE INSERT ON watched FOR EACH ROW EXECUTE FUNCTION watch()")
	at := p.point(t)
	p.exec(t, "DELETE FROM claims WHERE n > 3")
	p.exec(t, "INSERT INTO claims VALUES (5), (20)")
	components := map[string]*activities.Component{"database": {Name: "database", Source: p.source()}}
	inputs := map[string]any{"at": at.Format(time.RFC3339Nano)}
	s := newScene(t, putBackRunbook, plan.ModeLive, inputs, components)
	for _, step := range []string{"point", "stage"} {
		_, err := s.does(t, step, false)
		must(t, err)
	}
	want := []int32{1, 2, 3, 5, 20}
	tried, err := s.does(t, "rehearse", false)
	must(t, err)
	if got := p.claims(t); !slices.Equal(got, want) {
		t.Errorf("the rehearsal left production with %v", got)
	}
	whole := []int32{1, 2, 3, 4, 5, 6, 7, 8, 9, 20}
	if got := p.holds(t, "lifeboat/"+scaleExecution+"/stage"); !slices.Equal(got, whole) {
		t.Errorf("the rehearsal left its branch with %v", got)
	}
	done, err := s.does(t, "back", false)
	must(t, err)
	for _, o := range []map[string]any{tried.Outputs, done.Outputs} {
		if o["found"] != 5.0 || o["rows"] != 5.0 || o["conflicts"] != 0.0 || o["orphans"] != 0.0 || o["detail"] != "public.claims 5 of 5" {
			t.Errorf("told %v", o)
		}
	}
	p.exec(t, "DELETE FROM claims WHERE n = 9") // and now it is meant
	again, err := s.does(t, "back", false)
	must(t, err)
	if got := p.claims(t); again.Outputs["rows"] != 5.0 || !slices.Equal(got, []int32{1, 2, 3, 4, 5, 6, 7, 8, 20}) || again.Receipt == nil {
		t.Errorf("repeated: %v, and production holds %v", again.Outputs, got)
	}
	s.fails(t, "watched", activities.TypeInvalidInput, "triggers")
	s.fails(t, "nowhere", activities.TypeInvalidInput, "no such table")
	s.fails(t, "twice", activities.TypeInvalidInput, "twice")
	s.fails(t, "itself", activities.TypeInvalidInput, "same branch")
	s.fails(t, "unmade", activities.TypeNotFound, "no branch")

	t.Run("a plan looks at the tables", func(t *testing.T) {
		look := newScene(t, putBackRunbook, plan.ModePlan, inputs, components)
		done, err := look.does(t, "back", false)
		must(t, err)
		if done.Receipt != nil || done.Intended == nil {
			t.Errorf("planned: %+v", done)
		}
		look.fails(t, "watched", activities.TypeInvalidInput, "triggers")
		look.fails(t, "nowhere", activities.TypeInvalidInput, "no such table")
	})
	t.Run("a drill puts back into the copy", func(t *testing.T) {
		p.exec(t, "DELETE FROM claims")
		drill := newScene(t, putBackRunbook, plan.ModeDrill, inputs, components)
		// The branch with the rows is there; there is no copy yet, and production is never taken for it.
		drill.fails(t, "copied", activities.TypeNotFound, "production")
		for _, step := range []string{"copy", "copied"} {
			_, err := drill.does(t, step, false)
			must(t, err)
		}
		if got := p.claims(t); len(got) != 0 {
			t.Errorf("a drill put %v into production", got)
		}
		if got := p.holds(t, "lifeboat/"+scaleExecution+"/production"); len(got) != 9 {
			t.Errorf("the copy holds %v", got)
		}
	})
	t.Run("a plain server has no branches", func(t *testing.T) {
		plain := newScene(t, putBackRunbook, plan.ModeLive, inputs, map[string]*activities.Component{"database": {Name: "database", Source: &database.Server{}}})
		_, err := plain.does(t, "back", false)
		var failed *temporal.ApplicationError
		if !errors.As(err, &failed) || failed.Type() != activities.TypeConfiguration {
			t.Errorf("ended with %v", err)
		}
	})
}
