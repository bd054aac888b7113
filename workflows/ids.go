package workflows

import (
	"strings"
	"time"

	"go.temporal.io/sdk/workflow"

	"github.com/lifeboat-dr/lifeboat/activities"
)

// Queue is where workflows run, and activities that any worker can do.
const Queue = "lifeboat"

// SiteQueue is where the activities of one site run: its workers hold that site's credentials. An empty
// site gives Queue.
func SiteQueue(site string) string {
	if site == "" {
		return Queue
	}
	return Queue + "-" + site
}

// Workflow ids are for people who read a list at night: kind, component, then what tells runs apart.

// BackupID is the workflow id of a backup that somebody starts at t. Schedules append their own time.
func BackupID(component string, t time.Time) string {
	return "backup/" + component + "/" + stamp(t)
}

// VerifyID is the workflow id of a verification: one at a time for each backup.
func VerifyID(component, backup string) string { return "verify/" + component + "/" + backup }

// RestoreID is the workflow id of a restore: one at a time for each target.
func RestoreID(component, target string) string { return "restore/" + component + "/" + target }

// ReplicateID is the workflow id of copying to a vault: one at a time for each backup, and one that copies whatever
// is missing, for which the backup is empty.
func ReplicateID(component, to, backup string) string {
	id := "replicate/" + component
	for _, part := range []string{to, backup} {
		if part != "" {
			id += "/" + part
		}
	}
	return id
}

// ScheduleID is the id of the schedule with this name in the configuration.
func ScheduleID(name string) string { return "lifeboat/" + name }

// ScheduledID is the workflow id that a schedule's runs begin with; Temporal appends the time.
func ScheduledID(kind, component, schedule string) string {
	if component == "" {
		return kind + "/" + schedule
	}
	return kind + "/" + component + "/" + schedule
}

func stamp(t time.Time) string { return t.UTC().Format("20060102T150405Z") }

// scratchName is the database a verification restores into: within PostgreSQL's 63 bytes.
func scratchName(backup, suffix string) string {
	return "lifeboat_scratch_" + strings.ToLower(strings.ReplaceAll(backup, "-", "_")) + "_" + suffix
}

// ofRun is eight characters that no other run of a workflow has: what two runs make of the same backup at the same time must
// not have the same name. They are the end of the run's id, for it begins with the time.
func ofRun(ctx workflow.Context) string {
	run := strings.ReplaceAll(workflow.GetInfo(ctx).WorkflowExecution.RunID, "-", "")
	return run[max(0, len(run)-8):]
}

// ExecutionID is the id of an execution of a runbook that somebody starts at t.
func ExecutionID(runbook, target string, t time.Time) string {
	return runbook + "/" + target + "/" + stamp(t)
}

// CardsID is the id of the workflow that goes on with an execution's cards when that has ended.
func CardsID(execution string) string { return activities.CardsPrefix + execution }
