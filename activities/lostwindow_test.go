package activities_test

import (
	"context"
	"strings"
	"testing"

	"github.com/lifeboat-dr/lifeboat/activities"
	"github.com/lifeboat-dr/lifeboat/internal/devstack/pgserver"
	"github.com/lifeboat-dr/lifeboat/internal/plan"
	"github.com/lifeboat-dr/lifeboat/internal/secret"
)

const lostRunbook = `apiVersion: lifeboat/v1
name: scale
title: Scale
scenario: maintenance
description: For tests.
target: database
limits: {duration: 8h}
steps:
  - id: lost
    type: lost-window
    title: T
    with:
      keep: {target: kept}
      lose: {target: damaged}
      tables: [public.claims, public.lines]
      value: {table: public.claims, column: amount}
  - {id: whole, type: lost-window, title: T, with: {keep: {target: kept}, lose: {target: damaged}}}
  - {id: unknown, type: lost-window, title: T, with: {keep: {target: kept}, lose: {target: damaged}, tables: [public.nothing]}}
  - {id: unqualified, type: lost-window, title: T, with: {keep: {target: kept}, lose: {target: damaged}, tables: [claims]}}
  - {id: worthless, type: lost-window, title: T, with: {keep: {target: kept}, lose: {target: damaged}, value: {table: public.claims, column: dollars}}}
`

// byName is a place whose targets are databases of one server.
type byName struct {
	activities.Place
	addresses map[string]string
}

func (b byName) Address(_ context.Context, t activities.Target) (secret.String, error) {
	return secret.New(b.addresses[t.Name]), nil
}

// TestTheLostWindowIsTold: what people see before they decide is right to the row and to the cent, and names no table
// that is not in the runbook.
func TestTheLostWindowIsTold(t *testing.T) {
	server := pgserver.New(t, pgserver.TestOptions{})
	kept := server.Database(t, "owner", "kept")
	server.Exec(t, "kept", `SET ROLE owner;
		CREATE TABLE claims (id bigint PRIMARY KEY, amount numeric(12,2));
		CREATE TABLE lines (claim bigint, n int, PRIMARY KEY (claim, n));
		CREATE TABLE secret_diagnoses (text text);
		INSERT INTO claims SELECT n, 10.10 FROM generate_series(1, 100) AS n;
		INSERT INTO lines SELECT n, 1 FROM generate_series(1, 100) AS n`)
	server.Exec(t, "postgres", "CREATE DATABASE damaged TEMPLATE kept OWNER owner")
	server.Exec(t, "damaged", `SET ROLE owner;
		DELETE FROM lines WHERE claim < 91; DELETE FROM claims WHERE id < 91;
		INSERT INTO claims VALUES (101, 0.05), (102, 99.99); UPDATE claims SET amount = amount - 0.01 WHERE id = 95;
		INSERT INTO lines VALUES (101, 1), (102, 1), (102, 2); INSERT INTO secret_diagnoses VALUES ('x')`)
	place := byName{addresses: map[string]string{"kept": kept, "damaged": strings.Replace(kept, "/kept", "/damaged", 1)}}
	for _, mode := range []plan.Mode{plan.ModeLive, plan.ModePlan} { // it changes nothing, so a plan does it, too
		s := newScene(t, lostRunbook, mode, map[string]any{}, nil)
		s.steps.Crew.Targets = map[string]activities.NamedPlace{"kept": {Place: place}, "damaged": {Place: place}}
		done, err := s.does(t, "lost", false)
		must(t, err)
		delete(done.Outputs, "took")
		want := map[string]any{
			"inserted": 6.0, "updated": 1.0, "deleted": 180.0, "tables": 3.0, "keyless": 1.0, "reshaped": 0.0, "valued": 3.0, "value": "100.03",
			"detail": "public.claims +2 ~1 -90; public.lines +3 ~0 -90; others +1 ~0 -0",
		}
		for name, value := range want {
			if done.Outputs[name] != value {
				t.Errorf("%s: %s is %v, want %v", mode, name, done.Outputs[name], value)
			}
		}
		if len(done.Outputs) != len(want) {
			t.Errorf("%s: %+v", mode, done)
		}
		if done, err = s.does(t, "whole", false); err != nil || done.Outputs["detail"] != "others +6 ~1 -180" || done.Outputs["value"] != "" {
			t.Errorf("%s, without names: %+v, %v", mode, done, err)
		}
		s.fails(t, "unknown", activities.TypeNotFound, "public.nothing")
		s.fails(t, "unqualified", activities.TypeInvalidInput, "schema.table")
		s.fails(t, "worthless", activities.TypeInvalidInput, "worth is not there")
	}
}
