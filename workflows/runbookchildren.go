package workflows

import (
	"slices"
	"strconv"
	"time"

	"go.temporal.io/sdk/workflow"

	"github.com/lifeboat-dr/lifeboat/activities"
	"github.com/lifeboat-dr/lifeboat/internal/plan"
	"github.com/lifeboat-dr/lifeboat/runbooks"
)

// child runs a step that is a workflow of its own. What it may do is the standing order's business: it
// makes backups, scratch databases and new branches, and touches nothing else. What it gives is read back by an
// activity that vouches for it, so that later steps may use it.
func (e *engine) child(ctx workflow.Context, step *runbooks.Step, kind *runbooks.Type, with map[string]any) (activities.StepDone, error) {
	if e.admitted.Brief.Mode == plan.ModePlan {
		return activities.StepDone{Intended: with, Outputs: plannedValues(kind)}, nil
	}
	id := e.id + "/" + step.ID + "/" + strconv.Itoa(e.state.Step(step.ID).Attempt)
	parent := ctx
	ctx = workflow.WithChildOptions(ctx, workflow.ChildWorkflowOptions{
		WorkflowID: id, TaskQueue: Queue,
		WorkflowExecutionTimeout: step.Timeout, WaitForCancellation: true, StaticSummary: summaryOf(step, false),
		TypedSearchAttributes: Attributes(step.Type, textValue(with["component"])),
	})
	var done activities.StepDone
	var err error
	word := activities.VouchInput{With: with, Workflow: id}
	site := e.admitted.Site
	switch step.Type {
	case KindBackup:
		var r BackupResult
		in := BackupInput{Component: textValue(with["component"]), LSN: textValue(with["lsn"]), SkipVerify: true}
		if err = workflow.ExecuteChildWorkflow(ctx, kind.Workflow, in).Get(ctx, &r); err == nil {
			word.Backup, word.Took = r.Backup, r.Took
			done.Outputs = map[string]any{
				"backup": r.Backup, "point": moment(r.Point.Time), "lsn": r.Point.LSN, "rows": float64(r.Totals.Rows),
				"bytes": float64(r.Totals.StoredBytes), "sha256": r.SHA256, "took": r.Took.String(),
			}
		}
	case KindVerify:
		var r VerifyResult
		in := VerifyInput{Component: textValue(with["component"]), Backup: textValue(with["backup"]), Vault: textValue(with["vault"])}
		if err = workflow.ExecuteChildWorkflow(ctx, kind.Workflow, in).Get(ctx, &r); err == nil {
			word.Backup, word.Took = r.Backup, r.Took
			done.Outputs = map[string]any{"backup": r.Backup, "point": moment(r.Point.Time), "checks": float64(len(r.Checks)), "record": r.Record, "took": r.Took.String()}
		}
	case KindRestore:
		to, _ := with["to"].(map[string]any)
		in := RestoreInput{
			Component: textValue(with["component"]), Backup: textValue(with["backup"]), Vault: textValue(with["vault"]),
			Selection: selected(with["tables"]),
			Target:    activities.Target{Kind: activities.BranchTarget, Site: textValue(to["site"])},
		}
		if name := textValue(to["target"]); name != "" {
			in.Target = activities.Target{Kind: activities.NamedTarget, Name: name}
		}
		var r RestoreResult
		if err = workflow.ExecuteChildWorkflow(ctx, kind.Workflow, in).Get(ctx, &r); err == nil {
			word.Backup, word.Took, word.Compared, site = r.Backup, r.Took, r.Compared, r.Target.Site
			done.Outputs = map[string]any{
				"backup": r.Backup, "point": moment(r.Point.Time), "site": r.Target.Site, "branch": r.Target.Branch, "database": r.Target.Database,
				"rows": float64(r.Rows), "checks": float64(len(r.Checks)), "took": r.Took.String(),
			}
		}
	default:
		return done, activities.InvalidInput("step %s: a step of type %s is no workflow", step.ID, step.Type)
	}
	if err != nil || !e.vouchable(step) || workflow.GetVersion(parent, "2026-11-25-vouched-workflow", workflow.DefaultVersion, 1) == workflow.DefaultVersion {
		return done, err
	}
	word.Guard = e.guard(step.ID)
	word.Guard.Work = e.workOrder(step, plan.WorkOrder{})
	var steps *activities.Steps
	err = workflow.ExecuteActivity(lookup.on(parent, site, "Vouch for "+step.ID), steps.VouchWorkflow, word).Get(parent, &done)
	return done, err
}

// vouchable says that everything that a step leans on has a receipt. What a person wrote into a note has none, nor
// has what a workflow gave before there were receipts of workflows.
func (e *engine) vouchable(step *runbooks.Step) bool {
	_, receipts := e.evidence(step)
	has := map[string]bool{}
	for _, r := range receipts {
		has[r.Step] = true
	}
	leans := e.leansOn(step, step.With)
	return !slices.ContainsFunc(e.runbook.Steps, func(other runbooks.Step) bool { return leans[other.ID] && !has[other.ID] })
}

// selected are the tables that a restore is restricted to; nil for all.
func selected(tables any) *activities.Selection {
	list, _ := tables.([]any)
	if len(list) == 0 {
		return nil
	}
	s := &activities.Selection{}
	for _, table := range list {
		s.Tables = append(s.Tables, textValue(table))
	}
	return s
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
