package e2e

import (
	"strings"
	"testing"
	"time"

	"go.temporal.io/sdk/client"

	"github.com/lifeboat-dr/lifeboat/internal/devstack/s3"
	"github.com/lifeboat-dr/lifeboat/workflows"
)

// TestChaosStoreAway takes the vault away when a backup begins to write, and again in the middle of a
// verification and a restore, for longer than the store's client tries by itself. All three wait for it
// and end well. In the end a backup at the position of the first one holds the same rows.
func TestChaosStoreAway(t *testing.T) {
	r := newRig(t, 8<<20, func(config string) string {
		return strings.Replace(config, "chunk_bytes: 16MiB", "chunk_bytes: 1MiB", 1)
	})
	backup := r.begin(workflows.BackupID("database", time.Now()), workflows.BackupName, workflows.KindBackup, workflows.BackupInput{Component: "database", SkipVerify: true})
	r.takeStoreAway(t, func() bool { return r.vaultFiles(t, ".work") >= 3 }, backup)
	var first workflows.BackupResult
	if err := r.end(backup, &first); err != nil {
		t.Fatal(err)
	}

	verify := r.begin(workflows.VerifyID("database", first.Backup), workflows.VerifyName, workflows.KindVerify, workflows.VerifyInput{Component: "database", Backup: first.Backup})
	restore := r.beginRestore(first.Backup)
	r.takeStoreAway(t, func() bool { return len(r.leftovers()) > 0 }, verify, restore)
	var verified workflows.VerifyResult
	if err := r.end(verify, &verified); err != nil {
		t.Errorf("the backup of the outage does not verify in another one: %v", err)
	}
	var restored workflows.RestoreResult
	if err := r.end(restore, &restored); err != nil {
		t.Fatal(err)
	}
	r.soundRestore(t, first, restored)
	if n := r.records(t, first.Backup, "verified"); n != 1 || r.records(t, first.Backup, "attempts") != 0 {
		t.Errorf("%d records of verifications and some of failures, want one and none", n)
	}

	var again workflows.BackupResult
	run := r.begin(workflows.BackupID("database", time.Now()), workflows.BackupName, workflows.KindBackup, workflows.BackupInput{Component: "database", LSN: first.Point.LSN, SkipVerify: true})
	if err := r.end(run, &again); err != nil {
		t.Fatal(err)
	}
	if again.Totals.Rows != first.Totals.Rows || again.Totals.PlainBytes != first.Totals.PlainBytes {
		t.Errorf("a backup at LSN %s has %d rows, the first one %d", first.Point.LSN, again.Totals.Rows, first.Totals.Rows)
	}
	if again.Point.Time.After(first.Point.Time) {
		t.Errorf("a backup of the past claims %s, the first one %s", again.Point.Time, first.Point.Time)
	}
	r.nothingLeft(t)
	if told := r.told("backup.failed") + r.told("backup.unverified") + r.told("restore.failed"); told != 0 {
		t.Errorf("people were told %d times of what passed by itself", told)
	}
}

// takeStoreAway kills the vault's server when it is time, brings it back when an activity of each run has
// failed on it for good and is to be tried again, and not before.
func (r *rig) takeStoreAway(t *testing.T, itIsTime func() bool, runs ...client.WorkflowRun) {
	t.Helper()
	until(t, "the moment to take the store away", itIsTime)
	site := r.stack.Sites[0]
	before := site.Store.Config()
	site.Store.Kill()
	for _, run := range runs {
		until(t, "another attempt of "+run.GetID(), func() bool { return r.attempts(t, run) > 1 })
	}
	server, err := s3.StartChild(t.Context(), before)
	if err != nil {
		t.Fatal(err)
	}
	site.Store = server
}

// attempts is the highest attempt of an execution's pending activities.
func (r *rig) attempts(t *testing.T, run client.WorkflowRun) (most int32) {
	t.Helper()
	state, err := r.client.DescribeWorkflowExecution(t.Context(), run.GetID(), run.GetRunID())
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range state.GetPendingActivities() {
		most = max(most, a.GetAttempt())
	}
	return most
}

// until waits for a minute at most.
func until(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !holds(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal(what + " never came")
		}
	}
}

// told counts the messages of one type that people got.
func (r *rig) told(kind string) (n int) {
	for _, m := range r.stack.Inbox.Messages() {
		if strings.Contains(string(m.Body), `"type":"`+kind+`"`) {
			n++
		}
	}
	return n
}
