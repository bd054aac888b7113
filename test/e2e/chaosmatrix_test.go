package e2e

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.temporal.io/sdk/client"

	"github.com/lifeboat-dr/lifeboat/internal/manifest"
	"github.com/lifeboat-dr/lifeboat/workflows"
)

// around are the two ends of each activity: the server believes it runs and nothing happened yet, and all
// of it happened and nobody was told.
func around(activities ...string) (deaths []string) {
	for _, name := range activities {
		deaths = append(deaths, "before activity ^"+name+"$", "after activity ^"+name+"$")
	}
	return deaths
}

// The moments at which workers die, in the order in which they come.
var (
	backupDeaths = slices.Concat(
		around("DescribeComponent", "OpenSnapshot"),
		[]string{
			"before activity ^PlanBackup$", "before create /plan.work$", "after create /plan.work$", "after activity ^PlanBackup$",
			"before activity ^DumpSchema$", "after create /schema-", "before create /schema.work$", "after create /schema.work$", "after activity ^DumpSchema$",
			"before activity ^CopyChunks$",
			// A chunk that was read and not stored, stored and not noted, noted and not told.
			"before create /c00003.0000$", "after create /c00003.0000$", "before create /c00003.work$", "after create /c00003.work$",
			"after activity ^CopyChunks$", "after activity ^CopyChunks$ 2", "before create /c000...0000$",
		},
		around("RemoveSnapshot"),
		[]string{
			"before activity ^CommitManifest$", "before create /contents-", "after create /contents-", "before create /manifest.json$", "after create /manifest.json$", "after activity ^CommitManifest$",
			"before activity ^LockBackup$", "before extend /manifest.json$", "after extend / 9", "after activity ^LockBackup$",
		},
	)
	restoreDeaths = slices.Concat(around("DescribeComponent", "FindBackup"), fillDeaths, around("FinishTarget"))
	fillDeaths    = slices.Concat(
		around("OpenTarget", "CreateTables"),
		[]string{"before activity ^LoadChunks$", "before open /c0000[0-9].0000$ 2", "after open /c000[01][0-9].0000$ 3", "after activity ^LoadChunks$", "after activity ^LoadChunks$ 2"},
		around("CreateConstraints", "CompareTarget"),
	)
	verifyDeaths = slices.Concat(
		around("DescribeComponent", "FindBackup"), fillDeaths, around("SmokeTarget", "DropTarget"),
		[]string{"before activity ^RecordVerified$", "before create /verified/", "after create /verified/", "after activity ^RecordVerified$"},
	)
)

// The next three let workers die at all of these moments, one death after the other in the same execution.
// Each takes minutes for every five deaths, as half a minute passes before a dead worker is noticed: they
// are for LIFEBOAT_CHAOS=full, and do nothing otherwise. TestChaosKillAtRandom is their sample.

func TestChaosKillBackup(t *testing.T) {
	if full() {
		chaosRig(t).killBackup(t, backupDeaths)
	}
}

func TestChaosKillVerify(t *testing.T) {
	if full() {
		r := chaosRig(t)
		r.killVerify(t, r.backup(), verifyDeaths)
	}
}

func TestChaosKillRestore(t *testing.T) {
	if full() {
		r := chaosRig(t)
		r.killRestore(t, r.backup(), restoreDeaths)
	}
}

// tally is the progress of chunks, as two independent witnesses tell it: the server's log and the vault or the target.
type tally struct{ begun, finished int }

// again fails unless after the last death exactly those chunks were done that were not finished then.
func (last tally) again(t *testing.T, begun, chunks, slack int) {
	t.Helper()
	if more := begun - last.begun; more < chunks-last.finished || more > chunks-last.finished+slack {
		t.Errorf("after the last death %d chunks were done, and %d of %d were finished before it", more, last.finished, chunks)
	}
}

func (r *rig) killBackup(t *testing.T, deaths []string) workflows.BackupResult {
	site := r.stack.Sites[0]
	before, notes := r.statements(t, site, reads), r.notes("")
	var last tally
	var result workflows.BackupResult
	r.outlive(t, func() client.WorkflowRun {
		return r.begin(workflows.BackupID("database", time.Now()), workflows.BackupName, workflows.KindBackup, workflows.BackupInput{Component: "database", SkipVerify: true})
	}, deaths, func() {
		now := tally{sum(since(before, r.statements(t, site, reads))), r.notes("") - notes}
		if wasted := (now.begun - now.finished) - (last.begun - last.finished); wasted < 0 || wasted > 1 {
			t.Errorf("%d chunks were read and %d finished, after %d and %d before: one death costs one chunk", now.begun, now.finished, last.begun, last.finished)
		}
		last = now
	}, &result)
	last.again(t, sum(since(before, r.statements(t, site, reads))), result.Totals.Chunks, 0)
	contents := r.soundBackup(t, result)
	r.nothingLeft(t)

	// The same as a backup that nothing happened to, of the same moment.
	var calm workflows.BackupResult
	run := r.begin(workflows.BackupID("database", time.Now()), workflows.BackupName, workflows.KindBackup, workflows.BackupInput{Component: "database", LSN: result.Point.LSN, SkipVerify: true})
	if err := r.end(run, &calm); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(fingerprints(r.soundBackup(t, calm)), fingerprints(contents)); diff != "" {
		t.Errorf("the backup differs from an undisturbed one (-undisturbed +this):\n%s", diff)
	}
	t.Logf("%d of %d chunks were found finished by a later attempt", result.Resumed, result.Totals.Chunks)
	return result
}

// fingerprints are what the chunks of each table add up to, whatever the chunks are.
func fingerprints(contents *manifest.Contents) map[string][]string {
	all := map[string][]string{}
	for _, c := range contents.Chunks {
		name := c.Kind
		if c.Table >= 0 {
			name = strings.Join([]string{contents.Catalog.Tables[c.Table].Schema, contents.Catalog.Tables[c.Table].Name}, ".")
		}
		all[name] = append(all[name], c.Fingerprint)
	}
	return all
}

func (r *rig) killVerify(t *testing.T, backup workflows.BackupResult, deaths []string) {
	site := r.stack.Sites[1]
	before := r.statements(t, site, loads)
	var last tally
	var result workflows.VerifyResult
	r.outlive(t, func() client.WorkflowRun {
		return r.begin(workflows.VerifyID("database", backup.Backup), workflows.VerifyName, workflows.KindVerify, workflows.VerifyInput{Component: "database", Backup: backup.Backup})
	}, deaths, func() {
		left := r.leftovers()
		if len(left) == 0 {
			return
		}
		name, _ := strings.CutPrefix(left[0], "database ")
		if n := r.markers(t, r.scratch(t, name)); n >= 0 && last.finished < backup.Totals.Chunks {
			last = tally{sum(since(before, r.statements(t, site, loads))), n}
		}
	}, &result)
	last.again(t, sum(since(before, r.statements(t, site, loads))), backup.Totals.Chunks, 1)
	r.nothingLeft(t)
	if len(result.Checks) < 3 {
		t.Errorf("verified %+v", result)
	}
	if n := r.records(t, backup.Backup, "verified") + r.records(t, backup.Backup, "attempts"); n != 1 {
		t.Errorf("there are %d records of verifications and failures, want one", n)
	}
}

func (r *rig) killRestore(t *testing.T, backup workflows.BackupResult, deaths []string) {
	site := r.stack.Sites[1]
	before := r.statements(t, site, loads)
	var result workflows.RestoreResult
	r.outlive(t, func() client.WorkflowRun { return r.beginRestore(backup.Backup) }, deaths, func() {}, &result)
	repeated := sum(since(before, r.statements(t, site, loads))) - backup.Totals.Chunks
	inLoad := 0
	for _, death := range deaths {
		if strings.Contains(death, " open ") {
			inLoad++
		}
	}
	if repeated < 0 || repeated > inLoad {
		t.Errorf("%d chunks were loaded more than once, with %d deaths in the middle of one", repeated, inLoad)
	}
	r.soundRestore(t, backup, result)
	r.nothingLeft(t)
}

// records counts the signed records beside a backup: "verified" or "attempts".
func (r *rig) records(t *testing.T, backup, kind string) int {
	t.Helper()
	component, err := r.engine.Crew.Component("database")
	if err != nil {
		t.Fatal(err)
	}
	count := 0
	for _, err := range component.Vault.Store.Versions(t.Context(), manifest.BackupPrefix("database", backup)+kind+"/") {
		if err != nil {
			t.Fatal(err)
		}
		count++
	}
	return count
}
