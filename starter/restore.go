package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"go.temporal.io/sdk/client"

	"github.com/lifeboat-dr/lifeboat/activities"
	"github.com/lifeboat-dr/lifeboat/workflows"
)

func newRestore(a *app) *cobra.Command {
	var followIt bool
	var component, backup, to, vault string
	var selection activities.Selection
	cmd := &cobra.Command{
		Use:   "restore [BACKUP]",
		Short: "Bring a backup, or some of its tables, into an empty database or a new branch",
		Long: `Restores a backup and compares what arrived with what was backed up.

--to branch:SITE   a new branch of that site's Neon project, with a database of the component's name
--to target:NAME   a database that the configuration names under targets; it has to be empty

Nothing that exists is overwritten: a target that holds anything is refused. A restore that fails half-way
leaves the database marked as incomplete. Into a target, the same command goes on where it stopped; into a
branch, it begins anew on the next branch.

--table, --schema and --exclude-table restrict it to some tables, and may be repeated. They take SQL identifiers as
pg_dump does: claims, public.claims, "Odd Name", with * and ? outside quotes. Partitions come with their parent. Types,
functions and sequences come along; what needs a table that is not selected is left out, and listed. Only those tables'
part of the backup is read. It is no verification of the backup.

--vault reads it from a replica: nothing of the component's own vault and site is needed then.`,
		Example: "  lifeboat restore --backup latest-verified --to branch:us-west-2 --follow\n  lifeboat restore --backup 20261123T020000Z-k3v7qa --to target:spare\n  lifeboat restore latest-verified --table public.claims --to branch:us-west-2 --follow\n  lifeboat restore latest --vault us-west-2 --to branch:us-west-2 --follow",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			switch {
			case len(args) == 1 && backup != "":
				return failWith(exitUsage, "name the backup once: as the argument or with --backup")
			case len(args) == 1:
				backup = args[0]
			case backup == "":
				return failWith(exitUsage, "which backup? An id, latest or latest-verified; lifeboat backups lists them")
			}
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
			from, err := a.vaultOf(name, vault)
			if err != nil {
				return err
			}
			found, err := a.find(cmd.Context(), engine, name, from, backup)
			if err != nil {
				return err
			}
			in := workflows.RestoreInput{Component: name, Backup: found.Envelope.Backup, Vault: from, Target: target}
			summary := "Restore " + name + " " + in.Backup + " to " + to + ", started by a person"
			if !selection.Empty() {
				in.Selection = &selection
				summary = "Restore some tables of " + name + " " + in.Backup + " to " + to + ", started by a person"
			}
			return a.withTemporal(cmd.Context(), func(c client.Client) error {
				run, err := start(cmd.Context(), c, client.StartWorkflowOptions{
					ID: workflows.RestoreID(name, to), TaskQueue: workflows.Queue,
					TypedSearchAttributes: workflows.Attributes(workflows.KindRestore, name),
					StaticSummary:         summary,
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
	cmd.Flags().StringVar(&backup, "backup", "", "backup `ID`, latest or latest-verified; the same as the argument")
	cmd.Flags().StringArrayVar(&selection.Tables, "table", nil, "restore only tables that fit this `PATTERN`; repeatable")
	cmd.Flags().StringArrayVar(&selection.Schemas, "schema", nil, "restore only tables of schemas that fit this `PATTERN`; repeatable")
	cmd.Flags().StringArrayVar(&selection.Exclude, "exclude-table", nil, "do not restore tables that fit this `PATTERN`; repeatable")
	cmd.Flags().StringVar(&to, "to", "", "`where`: branch:SITE or target:NAME (required)")
	vaultFlag(cmd, &vault)
	cmd.Flags().StringVar(&component, "component", "", "component `name`, when the configuration has several")
	cmd.Flags().BoolVarP(&followIt, "follow", "f", false, "show the progress and wait for the outcome")
	_ = cmd.MarkFlagRequired("to")
	return cmd
}

// shownLeftOut is how much of what a selection left out is printed.
const shownLeftOut = 20

func (a *app) printRestored(r workflows.RestoreResult) {
	what := countText(r.Rows) + " rows"
	if r.Selected != nil {
		what += fmt.Sprintf(" of %d of %d tables", r.Selected.Tables, r.Selected.Of)
	}
	fmt.Fprintf(a.stdout, "Restored %s: %s in %s, restore point %s\n", r.Backup, what, r.Took.Round(time.Millisecond), r.Point.Time.Format(time.RFC3339))
	if r.Target.Kind == activities.BranchTarget {
		fmt.Fprintf(a.stdout, "  site %s, branch %s, database %s\n", r.Target.Site, r.Target.Branch, r.Target.Database)
	} else {
		fmt.Fprintf(a.stdout, "  target %s, database %s\n", r.Target.Name, r.Target.Database)
	}
	for _, check := range r.Checks {
		fmt.Fprintf(a.stdout, "  equal  %-20s %s\n", check.Name, check.Detail)
	}
	if r.Selected != nil {
		a.printLeftOut(r)
		return
	}
	if !r.WasVerified {
		fmt.Fprintln(a.stdout, "  This backup had not been verified before; it has now been restored and compared once.")
	}
}

func (a *app) printLeftOut(r workflows.RestoreResult) {
	if r.LeftOutCount > 0 {
		fmt.Fprintf(a.stdout, "  Left out: %d\n", r.LeftOutCount)
	}
	for _, l := range r.LeftOut[:min(len(r.LeftOut), shownLeftOut)] {
		fmt.Fprintf(a.stdout, "    %s %s: %s\n", strings.ToLower(l.Kind), l.Name, l.Reason)
	}
	if more := r.LeftOutCount - shownLeftOut; more > 0 {
		fmt.Fprintf(a.stdout, "    and %d more: --output json\n", more)
	}
	if !r.WasVerified {
		fmt.Fprintln(a.stdout, "  This backup has not been verified; only these tables of it have been restored and compared.")
	}
}
