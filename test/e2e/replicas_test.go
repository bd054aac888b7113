package e2e

import (
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fsouza/fake-gcs-server/fakestorage"

	"github.com/lifeboat-dr/lifeboat/activities"
	"github.com/lifeboat-dr/lifeboat/internal/devstack/medlink"
	"github.com/lifeboat-dr/lifeboat/internal/manifest"
	"github.com/lifeboat-dr/lifeboat/workflows"
)

// TestReplicas copies backups to the other region's S3 and to Google's API while workers die, then ends the first
// region for good, its workers too, and verifies and restores from the copies.
func TestReplicas(t *testing.T) {
	google, err := fakestorage.NewServerWithOptions(fakestorage.Options{Scheme: "http"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(google.Stop)
	r := newReplicatedRig(t, 8<<20, func(config string) string {
		config = strings.Replace(config, "components:\n", "  archive: {gcs: {bucket: archive, endpoint: \""+google.URL()+"\"}, lock: {mode: governance, retain: 30d}}\ncomponents:\n", 1)
		config = strings.Replace(config, "replicas: [us-west-2]", "replicas: [us-west-2, archive]", 1)
		return strings.Replace(config, "chunk_bytes: 16MiB", "chunk_bytes: 1MiB", 1)
	})

	first := r.copiedDespiteDeaths(t)
	google.CreateBucketWithOpts(fakestorage.CreateBucketOpts{Name: "archive", VersioningEnabled: true})
	r.caughtUp(t, first)
	if _, err := r.verify(first.Backup); err != nil {
		t.Fatal(err)
	}
	second := r.backup()
	if want := 2; len(second.Replications) != want {
		t.Fatalf("the backup began %v", second.Replications)
	}
	for _, id := range second.Replications {
		r.awaitReplica(t, id)
	}
	t.Run("nothing is left to copy", func(t *testing.T) { r.nothingMissing(t, 2) })
	t.Run("a backup that is not there", func(t *testing.T) {
		err := r.end(r.begin(workflows.ReplicateID("database", "us-west-2", "20200101T000000Z-aaaaaa"), workflows.ReplicateName, workflows.KindReplicate,
			workflows.ReplicateInput{Component: "database", To: "us-west-2", Backup: "20200101T000000Z-aaaaaa"}), nil)
		if err == nil || !strings.Contains(err.Error(), activities.TypeNotFound) || r.told("replica.failed") != 2 {
			t.Errorf("ended with %v, told %d times", err, r.told("replica.failed"))
		}
	})
	r.record(t)

	r.endRegion(t)
	t.Run("what is known without it", r.knownWithoutPrimary)
	for _, vault := range []string{"us-west-2", "archive"} {
		t.Run("from "+vault, func(t *testing.T) { r.backFrom(t, vault, second) })
	}
}

// copiedDespiteDeaths makes a backup whose copying to one replica is killed in the middle of the objects, and before
// its manifest. The other replica has no bucket yet, which fails its own execution and nothing else.
func (r *rig) copiedDespiteDeaths(t *testing.T) (made workflows.BackupResult) {
	r.worker.Kill()
	r.startMortal("after create us-west-2:.*/data/ 6")
	run := r.begin(workflows.BackupID("database", time.Now()), workflows.BackupName, workflows.KindBackup, workflows.BackupInput{Component: "database", SkipVerify: true})
	for _, next := range []string{"before create us-west-2:.*/manifest.json$", ""} {
		select {
		case <-r.worker.Done():
		case <-time.After(2 * time.Minute):
			t.Fatal("the worker did not die")
		}
		if there := r.counted(t, "us-west-2", ""); len(there) == 0 {
			t.Error("it died before anything was copied")
		}
		r.startMortal(next)
	}
	if err := r.end(run, &made); err != nil {
		t.Fatal(err)
	}
	for _, id := range made.Replications {
		if strings.Contains(id, "archive") {
			if err := r.end(r.client.GetWorkflow(t.Context(), id, ""), nil); err == nil || !strings.Contains(err.Error(), activities.TypeStoreDenied) || r.told("replica.failed") != 1 {
				t.Errorf("without a bucket the copy ended with %v, told %d times", err, r.told("replica.failed"))
			}
			continue
		}
		result := r.awaitReplica(t, id)
		if result.Objects == 0 || result.Copied+result.Present != result.Objects || result.Point != made.Point.Time {
			t.Errorf("%s: %+v", id, result)
		}
		// Objects are asked for by the survivor's attempt: what the dead one wrote was there.
		if result.Present < 6 {
			t.Errorf("%d of %d objects were there after the death", result.Present, result.Objects)
		}
		t.Logf("%s: %d objects, %d by the last attempt, %d were there", id, result.Objects, result.Copied, result.Present)
	}
	return made
}

// caughtUp runs the schedule's catch-up after a replica was away, and looks at everything that is in the replicas.
func (r *rig) caughtUp(t *testing.T, made workflows.BackupResult) {
	p, err := r.engine.Protection(t.Context())
	if err != nil || p.Components[0].Replicas[0].State != "ok" || p.Components[0].Replicas[1].State != "none" || *p.Components[0].Replicas[1].Missing != 1 {
		t.Errorf("before the catch-up: %+v, %v", p, err)
	}
	var result workflows.ReplicateResult
	err = r.end(r.begin("replicate/database/after the outage", workflows.ReplicateName, workflows.KindReplicate, workflows.ReplicateInput{Component: "database"}), &result)
	if err != nil || len(result.Vaults) != 2 || result.Vaults[0].Count != 0 || result.Vaults[1].Count != 1 || result.Vaults[1].Copied != result.Vaults[1].Objects || result.Vaults[1].Missing != 0 {
		t.Fatalf("caught up %+v: %v", result, err)
	}
	// No object was written twice, and each lock is the replica's own.
	for vault, retain := range map[string]time.Duration{"us-west-2": 2557 * 24 * time.Hour, "archive": 30 * 24 * time.Hour} {
		began, _ := manifest.BackupTime(made.Backup)
		home := r.counted(t, "", made.Backup)
		for key, n := range r.counted(t, vault, made.Backup) {
			if n != 1 {
				t.Errorf("%s has %d versions in %s", key, n, vault)
			}
			if home[key] == 0 && !strings.Contains(key, "/copied/") {
				t.Errorf("%s is in %s and not in its own vault", key, vault)
			}
			o, err := r.in(t, vault).Vault.Store.Stat(t.Context(), key, "")
			if err != nil || o.RetainUntil.Before(began.Add(retain)) || o.RetainUntil.After(began.Add(retain+time.Minute)) {
				t.Errorf("%s in %s is locked until %s: %v", key, vault, o.RetainUntil, err)
			}
		}
	}
}

// in is the component in one of its vaults.
func (r *rig) in(t *testing.T, vault string) *activities.Component {
	t.Helper()
	c, err := r.engine.Crew.ComponentIn("database", vault)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// counted counts the versions of the objects of a backup in a vault; an empty id counts all backups.
func (r *rig) counted(t *testing.T, vault, backup string) map[string]int {
	t.Helper()
	prefix := manifest.BackupsPrefix("database")
	if backup != "" {
		prefix = manifest.BackupPrefix("database", backup)
	}
	counts := map[string]int{}
	for o, err := range r.in(t, vault).Vault.Store.Versions(t.Context(), prefix) {
		if err != nil {
			t.Fatal(err)
		}
		counts[o.Key]++
	}
	return counts
}

func (r *rig) awaitReplica(t *testing.T, id string) (result workflows.ReplicateResult) {
	t.Helper()
	if err := r.end(r.client.GetWorkflow(t.Context(), id, ""), &result); err != nil {
		t.Fatal(err)
	}
	return result
}

// nothingMissing runs the schedule's catch-up, and looks at what people are shown.
func (r *rig) nothingMissing(t *testing.T, replicas int) {
	before := map[string]map[string]int{}
	for _, v := range []string{"us-west-2", "archive"} {
		before[v] = r.counted(t, v, "")
	}
	var result workflows.ReplicateResult
	err := r.end(r.begin(workflows.ScheduledID(workflows.KindReplicate, "database", "copies"), workflows.ReplicateName, workflows.KindReplicate,
		workflows.ReplicateInput{Component: "database"}), &result)
	if err != nil || len(result.Vaults) != replicas {
		t.Fatalf("caught up %+v: %v", result, err)
	}
	for _, v := range result.Vaults {
		if v.Missing != 0 || v.Count != 0 || v.Copied != 0 || v.Point.IsZero() || v.Lag <= 0 {
			t.Errorf("caught up %+v", v)
		}
		if !maps.Equal(before[v.Vault], r.counted(t, v.Vault, "")) {
			t.Errorf("something was written to %s", v.Vault)
		}
	}
	p, err := r.engine.Protection(t.Context())
	if err != nil || p.Components[0].State != "ok" || len(p.Components[0].Replicas) != replicas {
		t.Fatalf("protection %+v: %v", p, err)
	}
	for _, v := range p.Components[0].Replicas {
		if v.State != "ok" || v.Missing == nil || *v.Missing != 0 {
			t.Errorf("replica %+v", v)
		}
	}
}

// endRegion ends the servers of the first region, and the workers that do its work.
func (r *rig) endRegion(t *testing.T) {
	t.Helper()
	r.worker.Kill()
	if err := r.stack.KillSite("us-east-1"); err != nil {
		t.Fatal(err)
	}
	r.rewrite(t, func(config string) string {
		return strings.Replace(config, "worker:\n", "worker:\n  sites: [us-west-2]\n", 1)
	})
	r.startWorker()
}

// rewrite changes the configuration for workers that start from now on.
func (r *rig) rewrite(t *testing.T, change func(string) string) {
	t.Helper()
	text, err := os.ReadFile(r.stack.Config)
	if err == nil {
		err = os.WriteFile(r.stack.Config, []byte(change(string(text))), 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func (r *rig) knownWithoutPrimary(t *testing.T) {
	began := time.Now()
	p, err := r.engine.Protection(t.Context())
	if err != nil || p.Components[0].State != "unknown" {
		t.Fatalf("protection %+v: %v", p, err)
	}
	if took := time.Since(began); took > 30*time.Second {
		t.Errorf("looking took %s, which an evaluation has not", took)
	}
	for _, v := range p.Components[0].Replicas {
		if v.State != "ok" || v.Missing != nil || v.Backup == "" {
			t.Errorf("replica %+v", v)
		}
	}
}

// backFrom verifies and restores from a replica. The newest verified backup is the first one, whose record was copied.
func (r *rig) backFrom(t *testing.T, vault string, newest workflows.BackupResult) {
	found, err := r.engine.FindIn(t.Context(), "database", vault, "latest-verified")
	if err != nil || found.Envelope.Backup == newest.Backup {
		t.Fatalf("found %+v: %v", found, err)
	}
	var verified workflows.VerifyResult
	err = r.end(r.begin(workflows.VerifyID("database", newest.Backup), workflows.VerifyName, workflows.KindVerify, workflows.VerifyInput{
		Component: "database", Backup: "latest", Vault: vault,
	}), &verified)
	if err != nil || verified.Backup != newest.Backup {
		t.Fatalf("verified %+v: %v", verified, err)
	}
	if found, err := r.engine.FindIn(t.Context(), "database", vault, "latest-verified"); err != nil || found.Envelope.Backup != newest.Backup {
		t.Errorf("after the verification the newest verified one is %+v: %v", found, err)
	}
	var restored workflows.RestoreResult
	err = r.end(r.begin(workflows.RestoreID("database", "branch:us-west-2"), workflows.RestoreBackupName, workflows.KindRestore, workflows.RestoreInput{
		Component: "database", Backup: newest.Backup, Vault: vault, Target: activities.Target{Kind: activities.BranchTarget, Site: "us-west-2"},
	}), &restored)
	if err != nil || restored.Rows != newest.Totals.Rows || !restored.WasVerified {
		t.Fatalf("restored %+v: %v", restored, err)
	}
	checks, err := medlink.Check(t.Context(), r.connectBranch(t, restored.Target.Branch, restored.Target.Database))
	if err != nil || slices.ContainsFunc(checks, func(c manifest.Check) bool { return !c.OK }) {
		t.Errorf("the application could not work: %+v, %v", checks, err)
	}
}
