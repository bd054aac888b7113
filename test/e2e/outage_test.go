package e2e

import (
	"strings"
	"testing"
	"time"

	"github.com/lifeboat-dr/lifeboat/internal/devstack/s3"
	"github.com/lifeboat-dr/lifeboat/workflows"
)

// TestChaosStoreAway takes the vault away when a backup begins to write and brings it back: the backup waits
// for it and ends well. Then it makes a backup at the position of the first one, which holds the same rows.
func TestChaosStoreAway(t *testing.T) {
	r := newRig(t, 8<<20, func(config string) string {
		return strings.Replace(config, "chunk_bytes: 16MiB", "chunk_bytes: 1MiB", 1)
	})
	run := r.begin(workflows.BackupID("database", time.Now()), workflows.BackupName, workflows.KindBackup, workflows.BackupInput{Component: "database", SkipVerify: true})
	for deadline := time.Now().Add(time.Minute); r.vaultFiles(t, ".work") < 3; time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the backup never began to write")
		}
	}
	site := r.stack.Sites[0]
	before := site.Store.Config()
	site.Store.Kill()
	time.Sleep(3 * time.Second) // the outage
	server, err := s3.StartChild(t.Context(), before)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = server.Stop(10 * time.Second) })
	var first workflows.BackupResult
	if err := r.end(run, &first); err != nil {
		t.Fatal(err)
	}
	if _, err := r.verify(first.Backup); err != nil {
		t.Errorf("the backup of the outage does not verify: %v", err)
	}

	var again workflows.BackupResult
	run = r.begin(workflows.BackupID("database", time.Now()), workflows.BackupName, workflows.KindBackup, workflows.BackupInput{Component: "database", LSN: first.Point.LSN, SkipVerify: true})
	if err := r.end(run, &again); err != nil {
		t.Fatal(err)
	}
	if again.Totals.Rows != first.Totals.Rows || again.Totals.PlainBytes != first.Totals.PlainBytes {
		t.Errorf("a backup at LSN %s has %d rows, the first one %d", first.Point.LSN, again.Totals.Rows, first.Totals.Rows)
	}
	if again.Point.Time.After(first.Point.Time) {
		t.Errorf("a backup of the past claims %s, the first one %s", again.Point.Time, first.Point.Time)
	}
	if left := r.leftovers(); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}
