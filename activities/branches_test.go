package activities_test

import (
	"context"
	"errors"
	"log/slog"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"go.temporal.io/sdk/temporal"

	"github.com/lifeboat-dr/lifeboat/activities"
	"github.com/lifeboat-dr/lifeboat/internal/database"
	emulator "github.com/lifeboat-dr/lifeboat/internal/devstack/neon"
	"github.com/lifeboat-dr/lifeboat/internal/neon"
	"github.com/lifeboat-dr/lifeboat/internal/plan"
	"github.com/lifeboat-dr/lifeboat/internal/secret"
	"github.com/lifeboat-dr/lifeboat/runbooks"
)

const branchRunbook = `apiVersion: lifeboat/v1
name: scale
title: Scale
scenario: maintenance
description: For tests.
target: database
inputs:
  before: {type: time, title: before the commit, required: true}
  after: {type: time, title: after the commit, required: true}
  lsn-before: {type: lsn, title: where the log stood, required: true}
  lsn-at: {type: lsn, title: the end of the commit's record, required: true}
limits: {duration: 8h}
steps:
  - {id: damaged, type: branch, title: T, with: {component: database, purpose: damaged, compute: none}, undo: {type: drop-branch, with: {component: database, purpose: damaged}}}
  - {id: before, type: branch, title: T, with: {component: database, purpose: before, at: "${inputs.before}", newest: SELECT max(at) FROM public.claims}, undo: {type: drop-branch, with: {component: database, purpose: before}}}
  - {id: after, type: branch, title: T, with: {component: database, purpose: after, at: "${inputs.after}", compute: read-write, newest: SELECT max(at) FROM public.claims}, undo: {type: drop-branch, with: {component: database, purpose: after}}}
  - {id: lsn-before, type: branch, title: T, with: {component: database, purpose: lsn-before, lsn: "${inputs.lsn-before}"}, undo: {type: drop-branch, with: {component: database, purpose: lsn-before}}}
  - {id: lsn-at, type: branch, title: T, with: {component: database, purpose: lsn-at, lsn: "${inputs.lsn-at}"}, undo: {type: drop-branch, with: {component: database, purpose: lsn-at}}}
  - {id: again, type: branch, title: T, with: {component: database, purpose: before, at: "${inputs.after}"}, undo: {type: drop-branch, with: {component: database, purpose: before}}}
  - {id: liar, type: branch, title: T, with: {component: database, purpose: liar, at: "${inputs.after}", newest: "SELECT timestamptz '2100-01-01'"}, undo: {type: drop-branch, with: {component: database, purpose: liar}}}
  - {id: vague, type: branch, title: T, with: {component: database, purpose: vague, at: "${inputs.after}", newest: "SELECT count(*) FROM public.claims"}, undo: {type: drop-branch, with: {component: database, purpose: vague}}}
  - {id: ancient, type: branch, title: T, with: {component: database, purpose: ancient, at: "2020-01-01T00:00:00Z"}, undo: {type: drop-branch, with: {component: database, purpose: ancient}}}
  - {id: future, type: branch, title: T, with: {component: database, purpose: future, at: "2100-01-01T00:00:00Z"}, undo: {type: drop-branch, with: {component: database, purpose: future}}}
  - {id: fine, type: branch, title: T, with: {component: database, purpose: fine, at: "2026-11-25T14:05:00.0001Z"}, undo: {type: drop-branch, with: {component: database, purpose: fine}}}
  - {id: both, type: branch, title: T, with: {component: database, purpose: both, at: "${inputs.after}", lsn: "${inputs.lsn-at}"}, undo: {type: drop-branch, with: {component: database, purpose: both}}}
`

// project is a Neon project of the emulator with one table, and a client of it.
type project struct {
	client *neon.Client
	id     string
	main   *pgx.Conn
	// emulator is what it stands on, and api its HTTP server.
	emulator *emulator.Emulator
	api      *httptest.Server
	// uri is the owner's connection string as it was in the beginning.
	uri string
}

func newProject(t *testing.T, addresses string) *project {
	t.Helper()
	dir, err := os.MkdirTemp("", "lbbranch")
	must(t, err)
	t.Cleanup(func() { must(t, os.RemoveAll(dir)) })
	must(t, os.Chmod(dir, 0o711))
	e, err := emulator.New(emulator.Config{
		Dir: filepath.Join(dir, "east"), Region: "aws-us-east-2", Addresses: netip.MustParsePrefix(addresses), APIKey: "napi_test", NoSync: true,
	})
	must(t, err)
	t.Cleanup(func() { must(t, e.Close(context.Background())) })
	in := emulator.NewProject{}
	in.Branch.Database, in.Branch.Role = "claims", "claims_owner"
	first, err := e.CreateProject(t.Context(), in)
	must(t, err)
	server := httptest.NewServer(e.Handler())
	t.Cleanup(server.Close)
	client, err := neon.New(neon.Config{
		BaseURL: server.URL + "/api/v2", Key: func() (secret.String, error) { return secret.New("napi_test"), nil },
		Log: slog.New(slog.DiscardHandler), PollInterval: 20 * time.Millisecond, RetryBudget: 30 * time.Second,
	})
	must(t, err)
	conn, err := pgx.Connect(t.Context(), first.URI)
	if err != nil {
		t.Fatal("the project does not answer")
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	p := &project{client: client, id: first.ProjectID, main: conn, emulator: e, api: server, uri: first.URI}
	p.exec(t, "CREATE TABLE claims (n int PRIMARY KEY, at timestamptz NOT NULL DEFAULT now())")
	return p
}

func (p *project) exec(t *testing.T, sql string) {
	t.Helper()
	_, err := p.main.Exec(t.Context(), sql)
	must(t, err)
}

// source is the project's database as a component's.
func (p *project) source() *database.Neon {
	return database.NewNeon(p.client, "east", p.id, "", "claims", "claims_owner")
}

// clock is the server's time and the end of its log.
func (p *project) clock(t *testing.T) (at time.Time, lsn string) {
	t.Helper()
	must(t, p.main.QueryRow(t.Context(), "SELECT clock_timestamp(), pg_current_wal_insert_lsn()::text").Scan(&at, &lsn))
	return at, lsn
}

// holds reads the claims of a branch.
func (p *project) holds(t *testing.T, name string) (all []int32) {
	t.Helper()
	b, err := p.client.BranchByName(t.Context(), p.id, name)
	must(t, err)
	address, err := p.source().BranchAddress(t.Context(), b.ID)
	must(t, err)
	conn, err := pgx.Connect(t.Context(), address.Reveal())
	if err != nil {
		t.Fatal("the branch does not answer")
	}
	defer conn.Close(context.Background())
	must(t, conn.QueryRow(t.Context(), "SELECT coalesce(array_agg(n ORDER BY n), '{}') FROM claims").Scan(&all))
	return all
}

// scene is an execution of a runbook without gates.
type scene struct {
	*court
	docket string
	a      activities.Admitted
	inputs map[string]any
	signed *runbooks.Runbook
}

func newScene(t *testing.T, text string, mode plan.Mode, inputs map[string]any, components map[string]*activities.Component) *scene {
	t.Helper()
	s := &scene{court: newCourt(t), inputs: inputs}
	s.runbook = text
	s.signRunbook(t)
	s.steps.Crew.Components = components
	b := s.brief(mode)
	b.Inputs = inputs
	s.docket, _ = s.docketOf(t, "alice", b)
	s.a = call[activities.Admitted](t, s.court, "AdmitExecution", activities.AdmitInput{Execution: scaleExecution, Docket: s.docket})
	var err error
	s.signed, err = runbooks.Parse([]byte(text))
	must(t, err)
	return s
}

// does runs a step's activity, or that of its undo.
func (s *scene) does(t *testing.T, step string, undo bool) (out activities.StepDone, err error) {
	t.Helper()
	kind, with := s.signed.Step(step).Type, s.signed.Step(step).With
	if undo {
		kind, with = s.signed.Step(step).Undo.Type, s.signed.Step(step).Undo.With
	}
	with, err = runbooks.Resolve(with, runbooks.Scope{Inputs: s.inputs})
	must(t, err)
	value, err := s.env.ExecuteActivity(runbooks.TypeNamed(kind).Activity, activities.StepInput{With: with, Guard: plan.Guard{
		Execution: scaleExecution, Step: step, Target: "database", Mode: s.a.Brief.Mode, Order: s.a.BriefDigest,
		Work: &plan.WorkOrder{Docket: s.docket, Receipts: []plan.Receipt{s.a.Accepted}, Undo: undo},
	}})
	if err == nil {
		must(t, value.Get(&out))
	}
	return out, err
}

// fails runs a step that has to fail for good with a type and a word of its message.
func (s *scene) fails(t *testing.T, step, kind, word string) {
	t.Helper()
	_, err := s.does(t, step, false)
	var failed *temporal.ApplicationError
	if !errors.As(err, &failed) || failed.Type() != kind || !failed.NonRetryable() || !strings.Contains(failed.Error(), word) {
		t.Errorf("step %s ended with %v, want %s and %q", step, err, kind, word)
	}
}

// TestBranchesHoldWhatCommittedByTheirPoint: a point T includes what committed at or before T, by time and by
// log position, and what is read back says so.
func TestBranchesHoldWhatCommittedByTheirPoint(t *testing.T) {
	p := newProject(t, "127.93.0.0/16")
	p.exec(t, "INSERT INTO claims VALUES (1)")
	before, lsnBefore := p.clock(t)
	// Points are kept to the millisecond: the commit below is in a later one than before.
	before = before.Truncate(time.Millisecond).Add(time.Millisecond)
	for now := before; !now.After(before.Add(time.Millisecond)); now, _ = p.clock(t) {
	}
	p.exec(t, "INSERT INTO claims VALUES (2)")
	after, lsnAt := p.clock(t)
	after = after.Truncate(time.Millisecond).Add(time.Millisecond)
	for now := after; !now.After(after.Add(time.Millisecond)); now, _ = p.clock(t) {
	}
	p.exec(t, "DELETE FROM claims")
	components := map[string]*activities.Component{"database": {Name: "database", Source: p.source()}}
	inputs := map[string]any{"before": before.Format(time.RFC3339Nano), "after": after.Format(time.RFC3339Nano), "lsn-before": lsnBefore, "lsn-at": lsnAt}
	s := newScene(t, branchRunbook, plan.ModeLive, inputs, components)

	for step, want := range map[string]int{"before": 1, "lsn-before": 1, "lsn-at": 2, "after": 2} {
		for range 2 { // safe to repeat
			done, err := s.does(t, step, false)
			must(t, err)
			name := "lifeboat/" + scaleExecution + "/" + step
			if done.Receipt == nil || done.Outputs["branch"] != name || done.Outputs["site"] != "east" || done.Outputs["database"] != "claims" {
				t.Errorf("%s: %+v", step, done)
			}
			if got := p.holds(t, name); len(got) != want {
				t.Errorf("branch %s holds %v, want %d claims", step, got, want)
			}
			newest, _ := time.Parse(time.RFC3339Nano, done.Outputs["newest"].(string))
			switch {
			case step == "lsn-at" && done.Outputs["lsn"] != lsnAt:
				t.Errorf("at log position %s, read back %v", lsnAt, done.Outputs["lsn"])
			case step == "before" && !newest.Before(before), step == "after" && !newest.After(before):
				t.Errorf("the newest row of %s is of %v", step, newest)
			}
		}
	}
	if done, err := s.does(t, "damaged", false); err != nil || done.Outputs["newest"] != "" {
		t.Errorf("the damaged head: %+v, %v", done, err)
	}
	s.fails(t, "again", activities.TypeConflict, "holds") // the name is taken by another point
	s.fails(t, "liar", activities.TypeMismatch, "after the point")
	s.fails(t, "vague", activities.TypeInvalidInput, "no time with a zone")
	s.fails(t, "ancient", activities.TypeOutOfHistory, "timestamp is before retention window")
	s.fails(t, "future", activities.TypeInvalidInput, "timestamp is in the future")
	s.fails(t, "fine", activities.TypeInvalidInput, "millisecond")
	s.fails(t, "both", activities.TypeInvalidInput, "choose one")

	for range 2 { // what was made is taken back, and nothing else
		_, err := s.does(t, "after", true)
		must(t, err)
	}
	if _, err := p.client.BranchByName(t.Context(), p.id, "lifeboat/"+scaleExecution+"/after"); !neon.IsNotFound(err) {
		t.Errorf("the branch is still there: %v", err)
	}
	p.holds(t, "lifeboat/"+scaleExecution+"/before")

	t.Run("a plan only looks", func(t *testing.T) {
		look := newScene(t, branchRunbook, plan.ModePlan, inputs, components)
		done, err := look.does(t, "after", false)
		must(t, err)
		if done.Receipt != nil || done.Intended == nil {
			t.Errorf("planned: %+v", done)
		}
		if _, err := p.client.BranchByName(t.Context(), p.id, "lifeboat/"+scaleExecution+"/after"); !neon.IsNotFound(err) {
			t.Errorf("a plan made a branch: %v", err)
		}
		look.fails(t, "ancient", activities.TypeOutOfHistory, "history")
		look.fails(t, "future", activities.TypeInvalidInput, "not come yet")
	})
	t.Run("a plain server has no branches", func(t *testing.T) {
		plain := newScene(t, branchRunbook, plan.ModeLive, inputs, map[string]*activities.Component{"database": {Name: "database", Source: &database.Server{}}})
		plain.fails(t, "after", activities.TypeConfiguration, "restore a backup instead")
	})
}
