package workflows_test

import (
	"slices"
	"testing"

	"github.com/lifeboat-dr/lifeboat/activities"
	"github.com/lifeboat-dr/lifeboat/workflows"
)

// TestRestoreOfASelection reads the chunks of the selection only, tells what was left out, and proves nothing.
func TestRestoreOfASelection(t *testing.T) {
	w := newWorld(t)
	w.env.ExecuteWorkflow(workflows.RestoreBackup, workflows.RestoreInput{
		Component: "database", Backup: "latest", Target: activities.Target{Kind: activities.BranchTarget, Site: "west"},
		Selection: &activities.Selection{Tables: []string{"claims"}},
	})
	if err := w.env.GetWorkflowError(); err != nil {
		t.Fatal(err)
	}
	var result workflows.RestoreResult
	if err := w.env.GetWorkflowResult(&result); err != nil {
		t.Fatal(err)
	}
	if result.Selected == nil || result.Selected.Of != 41 || len(result.LeftOut) != 1 || result.LeftOutCount != 1 {
		t.Errorf("result %+v", result)
	}
	if i, j := slices.Index(w.calls, "SelectTables"), slices.Index(w.calls, "OpenTarget"); i < 0 || j < i {
		t.Errorf("the selection is looked at before the target is touched: %v", w.calls)
	}
	if w.called("LoadChunks") != 1 || len(w.selections) != 1 || w.selections[0].Empty() || w.called("RecordVerified") != 0 {
		t.Errorf("calls %v, selections %v", w.calls, w.selections)
	}
}

// TestASelectionThatFitsNothing touches no target.
func TestASelectionThatFitsNothing(t *testing.T) {
	w := newWorld(t)
	w.fails["SelectTables"] = final(activities.TypeInvalidInput)
	w.env.ExecuteWorkflow(workflows.RestoreBackup, workflows.RestoreInput{
		Component: "database", Backup: "latest", Target: activities.Target{Kind: activities.BranchTarget, Site: "west"},
		Selection: &activities.Selection{Tables: []string{"cliams"}},
	})
	if err := w.env.GetWorkflowError(); err == nil || w.called("OpenTarget") != 0 {
		t.Errorf("%v after %v", err, w.calls)
	}
}

// TestAllIsRestoredWithoutASelection keeps the order of older executions.
func TestAllIsRestoredWithoutASelection(t *testing.T) {
	w := newWorld(t)
	w.env.ExecuteWorkflow(workflows.RestoreBackup, workflows.RestoreInput{
		Component: "database", Backup: "latest", Target: activities.Target{Kind: activities.BranchTarget, Site: "west"}, Selection: &activities.Selection{},
	})
	if err := w.env.GetWorkflowError(); err != nil || w.called("SelectTables") != 0 || w.called("LoadChunks") != 2 {
		t.Errorf("%v after %v", err, w.calls)
	}
}
