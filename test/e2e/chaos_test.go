package e2e

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"go.temporal.io/sdk/client"

	"github.com/lifeboat-dr/lifeboat/activities"
	"github.com/lifeboat-dr/lifeboat/internal/manifest"
	"github.com/lifeboat-dr/lifeboat/workflows"
)

// full says whether the whole matrix is asked for, or a sample of it that is quick.
func full() bool { return os.Getenv("LIFEBOAT_CHAOS") == "full" }

// chaosRig has many chunks, and one lane: what is under way when a worker dies is one chunk.
func chaosRig(t *testing.T) *rig {
	t.Helper()
	r := newRig(t, 8<<20, func(config string) string {
		config = strings.Replace(config, "chunk_bytes: 16MiB", "chunk_bytes: 1MiB", 1)
		return strings.Replace(config, "connections: 2", "connections: 1", 1)
	})
	r.logStatements(t)
	return r
}

// TestChaosKillAtRandom runs a backup, a verification and a restore at once and kills their worker with SIGKILL at a
// random moment. All three end well with another worker, finished chunks are neither read nor loaded
// again, and nothing is left behind. LIFEBOAT_CHAOS_SEED repeats a run; LIFEBOAT_CHAOS=full tries eight moments.
func TestChaosKillAtRandom(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	if text := os.Getenv("LIFEBOAT_CHAOS_SEED"); text != "" {
		var err error
		if seed, err = strconv.ParseUint(text, 10, 64); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("LIFEBOAT_CHAOS_SEED=%d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	r := chaosRig(t)
	backup := r.backup()
	rounds := 1
	if full() {
		rounds = 8
	}
	for i := range rounds {
		// An undisturbed backup takes about four seconds from its first activity to its last.
		after := time.Duration(random.Int64N(int64(4 * time.Second)))
		if !t.Run(fmt.Sprintf("random %d", i+1), func(t *testing.T) { r.killDuringAll(t, backup, after) }) {
			return
		}
	}
}

func (r *rig) killDuringAll(t *testing.T, before workflows.BackupResult, after time.Duration) {
	t.Helper()
	read, loaded := r.statements(t, r.stack.Sites[0], reads), r.statements(t, r.stack.Sites[1], loads)
	backup := r.begin(workflows.BackupID("database", time.Now()), workflows.BackupName, workflows.KindBackup, workflows.BackupInput{Component: "database", SkipVerify: true})
	verify := r.begin(workflows.VerifyID("database", before.Backup), workflows.VerifyName, workflows.KindVerify, workflows.VerifyInput{Component: "database", Backup: before.Backup})
	restore := r.beginRestore(before.Backup)
	time.Sleep(after) // the random moment
	r.worker.Kill()
	r.statements(t, r.stack.Sites[0], reads) // the branch's log is kept
	t.Logf("killed after %s", after)
	r.startWorker()
	var made workflows.BackupResult
	var verified workflows.VerifyResult
	var restored workflows.RestoreResult
	if err := cmp.Or(r.end(backup, &made), r.end(verify, &verified), r.end(restore, &restored)); err != nil {
		t.Fatal(err)
	}
	r.soundBackup(t, made)
	r.soundRestore(t, before, restored)
	if len(verified.Checks) < 3 {
		t.Errorf("verified %+v", verified)
	}
	for what, c := range map[string]struct{ times, chunks, lanes int }{
		"loaded": {sum(since(loaded, r.statements(t, r.stack.Sites[1], loads))), 2 * before.Totals.Chunks, 2},
		"read":   {sum(since(read, r.statements(t, r.stack.Sites[0], reads))), made.Totals.Chunks, 1},
	} {
		// A log that began and ended after the kill was not seen.
		if c.times > c.chunks+c.lanes || c.times < c.chunks && what == "loaded" {
			t.Errorf("chunks were %s %d times, and there are %d: more than what was under way was done again", what, c.times, c.chunks)
		}
	}
	r.nothingLeft(t)
	if !full() {
		return
	}
	if _, err := r.verify(made.Backup); err != nil {
		t.Errorf("the backup that was interrupted does not verify: %v", err)
	}
}

func (r *rig) beginRestore(backup string) client.WorkflowRun {
	r.t.Helper()
	return r.begin(workflows.RestoreID("database", "branch:us-west-2"), workflows.RestoreBackupName, workflows.KindRestore, workflows.RestoreInput{
		Component: "database", Backup: backup, Target: activities.Target{Kind: activities.BranchTarget, Site: "us-west-2"},
	})
}

// outlive starts an execution and one worker after the other, each of which dies at its moment, and at last one
// that lives. It calls seen after each death.
func (r *rig) outlive(t *testing.T, begin func() client.WorkflowRun, deaths []string, seen func(), result any) {
	t.Helper()
	r.worker.Kill()
	var run client.WorkflowRun
	for i, death := range deaths {
		r.startMortal(death)
		if i == 0 {
			run = begin()
		}
		began := time.Now()
		select {
		case <-r.worker.Done():
		case <-time.After(3 * time.Minute):
			t.Fatalf("the worker did not die %s", death)
		}
		t.Logf("died %s, after %s", death, time.Since(began).Round(time.Millisecond))
		seen()
	}
	r.startWorker()
	if err := r.end(run, result); err != nil {
		t.Fatal(err)
	}
}

// soundBackup looks at the manifest and at everything below its folder.
func (r *rig) soundBackup(t *testing.T, result workflows.BackupResult) *manifest.Contents {
	t.Helper()
	found, contents, err := r.engine.Open(t.Context(), "database", result.Backup)
	if err != nil {
		t.Fatal(err)
	}
	listed, written := map[string]bool{}, map[string]bool{}
	for _, o := range slices.Concat(found.Envelope.Objects, found.Envelope.Contents) {
		if listed[o.Key] {
			t.Errorf("object %s is in the manifest twice", o.Key)
		}
		listed[o.Key] = true
	}
	chunks := map[string]bool{}
	for _, c := range contents.Chunks {
		if chunks[c.ID] {
			t.Errorf("chunk %s is in the contents twice", c.ID)
		}
		chunks[c.ID] = true
	}
	if len(chunks) != result.Totals.Chunks {
		t.Errorf("there are %d chunks, the result says %d", len(chunks), result.Totals.Chunks)
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
		if name := version.Key[strings.LastIndex(version.Key, "/data/")+1:]; strings.HasPrefix(name, "data/s1/c0") && strings.Contains(name, ".0") && !listed[version.Key] {
			t.Errorf("object %s is in no manifest", version.Key)
		}
	}
	return contents
}

// soundRestore expects everything in the restored database; the workflow compared it itself.
func (r *rig) soundRestore(t *testing.T, backup workflows.BackupResult, result workflows.RestoreResult) {
	t.Helper()
	if result.Rows != backup.Totals.Rows || len(result.Checks) < 3 {
		t.Errorf("restored %+v, backed up %+v", result, backup.Totals)
	}
	var there bool
	conn := r.connectBranch(t, result.Target.Branch, result.Target.Database)
	if err := conn.QueryRow(t.Context(), "SELECT to_regnamespace('lifeboat_restore') IS NOT NULL").Scan(&there); err != nil || there {
		t.Errorf("the restored database is still marked as incomplete: %v", err)
	}
}

func (r *rig) nothingLeft(t *testing.T) {
	t.Helper()
	if left := r.leftovers(); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
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

// scratch is the way to a database at the standby.
func (r *rig) scratch(t *testing.T, database string) *pgx.ConnConfig {
	t.Helper()
	conn, err := r.stack.Sites[1].Connect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	cfg := conn.Config().Copy()
	cfg.Database = database
	return cfg
}
