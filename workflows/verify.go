package workflows

import (
	"strings"
	"time"

	"go.temporal.io/sdk/workflow"

	"github.com/lifeboat-dr/lifeboat/activities"
	"github.com/lifeboat-dr/lifeboat/internal/manifest"
	"github.com/lifeboat-dr/lifeboat/internal/plan"
)

// VerifyInput asks that a backup be restored into a scratch database and compared.
type VerifyInput struct {
	Component string `json:"component"`
	// Backup is an id, "latest" or "latest-verified".
	Backup string `json:"backup"`
	// Vault is where it is read from; empty means the component's own.
	Vault string `json:"vault,omitempty"`
}

// VerifyResult says what was compared. A backup whose verification has no result is not verified.
type VerifyResult struct {
	Backup string           `json:"backup"`
	Point  manifest.Point   `json:"point"`
	Record string           `json:"record"`
	Checks []manifest.Check `json:"checks"`
	Took   time.Duration    `json:"took"`
}

// Verify proves that a backup can be restored.
//
//  1. Find it in the vault and check its signature.
//  2. Restore it into a scratch database of our own.
//  3. Compare every fingerprint and run the component's smoke queries.
//  4. Drop the scratch database, in every case.
//  5. Write the signed record; only that makes the restore point a verified one.
func Verify(ctx workflow.Context, in VerifyInput) (*VerifyResult, error) {
	if !manifest.ValidComponent(in.Component) {
		return nil, activities.InvalidInput("component %q: use the name that the configuration gives it", in.Component)
	}
	v := verify{in: in, started: workflow.Now(ctx)}
	result, err := v.run(ctx)
	c := conclusion{kind: KindVerify, component: in.Component, backup: v.found.Backup, home: in.Vault, vault: in.Vault, site: readingSite(v.settings, in.Vault), started: v.started, guard: v.guard(ctx, "record")}
	c.conclude(ctx, err)
	return result, err
}

type verify struct {
	in       VerifyInput
	started  time.Time
	settings activities.Settings
	found    activities.Found
	progress progress
}

func (v *verify) run(ctx workflow.Context) (*VerifyResult, error) {
	var err error
	if v.settings, err = describeIn(ctx, v.in.Component, v.in.Vault); err != nil {
		return nil, err
	}
	if err := setSite(ctx, v.settings.ScratchSite); err != nil {
		return nil, err
	}
	if v.settings.ScratchSite == "" {
		return nil, activities.InvalidInput("component %s has no scratch place: set verify.scratch in the configuration", v.in.Component)
	}
	site := readingSite(v.settings, v.in.Vault)
	if v.found, err = findBackup(ctx, site, v.in.Component, v.in.Vault, v.in.Backup); err != nil {
		return nil, err
	}
	v.progress = newProgress(v.in.Component, v.found.Backup, append(restoreSteps, "Smoke", "Drop", "Record")...)

	done, err := v.restoreAndCompare(ctx)
	if err != nil {
		return nil, err
	}
	v.progress.start(ctx, "Record")
	var records *activities.Records
	var key string
	err = workflow.ExecuteActivity(lookup.on(ctx, site, "Sign and write the verification"), records.RecordVerified, activities.RecordVerifiedInput{
		Guard: v.guard(ctx, "verified"), Component: v.in.Component, Backup: v.found.Backup, Vault: v.in.Vault, Started: v.started,
		Compared: done.compared.Receipt, Smoked: done.smoked.Receipt, Dropped: done.dropped.Receipt,
	}).Get(ctx, &key)
	if err != nil {
		return nil, err
	}
	v.progress.done(ctx, "Record", "`%s`", key)
	v.copyRecord(ctx)
	return &VerifyResult{
		Backup: v.found.Backup, Point: v.found.Point, Record: key,
		Checks: append(done.compared.Checks, done.smoked.Checks...), Took: workflow.Now(ctx).Sub(v.started),
	}, nil
}

// copyRecord brings the record to the replicas. What fails here is made up for by the next catch-up.
func (v *verify) copyRecord(ctx workflow.Context) {
	if v.in.Vault != "" {
		return // a verification of a replica stays there
	}
	var replicas *activities.Replicas
	for _, r := range v.settings.Replicas {
		err := workflow.ExecuteActivity(mending.on(ctx, r.Site, "Copy the record to "+r.Vault), replicas.CopyRecords, activities.CopyInput{
			Guard: standing(ctx, "record copy", r.Vault, v.settings.Order), Component: v.in.Component, Backup: v.found.Backup, To: r.Vault,
		}).Get(ctx, nil)
		if err != nil {
			workflow.GetLogger(ctx).Warn("copy record of verification", "vault", r.Vault, "error", err)
		}
	}
}

// readingSite is where activities run that only read a vault or write a record to it: at the site of the component or,
// when one of its vaults was asked for, of that one. The component's site may be gone.
func readingSite(settings activities.Settings, vault string) string {
	if vault == "" {
		return settings.Site
	}
	return settings.VaultSite
}

// verifiedBy is what a verification did, each with a receipt of the worker that did it.
type verifiedBy struct {
	compared, smoked activities.Compared
	dropped          activities.Dropped
}

// restoreAndCompare leaves no scratch database behind, whatever happens. A scratch database that could
// not be dropped fails the verification: patients' data would lie about unseen.
func (v *verify) restoreAndCompare(ctx workflow.Context) (done verifiedBy, err error) {
	suffix := ofRun(ctx)
	if workflow.GetVersion(ctx, "2026-11-25-scratch-of-run", workflow.DefaultVersion, 1) == workflow.DefaultVersion {
		suffix = strings.ReplaceAll(workflow.GetInfo(ctx).WorkflowExecution.RunID, "-", "")[:8]
	}
	target := activities.Target{
		Kind: activities.ScratchTarget, Site: v.settings.ScratchSite,
		Database: scratchName(v.found.Backup, suffix),
	}
	r := restore{component: v.in.Component, vault: v.in.Vault, found: v.found, target: target, connections: v.settings.Connections, budget: v.settings.Budget, progress: &v.progress, guard: v.guard}
	defer func() {
		var dropErr error
		done.dropped, dropErr = r.drop(ctx, done.compared.Receipt, done.smoked.Receipt)
		if err == nil {
			err = dropErr
		}
	}()

	if done.compared, err = r.run(ctx); err != nil {
		return done, err
	}
	done.smoked, err = r.smoke(ctx)
	return done, err
}

func (v *verify) guard(ctx workflow.Context, step string) plan.Guard {
	return standing(ctx, step, v.in.Component, v.settings.Order)
}

func findBackup(ctx workflow.Context, site, component, vault, backup string) (found activities.Found, err error) {
	var records *activities.Records
	err = workflow.ExecuteActivity(lookup.on(ctx, site, "Find backup "+backup), records.FindBackup,
		activities.FindBackupInput{Component: component, Vault: vault, Backup: backup}).Get(ctx, &found)
	return found, err
}
