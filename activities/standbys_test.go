package activities_test

import (
	"context"
	"crypto/rand"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/lifeboat-dr/lifeboat/activities"
	"github.com/lifeboat-dr/lifeboat/internal/devstack/pgserver"
	"github.com/lifeboat-dr/lifeboat/internal/epoch"
	"github.com/lifeboat-dr/lifeboat/internal/plan"
	"github.com/lifeboat-dr/lifeboat/internal/secret"
)

const standbyRunbook = `apiVersion: lifeboat/v1
name: scale
title: Scale
scenario: maintenance
description: For tests.
target: database
limits: {duration: 8h}
steps:
  - {id: follow, type: reprotect, title: T, with: {component: database, from: east, to: west}, undo: {type: unprotect, with: {component: database, from: east, to: west}}}
  - {id: lag, type: standby, title: T, with: {component: database, from: east, to: west}}
  - {id: drain, type: drain, title: T, with: {component: database, from: east, to: west, within: 20s, compare: true}}
  - {id: crown, type: promote, title: T, with: {component: database, at: west, from: east}}
  - {id: same, type: reprotect, title: T, with: {component: database, from: east, to: east}, undo: {type: unprotect, with: {component: database, from: east, to: west}}}
  - {id: far, type: standby, title: T, with: {component: database, from: east, to: north}}
  - {id: home, type: reprotect, title: T, with: {component: database, from: west, to: east, copy: false}, undo: {type: unprotect, with: {component: database, from: west, to: east}}}
  - {id: back, type: reprotect, title: T, with: {component: database, from: west, to: east}, undo: {type: unprotect, with: {component: database, from: west, to: east}}}
`

// fixed is a database with one address.
type fixed struct {
	activities.Source
	address string
}

func (f fixed) Address(context.Context, string) (secret.String, error) {
	return secret.New(f.address), nil
}

// pairOf is a component with an empty standby on a server of its own.
func pairOf(t *testing.T) (map[string]*activities.Component, *pgserver.Server, *pgserver.Server) {
	t.Helper()
	var servers []*pgserver.Server
	var addresses []string
	for range 2 {
		s := pgserver.New(t, pgserver.TestOptions{Settings: map[string]string{"wal_level": "logical"}})
		password := rand.Text()
		s.Exec(t, "postgres", "CREATE ROLE keeper SUPERUSER LOGIN PASSWORD '"+password+"'; ")
		s.Exec(t, "postgres", "CREATE DATABASE claims OWNER keeper")
		servers, addresses = append(servers, s), append(addresses, s.URL("keeper", password, "claims"))
	}
	servers[0].Exec(t, "claims", "CREATE TABLE claims (id bigserial PRIMARY KEY, body text); INSERT INTO claims (body) SELECT 'secret-row' FROM generate_series(1, 100)")
	return map[string]*activities.Component{"database": {
		Name: "database", Site: "east", Source: fixed{address: addresses[0]}, Standby: fixed{address: addresses[1]}, StandbySite: "west",
	}}, servers[0], servers[1]
}

// TestALaggingStandbyIsTold: what people are alerted of, from nothing to a primary that is gone; and that the epoch says
// which of the two is the standby.
func TestALaggingStandbyIsTold(t *testing.T) {
	components, east, west := pairOf(t)
	c := components["database"]
	c.Hot, c.LagLimit, c.Vault = true, 6*time.Second, activities.Vault{Name: "v", Store: emptyVault(t)}
	s := newScene(t, standbyRunbook, plan.ModeLive, nil, components)
	shelf := emptyVault(t)
	alerts := activities.Alerts{
		Crew: s.steps.Crew, Finder: &activities.Finder{Signers: s.x.Signers},
		Epochs: &epoch.Ledger{Application: "medlink", Signer: s.keys["erin"], Signers: s.x.Signers, Vaults: []epoch.Vault{{Name: "v", Store: shelf}}},
	}
	expect := func(state, site string) {
		t.Helper()
		p, err := alerts.EvaluateProtection(t.Context())
		must(t, err)
		got := p.Components[0].Standby
		if got == nil || got.State != state || got.Site != site || (state == "ok") != (got.Detail == "") || strings.Contains(got.Detail, "claims") {
			t.Errorf("the standby is %+v, want %s at %s", got, state, site)
		}
	}
	expect("none", "west")
	_, err := s.does(t, "follow", false)
	must(t, err)
	expect("ok", "west")
	hold, err := west.Connect(t.Context(), "claims")
	must(t, err)
	defer hold.Close(context.Background())
	_, err = hold.Exec(t.Context(), "BEGIN; LOCK TABLE claims IN SHARE MODE")
	must(t, err)
	east.Exec(t, "claims", "INSERT INTO claims (body) VALUES ('waits')")
	expect("late", "west")
	_, err = hold.Exec(t.Context(), "COMMIT")
	must(t, err)
	expect("ok", "west")
	east.Exec(t, "claims", "ALTER TABLE claims ADD COLUMN more text; INSERT INTO claims (more) VALUES ('x')")
	expect("stopped", "west")
	must(t, east.Stop(pgserver.Immediate))
	expect("unknown", "west")
	_, err = alerts.Epochs.Take(t.Context(), epoch.Claim{Execution: scaleExecution, Primaries: map[string]string{"database": "west"}, Brief: strings.Repeat("0", 64)})
	must(t, err)
	expect("unknown", "east")
	c.Hot = false
	if p, err := alerts.EvaluateProtection(t.Context()); err != nil || p.Components[0].Standby != nil {
		t.Errorf("a cold standby was looked at: %+v, %v", p, err)
	}
}

// TestAStandbyFollowsIsDrainedAndPromoted: the steps in their order, each twice, tell what a plan only looks at, and no name of a table.
func TestAStandbyFollowsIsDrainedAndPromoted(t *testing.T) {
	components, east, west := pairOf(t)
	planned := newScene(t, standbyRunbook, plan.ModePlan, nil, components)
	if out, err := planned.does(t, "follow", false); err != nil || out.Intended == nil || out.Outputs["tables"] != 1.0 {
		t.Errorf("planned: %+v, %v", out, err)
	}
	planned.fails(t, "lag", activities.TypeConflict, "no standby")

	drill := newScene(t, standbyRunbook, plan.ModeDrill, nil, components)
	drill.fails(t, "follow", activities.TypeNotAllowed, "this is a drill")
	drill.fails(t, "drain", activities.TypeConflict, "no standby")

	s := newScene(t, standbyRunbook, plan.ModeLive, nil, components)
	s.fails(t, "same", activities.TypeInvalidInput, "same site")
	s.fails(t, "far", activities.TypeConfiguration, "north")
	s.fails(t, "crown", activities.TypeConflict, "no standby")
	if out, err := s.does(t, "follow", true); err != nil || out.Outputs["left"] != false {
		t.Errorf("what was never begun is taken away: %+v, %v", out, err)
	}
	for range 2 {
		out, err := s.does(t, "follow", false)
		must(t, err)
		if out.Outputs["tables"] != 1.0 || out.Outputs["replication"] != "lifeboat_database_e0" || strings.Contains(fmt.Sprint(out.Outputs), "claims") {
			t.Errorf("following: %v", out.Outputs)
		}
	}
	east.Exec(t, "claims", "INSERT INTO claims (body) SELECT 'more' FROM generate_series(1, 50)")
	lag, err := s.does(t, "lag", false)
	must(t, err)
	if lag.Outputs["tables"] != 1.0 || lag.Outputs["drift"] != 0.0 {
		t.Errorf("looked at: %v", lag.Outputs)
	}
	if out, err := planned.does(t, "crown", false); err != nil || out.Intended == nil {
		t.Errorf("planned: %+v, %v", out, err)
	}
	drill.fails(t, "crown", activities.TypeConfiguration, "which has none")
	if out, err := drill.does(t, "drain", false); err != nil || out.Outputs["lsn"] != "" {
		t.Errorf("a drill drains: %+v, %v", out, err)
	}
	west.Exec(t, "claims", "INSERT INTO claims VALUES (5000, 'a stranger''s')")
	s.fails(t, "drain", activities.TypeMismatch, "differ")
	west.Exec(t, "claims", "DELETE FROM claims WHERE id = 5000")
	for range 2 {
		out, err := s.does(t, "drain", false)
		must(t, err)
		if out.Outputs["compared"] != 1.0 || out.Outputs["lsn"] == "" {
			t.Errorf("drained: %v", out.Outputs)
		}
	}
	first, err := s.does(t, "crown", false)
	must(t, err)
	again, err := s.does(t, "crown", false)
	must(t, err)
	if first.Outputs["left"] != false || first.Outputs["sequences"] != 1.0 || first.Outputs["exact"] != true || first.Outputs["promoted"] != again.Outputs["promoted"] || again.Outputs["sequences"] != 0.0 {
		t.Errorf("promoted: %v, again: %v", first.Outputs, again.Outputs)
	}
	s.fails(t, "lag", activities.TypeConflict, "promoted")
	s.fails(t, "back", activities.TypeNotEmpty, "holds")
	for range 2 { // before anybody writes, the old primary has every row
		if out, err := s.does(t, "home", false); err != nil || out.Outputs["tables"] != 1.0 {
			t.Errorf("following back: %+v, %v", out, err)
		}
	}
	west.Exec(t, "claims", "INSERT INTO claims (body) VALUES ('new')")
	if _, err := s.does(t, "follow", true); err != nil {
		t.Errorf("what was promoted is left alone: %v", err)
	}
}

// TestADrillPromotesABranch: a drill proves that the standby can be promoted, and the standby goes on following.
func TestADrillPromotesABranch(t *testing.T) {
	west := newProject(t, "127.97.0.0/16")
	west.exec(t, "DROP TABLE claims")
	components, east, _ := pairOf(t)
	components["database"].Standby = west.source()
	live := newScene(t, standbyRunbook, plan.ModeLive, nil, components)
	_, err := live.does(t, "follow", false)
	must(t, err)
	drill := newScene(t, standbyRunbook, plan.ModeDrill, nil, components)
	for range 2 {
		out, err := drill.does(t, "crown", false)
		must(t, err)
		if out.Outputs["sequences"] != 1.0 || out.Outputs["left"] != false || out.Outputs["reached"] == "" {
			t.Errorf("rehearsed: %v", out.Outputs)
		}
	}
	branches, err := west.client.Branches(t.Context(), west.id)
	must(t, err)
	if len(branches) != 1 {
		t.Errorf("%d branches are left", len(branches))
	}
	east.Exec(t, "claims", "INSERT INTO claims (body) VALUES ('later')")
	if out, err := live.does(t, "drain", false); err != nil || out.Outputs["compared"] != 1.0 {
		t.Errorf("after the drill: %+v, %v", out, err)
	}
}
