package main

import (
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"
	"go.temporal.io/sdk/client"

	"github.com/lifeboat-dr/lifeboat/workflows"
)

// started is what a command prints that starts an execution and does not follow it.
type started struct {
	Execution string `json:"execution"`
	Run       string `json:"run"`
}

func newBackup(a *app) *cobra.Command {
	var followIt, noVerify bool
	var lsn string
	cmd := &cobra.Command{
		Use:   "backup [component...]",
		Short: "Back up components now (all of them, when none is named)",
		Long: `Starts one backup for each component. Without --follow the command returns as soon as Temporal has
accepted the work, which then goes on in the workers.`,
		Example: "  lifeboat backup database --follow\n  lifeboat backup database --lsn 16/B3733C50",
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := a.load(); err != nil {
				return err
			}
			names, err := a.components(args)
			if err != nil {
				return err
			}
			if lsn != "" && len(names) != 1 {
				return failWith(exitUsage, "--lsn is a position of one database: name one component")
			}
			return a.withTemporal(cmd.Context(), func(c client.Client) error {
				return a.backup(cmd, c, names, workflows.BackupInput{LSN: lsn, SkipVerify: noVerify}, followIt)
			})
		},
	}
	cmd.Flags().BoolVarP(&followIt, "follow", "f", false, "show the progress and wait for the outcome")
	cmd.Flags().BoolVar(&noVerify, "no-verify", false, "do not restore and compare it afterwards")
	cmd.Flags().StringVar(&lsn, "lsn", "", "write-ahead log `position` to back up at, within Neon's history window (default now)")
	return cmd
}

func (a *app) backup(cmd *cobra.Command, c client.Client, names []string, in workflows.BackupInput, followIt bool) error {
	ctx := cmd.Context()
	runs := []client.WorkflowRun{}
	for _, name := range names {
		in.Component = name
		run, err := start(ctx, c, client.StartWorkflowOptions{
			ID: workflows.BackupID(name, time.Now()), TaskQueue: workflows.Queue,
			TypedSearchAttributes: workflows.Attributes(workflows.KindBackup, name),
			StaticSummary:         "Backup of " + name + ", started by a person",
		}, workflows.BackupName, in)
		if err != nil {
			return err
		}
		runs = append(runs, run)
	}
	if !followIt {
		return a.printStarted(runs)
	}
	results, failures := []workflows.BackupResult{}, []error{}
	for _, run := range runs {
		fmt.Fprintf(a.stderr, "%s\n", run.GetID())
		var result workflows.BackupResult
		if err := follow(ctx, c, run, a.stderr, &result); err != nil {
			failures = append(failures, fmt.Errorf("%s: %w", run.GetID(), err))
			continue
		}
		results = append(results, result)
	}
	if err := a.print(results, func() { a.printBackups(results) }); err != nil {
		return err
	}
	return errors.Join(failures...)
}

func (a *app) printBackups(results []workflows.BackupResult) {
	for _, r := range results {
		verified := "not verified"
		if r.Verified != nil {
			verified = fmt.Sprintf("verified: %d checks equal", len(r.Verified.Checks))
		}
		fmt.Fprintf(a.stdout, "Backup %s: %s rows, %s read, %s stored, %s, restore point %s, %s\n",
			r.Backup, countText(r.Totals.Rows), bytesText(r.Totals.PlainBytes), bytesText(r.Totals.StoredBytes),
			r.Took.Round(time.Millisecond), r.Point.Time.Format(time.RFC3339), verified)
		if r.Totals.NotCovered > 0 {
			fmt.Fprintf(a.stdout, "  Not covered: %d. What, and why: lifeboat backups show %s\n", r.Totals.NotCovered, r.Backup)
		}
	}
}

func (a *app) printStarted(runs []client.WorkflowRun) error {
	list := []started{}
	for _, run := range runs {
		list = append(list, started{run.GetID(), run.GetRunID()})
	}
	return a.print(list, func() {
		for _, s := range list {
			fmt.Fprintf(a.stdout, "Started %s\n", s.Execution)
		}
		fmt.Fprintln(a.stdout, "It goes on in the workers. Look at it with: lifeboat status")
	})
}
