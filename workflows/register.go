// Package workflows holds the deterministic half of Lifeboat: what happens in which order, never how.
// Everything that touches the world is an activity. Names of workflows are durable: a golden test pins
// them, and replay tests run recorded histories over this code.
package workflows

import (
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"
)

// The durable names of the workflows.
const (
	BackupName        = "Backup"
	VerifyName        = "Verify"
	RestoreBackupName = "RestoreBackup"
	ReplicateName     = "Replicate"
	EvaluateName      = "Evaluate"
	RunbookName       = "Runbook"
	CloseCardsName    = "CloseCards"
)

// Register adds every workflow to a worker.
func Register(r worker.WorkflowRegistry) {
	r.RegisterWorkflowWithOptions(Backup, workflow.RegisterOptions{Name: BackupName})
	r.RegisterWorkflowWithOptions(Verify, workflow.RegisterOptions{Name: VerifyName})
	r.RegisterWorkflowWithOptions(RestoreBackup, workflow.RegisterOptions{Name: RestoreBackupName})
	r.RegisterWorkflowWithOptions(Replicate, workflow.RegisterOptions{Name: ReplicateName})
	r.RegisterWorkflowWithOptions(Evaluate, workflow.RegisterOptions{Name: EvaluateName})
	r.RegisterWorkflowWithOptions(Runbook, workflow.RegisterOptions{Name: RunbookName})
	r.RegisterWorkflowWithOptions(CloseCards, workflow.RegisterOptions{Name: CloseCardsName})
	r.RegisterWorkflowWithOptions(HoldTarget, workflow.RegisterOptions{Name: HoldName})
}
