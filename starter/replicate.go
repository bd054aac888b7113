package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"
	"go.temporal.io/sdk/client"

	"github.com/lifeboat-dr/lifeboat/workflows"
)

func newReplicate(a *app) *cobra.Command {
	var followIt bool
	var in workflows.ReplicateInput
	cmd := &cobra.Command{
		Use:   "replicate [component]",
		Short: "Copy backups to the replicas: all that they lack, or one",
		Long: `Every backup is copied to the component's replicas when it is made. This catches up with what failed then, oldest
gaps included, and with records of verifications that came later. Backups are copied as they are, sealed and signed; what
is there is not copied again. The workers at the site of the vault that is written do it.

--from and --to choose among the component's own vault and its replicas, for example to fill a new vault from a replica.`,
		Example: "  lifeboat replicate --follow\n  lifeboat replicate database --to archive --backup 20261123T020000Z-k3v7qa",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := a.load(); err != nil {
				return err
			}
			name := ""
			if len(args) == 1 {
				name = args[0]
			}
			var err error
			if in.Component, err = a.one(name); err != nil {
				return err
			}
			if err := a.copyable(in); err != nil {
				return err
			}
			return a.withTemporal(cmd.Context(), func(c client.Client) error {
				run, err := start(cmd.Context(), c, client.StartWorkflowOptions{
					ID: workflows.ReplicateID(in.Component, in.To, in.Backup), TaskQueue: workflows.Queue,
					TypedSearchAttributes: workflows.Attributes(workflows.KindReplicate, in.Component),
					StaticSummary:         "Copy backups of " + in.Component + ", started by a person",
				}, workflows.ReplicateName, in)
				if err != nil {
					return err
				}
				if !followIt {
					return a.printStarted([]client.WorkflowRun{run})
				}
				var result workflows.ReplicateResult
				if err := follow(cmd.Context(), c, run, a.stderr, &result); err != nil {
					return err
				}
				return a.print(result, func() { a.printReplicated(result) })
			})
		},
	}
	cmd.Flags().StringVar(&in.Backup, "backup", "", "only this backup `ID`, instead of all that are missing")
	cmd.Flags().StringVar(&in.From, "from", "", "`vault` to read (default the component's own)")
	cmd.Flags().StringVar(&in.To, "to", "", "`vault` to write (default every replica)")
	cmd.Flags().BoolVarP(&followIt, "follow", "f", false, "show the progress and wait for the outcome")
	return cmd
}

// copyable checks the vaults against the configuration before anything is started.
func (a *app) copyable(in workflows.ReplicateInput) error {
	for _, vault := range []string{in.From, in.To} {
		if _, err := a.vaultOf(in.Component, vault); err != nil {
			return err
		}
	}
	c := a.config.Components[in.Component]
	from := in.From
	if from == "" {
		from = c.Vault
	}
	switch {
	case in.To == from:
		return failWith(exitUsage, "vault %s cannot be copied to itself", from)
	case in.To == "" && len(c.Replicas) == 0:
		return failWith(exitNotFound, "%s has no replicas: set components.%s.replicas, and let an owner sign a new order", in.Component, in.Component)
	case in.To == "" && in.From != "" && in.From != c.Vault:
		return failWith(exitUsage, "where to? With --from %s name the vault to write: --to", in.From)
	}
	return nil
}

func (a *app) printReplicated(r workflows.ReplicateResult) {
	if r.Vault == "" {
		for _, v := range r.Vaults {
			a.printReplicated(v)
		}
		return
	}
	fmt.Fprintf(a.stdout, "Vault %s: %d backups copied in %s; %d objects, %d written (%s), %d were there, %d records\n",
		r.Vault, r.Count, r.Took.Round(time.Millisecond), r.Objects, r.Copied, bytesText(r.Bytes), r.Present, r.Records)
	if r.Missing > 0 {
		fmt.Fprintf(a.stdout, "  %d backups are still missing\n", r.Missing)
	}
	if !r.Point.IsZero() {
		fmt.Fprintf(a.stdout, "  newest restore point there %s, %s old\n", r.Point.Format(time.RFC3339), r.Lag.Round(time.Second))
	}
}
