package workflows

import (
	"time"

	"go.temporal.io/sdk/workflow"

	"github.com/lifeboat-dr/lifeboat/activities"
	"github.com/lifeboat-dr/lifeboat/internal/plan"
)

// restoreSteps are the steps that every restore shows.
var restoreSteps = []string{"Open", "Tables", "Load", "Constraints", "Compare"}

// restore brings one backup into one target, which verification and RestoreBackup share.
type restore struct {
	component string
	// vault is where the backup is read from; empty means the component's own.
	vault       string
	found       activities.Found
	target      activities.Target
	connections int
	budget      time.Duration
	progress    *progress
	guard       func(workflow.Context, string) plan.Guard
	loaded      activities.Copied
	// selection is nil when everything is restored; then found counts the selected tables and chunks only.
	selection *activities.Selection
	restored  activities.Restored
}

// run restores and compares. Until everything is equal the target stays marked as incomplete.
//
//  1. Open the target; one that is not empty is refused.
//  2. Create the tables, without indexes and constraints.
//  3. Load all chunks, each with its marker in one transaction.
//  4. Create indexes, then constraints and triggers; refresh views, set sequences.
//  5. Read everything back and compare. A target that is kept then loses its mark, see finish.
func (r *restore) run(ctx workflow.Context) (compared activities.Compared, err error) {
	var restores *activities.Restores
	r.progress.start(ctx, "Open")
	if err := workflow.ExecuteActivity(control.on(ctx, r.target.Site, "Open the target"), restores.OpenTarget, r.input(ctx, "open")).Get(ctx, &r.target); err != nil {
		return compared, err
	}
	r.progress.done(ctx, "Open", "%s %s", r.target.Kind, r.target.Database)

	r.progress.start(ctx, "Tables")
	if err := workflow.ExecuteActivity(bulk.within(r.budget).on(ctx, r.target.Site, "Create the tables"), restores.CreateTables, r.input(ctx, "tables")).Get(ctx, nil); err != nil {
		return compared, err
	}
	r.progress.done(ctx, "Tables", "%d tables", r.found.Totals.Tables)

	if err := r.load(ctx); err != nil {
		return compared, err
	}

	r.progress.start(ctx, "Constraints")
	if err := workflow.ExecuteActivity(bulk.within(r.budget).on(ctx, r.target.Site, "Create indexes and constraints"), restores.CreateConstraints, r.input(ctx, "constraints")).Get(ctx, &r.restored); err != nil {
		return compared, err
	}
	if r.selection.Empty() {
		r.progress.done(ctx, "Constraints", "%d entries waived", r.restored.Waived)
	} else {
		r.progress.done(ctx, "Constraints", "%d entries waived, %d left out", r.restored.Waived, r.restored.LeftOutCount)
	}

	r.progress.start(ctx, "Compare")
	if err := workflow.ExecuteActivity(bulk.within(r.budget).on(ctx, r.target.Site, "Compare with the backup"), restores.CompareTarget, r.input(ctx, "compare")).Get(ctx, &compared); err != nil {
		return compared, err
	}
	r.progress.done(ctx, "Compare", "%d checks equal", len(compared.Checks))
	return compared, nil
}

// analyze gathers statistics in a database that is kept: one that was only restored to be compared needs none.
// The first executions did so before they compared.
func (r *restore) analyze(ctx workflow.Context) error {
	if workflow.GetVersion(ctx, "2026-11-25-analyze-target", workflow.DefaultVersion, 1) == workflow.DefaultVersion {
		return nil
	}
	var restores *activities.Restores
	var analyzed activities.Restored
	err := workflow.ExecuteActivity(bulk.within(r.budget).on(ctx, r.target.Site, "Gather statistics for the planner"), restores.AnalyzeTarget, r.input(ctx, "analyze")).Get(ctx, &analyzed)
	r.restored.Waived = max(r.restored.Waived, analyzed.Waived)
	return err
}

// finish removes the mark of a target that was compared. Executions whose comparison removed it itself, as the
// first ones did, are not asked to again.
func (r *restore) finish(ctx workflow.Context, compared activities.Receipt) error {
	if workflow.GetVersion(ctx, "finish-target", workflow.DefaultVersion, 1) == workflow.DefaultVersion {
		return nil
	}
	var restores *activities.Restores
	return workflow.ExecuteActivity(bulk.within(r.budget).on(ctx, r.target.Site, "Remove the mark of being incomplete"), restores.FinishTarget, activities.FinishTargetInput{
		TargetInput: r.input(ctx, "finish"), Compared: compared,
	}).Get(ctx, nil)
}

func (r *restore) load(ctx workflow.Context) error {
	var restores *activities.Restores
	r.progress.start(ctx, "Load")
	batches := r.found.Batches
	err := fanOut(ctx, r.connections, len(batches), func(ctx workflow.Context, i int) error {
		from, to := batchBounds(batches, i)
		var loaded activities.Copied
		err := workflow.ExecuteActivity(bulk.within(r.budget).on(ctx, r.target.Site, summaryOfChunks("Load", from, to, r.found.Totals.Chunks)), restores.LoadChunks, activities.LoadChunksInput{
			TargetInput: r.input(ctx, "load"), From: from, To: to,
		}).Get(ctx, &loaded)
		if err != nil {
			return err
		}
		r.loaded = r.loaded.Add(loaded)
		r.progress.note(ctx, "Load", "%d of %d chunks, %d rows", r.loaded.Chunks, r.found.Totals.Chunks, r.loaded.Rows)
		return nil
	})
	if err != nil {
		return err
	}
	r.progress.done(ctx, "Load", "%d chunks, %d rows", r.loaded.Chunks, r.loaded.Rows)
	return nil
}

// smoke runs the component's own queries against what was restored.
func (r *restore) smoke(ctx workflow.Context) (asked activities.Compared, err error) {
	var restores *activities.Restores
	r.progress.start(ctx, "Smoke")
	if err := workflow.ExecuteActivity(bulk.within(r.budget).on(ctx, r.target.Site, "Run the smoke queries"), restores.SmokeTarget, r.input(ctx, "smoke")).Get(ctx, &asked); err != nil {
		return asked, err
	}
	r.progress.done(ctx, "Smoke", "%d queries", len(asked.Checks))
	return asked, nil
}

// drop removes a scratch database, also for a cancelled execution. The receipt says what was done to it before.
func (r *restore) drop(ctx workflow.Context, after ...activities.Receipt) (dropped activities.Dropped, err error) {
	ctx, cancel := workflow.NewDisconnectedContext(ctx)
	defer cancel()
	in := activities.DropTargetInput{TargetInput: r.input(ctx, "drop")}
	for _, receipt := range after {
		if receipt.MAC != "" { // a restore that failed has none
			in.After = append(in.After, receipt.MAC)
		}
	}
	var restores *activities.Restores
	r.progress.start(ctx, "Drop")
	if err := workflow.ExecuteActivity(cleanup.on(ctx, r.target.Site, "Drop the scratch database"), restores.DropTarget, in).Get(ctx, &dropped); err != nil {
		return dropped, err
	}
	r.progress.done(ctx, "Drop", "%s is gone", r.target.Database)
	return dropped, nil
}

func (r *restore) input(ctx workflow.Context, step string) activities.TargetInput {
	return activities.TargetInput{Guard: r.guard(ctx, step), Component: r.component, Backup: r.found.Backup, Vault: r.vault, Target: r.target, Selection: r.selection}
}
