package e2e

import (
	"strings"
	"testing"
	"time"

	"go.temporal.io/sdk/client"

	"github.com/lifeboat-dr/lifeboat/internal/devstack/medlink"
	"github.com/lifeboat-dr/lifeboat/internal/devstack/pgserver"
	"github.com/lifeboat-dr/lifeboat/workflows"
)

// otherKinds runs what the journey has not: an evaluation, a backup that is canceled, and a backup with its
// verification from a server without branches.
func (r *rig) otherKinds(t *testing.T, server *pgserver.Server) {
	conn, err := server.Connect(t.Context(), "reporting")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	if err := medlink.Install(t.Context(), conn); err != nil {
		t.Fatal(err)
	}
	if err := medlink.Generate(t.Context(), conn, medlink.SizeOf(1<<20, 1)); err != nil {
		t.Fatal(err)
	}
	var backup workflows.BackupResult
	run := r.begin(workflows.BackupID("reporting", time.Now()), workflows.BackupName, workflows.KindBackup, workflows.BackupInput{Component: "reporting"})
	if err := r.end(run, &backup); err != nil {
		t.Fatal(err)
	}
	if backup.Verified == nil || backup.Totals.Rows == 0 {
		t.Errorf("backup of a plain server: %+v", backup)
	}

	run = r.begin(workflows.BackupID("database", time.Now()), workflows.BackupName, workflows.KindBackup, workflows.BackupInput{Component: "database"})
	if err := r.client.CancelWorkflow(t.Context(), run.GetID(), run.GetRunID()); err != nil {
		t.Fatal(err)
	}
	if err := r.end(run, nil); err == nil || !strings.Contains(err.Error(), "canceled") {
		t.Errorf("a canceled backup ended with %v", err)
	}
	if left := r.leftovers(); len(left) > 0 {
		t.Errorf("the canceled backup left %v", left)
	}

	pings := r.stack.Inbox.Pings()
	evaluation, err := r.client.ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{ID: "evaluate/test", TaskQueue: workflows.Queue, TypedSearchAttributes: workflows.Attributes(workflows.KindEvaluate, "")}, workflows.EvaluateName)
	if err != nil {
		t.Fatal(err)
	}
	var result workflows.EvaluateResult
	if err := r.end(evaluation, &result); err != nil {
		t.Fatal(err)
	}
	for _, c := range result.Protection.Components {
		if c.State != "ok" {
			t.Errorf("%s is %s: %s", c.Component, c.State, c.Detail)
		}
	}
	if r.stack.Inbox.Pings() != pings+1 {
		t.Errorf("%d pings, want one more than %d", r.stack.Inbox.Pings(), pings)
	}
}
