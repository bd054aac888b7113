package activities_test

import (
	"errors"
	"testing"

	"github.com/lifeboat-dr/lifeboat/activities"
	"github.com/lifeboat-dr/lifeboat/internal/plan"
)

const syntheticRunbook = `apiVersion: lifeboat/v1
name: scale
title: Scale
scenario: maintenance
description: For tests.
target: database
limits: {duration: 8h}
steps:
  - {id: copy, type: drill-copy, title: T, when: {mode: [drill]}, with: {component: database}, undo: {type: drop-drill-copy, with: {component: database}}}
  - {id: try, type: synthetic, title: T, with: {component: database}}
`

// TestSyntheticRowsComeAndGo: they are written, read on another connection and removed; a range that holds somebody
// else's rows is left alone; rows that are not found are removed all the same.
func TestSyntheticRowsComeAndGo(t *testing.T) {
	p := newProject(t, "127.97.0.0/16")
	p.exec(t, "INSERT INTO claims VALUES (1)")
	var found int64
	var reads int
	synthetic := &activities.Synthetic{
		Left:  "SELECT count(*) FROM public.claims WHERE n < 0",
		Write: []string{"INSERT INTO public.claims VALUES (-1)", "INSERT INTO public.claims VALUES (-2)"},
		Clean: []string{"DELETE FROM public.claims WHERE n < 0"},
		Read: []activities.Smoke{{Name: "both are there", SQL: "SELECT 1 FROM public.claims WHERE n < 0", Check: func(rows int64, _ *string) error {
			if reads++; rows != found {
				return errors.New("not so many rows")
			}
			return nil
		}}},
	}
	components := map[string]*activities.Component{"database": {Name: "database", Source: p.source(), Synthetic: synthetic}}
	s := newScene(t, syntheticRunbook, plan.ModeLive, nil, components)
	left := func(want int) {
		t.Helper()
		if got := p.claims(t); len(got) != want {
			t.Errorf("production holds %v, want %d rows", got, want)
		}
	}
	found = 2
	done, err := s.does(t, "try", false)
	must(t, err)
	if done.Outputs["written"] != 2.0 || done.Outputs["reads"] != 1.0 || done.Receipt == nil || reads != 1 {
		t.Errorf("told %v after %d reads", done.Outputs, reads)
	}
	left(1)
	found = 3
	s.fails(t, "try", activities.TypeSmoke, "both are there")
	left(1)
	found = 2
	p.exec(t, "INSERT INTO claims VALUES (-9)")
	s.fails(t, "try", activities.TypeConflict, "reserved range")
	left(2)
	p.exec(t, "DELETE FROM claims WHERE n = -9")
	synthetic.Clean = []string{"DELETE FROM public.claims WHERE n = -1"}
	s.fails(t, "try", activities.TypeInvalidInput, "clean leaves rows")
	left(3) // a person has to look
	p.exec(t, "DELETE FROM claims")
	synthetic.Clean = []string{"DELETE FROM public.claims WHERE n < 0"}

	drill := newScene(t, syntheticRunbook, plan.ModeDrill, nil, components)
	drill.fails(t, "try", activities.TypeNotFound, "production") // there is no copy yet
	for _, step := range []string{"copy", "try"} {
		_, err := drill.does(t, step, false)
		must(t, err)
	}
	look := newScene(t, syntheticRunbook, plan.ModePlan, nil, components)
	if planned, err := look.does(t, "try", false); err != nil || planned.Intended == nil {
		t.Errorf("planned: %+v, %v", planned, err)
	}
	components["database"].Synthetic = nil
	s.fails(t, "try", activities.TypeConfiguration, "synthetic")
}
