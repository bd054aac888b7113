package workflows_test

import (
	"context"
	"fmt"
	"slices"
	"testing"
	"time"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/workflow"

	"github.com/lifeboat-dr/lifeboat/activities"
	"github.com/lifeboat-dr/lifeboat/internal/manifest"
	"github.com/lifeboat-dr/lifeboat/internal/plan"
	"github.com/lifeboat-dr/lifeboat/workflows"
)

func (w *world) fakeReplicas(on func(activity, fake any)) {
	var replicas *activities.Replicas
	on(replicas.ListMissing, func(ctx context.Context, in activities.ListMissingInput) (activities.Missing, error) {
		w.queued(ctx, "ListMissing")
		if len(w.missing) == 0 {
			return activities.Missing{}, w.note("ListMissing", plan.Guard{})
		}
		next := w.missing[0]
		w.missing = w.missing[1:]
		return next, w.note("ListMissing", plan.Guard{})
	})
	on(replicas.CopyObjects, func(ctx context.Context, in activities.CopyInput) (activities.CopiedObjects, error) {
		w.queued(ctx, "CopyObjects")
		if err := w.failsFor[in.Backup]; err != nil {
			_ = w.note("CopyObjects", in.Guard)
			return activities.CopiedObjects{}, err
		}
		return activities.CopiedObjects{Objects: 10, Copied: 7, Present: 3, Bytes: 70, Receipt: activities.Receipt{Kind: "copied", Backup: in.Backup}}, w.note("CopyObjects", in.Guard)
	})
	on(replicas.CopyRecords, func(_ context.Context, in activities.CopyInput) (activities.CopiedRecords, error) {
		return activities.CopiedRecords{Copied: 1}, w.note("CopyRecords", in.Guard)
	})
	on(replicas.CommitReplica, func(_ context.Context, in activities.CommitReplicaInput) (activities.Replicated, error) {
		if in.Copied.Kind != "copied" || in.Copied.Backup != in.Backup {
			return activities.Replicated{}, final("Untrusted")
		}
		return activities.Replicated{Backup: in.Backup, Point: manifest.Point{Time: time.Now().Add(-time.Hour)}}, w.note("CommitReplica", in.Guard)
	})
}

// queued notes the task queue of an activity.
func (w *world) queued(ctx context.Context, name string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.queues == nil {
		w.queues = map[string]string{}
	}
	w.queues[name] = activity.GetInfo(ctx).TaskQueue
}

// some are backup ids, the newest first.
func some(n int) (ids []string) {
	for i := range n {
		ids = append(ids, fmt.Sprintf("202611%02dT020000Z-k3v7qa", 28-i))
	}
	return ids
}

func (w *world) replicate(t *testing.T, in workflows.ReplicateInput) (result workflows.ReplicateResult, err error) {
	t.Helper()
	in.Component = "database"
	w.settings.Replicas = []activities.VaultSettings{{Vault: "west", Site: "west"}}
	w.env.ExecuteWorkflow(workflows.Replicate, in)
	if err = w.env.GetWorkflowError(); err == nil {
		err = w.env.GetWorkflowResult(&result)
	}
	return result, err
}

func TestReplicateOne(t *testing.T) {
	w := newWorld(t)
	id := some(1)[0]
	result, err := w.replicate(t, workflows.ReplicateInput{To: "west", Backup: id})
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"DescribeComponent", "CopyObjects", "CopyRecords", "CommitReplica"}; !slices.Equal(w.calls, want) {
		t.Errorf("calls %v, want %v", w.calls, want)
	}
	if result.Count != 1 || !slices.Equal(result.Backups, []string{id}) || result.Copied != 7 || result.Present != 3 || result.Records != 1 || result.Missing != -1 || result.Lag < time.Hour-time.Minute {
		t.Errorf("result %+v", result)
	}
	for name, g := range w.guards {
		if name != "DescribeComponent" && (g.Target != "west" || g.Order != "digest" || g.Mode != plan.ModeStanding || g.Step == "") {
			t.Errorf("%s got guard %+v", name, g)
		}
	}
	if q := w.queues["CopyObjects"]; q != workflows.SiteQueue("site of west") {
		t.Errorf("copying ran on %q", q)
	}
}

// TestReplicateFailsAtEveryStep fails each step in turn: nothing after it is done, and people are told once.
func TestReplicateFailsAtEveryStep(t *testing.T) {
	steps := []string{"CopyObjects", "CopyRecords", "CommitReplica"}
	for i, step := range steps {
		t.Run(step, func(t *testing.T) {
			w := newWorld(t)
			w.fails[step] = final("StoreFull")
			if _, err := w.replicate(t, workflows.ReplicateInput{To: "west", Backup: some(1)[0]}); err == nil {
				t.Fatal("it succeeded")
			}
			for _, later := range steps[i+1:] {
				if w.called(later) != 0 {
					t.Errorf("%s was called", later)
				}
			}
			if len(w.alerts) != 1 || w.alerts[0].Kind != "replica.failed" || w.alerts[0].Fields["vault"] != "west" || w.alerts[0].Fields["error_type"] != "StoreFull" {
				t.Errorf("told %+v", w.alerts)
			}
			if len(w.attempts) != 1 || w.attempts[0].Kind != workflows.KindReplicate || w.guards["RecordAttempt"].Target != "database" {
				t.Errorf("recorded %+v under %+v", w.attempts, w.guards["RecordAttempt"])
			}
		})
	}
	w := newWorld(t)
	w.fails["ListMissing"] = final("StoreDenied")
	if _, err := w.replicate(t, workflows.ReplicateInput{To: "west"}); err == nil || len(w.alerts) != 1 || len(w.attempts) != 0 {
		t.Errorf("a comparison that failed: %v, told %+v, recorded %+v", err, w.alerts, w.attempts)
	}
}

// TestReplicateCatchesUp copies all that is missing, the newest first, and records that came later.
func TestReplicateCatchesUp(t *testing.T) {
	w := newWorld(t)
	ids := some(4)
	w.missing = []activities.Missing{{Backups: ids[:3], Records: ids[3:], Total: 3, Of: 9}}
	result, err := w.replicate(t, workflows.ReplicateInput{To: "west"})
	if err != nil {
		t.Fatal(err)
	}
	if result.Count != 3 || result.Missing != 0 || !slices.Equal(result.Backups, ids[:3]) || w.called("CopyObjects") != 3 || w.called("CopyRecords") != 4 || result.Copied != 21 {
		t.Errorf("result %+v, calls %v", result, w.calls)
	}
	if q := w.queues["ListMissing"]; q != workflows.SiteQueue("site of west") {
		t.Errorf("comparing ran on %q", q)
	}
}

// TestOneBadBackupKeepsNoOtherFromBeingCopied, and the execution says in the end which it was.
func TestOneBadBackupKeepsNoOtherFromBeingCopied(t *testing.T) {
	w := newWorld(t)
	ids := some(3)
	w.missing = []activities.Missing{{Backups: ids, Total: 3, Of: 3}}
	w.failsFor = map[string]error{ids[0]: final("Corrupt")}
	_, err := w.replicate(t, workflows.ReplicateInput{To: "west"})
	if err == nil || w.called("CommitReplica") != 2 {
		t.Errorf("ended with %v, calls %v", err, w.calls)
	}
	if len(w.alerts) != 1 || w.alerts[0].Fields["error_type"] != "Corrupt" || w.alerts[0].Text != "do this" {
		t.Errorf("told %+v", w.alerts)
	}
	// What is true of all stops at once.
	w = newWorld(t)
	w.missing = []activities.Missing{{Backups: ids, Total: 3, Of: 3}}
	w.failsFor = map[string]error{ids[0]: final("StoreFull")}
	if _, err := w.replicate(t, workflows.ReplicateInput{To: "west"}); err == nil || w.called("CopyObjects") != 1 {
		t.Errorf("ended with %v, calls %v", err, w.calls)
	}
}

func TestReplicateGoesOnAsANewRun(t *testing.T) {
	w := newWorld(t)
	ids := some(2)
	w.missing = []activities.Missing{{Backups: ids, Total: 70, Of: 80, More: true}}
	w.failsFor = map[string]error{ids[1]: final("Conflict")}
	_, err := w.replicate(t, workflows.ReplicateInput{To: "west"})
	if !workflow.IsContinueAsNewError(err) || len(w.alerts) != 0 {
		t.Errorf("ended with %v, told %+v", err, w.alerts)
	}
	// The next run knows what failed.
	w = newWorld(t)
	before := workflows.ReplicateResult{Vault: "west", Count: 1, Failed: ids[1:], Failure: &workflows.ReplicateFailure{Type: "Conflict", Message: "a reason", Hint: "do this"}}
	if _, err := w.replicate(t, workflows.ReplicateInput{To: "west", Before: &before}); err == nil || len(w.alerts) != 1 {
		t.Errorf("ended with %v, told %+v", err, w.alerts)
	}
}

// TestReplicateToAll asks for every replica; one that fails keeps no other from being filled, and is told once.
func TestReplicateToAll(t *testing.T) {
	w := newWorld(t)
	w.missing = []activities.Missing{{Total: 0, Of: 2}, {Total: 0, Of: 2}}
	w.settings.Replicas = []activities.VaultSettings{{Vault: "west", Site: "west"}, {Vault: "archive"}}
	w.env.ExecuteWorkflow(workflows.Replicate, workflows.ReplicateInput{Component: "database"})
	var result workflows.ReplicateResult
	if err := w.env.GetWorkflowError(); err != nil {
		t.Fatal(err)
	}
	if err := w.env.GetWorkflowResult(&result); err != nil || len(result.Vaults) != 2 || result.Vaults[1].Vault != "archive" {
		t.Errorf("result %+v: %v", result, err)
	}
	w = newWorld(t)
	w.fails["ListMissing"] = final("StoreDenied")
	if _, err := w.replicate(t, workflows.ReplicateInput{}); err == nil || len(w.alerts) != 1 {
		t.Errorf("ended with %v, told %+v", err, w.alerts)
	}
	w = newWorld(t)
	w.env.ExecuteWorkflow(workflows.Replicate, workflows.ReplicateInput{Component: "database"})
	if w.env.GetWorkflowError() == nil {
		t.Error("a component without replicas was copied")
	}
}

// TestABackupBeginsItsCopies, and ends well however they end.
func TestABackupBeginsItsCopies(t *testing.T) {
	w := newWorld(t)
	w.settings.Replicas = []activities.VaultSettings{{Vault: "west", Site: "west"}}
	w.fails["CopyObjects"] = final("StoreFull")
	w.env.ExecuteWorkflow(workflows.Backup, workflows.BackupInput{Component: "database"})
	if err := w.env.GetWorkflowError(); err != nil {
		t.Fatal(err)
	}
	var result workflows.BackupResult
	if err := w.env.GetWorkflowResult(&result); err != nil {
		t.Fatal(err)
	}
	if want := []string{workflows.ReplicateID("database", "west", result.Backup)}; !slices.Equal(result.Replications, want) || result.Verified == nil {
		t.Errorf("result %+v", result)
	}
	if i, j := slices.Index(w.calls, "LockBackup"), slices.Index(w.calls, "CopyObjects"); i < 0 || j < i {
		t.Errorf("calls %v", w.calls)
	}
	// The record of the verification goes to the replica, too.
	if w.called("CopyRecords") != 1 || w.guards["CopyRecords"].Target != "west" {
		t.Errorf("calls %v", w.calls)
	}
}

// TestReadingFromAReplica asks nothing of the component's own site.
func TestReadingFromAReplica(t *testing.T) {
	w := newWorld(t)
	w.settings.Replicas = []activities.VaultSettings{{Vault: "west", Site: "west"}}
	w.env.ExecuteWorkflow(workflows.Verify, workflows.VerifyInput{Component: "database", Backup: "latest", Vault: "west"})
	if err := w.env.GetWorkflowError(); err != nil {
		t.Fatal(err)
	}
	if w.records[0].Vault != "west" || w.called("CopyRecords") != 0 || w.queues["FindBackup west"] != workflows.SiteQueue("site of west") {
		t.Errorf("recorded %+v, queues %v, calls %v", w.records, w.queues, w.calls)
	}
	w = newWorld(t)
	w.env.ExecuteWorkflow(workflows.RestoreBackup, workflows.RestoreInput{
		Component: "database", Backup: "latest", Vault: "west", Target: activities.Target{Kind: activities.BranchTarget, Site: "west"},
	})
	if err := w.env.GetWorkflowError(); err != nil || w.queues["FindBackup west"] != workflows.SiteQueue("site of west") {
		t.Errorf("%v, queues %v", err, w.queues)
	}
}
