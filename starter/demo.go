package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"
	"go.temporal.io/sdk/client"

	"github.com/lifeboat-dr/lifeboat/activities"
	"github.com/lifeboat-dr/lifeboat/workflows"
)

// demoResult is what the demo did and measured.
type demoResult struct {
	Backup  workflows.BackupResult    `json:"backup"`
	Replica workflows.ReplicateResult `json:"replica"`
	Verify  workflows.VerifyResult    `json:"verify"`
	Restore workflows.RestoreResult   `json:"restore"`
	// RPO is the age of the newest verified restore point when the demo ended.
	RPO time.Duration `json:"rpo"`
}

func newDemo(a *app) *cobra.Command {
	var opt devOptions
	cmd := &cobra.Command{
		Use:   "demo",
		Short: "Show the main job: back up, copy, verify, restore elsewhere, compare",
		Long: `Brings up what "lifeboat dev" brings up, backs up the sample application's database while it is being
written to, copies it to the other site's vault, proves that it can be restored, restores the copy into the other site,
and sums up. With KEEP=1 in
the environment everything stays up until Ctrl-C.`,
		Example: "  lifeboat demo\n  KEEP=1 lifeboat demo --size 200MB",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.withDev(cmd.Context(), opt, func(d *dev) error {
				d.printAddresses(a)
				result, err := d.demo(cmd.Context(), a)
				if err != nil {
					return err
				}
				if err := a.print(result, func() { d.printDemo(a, result) }); err != nil {
					return err
				}
				if os.Getenv("KEEP") != "" {
					fmt.Fprintln(a.stdout, "\nEverything stays up until Ctrl-C.")
					<-cmd.Context().Done()
				}
				return nil
			})
		},
	}
	opt.flags(cmd, "100MB")
	return cmd
}

func (d *dev) demo(ctx context.Context, a *app) (result demoResult, err error) {
	step := func(title, id, workflow, kind string, input, output any) error {
		fmt.Fprintf(a.stdout, "\n%s\n", title)
		run, err := start(ctx, d.client, client.StartWorkflowOptions{
			ID: id, TaskQueue: workflows.Queue, TypedSearchAttributes: workflows.Attributes(kind, "database"), StaticSummary: title,
		}, workflow, input)
		if err != nil {
			return err
		}
		return follow(ctx, d.client, run, a.stdout, output)
	}
	err = step("1. Back up the database while the application writes", workflows.BackupID("database", time.Now()),
		workflows.BackupName, workflows.KindBackup, workflows.BackupInput{Component: "database", SkipVerify: true}, &result.Backup)
	if err != nil {
		return result, err
	}
	id := result.Backup.Backup
	standby := d.world.Sites[1].Name
	fmt.Fprintf(a.stdout, "\n2. Copy it to the vault of %s, sealed as it is\n", standby)
	for _, copying := range result.Backup.Replications { // it began by itself
		if err := follow(ctx, d.client, d.client.GetWorkflow(ctx, copying, ""), a.stdout, &result.Replica); err != nil {
			return result, err
		}
	}
	err = step("3. Verify: restore into a scratch database, compare, ask, drop", workflows.VerifyID("database", id),
		workflows.VerifyName, workflows.KindVerify, workflows.VerifyInput{Component: "database", Backup: id}, &result.Verify)
	if err != nil {
		return result, err
	}
	err = step("4. Restore the copy into a new branch at "+standby+", and compare", workflows.RestoreID("database", "branch:"+standby),
		workflows.RestoreBackupName, workflows.KindRestore, workflows.RestoreInput{
			Component: "database", Backup: id, Vault: standby, Target: activities.Target{Kind: activities.BranchTarget, Site: standby},
		}, &result.Restore)
	if err != nil {
		return result, err
	}
	protection, err := d.engine.Protection(ctx)
	if err != nil {
		return result, err
	}
	for _, c := range protection.Components {
		if c.State != "ok" || c.Verified != id {
			return result, fmt.Errorf("after all that, %s is %q: %s", c.Component, c.State, c.Detail)
		}
		result.RPO = protection.At.Sub(c.VerifiedPoint)
	}
	return result, nil
}

func (d *dev) printDemo(a *app, r demoResult) {
	t := r.Backup.Totals
	fmt.Fprintf(a.stdout, `
Summary
  backup     %s
  holds      %s rows of %d tables in %d chunks; %s of rows, %s stored, encrypted and locked until %s
  backed up  in %s, %s
  copied     in %s: %d objects, %s, to vault %s
  verified   in %s: %d checks equal
  restored   in %s: %s rows into %s, branch %s, database %s
  RPO now    %s (the age of the newest verified restore point; the objective is 4h)

Where to look
  Temporal UI  %s/namespaces/%s/workflows
  vault        %s, s3://%s/%s
  alerts       %s
`,
		r.Backup.Backup, countText(t.Rows), t.Tables, t.Chunks, bytesText(t.PlainBytes), bytesText(t.StoredBytes), r.Backup.LockedUntil.Format(time.DateOnly),
		r.Backup.Took.Round(10*time.Millisecond), speed(t.PlainBytes, r.Backup.Took),
		r.Replica.Took.Round(10*time.Millisecond), r.Replica.Objects, bytesText(r.Replica.Bytes), r.Replica.Vault,
		r.Verify.Took.Round(10*time.Millisecond), len(r.Verify.Checks),
		r.Restore.Took.Round(10*time.Millisecond), countText(r.Restore.Rows), r.Restore.Target.Site, r.Restore.Target.Branch, r.Restore.Target.Database,
		r.RPO.Round(time.Second),
		d.temporal.UIURL(), d.temporal.Namespace(),
		d.world.Sites[0].Store.Endpoint(), d.world.Sites[0].Bucket(), r.Backup.Manifest,
		d.world.Inbox.URL())
}
