package workflows

import (
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/lifeboat-dr/lifeboat/activities"
	"github.com/lifeboat-dr/lifeboat/internal/manifest"
	"github.com/lifeboat-dr/lifeboat/internal/plan"
)

// snapshotMargin is how much longer than the work's budget a snapshot branch lives before it goes away by
// itself. The workflow removes the branch long before; the expiry is for the day nobody is left to do so.
const snapshotMargin = 2 * time.Hour

// BackupInput asks for one backup of one component.
type BackupInput struct {
	Component string `json:"component"`
	// LSN is the write-ahead log position to back up at; empty means now. Only source neon can look back.
	LSN string `json:"lsn,omitempty"`
	// SkipVerify leaves out the verification that the configuration asks for.
	SkipVerify bool `json:"skip_verify,omitempty"`
}

// BackupResult identifies a backup that exists: its manifest is in the vault.
type BackupResult struct {
	Backup   string          `json:"backup"`
	Manifest string          `json:"manifest"`
	SHA256   string          `json:"sha256"`
	Point    manifest.Point  `json:"point"`
	Totals   manifest.Totals `json:"totals"`
	// Resumed counts the chunks that a later attempt found finished.
	Resumed int `json:"resumed"`
	// LockedUntil is the end of the shortest lock on its objects; zero in a vault without locks.
	LockedUntil time.Time     `json:"locked_until,omitzero"`
	Took        time.Duration `json:"took"`
	// Replications are the ids of the executions that copy it to the replicas. They go on by themselves.
	Replications []string `json:"replications,omitempty"`
	// Verified is the outcome of the verification, nil when none was asked for.
	Verified *VerifyResult `json:"verified,omitempty"`
}

// Backup makes one backup of one component.
//
//  1. Freeze: a branch of the source, or one held snapshot of a server.
//  2. Plan the chunks, copy them and the schema into the vault, sealed.
//  3. Commit the signed manifest; from here on the backup exists.
//  4. Lock its objects for the vault's retention.
//  5. Remove the branch, in every case, also after a failure or a cancellation.
//  6. Begin to copy it to the replicas. Nobody waits for that: a replica that is away keeps no backup from ending well.
//  7. Verify, when the configuration says so.
//
// A failure leaves a signed record in the vault and is told to people.
func Backup(ctx workflow.Context, in BackupInput) (*BackupResult, error) {
	if !manifest.ValidComponent(in.Component) {
		return nil, activities.InvalidInput("component %q: use the name that the configuration gives it", in.Component)
	}
	b := backup{in: in, started: workflow.Now(ctx)}
	b.id = manifest.NewBackupID(b.started, randomSuffix(ctx))
	result, err := b.run(ctx)
	b.conclude(ctx, err)
	return result, err
}

type backup struct {
	in       BackupInput
	id       string
	started  time.Time
	settings activities.Settings
	snapshot activities.Snapshot
	plan     activities.BackupPlan
	copied   activities.Copied
	progress progress
}

func (b *backup) run(ctx workflow.Context) (*BackupResult, error) {
	b.progress = newProgress(b.in.Component, b.id, "Freeze", "Copy", "Commit", "Lock", "Verify")
	var err error
	if b.settings, err = describe(ctx, b.in.Component); err != nil {
		return nil, err
	}
	if err := setSite(ctx, b.settings.Site); err != nil {
		return nil, err
	}
	if err := b.copy(ctx); err != nil {
		return nil, err
	}

	b.progress.start(ctx, "Commit")
	var records *activities.Records
	var committed activities.Committed
	err = workflow.ExecuteActivity(bulk.within(b.settings.Budget).on(ctx, b.settings.Site, "Sign and write the manifest"), records.CommitManifest, activities.CommitInput{
		Guard: b.guard(ctx, "commit"), Component: b.in.Component, Backup: b.id, Snapshot: b.snapshot, Started: b.started,
	}).Get(ctx, &committed)
	if err != nil {
		return nil, err
	}
	b.progress.done(ctx, "Commit", "%d chunks, manifest at `%s`", committed.Totals.Chunks, committed.Key)

	locked, err := b.lock(ctx)
	if err != nil {
		return nil, err
	}
	result := &BackupResult{
		Backup: b.id, Manifest: committed.Key, SHA256: committed.SHA256, Point: committed.Point, Totals: committed.Totals,
		Resumed: b.copied.Resumed, LockedUntil: locked.Until, Took: workflow.Now(ctx).Sub(b.started),
	}
	result.Replications = b.replicate(ctx)
	result.Verified, err = b.verify(ctx)
	if err != nil {
		return nil, err
	}
	return result, nil
}

// copy brings the data into the vault, from a branch that any worker can read or from one held snapshot.
func (b *backup) copy(ctx workflow.Context) error {
	if b.settings.SourceKind != "neon" {
		return b.copyServer(ctx)
	}
	var snapshots *activities.Snapshots

	// The branch is removed even when making it seemed to fail: the answer may have been lost.
	defer b.removeSnapshot(ctx)
	b.progress.start(ctx, "Freeze")
	err := workflow.ExecuteActivity(control.on(ctx, b.settings.Site, "Freeze "+b.in.Component+" on a branch"), snapshots.OpenSnapshot, activities.OpenSnapshotInput{
		Guard: b.guard(ctx, "freeze"), Component: b.in.Component, Backup: b.id, LSN: b.in.LSN,
		ExpiresAt: workflow.Now(ctx).Add(b.settings.Budget + snapshotMargin),
	}).Get(ctx, &b.snapshot)
	if err != nil {
		return err
	}
	b.progress.done(ctx, "Freeze", "at %s, LSN %s", b.snapshot.Point.Time.Format(time.RFC3339), b.snapshot.Point.LSN)
	return b.copyBranch(ctx)
}

func (b *backup) copyBranch(ctx workflow.Context) error {
	var dumps *activities.Dumps
	b.progress.start(ctx, "Copy")
	err := workflow.ExecuteActivity(bulk.within(b.settings.Budget).on(ctx, b.settings.Site, "Plan the chunks"), dumps.PlanBackup, activities.PlanBackupInput{
		Guard: b.guard(ctx, "plan"), Component: b.in.Component, Backup: b.id, Snapshot: b.snapshot,
	}).Get(ctx, &b.plan)
	if err != nil {
		return err
	}

	// Batch -1 is the schema: it takes a lane like any other work.
	batches := b.plan.Batches
	return fanOut(ctx, b.settings.Connections, len(batches)+1, func(ctx workflow.Context, i int) error {
		if i == 0 {
			return workflow.ExecuteActivity(bulk.within(b.settings.Budget).on(ctx, b.settings.Site, "Dump the schema"), dumps.DumpSchema, activities.DumpSchemaInput{
				Guard: b.guard(ctx, "schema"), Component: b.in.Component, Backup: b.id, Snapshot: b.snapshot,
			}).Get(ctx, nil)
		}
		from, to := batchBounds(batches, i-1)
		var copied activities.Copied
		err := workflow.ExecuteActivity(bulk.within(b.settings.Budget).on(ctx, b.settings.Site, summaryOfChunks("Copy", from, to, b.plan.Chunks)), dumps.CopyChunks, activities.CopyChunksInput{
			Guard: b.guard(ctx, "copy"), Component: b.in.Component, Backup: b.id, Snapshot: b.snapshot, From: from, To: to,
		}).Get(ctx, &copied)
		if err != nil {
			return err
		}
		b.copied = b.copied.Add(copied)
		b.progress.note(ctx, "Copy", "%d of %d chunks, %s", b.copied.Chunks, b.plan.Chunks, copiedText(b.copied))
		if b.copied.Chunks == b.plan.Chunks {
			b.progress.done(ctx, "Copy", "%d chunks of %d tables, %s", b.copied.Chunks, b.plan.Tables, copiedText(b.copied))
		}
		return nil
	})
}

// copyServer reads a server without branches. One activity holds one snapshot; when its worker dies the
// snapshot is gone, and the next attempt reads everything again under a new snapshot id.
func (b *backup) copyServer(ctx workflow.Context) error {
	if b.in.LSN != "" {
		return activities.InvalidInput("component %s: source postgres has no history, so a backup at an LSN is impossible; leave the LSN out", b.in.Component)
	}
	var dumps *activities.Dumps
	b.progress.done(ctx, "Freeze", "held snapshot")
	b.progress.start(ctx, "Copy")
	var copied activities.ServerCopy
	err := workflow.ExecuteActivity(bulk.within(b.settings.Budget).on(ctx, b.settings.Site, "Copy "+b.in.Component+" from one held snapshot"), dumps.CopyServer, activities.CopyServerInput{
		Guard: b.guard(ctx, "copy"), Component: b.in.Component, Backup: b.id,
	}).Get(ctx, &copied)
	if err != nil {
		return err
	}
	b.snapshot, b.plan, b.copied = copied.Snapshot, copied.Plan, copied.Copied
	b.progress.done(ctx, "Copy", "%d chunks of %d tables, %s", b.copied.Chunks, b.plan.Tables, copiedText(b.copied))
	return nil
}

func (b *backup) removeSnapshot(ctx workflow.Context) {
	// Cancelled or not, the branch goes: it costs money and holds patients' data.
	ctx, cancel := workflow.NewDisconnectedContext(ctx)
	defer cancel()
	var snapshots *activities.Snapshots
	err := workflow.ExecuteActivity(cleanup.on(ctx, b.settings.Site, "Remove the branch"), snapshots.RemoveSnapshot, activities.RemoveSnapshotInput{
		Guard: b.guard(ctx, "unfreeze"), Component: b.in.Component, Backup: b.id,
	}).Get(ctx, nil)
	if err != nil {
		// A backup is not worse for it: say so loudly, and let the branch expire.
		alert(ctx, activities.Alert{
			Kind: "cleanup.failed", Severity: "warning", Component: b.in.Component, Site: b.settings.Site,
			Title: "A snapshot branch could not be removed",
			Text:  "It expires by itself; remove branch lifeboat/" + b.id + "/snapshot by hand if that is too late.",
		})
	}
}

func (b *backup) lock(ctx workflow.Context) (locked activities.Locked, err error) {
	b.progress.start(ctx, "Lock")
	var records *activities.Records
	err = workflow.ExecuteActivity(bulk.within(b.settings.Budget).on(ctx, b.settings.Site, "Lock the objects for the whole retention"), records.LockBackup, activities.LockInput{
		Guard: b.guard(ctx, "lock"), Component: b.in.Component, Backup: b.id,
	}).Get(ctx, &locked)
	if err != nil {
		return locked, err
	}
	if locked.Until.IsZero() {
		b.progress.done(ctx, "Lock", "this vault keeps no locks")
	} else {
		b.progress.done(ctx, "Lock", "%d objects until %s", locked.Objects, locked.Until.Format(time.DateOnly))
	}
	return locked, nil
}

// replicate starts an execution for each replica, which outlives this one, and tells people when that fails.
func (b *backup) replicate(ctx workflow.Context) (started []string) {
	for _, v := range b.settings.Replicas {
		in := ReplicateInput{Component: b.in.Component, To: v.Vault, Backup: b.id}
		options := replicaChild(in)
		options.ParentClosePolicy = enumspb.PARENT_CLOSE_POLICY_ABANDON
		options.StaticSummary = "Copy backup " + b.id + " of " + b.in.Component + " to " + v.Vault
		future := workflow.ExecuteChildWorkflow(workflow.WithChildOptions(ctx, options), Replicate, in)
		var child workflow.Execution
		if err := future.GetChildWorkflowExecution().Get(ctx, &child); err != nil {
			workflow.GetLogger(ctx).Error("start replication", "backup", b.id, "vault", v.Vault, "error", err)
			if temporal.IsCanceledError(err) {
				return started
			}
			alert(ctx, activities.Alert{
				Kind: "replica.failed", Severity: "critical", Component: b.in.Component, Site: b.settings.Site,
				Title:  "Copying a backup of " + b.in.Component + " to another vault could not be started",
				Text:   "The schedule that runs replicate catches up with it; or start it: lifeboat replicate " + b.in.Component,
				Fields: map[string]string{"backup": b.id, "vault": v.Vault},
			})
			continue
		}
		started = append(started, child.ID)
	}
	return started
}

// verify runs the verification as a child, which has a name, a record and an alert of its own.
func (b *backup) verify(ctx workflow.Context) (*VerifyResult, error) {
	if !b.settings.VerifyAfter || b.in.SkipVerify {
		b.progress.skip(ctx, "Verify", "not asked for")
		return nil, nil
	}
	b.progress.start(ctx, "Verify")
	child := workflow.WithChildOptions(ctx, workflow.ChildWorkflowOptions{
		WorkflowID:            VerifyID(b.in.Component, b.id),
		WaitForCancellation:   true,
		TypedSearchAttributes: Attributes(KindVerify, b.in.Component),
		StaticSummary:         "Verify " + b.in.Component + " " + b.id,
		RetryPolicy:           &temporal.RetryPolicy{MaximumAttempts: 1},
	})
	var verified VerifyResult
	err := workflow.ExecuteChildWorkflow(child, Verify, VerifyInput{Component: b.in.Component, Backup: b.id}).Get(ctx, &verified)
	if err != nil {
		return nil, err
	}
	b.progress.done(ctx, "Verify", "%d checks equal", len(verified.Checks))
	return &verified, nil
}

// conclude leaves the traces of the outcome: a state to search for, and for a failure a signed record
// and a message. A failed verification has left its own.
func (b *backup) conclude(ctx workflow.Context, err error) {
	c := conclusion{kind: "backup", component: b.in.Component, backup: b.id, site: b.settings.Site, started: b.started, guard: b.guard(ctx, "record")}
	c.conclude(ctx, err)
}

func (b *backup) guard(ctx workflow.Context, step string) plan.Guard {
	return standing(ctx, step, b.in.Component, b.settings.Order)
}
