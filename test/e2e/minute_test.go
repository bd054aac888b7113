package e2e

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"go.temporal.io/sdk/client"

	"github.com/lifeboat-dr/lifeboat/internal/devstack/medlink"
	"github.com/lifeboat-dr/lifeboat/internal/execution"
	"github.com/lifeboat-dr/lifeboat/internal/neon"
	"github.com/lifeboat-dr/lifeboat/internal/plan"
	"github.com/lifeboat-dr/lifeboat/runbooks"
	"github.com/lifeboat-dr/lifeboat/workflows"
)

const minuteRunbook = `apiVersion: lifeboat/v1
name: minute
title: Look at the minute before
scenario: data-deletion
description: For tests.
target: database
inputs:
  at: {type: time, title: the minute before, required: true}
limits: {duration: 2h}
steps:
  - {id: damaged, type: branch, title: Keep, with: {component: database, purpose: damaged}, undo: {type: drop-branch, with: {component: database, purpose: damaged}}}
  - id: point
    type: branch
    title: As it was
    with: {component: database, purpose: point, at: "${inputs.at}"}
    undo: {type: drop-branch, with: {component: database, purpose: point}}
  - id: lost
    type: lost-window
    title: What was written since
    with:
      keep: {branch: {site: "${steps.point.site}", name: "${steps.point.branch}", database: "${steps.point.database}"}}
      lose: {branch: {site: "${steps.damaged.site}", name: "${steps.damaged.branch}", database: "${steps.damaged.database}"}}
      tables: [public.claims, public.attachments]
      value: {table: public.claims, column: total_cents}
`

// TestTheMinuteBeforeABadDelete: the application writes all the while, somebody deletes, and a live execution keeps
// what is there, looks at the minute before, and counts. Each claim that was acknowledged by then is in the branch of the
// minute before, or counted as lost.
func TestTheMinuteBeforeABadDelete(t *testing.T) {
	r := newRig(t, 1<<20, nil)
	site := r.stack.Sites[0]
	api, err := site.Neon()
	if err != nil {
		t.Fatal(err)
	}
	open := func(branch string) *pgx.Conn {
		t.Helper()
		b, err := api.DefaultBranch(t.Context(), site.Project)
		if branch != "" {
			b, err = api.BranchByName(t.Context(), site.Project, branch)
		}
		if err != nil {
			t.Fatal(err)
		}
		address, err := api.ConnectionURI(t.Context(), neon.ConnectionSpec{Project: site.Project, Branch: b.ID, Database: "medlink", Role: "medlink_owner"})
		if err != nil {
			t.Fatal(err)
		}
		conn, err := pgx.Connect(t.Context(), address.Reveal())
		if err != nil {
			t.Fatal("the branch does not answer")
		}
		t.Cleanup(func() { _ = conn.Close(context.Background()) })
		return conn
	}
	production := open("")
	first := len(r.acknowledged(t, 5))
	var at time.Time
	if err := production.QueryRow(t.Context(), "SELECT clock_timestamp()").Scan(&at); err != nil {
		t.Fatal(err)
	}
	at = at.Truncate(time.Millisecond).Add(time.Millisecond)
	r.acknowledged(t, first+3)
	gone, err := production.Exec(t.Context(), "DELETE FROM public.attachments WHERE id IN (SELECT id FROM public.attachments ORDER BY id LIMIT 10)")
	if err != nil || gone.RowsAffected() == 0 {
		t.Fatalf("the bad DELETE: %v, %v", gone, err)
	}
	acknowledged := r.acknowledged(t, first+5)

	started := time.Now().UTC().Truncate(time.Second)
	id := workflows.ExecutionID("minute", "database", started)
	run, err := r.client.ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{ID: id, TaskQueue: workflows.Queue}, workflows.RunbookName,
		workflows.RunbookInput{Docket: r.docket(t, id, []byte(minuteRunbook), plan.Brief{
			Format: 1, Runbook: "minute", RunbookDigest: runbooks.Digest([]byte(minuteRunbook)), Application: "medlink", Mode: plan.ModeLive, Target: "database",
			Approach: plan.Graceful, Inputs: map[string]any{"at": at.Format(time.RFC3339Nano)}, Until: started.Add(time.Hour),
		})})
	if err != nil {
		t.Fatal(err)
	}
	r.completes(t, moving{id: id, run: run})
	found := r.outputsOf(t, id, "lost")
	missing, err := medlink.Missing(t.Context(), open("lifeboat/"+id+"/point"), acknowledged)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range missing {
		if !m.AcknowledgedAt.After(at) {
			t.Errorf("a claim that was acknowledged at %s is not in the branch of %s", m.AcknowledgedAt, at)
		}
	}
	if counted, _ := found["valued"].(float64); len(missing) == 0 || int(counted) < len(missing) {
		t.Errorf("%d acknowledged claims are not in the branch, %v are counted as lost: %v", len(missing), found["valued"], found)
	}
	if deleted, _ := found["deleted"].(float64); int64(deleted) < gone.RowsAffected() {
		t.Errorf("%d rows were deleted, %v are counted: %v", gone.RowsAffected(), deleted, found)
	}
}

// outputsOf reads from the journal what a step gave.
func (r *rig) outputsOf(t *testing.T, id, step string) map[string]any {
	t.Helper()
	read, err := r.engine.Journal(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range read.Entries {
		var event execution.Event
		if err := json.Unmarshal(entry.Data, &event); err != nil {
			t.Fatal(err)
		}
		if event.Kind == execution.StepCompleted && event.Step == step {
			return event.Outputs
		}
	}
	t.Fatalf("step %s did not complete", step)
	return nil
}
