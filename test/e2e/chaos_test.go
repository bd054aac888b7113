package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.temporal.io/api/sdk/v1"
	"go.temporal.io/sdk/client"

	"github.com/lifeboat-dr/lifeboat/activities"
	"github.com/lifeboat-dr/lifeboat/internal/manifest"
	"github.com/lifeboat-dr/lifeboat/workflows"
)

// TestChaosKillWorker kills the worker with SIGKILL in the middle and starts another one: what was finished
// is not done again, the outcome is the same, and nothing is left behind. By default one moment of each kind
// of execution is tried; LIFEBOAT_CHAOS=full tries them all.
func TestChaosKillWorker(t *testing.T) {
	r := newRig(t, 24<<20, func(config string) string {
		config = strings.Replace(config, "chunk_bytes: 16MiB", "chunk_bytes: 1MiB", 1)
		return strings.Replace(config, "connections: 2", "connections: 1", 1)
	})
	notes := []int{8}
	if os.Getenv("LIFEBOAT_CHAOS") == "full" {
		notes = []int{0, 1, 2, 5, 8, 13, 21, 30}
	}
	var backup workflows.BackupResult
	for _, n := range notes {
		t.Run(fmt.Sprintf("backup after %d notes", n), func(t *testing.T) { backup = r.killBackup(t, n) })
	}
	if t.Failed() {
		return
	}
	t.Run("verify", func(t *testing.T) { r.killVerify(t, backup) })
	t.Run("restore", func(t *testing.T) { r.killRestore(t, backup) })
}

// killBackup kills the worker when the backup has left n notes of finished work in the vault.
func (r *rig) killBackup(t *testing.T, n int) workflows.BackupResult {
	before := r.vaultFiles(t, ".work")
	run := r.begin(workflows.BackupID("database", time.Now()), workflows.BackupName, workflows.KindBackup, workflows.BackupInput{Component: "database", SkipVerify: true})
	r.killWhen(t, func() bool { return r.vaultFiles(t, ".work")-before >= n })
	var result workflows.BackupResult
	if err := r.end(run, &result); err != nil {
		t.Fatal(err)
	}
	found, err := r.engine.Find(t.Context(), "database", result.Backup)
	if err != nil {
		t.Fatal(err)
	}
	seen, written := map[string]bool{}, map[string]bool{}
	for _, o := range found.Envelope.Objects {
		if seen[o.Key] {
			t.Errorf("object %s is in the manifest twice", o.Key)
		}
		seen[o.Key] = true
	}
	component, err := r.engine.Crew.Component("database")
	if err != nil {
		t.Fatal(err)
	}
	for version, err := range component.Vault.Store.Versions(t.Context(), manifest.BackupPrefix("database", result.Backup)) {
		if err != nil {
			t.Fatal(err)
		}
		if written[version.Key] {
			t.Errorf("object %s was written twice", version.Key)
		}
		written[version.Key] = true
	}
	if left := r.leftovers(); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	t.Logf("%d of %d chunks were found finished by the activity's second attempt", result.Resumed, result.Totals.Chunks)
	return result
}

// killVerify kills the worker when the scratch database is there, and expects a verification all the same.
func (r *rig) killVerify(t *testing.T, backup workflows.BackupResult) {
	run := r.begin(workflows.VerifyID("database", backup.Backup), workflows.VerifyName, workflows.KindVerify, workflows.VerifyInput{Component: "database", Backup: backup.Backup})
	r.killWhen(t, func() bool { return len(r.leftovers()) > 0 })
	var result workflows.VerifyResult
	if err := r.end(run, &result); err != nil {
		t.Fatal(err)
	}
	if left := r.leftovers(); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

// killRestore kills the worker when rows have begun to arrive; the restored database is compared by the
// workflow itself, and has to be whole.
func (r *rig) killRestore(t *testing.T, backup workflows.BackupResult) {
	run := r.begin(workflows.RestoreID("database", "branch:us-west-2"), workflows.RestoreBackupName, workflows.KindRestore, workflows.RestoreInput{
		Component: "database", Backup: backup.Backup, Target: activities.Target{Kind: activities.BranchTarget, Site: "us-west-2"},
	})
	r.killWhen(t, func() bool { return strings.Contains(r.details(run), "chunks") })
	var result workflows.RestoreResult
	if err := r.end(run, &result); err != nil {
		t.Fatal(err)
	}
	if result.Rows != backup.Totals.Rows || len(result.Checks) < 3 {
		t.Errorf("restored %+v, backed up %+v", result, backup.Totals)
	}
}

// killWhen kills the worker as soon as it is time, and starts another one.
func (r *rig) killWhen(t *testing.T, itIsTime func() bool) {
	t.Helper()
	deadline := time.Now().Add(time.Minute)
	for !itIsTime() {
		if time.Now().After(deadline) {
			t.Fatal("the moment to kill the worker never came")
		}
		time.Sleep(2 * time.Millisecond)
	}
	r.worker.Kill()
	r.startWorker()
}

// vaultFiles counts the objects of the vault with this ending.
func (r *rig) vaultFiles(t *testing.T, ending string) int {
	t.Helper()
	count := 0
	root := filepath.Join(r.stack.Dir, "us-east-1", "s3", "buckets", r.stack.Sites[0].Bucket())
	_ = filepath.WalkDir(root, func(path string, _ os.DirEntry, err error) error { // files come and go meanwhile
		if err == nil && strings.HasSuffix(path, ending) {
			count++
		}
		return nil
	})
	return count
}

// details is the execution's progress table.
func (r *rig) details(run client.WorkflowRun) string {
	value, err := r.client.QueryWorkflow(r.t.Context(), run.GetID(), run.GetRunID(), "__temporal_workflow_metadata")
	if err != nil {
		return ""
	}
	var meta sdk.WorkflowMetadata
	if err := value.Get(&meta); err != nil {
		return ""
	}
	return meta.GetCurrentDetails()
}
