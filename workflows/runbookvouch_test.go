package workflows_test

import (
	"context"
	"testing"
	"time"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/workflow"

	"github.com/lifeboat-dr/lifeboat/activities"
	"github.com/lifeboat-dr/lifeboat/internal/plan"
	"github.com/lifeboat-dr/lifeboat/workflows"
)

// TestRunbookVouchesForWorkflows: what a restore gave is vouched for, and a later step that changes something is shown
// the receipt; a step that leans on what a person wrote gets none.
func TestRunbookVouchesForWorkflows(t *testing.T) {
	s := newStage(t, head+`  - {id: bring, type: restore, title: Bring, with: {component: database, vault: west, tables: [public.claims], to: {site: us-west-2}}, effect: reversible, undo: {type: exec, with: {program: p}}}
  - {id: move, type: move-door, title: Move, with: {door: d, to: {branch: {site: us-west-2, name: "${steps.bring.branch}", database: "${steps.bring.database}"}}}, undo: {type: exec, with: {program: p}}}
`)
	compared := activities.Receipt{Kind: "compared", MAC: "m"}
	var asked workflows.RestoreInput
	s.env.RegisterWorkflowWithOptions(func(_ workflow.Context, in workflows.RestoreInput) (*workflows.RestoreResult, error) {
		asked = in
		return &workflows.RestoreResult{Backup: "b", Target: activities.Target{Site: "us-west-2", Branch: "made up", Database: "made up"}, Compared: compared, Took: time.Minute}, nil
	}, workflowName(workflows.RestoreBackupName))
	var vouched activities.VouchInput
	s.env.RegisterActivityWithOptions(func(_ context.Context, in activities.VouchInput) (activities.StepDone, error) {
		vouched = in
		return activities.StepDone{Outputs: map[string]any{"branch": "lifeboat/b/x", "database": "medlink"}, Receipt: &plan.Receipt{Execution: in.Guard.Execution, Step: "bring", MAC: "fleet"}}, nil
	}, activity.RegisterOptions{Name: "VouchWorkflow", DisableAlreadyRegisteredCheck: true})
	var moved activities.StepInput
	s.env.RegisterActivityWithOptions(func(_ context.Context, in activities.StepInput) (activities.StepDone, error) {
		moved = in
		return activities.StepDone{Outputs: map[string]any{}, Receipt: &plan.Receipt{}}, nil
	}, activity.RegisterOptions{Name: "MoveDoor", DisableAlreadyRegisteredCheck: true})

	state, _ := s.run()
	expectState(t, state, plan.ExecutionCompleted)
	if asked.Vault != "west" || asked.Selection == nil || asked.Selection.Tables[0] != "public.claims" {
		t.Errorf("the restore was asked for %+v", asked)
	}
	if vouched.Workflow != testExecution+"/bring/1" || vouched.Backup != "b" || vouched.Compared.MAC != "m" || vouched.Took != time.Minute || vouched.Guard.Work == nil || len(vouched.With) == 0 {
		t.Errorf("somebody was asked to vouch for %+v", vouched)
	}
	to := moved.With["to"].(map[string]any)["branch"].(map[string]any)
	if to["name"] != "lifeboat/b/x" || to["database"] != "medlink" {
		t.Errorf("the door is moved to %v, not to what was vouched for", to)
	}
	shown := false
	for _, r := range moved.Guard.Work.Receipts {
		shown = shown || r.Step == "bring" && r.MAC == "fleet"
	}
	if !shown {
		t.Errorf("the door's work order shows no receipt of the restore: %+v", moved.Guard.Work.Receipts)
	}
}
