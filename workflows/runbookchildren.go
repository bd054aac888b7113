package workflows

import (
	"strconv"
	"time"

	"go.temporal.io/sdk/workflow"

	"github.com/lifeboat-dr/lifeboat/activities"
	"github.com/lifeboat-dr/lifeboat/internal/plan"
	"github.com/lifeboat-dr/lifeboat/runbooks"
)

// child runs a step that is a workflow of its own. What it may do is the standing order's business: it
// makes backups, scratch databases and new branches, and touches nothing else.
func (e *engine) child(ctx workflow.Context, step *runbooks.Step, kind *runbooks.Type, with map[string]any) (activities.StepDone, error) {
	if e.admitted.Brief.Mode == plan.ModePlan {
		return activities.StepDone{Intended: with, Outputs: plannedValues(kind)}, nil
	}
	ctx = workflow.WithChildOptions(ctx, workflow.ChildWorkflowOptions{
		WorkflowID: e.id + "/" + step.ID + "/" + strconv.Itoa(e.state.Step(step.ID).Attempt), TaskQueue: Queue,
		WorkflowExecutionTimeout: step.Timeout, WaitForCancellation: true, StaticSummary: summaryOf(step, false),
		TypedSearchAttributes: Attributes(step.Type, textValue(with["component"])),
	})
	var done activities.StepDone
	var err error
	switch step.Type {
	case KindBackup:
		var r BackupResult
		in := BackupInput{Component: textValue(with["component"]), LSN: textValue(with["lsn"]), SkipVerify: true}
		if err = workflow.ExecuteChildWorkflow(ctx, kind.Workflow, in).Get(ctx, &r); err == nil {
			done.Outputs = map[string]any{
				"backup": r.Backup, "point": moment(r.Point.Time), "lsn": r.Point.LSN, "rows": float64(r.Totals.Rows),
				"bytes": float64(r.Totals.StoredBytes), "sha256": r.SHA256, "took": r.Took.String(),
			}
		}
	case KindVerify:
		var r VerifyResult
		in := VerifyInput{Component: textValue(with["component"]), Backup: textValue(with["backup"])}
		if err = workflow.ExecuteChildWorkflow(ctx, kind.Workflow, in).Get(ctx, &r); err == nil {
			done.Outputs = map[string]any{"backup": r.Backup, "point": moment(r.Point.Time), "checks": float64(len(r.Checks)), "record": r.Record, "took": r.Took.String()}
		}
	case KindRestore:
		to, _ := with["to"].(map[string]any)
		in := RestoreInput{
			Component: textValue(with["component"]), Backup: textValue(with["backup"]),
			Target: activities.Target{Kind: activities.BranchTarget, Site: textValue(to["site"])},
		}
		if name := textValue(to["target"]); name != "" {
			in.Target = activities.Target{Kind: activities.NamedTarget, Name: name}
		}
		var r RestoreResult
		if err = workflow.ExecuteChildWorkflow(ctx, kind.Workflow, in).Get(ctx, &r); err == nil {
			done.Outputs = map[string]any{
				"backup": r.Backup, "point": moment(r.Point.Time), "site": r.Target.Site, "branch": r.Target.Branch, "database": r.Target.Database,
				"rows": float64(r.Rows), "checks": float64(len(r.Checks)), "took": r.Took.String(),
			}
		}
	default:
		return done, activities.InvalidInput("step %s: a step of type %s is no workflow", step.ID, step.Type)
	}
	return done, err
}

func moment(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) }

// plannedValues stand for outputs that nothing has made yet.
func plannedValues(kind *runbooks.Type) map[string]any {
	values := map[string]any{}
	for _, output := range kind.Outputs {
		values[output.Name] = "(known when " + kind.Name + " has run)"
	}
	return values
}
