package workflows

import (
	"errors"
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/lifeboat-dr/lifeboat/activities"
	"github.com/lifeboat-dr/lifeboat/internal/manifest"
	"github.com/lifeboat-dr/lifeboat/internal/plan"
)

// conclusion is how an execution ends: with a state to search for and, when it failed, a signed record
// in the vault and a message to people.
type conclusion struct {
	kind, component, backup, site string
	// home is the vault that a record belongs to, empty for the component's own; vault is one that people are told of.
	home, vault string
	started     time.Time
	guard       plan.Guard
}

func (c conclusion) conclude(ctx workflow.Context, err error) {
	if err == nil {
		setState(ctx, "completed")
		return
	}
	// A cancelled context would cancel the traces, too.
	ctx, cancel := workflow.NewDisconnectedContext(ctx)
	defer cancel()
	if temporal.IsCanceledError(err) {
		setState(ctx, "canceled")
		c.record(ctx, "Canceled", "canceled by a person", "")
		return
	}
	setState(ctx, "failed")

	var child *temporal.ChildWorkflowExecutionError
	if errors.As(err, &child) {
		return // it left its own record and sent its own message
	}
	kind, message, hint := errorText(err)
	c.record(ctx, kind, message, hint)
	c.tell(ctx, kind, hint)
}

func (c conclusion) record(ctx workflow.Context, kind, message, hint string) {
	if c.guard.Order == "" || c.backup == "" {
		return // it failed before it knew its component or backup: there is no vault to write to
	}
	var records *activities.Records
	err := workflow.ExecuteActivity(report.on(ctx, c.site, "Record the failure in the vault"), records.RecordAttempt, activities.RecordAttemptInput{
		Guard: c.guard, Vault: c.home,
		Attempt: manifest.Attempt{
			Format: manifest.Format, Component: c.component, Backup: c.backup, Kind: c.kind,
			Started: c.started, Finished: workflow.Now(ctx), ErrorType: kind, Message: message, Hint: hint,
		},
	}).Get(ctx, nil)
	if err != nil {
		workflow.GetLogger(ctx).Error("record failure", "kind", kind, "error", err)
	}
}

// tell sends the type and the hint, not the message: a message may quote a database's words.
func (c conclusion) tell(ctx workflow.Context, kind, hint string) {
	a := activities.Alert{
		Component: c.component, Site: c.site, Severity: "critical", Text: hint,
		Fields: map[string]string{"backup": c.backup, "error_type": kind},
	}
	if c.vault != "" {
		a.Fields["vault"] = c.vault
	}
	switch c.kind {
	case KindBackup:
		a.Kind, a.Title = "backup.failed", "Backup of "+c.component+" failed"
	case KindVerify:
		a.Kind, a.Title = "backup.unverified", "Backup of "+c.component+" could not be verified"
	case KindReplicate:
		a.Kind, a.Title = "replica.failed", "Copying backups of "+c.component+" to another vault failed"
	default:
		a.Kind, a.Title = c.kind+".failed", "Restore of "+c.component+" failed"
	}
	alert(ctx, a)
}
