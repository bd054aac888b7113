package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"
	"go.temporal.io/sdk/client"

	"github.com/lifeboat-dr/lifeboat/activities"
	"github.com/lifeboat-dr/lifeboat/workflows"
)

func newRestore(a *app) *cobra.Command {
	var followIt bool
	var component, backup, to string
	cmd := &cobra.Command{
		Use:   "restore",
		Short: "Bring a backup into an empty database or a new branch",
		Long: `Restores a backup and compares what arrived with what was backed up.

--to branch:SITE   a new branch of that site's Neon project, with a database of the component's name
--to target:NAME   a database that the configuration names under targets; it has to be empty

Nothing that exists is overwritten: a target that holds anything is refused. A restore that fails half-way
leaves the database marked as incomplete. Into a target, the same command goes on where it stopped; into a
branch, it begins anew on the next branch.`,
		Example: "  lifeboat restore --backup latest-verified --to branch:us-west-2 --follow\n  lifeboat restore --backup 20261123T020000Z-k3v7qa --to target:spare",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			engine, err := a.vaults(cmd.Context())
			if err != nil {
				return err
			}
			name, err := a.one(component)
			if err != nil {
				return err
			}
			target, err := a.target(to)
			if err != nil {
				return err
			}
			found, err := engine.Find(cmd.Context(), name, backup)
			if err != nil {
				return err
			}
			in := workflows.RestoreInput{Component: name, Backup: found.Envelope.Backup, Target: target}
			return a.withTemporal(cmd.Context(), func(c client.Client) error {
				run, err := start(cmd.Context(), c, client.StartWorkflowOptions{
					ID: workflows.RestoreID(name, to), TaskQueue: workflows.Queue,
					TypedSearchAttributes: workflows.Attributes(workflows.KindRestore, name),
					StaticSummary:         "Restore " + name + " " + in.Backup + " to " + to + ", started by a person",
				}, workflows.RestoreBackupName, in)
				if err != nil {
					return err
				}
				if !followIt {
					return a.printStarted([]client.WorkflowRun{run})
				}
				var result workflows.RestoreResult
				if err := follow(cmd.Context(), c, run, a.stderr, &result); err != nil {
					return err
				}
				return a.print(result, func() { a.printRestored(result) })
			})
		},
	}
	cmd.Flags().StringVar(&backup, "backup", "", "backup `ID`, latest or latest-verified (required)")
	cmd.Flags().StringVar(&to, "to", "", "`where`: branch:SITE or target:NAME (required)")
	cmd.Flags().StringVar(&component, "component", "", "component `name`, when the configuration has several")
	cmd.Flags().BoolVarP(&followIt, "follow", "f", false, "show the progress and wait for the outcome")
	_ = cmd.MarkFlagRequired("backup")
	_ = cmd.MarkFlagRequired("to")
	return cmd
}

func (a *app) printRestored(r workflows.RestoreResult) {
	fmt.Fprintf(a.stdout, "Restored %s: %s rows in %s, restore point %s\n", r.Backup, countText(r.Rows), r.Took.Round(time.Millisecond), r.Point.Time.Format(time.RFC3339))
	if r.Target.Kind == activities.BranchTarget {
		fmt.Fprintf(a.stdout, "  site %s, branch %s, database %s\n", r.Target.Site, r.Target.Branch, r.Target.Database)
	} else {
		fmt.Fprintf(a.stdout, "  target %s, database %s\n", r.Target.Name, r.Target.Database)
	}
	for _, check := range r.Checks {
		fmt.Fprintf(a.stdout, "  equal  %-20s %s\n", check.Name, check.Detail)
	}
	if !r.WasVerified {
		fmt.Fprintln(a.stdout, "  This backup had not been verified before; it has now been restored and compared once.")
	}
}
