package workflows_test

import (
	"errors"
	"testing"

	"go.temporal.io/sdk/temporal"

	"github.com/lifeboat-dr/lifeboat/activities"
	"github.com/lifeboat-dr/lifeboat/workflows"
)

// TestCanceledBackupCleansUp cancels during each activity in turn: the branch goes, a record says that it was
// a person, and nobody is woken for what somebody did on purpose.
func TestCanceledBackupCleansUp(t *testing.T) {
	for _, step := range []string{"OpenSnapshot", "PlanBackup", "DumpSchema", "CopyChunks", "CommitManifest", "LockBackup"} {
		t.Run(step, func(t *testing.T) {
			w := newWorld(t)
			w.cancelAt = step
			w.env.ExecuteWorkflow(workflows.Backup, workflows.BackupInput{Component: "database"})
			wantCanceled(t, w, step)
			if w.called("RemoveSnapshot") != 1 || w.called("OpenTarget") != 0 {
				t.Errorf("calls %v", w.calls)
			}
			if len(w.attempts) != 1 || w.attempts[0].Kind != "backup" || w.attempts[0].ErrorType != "Canceled" {
				t.Errorf("recorded %+v", w.attempts)
			}
		})
	}
}

func TestCanceledVerificationDropsScratch(t *testing.T) {
	for _, step := range []string{"OpenTarget", "CreateTables", "LoadChunks", "CreateConstraints", "CompareTarget", "SmokeTarget"} {
		t.Run(step, func(t *testing.T) {
			w := newWorld(t)
			w.cancelAt = step
			w.env.ExecuteWorkflow(workflows.Verify, workflows.VerifyInput{Component: "database", Backup: "latest"})
			wantCanceled(t, w, step)
			if w.called("DropTarget") != 1 || w.called("RecordVerified") != 0 {
				t.Errorf("calls %v", w.calls)
			}
			if len(w.attempts) != 1 || w.attempts[0].Kind != "verify" || w.attempts[0].ErrorType != "Canceled" {
				t.Errorf("recorded %+v", w.attempts)
			}
		})
	}
}

// TestCanceledWhileItDrops: the scratch database goes all the same, and is not verified half.
func TestCanceledWhileItDrops(t *testing.T) {
	w := newWorld(t)
	w.cancelAt = "DropTarget"
	w.env.ExecuteWorkflow(workflows.Verify, workflows.VerifyInput{Component: "database", Backup: "latest"})
	wantCanceled(t, w, "DropTarget")
	if w.called("DropTarget") != 1 || w.called("RecordVerified") != 0 {
		t.Errorf("calls %v", w.calls)
	}
}

func TestCanceledRestoreLeavesItsTarget(t *testing.T) {
	w := newWorld(t)
	w.cancelAt = "LoadChunks"
	w.env.ExecuteWorkflow(workflows.RestoreBackup, workflows.RestoreInput{
		Component: "database", Backup: "latest", Target: activities.Target{Kind: activities.NamedTarget, Name: "spare"},
	})
	wantCanceled(t, w, "LoadChunks")
	if w.called("DropTarget")+w.called("CompareTarget") != 0 {
		t.Errorf("calls %v", w.calls)
	}
}

func wantCanceled(t *testing.T, w *world, step string) {
	t.Helper()
	if w.called(step) == 0 {
		t.Fatalf("%s was never reached: %v", step, w.calls)
	}
	if err := w.env.GetWorkflowError(); !temporal.IsCanceledError(err) {
		t.Fatalf("ended with %v", err)
	}
	if len(w.alerts) != 0 {
		t.Errorf("people were told of what a person did: %+v", w.alerts)
	}
}

// TestBranchThatStaysIsTold: a backup is not worse because its branch could not be removed, but people hear
// of it.
func TestBranchThatStaysIsTold(t *testing.T) {
	w := newWorld(t)
	w.fails["RemoveSnapshot"] = final("NeonOperationFailed")
	w.env.ExecuteWorkflow(workflows.Backup, workflows.BackupInput{Component: "database", SkipVerify: true})
	if err := w.env.GetWorkflowError(); err != nil {
		t.Fatal(err)
	}
	if len(w.alerts) != 1 || w.alerts[0].Kind != "cleanup.failed" || len(w.attempts) != 0 {
		t.Errorf("told %+v, recorded %+v", w.alerts, w.attempts)
	}
	if w.called("OpenTarget") != 0 {
		t.Errorf("it was verified although nobody asked for it: %v", w.calls)
	}
}

// TestOutcomeOutlivesItsMessages: an alert or a record that cannot be sent does not hide why the work failed.
func TestOutcomeOutlivesItsMessages(t *testing.T) {
	w := newWorld(t)
	w.fails["CopyChunks"], w.fails["RecordAttempt"], w.fails["SendAlert"] = final("StoreFull"), final("StoreDenied"), final("Unavailable")
	w.env.ExecuteWorkflow(workflows.Backup, workflows.BackupInput{Component: "database"})
	var failed *temporal.ApplicationError
	if err := w.env.GetWorkflowError(); !errors.As(err, &failed) || failed.Type() != "StoreFull" {
		t.Errorf("ended with %v", err)
	}
}
