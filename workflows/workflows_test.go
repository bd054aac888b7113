package workflows_test

import (
	"context"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/mock"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"

	"github.com/lifeboat-dr/lifeboat/activities"
	"github.com/lifeboat-dr/lifeboat/internal/manifest"
	"github.com/lifeboat-dr/lifeboat/internal/plan"
	"github.com/lifeboat-dr/lifeboat/workflows"
)

// world is every activity, faked: it notes what was called, and fails what it is told to.
type world struct {
	mu       sync.Mutex
	env      *testsuite.TestWorkflowEnvironment
	calls    []string
	fails    map[string]error
	cancelAt string // the activity during which a person cancels the execution
	settings activities.Settings
	alerts   []activities.Alert
	attempts []manifest.Attempt
	records  []activities.RecordVerifiedInput
	guards   map[string]plan.Guard
	// selections are those of the loads.
	selections []*activities.Selection
	// missing is what replicas lack, one answer a question.
	missing []activities.Missing
	// failsFor fails an activity for one backup only.
	failsFor map[string]error
	queues   map[string]string
}

func newWorld(t *testing.T) *world {
	t.Helper()
	var suite testsuite.WorkflowTestSuite
	w := &world{env: suite.NewTestWorkflowEnvironment(), fails: map[string]error{}, guards: map[string]plan.Guard{}, settings: activities.Settings{
		Application: "medlink", Component: "database", SourceKind: "neon", Site: "east", Vault: "east", Connections: 2,
		VerifyAfter: true, ScratchSite: "west", Order: "digest", Budget: time.Hour,
	}}
	w.env.SetTestTimeout(time.Minute)
	workflows.Register(w.env)
	(&activities.All{
		Components: &activities.Components{}, Snapshots: &activities.Snapshots{}, Dumps: &activities.Dumps{},
		Records: &activities.Records{}, Restores: &activities.Restores{}, Replicas: &activities.Replicas{}, Alerts: &activities.Alerts{},
	}).Register(w.env)
	w.fake()
	return w
}

// note counts a call and says whether it is to fail.
func (w *world) note(name string, guard plan.Guard) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.calls = append(w.calls, name)
	w.guards[name] = guard
	if name == w.cancelAt {
		w.env.CancelWorkflow()
	}
	return w.fails[name]
}

func (w *world) called(name string) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	n := 0
	for _, c := range w.calls {
		if c == name {
			n++
		}
	}
	return n
}

func (w *world) fake() {
	var (
		components *activities.Components
		snapshots  *activities.Snapshots
		dumps      *activities.Dumps
		records    *activities.Records
		restores   *activities.Restores
		alerts     *activities.Alerts
	)
	on := func(activity, fake any) {
		w.env.OnActivity(activity, mock.Anything, mock.Anything).Return(fake).Maybe()
	}
	receipt := func(kind string) activities.Receipt { return activities.Receipt{Kind: kind, MAC: "mac of " + kind} }
	equal := activities.Compared{Checks: []manifest.Check{{Name: "tables", OK: true, Detail: "27 equal"}}, Receipt: receipt("compared")}
	w.fakeReplicas(on)
	on(components.DescribeComponent, func(_ context.Context, in activities.DescribeInput) (activities.Settings, error) {
		settings := w.settings
		if in.Vault != "" {
			settings.Vault, settings.VaultSite = in.Vault, "site of "+in.Vault
		}
		return settings, w.note("DescribeComponent", plan.Guard{})
	})
	on(components.DescribeTarget, func(_ context.Context, in activities.Target) (activities.Target, error) {
		in.Site = "west"
		return in, w.note("DescribeTarget", plan.Guard{})
	})
	on(snapshots.OpenSnapshot, func(_ context.Context, in activities.OpenSnapshotInput) (activities.Snapshot, error) {
		return activities.Snapshot{ID: "s1", Branch: "br-1"}, w.note("OpenSnapshot", in.Guard)
	})
	on(snapshots.RemoveSnapshot, func(_ context.Context, in activities.RemoveSnapshotInput) error {
		return w.note("RemoveSnapshot", in.Guard)
	})
	on(dumps.PlanBackup, func(_ context.Context, in activities.PlanBackupInput) (activities.BackupPlan, error) {
		return activities.BackupPlan{Tables: 2, Chunks: 6, Batches: []int{2, 4, 6}}, w.note("PlanBackup", in.Guard)
	})
	on(dumps.DumpSchema, func(_ context.Context, in activities.DumpSchemaInput) (activities.Copied, error) {
		return activities.Copied{}, w.note("DumpSchema", in.Guard)
	})
	on(dumps.CopyChunks, func(_ context.Context, in activities.CopyChunksInput) (activities.Copied, error) {
		return activities.Copied{Chunks: in.To - in.From, Rows: 10}, w.note("CopyChunks", in.Guard)
	})
	on(dumps.CopyServer, func(_ context.Context, in activities.CopyServerInput) (activities.ServerCopy, error) {
		return activities.ServerCopy{Snapshot: activities.Snapshot{ID: "s1"}, Copied: activities.Copied{Chunks: 6}}, w.note("CopyServer", in.Guard)
	})
	on(records.CommitManifest, func(_ context.Context, in activities.CommitInput) (activities.Committed, error) {
		return activities.Committed{Key: "key", SHA256: "sha"}, w.note("CommitManifest", in.Guard)
	})
	on(records.LockBackup, func(_ context.Context, in activities.LockInput) (activities.Locked, error) {
		return activities.Locked{}, w.note("LockBackup", in.Guard)
	})
	on(records.FindBackup, func(ctx context.Context, in activities.FindBackupInput) (activities.Found, error) {
		w.queued(ctx, "FindBackup "+in.Vault)
		id := in.Backup
		if id == "latest" {
			id = "20261123T020000Z-k3v7qa"
		}
		return activities.Found{Backup: id, SHA256: "sha", Batches: []int{3, 6}}, w.note("FindBackup", plan.Guard{})
	})
	on(records.RecordVerified, func(_ context.Context, in activities.RecordVerifiedInput) (string, error) {
		w.records = append(w.records, in)
		return "verified", w.note("RecordVerified", in.Guard)
	})
	on(records.RecordAttempt, func(_ context.Context, in activities.RecordAttemptInput) error {
		w.attempts = append(w.attempts, in.Attempt)
		return w.note("RecordAttempt", in.Guard)
	})
	on(restores.SelectTables, func(_ context.Context, in activities.SelectTablesInput) (activities.SelectedTables, error) {
		return activities.SelectedTables{Tables: 1, Of: 41, Chunks: 2, Rows: 20, Batches: []int{2}}, w.note("SelectTables", plan.Guard{})
	})
	on(restores.OpenTarget, func(_ context.Context, in activities.TargetInput) (activities.Target, error) {
		return in.Target, w.note("OpenTarget", in.Guard)
	})
	on(restores.CreateTables, func(_ context.Context, in activities.TargetInput) (activities.Restored, error) {
		return activities.Restored{}, w.note("CreateTables", in.Guard)
	})
	on(restores.LoadChunks, func(_ context.Context, in activities.LoadChunksInput) (activities.Copied, error) {
		w.selections = append(w.selections, in.Selection)
		return activities.Copied{Chunks: in.To - in.From, Rows: 30}, w.note("LoadChunks", in.Guard)
	})
	on(restores.CreateConstraints, func(_ context.Context, in activities.TargetInput) (activities.Restored, error) {
		if !in.Selection.Empty() {
			return activities.Restored{LeftOut: []manifest.NotCovered{{Kind: "view", Name: "v", Reason: "r"}}, LeftOutCount: 1}, w.note("CreateConstraints", in.Guard)
		}
		return activities.Restored{}, w.note("CreateConstraints", in.Guard)
	})
	on(restores.CompareTarget, func(_ context.Context, in activities.TargetInput) (activities.Compared, error) {
		return equal, w.note("CompareTarget", in.Guard)
	})
	on(restores.AnalyzeTarget, func(_ context.Context, in activities.TargetInput) (activities.Restored, error) {
		return activities.Restored{}, w.note("AnalyzeTarget", in.Guard)
	})
	on(restores.FinishTarget, func(_ context.Context, in activities.FinishTargetInput) error {
		if in.Compared.Kind != "compared" {
			return final("Untrusted")
		}
		return w.note("FinishTarget", in.Guard)
	})
	on(restores.SmokeTarget, func(_ context.Context, in activities.TargetInput) (activities.Compared, error) {
		return activities.Compared{Checks: []manifest.Check{{Name: "smoke:claims", OK: true}}, Receipt: receipt("smoked")}, w.note("SmokeTarget", in.Guard)
	})
	on(restores.DropTarget, func(_ context.Context, in activities.DropTargetInput) (activities.Dropped, error) {
		dropped := receipt("dropped")
		dropped.After = in.After
		return activities.Dropped{Receipt: dropped}, w.note("DropTarget", in.Guard)
	})
	on(alerts.SendAlert, func(_ context.Context, a activities.Alert) error {
		w.alerts = append(w.alerts, a)
		return w.note("SendAlert", plan.Guard{})
	})
}

// final is an error that is not retried.
func final(kind string) error {
	return temporal.NewNonRetryableApplicationError("a reason", kind, nil, "do this")
}

func TestBackupOrder(t *testing.T) {
	w := newWorld(t)
	w.env.ExecuteWorkflow(workflows.Backup, workflows.BackupInput{Component: "database"})
	if err := w.env.GetWorkflowError(); err != nil {
		t.Fatal(err)
	}
	var result workflows.BackupResult
	if err := w.env.GetWorkflowResult(&result); err != nil {
		t.Fatal(err)
	}
	if !manifest.ValidBackupID(result.Backup) || result.Verified == nil || result.Verified.Backup != result.Backup {
		t.Errorf("result %+v", result)
	}
	before := func(a, b string) {
		t.Helper()
		if i, j := slices.Index(w.calls, a), slices.Index(w.calls, b); i < 0 || j < 0 || i > j {
			t.Errorf("%s has to come before %s: %v", a, b, w.calls)
		}
	}
	for _, pair := range [][2]string{
		{"OpenSnapshot", "PlanBackup"}, {"PlanBackup", "CopyChunks"}, {"CopyChunks", "CommitManifest"}, {"DumpSchema", "CommitManifest"},
		{"RemoveSnapshot", "CommitManifest"}, {"CommitManifest", "LockBackup"}, {"LockBackup", "OpenTarget"}, {"SmokeTarget", "DropTarget"}, {"DropTarget", "RecordVerified"},
	} {
		before(pair[0], pair[1])
	}
	if w.called("CopyChunks") != 3 || w.called("LoadChunks") != 2 || w.called("RemoveSnapshot") != 1 || len(w.attempts)+len(w.alerts) != 0 {
		t.Errorf("calls %v, attempts %v, alerts %v", w.calls, w.attempts, w.alerts)
	}
	for name, g := range w.guards {
		if g.Execution != "" && (g.Order != "digest" || g.Mode != plan.ModeStanding || g.Target != "database" || g.Step == "") {
			t.Errorf("%s got guard %+v", name, g)
		}
	}
}

// TestBackupCleansUpAfterEveryFailure fails each step in turn: the branch is gone, one signed record and one
// message tell of it.
func TestBackupCleansUpAfterEveryFailure(t *testing.T) {
	for _, step := range []string{"OpenSnapshot", "PlanBackup", "DumpSchema", "CopyChunks", "CommitManifest", "LockBackup"} {
		t.Run(step, func(t *testing.T) {
			w := newWorld(t)
			w.fails[step] = final("StoreFull")
			w.env.ExecuteWorkflow(workflows.Backup, workflows.BackupInput{Component: "database"})
			if w.env.GetWorkflowError() == nil {
				t.Fatal("it succeeded")
			}
			if w.called("RemoveSnapshot") != 1 || w.called("RecordVerified") != 0 {
				t.Errorf("calls %v", w.calls)
			}
			if len(w.attempts) != 1 || w.attempts[0].ErrorType != "StoreFull" || w.attempts[0].Hint != "do this" || w.attempts[0].Kind != "backup" {
				t.Errorf("recorded %+v", w.attempts)
			}
			if len(w.alerts) != 1 || w.alerts[0].Kind != "backup.failed" || strings.Contains(w.alerts[0].Text, "a reason") {
				t.Errorf("told %+v", w.alerts)
			}
		})
	}
}

func TestBackupFromAServerHasNoBranch(t *testing.T) {
	w := newWorld(t)
	w.settings.SourceKind, w.settings.VerifyAfter = "postgres", false
	w.env.ExecuteWorkflow(workflows.Backup, workflows.BackupInput{Component: "database"})
	if err := w.env.GetWorkflowError(); err != nil {
		t.Fatal(err)
	}
	if w.called("CopyServer") != 1 || w.called("OpenSnapshot")+w.called("RemoveSnapshot")+w.called("OpenTarget") != 0 {
		t.Errorf("calls %v", w.calls)
	}
	w = newWorld(t)
	w.settings.SourceKind = "postgres"
	w.env.ExecuteWorkflow(workflows.Backup, workflows.BackupInput{Component: "database", LSN: "0/1"})
	if err := w.env.GetWorkflowError(); err == nil || !strings.Contains(err.Error(), "LSN") {
		t.Errorf("a backup of a server at an LSN: %v", err)
	}
}

func TestVerifyDropsScratchInEveryCase(t *testing.T) {
	for _, step := range []string{"", "OpenTarget", "CreateTables", "LoadChunks", "CreateConstraints", "CompareTarget", "SmokeTarget", "DropTarget"} {
		t.Run("fails at "+step, func(t *testing.T) {
			w := newWorld(t)
			if step != "" {
				w.fails[step] = final("Mismatch")
			}
			w.env.ExecuteWorkflow(workflows.Verify, workflows.VerifyInput{Component: "database", Backup: "latest"})
			if failed := w.env.GetWorkflowError() != nil; failed != (step != "") {
				t.Fatalf("ended with %v", w.env.GetWorkflowError())
			}
			if w.called("DropTarget") != 1 {
				t.Errorf("calls %v", w.calls)
			}
			if recorded := w.called("RecordVerified"); (step == "") != (recorded == 1) {
				t.Errorf("%d records", recorded)
			}
			if step == "" {
				asked := w.records[0]
				if asked.Compared.Kind != "compared" || asked.Smoked.Kind != "smoked" || !slices.Equal(asked.Dropped.After, []string{"mac of compared", "mac of smoked"}) {
					t.Errorf("asked to record %+v", asked)
				}
			}
			if step != "" && (len(w.attempts) != 1 || w.attempts[0].Kind != "verify" || len(w.alerts) != 1 || w.alerts[0].Kind != "backup.unverified") {
				t.Errorf("recorded %+v, told %+v", w.attempts, w.alerts)
			}
		})
	}
}

// TestFailedVerificationTellsOnce: the backup's execution fails, too, but the child has told already.
func TestFailedVerificationTellsOnce(t *testing.T) {
	w := newWorld(t)
	w.fails["CompareTarget"] = final("Mismatch")
	w.env.ExecuteWorkflow(workflows.Backup, workflows.BackupInput{Component: "database"})
	if w.env.GetWorkflowError() == nil {
		t.Fatal("it succeeded")
	}
	if len(w.attempts) != 1 || w.attempts[0].Kind != "verify" || len(w.alerts) != 1 || w.alerts[0].Kind != "backup.unverified" {
		t.Errorf("recorded %+v, told %+v", w.attempts, w.alerts)
	}
}

func TestRestoreLeavesItsTarget(t *testing.T) {
	w := newWorld(t)
	w.fails["LoadChunks"] = final("Corrupt")
	w.env.ExecuteWorkflow(workflows.RestoreBackup, workflows.RestoreInput{
		Component: "database", Backup: "latest", Target: activities.Target{Kind: activities.NamedTarget, Name: "spare"},
	})
	if w.env.GetWorkflowError() == nil {
		t.Fatal("it succeeded")
	}
	if w.called("DropTarget") != 0 {
		t.Errorf("a target that is not ours was dropped: %v", w.calls)
	}
	if g := w.guards["LoadChunks"]; g.Target != "spare" {
		t.Errorf("the guard names %q", g.Target)
	}
	for _, bad := range []activities.Target{{}, {Kind: activities.BranchTarget}, {Kind: activities.NamedTarget}, {Kind: activities.ScratchTarget, Database: "medlink"}} {
		w := newWorld(t)
		w.env.ExecuteWorkflow(workflows.RestoreBackup, workflows.RestoreInput{Component: "database", Backup: "latest", Target: bad})
		if w.env.GetWorkflowError() == nil || len(w.calls) != 0 {
			t.Errorf("target %+v: %v, calls %v", bad, w.env.GetWorkflowError(), w.calls)
		}
	}
}
