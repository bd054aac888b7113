package workflows

import (
	"time"

	"go.temporal.io/sdk/workflow"

	"github.com/lifeboat-dr/lifeboat/activities"
	"github.com/lifeboat-dr/lifeboat/internal/manifest"
	"github.com/lifeboat-dr/lifeboat/internal/plan"
)

// RestoreInput asks that a backup be brought into a target.
type RestoreInput struct {
	Component string `json:"component"`
	// Backup is an id, "latest" or "latest-verified".
	Backup string            `json:"backup"`
	Target activities.Target `json:"target"`
	// Vault is where it is read from; empty means the component's own.
	Vault string `json:"vault,omitempty"`
	// Selection restricts the restore to some tables; nil restores everything.
	Selection *activities.Selection `json:"selection,omitempty"`
}

// RestoreResult says what was restored, and where.
type RestoreResult struct {
	Backup string            `json:"backup"`
	Point  manifest.Point    `json:"point"`
	Target activities.Target `json:"target"`
	Rows   int64             `json:"rows"`
	Checks []manifest.Check  `json:"checks"`
	// Compared is the receipt of the comparison.
	Compared activities.Receipt `json:"compared,omitzero"`
	// WasVerified says that the backup had been verified before.
	WasVerified bool          `json:"was_verified"`
	Took        time.Duration `json:"took"`
	// Selected counts what a selection fitted; nil when everything was restored.
	Selected *activities.SelectedTables `json:"selected,omitempty"`
	// LeftOut is what does not work without the tables that were not selected, with the reasons; LeftOutCount
	// counts it where the list is cut.
	LeftOut      []manifest.NotCovered `json:"left_out,omitempty"`
	LeftOutCount int                   `json:"left_out_count,omitempty"`
}

// RestoreBackup restores a backup into an empty database or a new branch, and compares it.
//
// A failure leaves the target as it is, marked as incomplete, so that the same restore can go on; a
// target that holds anything else is refused before anything is written.
//
// With a selection only its tables are restored, and only their part of the backup is read. A selection that fits
// nothing is refused before a target is touched. It verifies nothing: no record comes of it.
func RestoreBackup(ctx workflow.Context, in RestoreInput) (*RestoreResult, error) {
	if err := in.validate(); err != nil {
		return nil, err
	}
	r := restoreBackup{in: in, started: workflow.Now(ctx)}
	result, err := r.run(ctx)
	c := conclusion{kind: KindRestore, component: in.Component, backup: r.found.Backup, home: in.Vault, vault: in.Vault, site: readingSite(r.settings, in.Vault), started: r.started, guard: standing(ctx, "record", in.Component, r.settings.Order)}
	c.conclude(ctx, err)
	return result, err
}

func (in RestoreInput) validate() error {
	if !manifest.ValidComponent(in.Component) {
		return activities.InvalidInput("component %q: use the name that the configuration gives it", in.Component)
	}
	switch in.Target.Kind {
	case activities.BranchTarget:
		if in.Target.Site == "" {
			return activities.InvalidInput("a restore into a new branch needs the site whose project gets the branch: --to branch:SITE")
		}
	case activities.NamedTarget:
		if in.Target.Name == "" {
			return activities.InvalidInput("a restore into a database needs its name under targets in the configuration: --to target:NAME")
		}
	default:
		return activities.InvalidInput("target %q is not known: use branch:SITE or target:NAME", in.Target.Kind)
	}
	return nil
}

type restoreBackup struct {
	in       RestoreInput
	started  time.Time
	settings activities.Settings
	found    activities.Found
}

func (r *restoreBackup) run(ctx workflow.Context) (*RestoreResult, error) {
	var err error
	if r.settings, err = describeIn(ctx, r.in.Component, r.in.Vault); err != nil {
		return nil, err
	}
	if r.found, err = findBackup(ctx, readingSite(r.settings, r.in.Vault), r.in.Component, r.in.Vault, r.in.Backup); err != nil {
		return nil, err
	}
	target, err := r.target(ctx)
	if err != nil {
		return nil, err
	}
	if err := setSite(ctx, target.Site); err != nil {
		return nil, err
	}
	steps := restoreSteps
	if !r.in.Selection.Empty() {
		steps = append([]string{"Select"}, restoreSteps...)
	}
	shown := newProgress(r.in.Component, r.found.Backup, steps...)
	selected, err := r.selectTables(ctx, target.Site, &shown)
	if err != nil {
		return nil, err
	}
	inner := restore{selection: r.in.Selection, component: r.in.Component, vault: r.in.Vault, found: r.found, target: target, connections: r.settings.Connections, budget: r.settings.Budget, progress: &shown, guard: r.guard}
	compared, err := inner.run(ctx)
	if err != nil {
		return nil, err
	}
	if err := inner.analyze(ctx); err != nil {
		return nil, err
	}
	if err := inner.finish(ctx, compared.Receipt); err != nil {
		return nil, err
	}
	return &RestoreResult{
		Backup: r.found.Backup, Point: r.found.Point, Target: inner.target, Rows: inner.loaded.Rows, Checks: compared.Checks, Compared: compared.Receipt,
		WasVerified: r.found.Verified, Took: workflow.Now(ctx).Sub(r.started),
		Selected: selected, LeftOut: inner.restored.LeftOut, LeftOutCount: inner.restored.LeftOutCount,
	}, nil
}

// selectTables holds the selection against the backup. From then on found counts what is selected.
func (r *restoreBackup) selectTables(ctx workflow.Context, site string, shown *progress) (*activities.SelectedTables, error) {
	if r.in.Selection.Empty() {
		return nil, nil
	}
	shown.start(ctx, "Select")
	var restores *activities.Restores
	var selected activities.SelectedTables
	err := workflow.ExecuteActivity(lookup.on(ctx, site, "Select the tables"), restores.SelectTables, activities.SelectTablesInput{
		Component: r.in.Component, Backup: r.found.Backup, Vault: r.in.Vault, Selection: *r.in.Selection,
	}).Get(ctx, &selected)
	if err != nil {
		return nil, err
	}
	r.found.Batches, r.found.Totals.Tables, r.found.Totals.Chunks, r.found.Totals.Rows = selected.Batches, selected.Tables, selected.Chunks, selected.Rows
	shown.done(ctx, "Select", "%d of %d tables, %d rows", selected.Tables, selected.Of, selected.Rows)
	return &selected, nil
}

// target fills in what the configuration or this execution decides.
func (r *restoreBackup) target(ctx workflow.Context) (activities.Target, error) {
	target := r.in.Target
	if target.Kind == activities.BranchTarget {
		// One branch per run, so that a second restore of the same backup does not meet the first one's.
		target.Branch = "lifeboat/" + r.found.Backup + "/restore-" + stamp(r.started)
		if workflow.GetVersion(ctx, "2026-11-25-branch-of-run", workflow.DefaultVersion, 1) != workflow.DefaultVersion {
			target.Branch += "-" + ofRun(ctx)
		}
		return target, nil
	}
	var components *activities.Components
	err := workflow.ExecuteActivity(lookup.on(ctx, "", "Read the configuration of target "+target.Name), components.DescribeTarget, target).Get(ctx, &target)
	return target, err
}

// guard names the target where the standing order has to name it, and the component otherwise.
func (r *restoreBackup) guard(ctx workflow.Context, step string) plan.Guard {
	name := r.in.Component
	if r.in.Target.Kind == activities.NamedTarget {
		name = r.in.Target.Name
	}
	return standing(ctx, step, name, r.settings.Order)
}
