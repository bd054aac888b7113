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

// missingAtATime is how many backups one run of a catch-up copies before it goes on as a new run, so that no history
// grows long.
const missingAtATime = 50

// ReplicateInput asks that backups of a component be copied from one of its vaults to another.
type ReplicateInput struct {
	Component string `json:"component"`
	// From and To are vaults of the component. From may be empty and means its own; To may be empty and means all
	// its replicas.
	From string `json:"from,omitempty"`
	To   string `json:"to,omitempty"`
	// Backup is one backup; empty means all that the other vault lacks.
	Backup string `json:"backup,omitempty"`
	// Before is what earlier runs of the same catch-up did.
	Before *ReplicateResult `json:"before,omitempty"`
}

// ReplicateResult says what was copied, and what the replica lacks now.
type ReplicateResult struct {
	Vault string `json:"vault,omitempty"`
	// Backups are the ids of those that were copied, the first ones where there are many; Count counts them.
	Backups []string `json:"backups,omitempty"`
	Count   int      `json:"count"`
	// Objects are those of the backups: Copied were written, Present were there with the digests of the manifest.
	Objects int   `json:"objects"`
	Copied  int   `json:"copied"`
	Present int   `json:"present"`
	Bytes   int64 `json:"bytes"`
	// Records are the records of verifications that were copied.
	Records int `json:"records"`
	// Missing is how many backups the replica still lacks; -1 where nobody counted.
	Missing int `json:"missing"`
	// Point is the newest restore point that is known to be whole in the replica, and Lag its age at the end.
	Point time.Time     `json:"point,omitzero"`
	Lag   time.Duration `json:"lag,omitempty"`
	// LockedUntil is the end of the locks of the backup that was copied last.
	LockedUntil time.Time     `json:"locked_until,omitzero"`
	Took        time.Duration `json:"took"`
	// Failed are backups that could not be copied though others could, with the first failure.
	Failed  []string          `json:"failed,omitempty"`
	Failure *ReplicateFailure `json:"failure,omitempty"`
	// Vaults are the results of each replica, where all were asked for. One whose copying runs already is left out.
	Vaults []ReplicateResult `json:"vaults,omitempty"`
}

// ReplicateFailure is why a backup could not be copied.
type ReplicateFailure struct {
	Type    string `json:"type"`
	Message string `json:"message"`
	Hint    string `json:"hint,omitempty"`
}

// Replicate copies backups as they are, sealed and signed, to another vault.
//
//  1. Compare the vaults, unless one backup was asked for; the newest that is missing comes first.
//  2. Copy every object that the manifest lists and the replica lacks, held against the manifest's digests.
//  3. Copy the records of verifications.
//  4. Write the manifest; from here on the backup counts in the replica.
//
// What is there is not copied again. A backup that cannot be copied does not keep others from it; the execution
// fails in the end, and says which. Nothing of it changes the backup that was copied.
func Replicate(ctx workflow.Context, in ReplicateInput) (*ReplicateResult, error) {
	if !manifest.ValidComponent(in.Component) {
		return nil, activities.InvalidInput("component %q: use the name that the configuration gives it", in.Component)
	}
	if in.Backup != "" && !manifest.ValidBackupID(in.Backup) {
		return nil, activities.InvalidInput("%q is not a backup id such as 20261123T020000Z-k3v7qa", in.Backup)
	}
	r := replicate{in: in, started: workflow.Now(ctx), result: ReplicateResult{Vault: in.To, Missing: -1}}
	if in.Before != nil {
		r.result = *in.Before
	}
	err := r.run(ctx)
	if workflow.IsContinueAsNewError(err) {
		return nil, err
	}
	r.conclude(ctx, err)
	if err != nil {
		return nil, err
	}
	return &r.result, nil
}

type replicate struct {
	in       ReplicateInput
	started  time.Time
	settings activities.Settings
	result   ReplicateResult
	progress progress
	// concluded says that children left their own traces.
	concluded bool
}

func (r *replicate) run(ctx workflow.Context) error {
	var err error
	if r.settings, err = describeIn(ctx, r.in.Component, r.in.To); err != nil {
		return err
	}
	if err := setSite(ctx, r.settings.VaultSite); err != nil {
		return err
	}
	switch {
	case r.in.To == "":
		return r.all(ctx)
	case r.in.Backup == "":
		r.progress = newProgress(r.in.Component, "to "+r.in.To, "Compare", "Copy", "Records", "Commit")
		err = r.catchUp(ctx)
	default:
		r.progress = newProgress(r.in.Component, r.in.Backup+" to "+r.in.To, "Copy", "Records", "Commit")
		err = r.copy(ctx, r.in.Backup)
	}
	if err != nil {
		return err
	}
	r.result.Took += workflow.Now(ctx).Sub(r.started)
	if !r.result.Point.IsZero() {
		r.result.Lag = workflow.Now(ctx).Sub(r.result.Point)
	}
	if f := r.result.Failure; f != nil {
		return activities.Final(f.Type, errors.New(f.Message), f.Hint)
	}
	return nil
}

// all copies to each replica, in an execution of its own. One that runs already does the same.
func (r *replicate) all(ctx workflow.Context) error {
	r.concluded = true
	if len(r.settings.Replicas) == 0 {
		return activities.InvalidInput("component %s has no vault to be copied to: set components.%s.replicas", r.in.Component, r.in.Component)
	}
	names := []string{}
	for _, v := range r.settings.Replicas {
		names = append(names, v.Vault)
	}
	r.progress = newProgress(r.in.Component, "to its replicas", names...)
	futures := make([]workflow.ChildWorkflowFuture, len(r.settings.Replicas))
	for i, v := range r.settings.Replicas {
		r.progress.start(ctx, v.Vault)
		in := r.in
		in.To = v.Vault
		child := workflow.WithChildOptions(ctx, replicaChild(in))
		futures[i] = workflow.ExecuteChildWorkflow(child, Replicate, in)
	}
	var first error
	for i, f := range futures {
		var one ReplicateResult
		err := f.Get(ctx, &one)
		switch {
		case temporal.IsWorkflowExecutionAlreadyStartedError(err):
			r.progress.skip(ctx, names[i], "another execution copies to it")
		case err != nil:
			r.progress.note(ctx, names[i], "failed")
			if first == nil {
				first = err
			}
		default:
			r.result.Vaults = append(r.result.Vaults, one)
			r.progress.done(ctx, names[i], "%d backups copied, %d objects, %d MB; %d are missing", one.Count, one.Copied, one.Bytes/1e6, max(0, one.Missing))
		}
	}
	return first
}

// replicaChild are the options of a replication that another execution starts.
func replicaChild(in ReplicateInput) workflow.ChildWorkflowOptions {
	return workflow.ChildWorkflowOptions{
		WorkflowID:            ReplicateID(in.Component, in.To, in.Backup),
		WaitForCancellation:   true,
		TypedSearchAttributes: Attributes(KindReplicate, in.Component),
		StaticSummary:         "Copy backups of " + in.Component + " to " + in.To,
		RetryPolicy:           &temporal.RetryPolicy{MaximumAttempts: 1},
	}
}

// catchUp copies whatever the replica lacks.
func (r *replicate) catchUp(ctx workflow.Context) error {
	r.progress.start(ctx, "Compare")
	var replicas *activities.Replicas
	var missing activities.Missing
	err := workflow.ExecuteActivity(r.bulk(ctx, "Compare the vaults"), replicas.ListMissing, activities.ListMissingInput{
		Component: r.in.Component, From: r.in.From, To: r.in.To, Most: missingAtATime, Skip: r.result.Failed,
	}).Get(ctx, &missing)
	if err != nil {
		return err
	}
	r.result.Missing = missing.Total
	r.saw(missing.Point)
	r.progress.done(ctx, "Compare", "%d of %d backups are missing", missing.Total, missing.Of)
	r.label(ctx)
	for _, id := range missing.Backups {
		if err := r.copy(ctx, id); err != nil {
			if !aboutOneBackup(err) {
				return err
			}
			r.failed(id, err)
			continue
		}
		r.result.Missing--
		r.label(ctx)
	}
	for _, id := range missing.Records {
		if err := r.records(ctx, id); err != nil {
			if !aboutOneBackup(err) {
				return err
			}
			r.failed(id, err)
		}
	}
	if missing.More {
		r.result.Took += workflow.Now(ctx).Sub(r.started)
		next := r.in
		next.Before = &r.result
		return workflow.NewContinueAsNewError(ctx, ReplicateName, next)
	}
	return nil
}

// copy copies one backup.
func (r *replicate) copy(ctx workflow.Context, id string) error {
	var replicas *activities.Replicas
	r.progress.start(ctx, "Copy")
	var copied activities.CopiedObjects
	if err := workflow.ExecuteActivity(r.bulk(ctx, "Copy the objects of "+id), replicas.CopyObjects, r.input(ctx, "objects", id)).Get(ctx, &copied); err != nil {
		return err
	}
	r.result.Objects += copied.Objects
	r.result.Copied += copied.Copied
	r.result.Present += copied.Present
	r.result.Bytes += copied.Bytes
	r.result.LockedUntil = copied.LockedUntil
	r.progress.done(ctx, "Copy", "%d objects, %d MB, %d were there", r.result.Copied, r.result.Bytes/1e6, r.result.Present)

	if err := r.records(ctx, id); err != nil {
		return err
	}

	r.progress.start(ctx, "Commit")
	var done activities.Replicated
	err := workflow.ExecuteActivity(r.bulk(ctx, "Write the manifest of "+id), replicas.CommitReplica, activities.CommitReplicaInput{
		CopyInput: r.input(ctx, "commit", id), Copied: copied.Receipt,
	}).Get(ctx, &done)
	if err != nil {
		return err
	}
	r.result.Count++
	if len(r.result.Backups) < missingAtATime {
		r.result.Backups = append(r.result.Backups, id)
	}
	r.saw(done.Point.Time)
	r.progress.done(ctx, "Commit", "%d backups", r.result.Count)
	return nil
}

func (r *replicate) records(ctx workflow.Context, id string) error {
	var replicas *activities.Replicas
	r.progress.start(ctx, "Records")
	var copied activities.CopiedRecords
	if err := workflow.ExecuteActivity(r.bulk(ctx, "Copy the records of "+id), replicas.CopyRecords, r.input(ctx, "records", id)).Get(ctx, &copied); err != nil {
		return err
	}
	r.result.Records += copied.Copied
	r.progress.done(ctx, "Records", "%d copied", r.result.Records)
	return nil
}

// bulk is where copying runs: at the site of the vault that is written, whose workers pull.
func (r *replicate) bulk(ctx workflow.Context, summary string) workflow.Context {
	return bulk.within(r.settings.Budget).on(ctx, r.settings.VaultSite, summary)
}

func (r *replicate) input(ctx workflow.Context, step, id string) activities.CopyInput {
	return activities.CopyInput{
		Guard: standing(ctx, step, r.in.To, r.settings.Order), Component: r.in.Component, Backup: id, From: r.in.From, To: r.in.To,
	}
}

// saw notes a restore point that is whole in the replica.
func (r *replicate) saw(point time.Time) {
	if point.After(r.result.Point) {
		r.result.Point = point
	}
}

// failed notes a backup that could not be copied. The first failure is what the execution ends with.
func (r *replicate) failed(id string, err error) {
	r.result.Failed = append(r.result.Failed, id)
	if r.result.Failure == nil {
		kind, message, hint := errorText(err)
		r.result.Failure = &ReplicateFailure{Type: kind, Message: "backup " + id + ": " + message, Hint: hint}
	}
}

// aboutOneBackup says whether a failure leaves hope for other backups.
func aboutOneBackup(err error) bool {
	kind, _, _ := errorText(err)
	switch kind {
	case activities.TypeCorrupt, activities.TypeConflict, activities.TypeUntrusted, activities.TypeNotFound, activities.TypeInvalidInput, activities.TypeNoSuchChunk:
		return !temporal.IsCanceledError(err)
	}
	return false
}

// label says how far the replica is behind, for those who look for executions.
func (r *replicate) label(ctx workflow.Context) {
	updates := []temporal.SearchAttributeUpdate{AttrMissing.ValueSet(int64(max(0, r.result.Missing)))}
	if !r.result.Point.IsZero() {
		updates = append(updates, AttrLag.ValueSet(int64(workflow.Now(ctx).Sub(r.result.Point).Seconds())))
	}
	if err := workflow.UpsertTypedSearchAttributes(ctx, updates...); err != nil {
		workflow.GetLogger(ctx).Warn("label execution", "error", err)
	}
}

func (r *replicate) conclude(ctx workflow.Context, err error) {
	var child *temporal.ChildWorkflowExecutionError
	if r.concluded && errors.As(err, &child) {
		setState(ctx, "failed")
		return // it sent its own message
	}
	c := conclusion{
		kind: KindReplicate, component: r.in.Component, backup: r.in.Backup, vault: r.in.To, home: r.in.From, site: r.settings.VaultSite, started: r.started,
		guard: r.guard(ctx),
	}
	c.conclude(ctx, err)
}

// guard is for the record of a failure, which belongs to the component.
func (r *replicate) guard(ctx workflow.Context) plan.Guard {
	return standing(ctx, "record", r.in.Component, r.settings.Order)
}
