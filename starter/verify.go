package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"
	"go.temporal.io/sdk/client"

	"github.com/lifeboat-dr/lifeboat/workflows"
)

func newVerify(a *app) *cobra.Command {
	var followIt bool
	var component, backup, vault string
	cmd := &cobra.Command{
		Use:   "verify",
		Short: "Prove that a backup can be restored: restore it, compare it, drop it",
		Long: `Restores a backup into a scratch database, compares every fingerprint, runs the component's smoke
queries and drops the scratch database. Only then does the restore point count as verified.`,
		Example: "  lifeboat verify --backup latest --follow\n  lifeboat verify --backup latest --vault us-west-2 --follow",
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
			from, err := a.vaultOf(name, vault)
			if err != nil {
				return err
			}
			found, err := a.find(cmd.Context(), engine, name, from, backup)
			if err != nil {
				return err
			}
			id := found.Envelope.Backup
			return a.withTemporal(cmd.Context(), func(c client.Client) error {
				run, err := start(cmd.Context(), c, client.StartWorkflowOptions{
					ID: workflows.VerifyID(name, id), TaskQueue: workflows.Queue,
					TypedSearchAttributes: workflows.Attributes(workflows.KindVerify, name),
					StaticSummary:         "Verify " + name + " " + id + ", started by a person",
				}, workflows.VerifyName, workflows.VerifyInput{Component: name, Backup: id, Vault: from})
				if err != nil {
					return err
				}
				if !followIt {
					return a.printStarted([]client.WorkflowRun{run})
				}
				var result workflows.VerifyResult
				if err := follow(cmd.Context(), c, run, a.stderr, &result); err != nil {
					return err
				}
				return a.print(result, func() {
					fmt.Fprintf(a.stdout, "Backup %s is verified: restored and equal, in %s\n", result.Backup, result.Took.Round(time.Millisecond))
					for _, check := range result.Checks {
						fmt.Fprintf(a.stdout, "  equal  %-20s %s\n", check.Name, check.Detail)
					}
				})
			})
		},
	}
	cmd.Flags().StringVar(&backup, "backup", "latest", "backup `ID`, latest or latest-verified")
	vaultFlag(cmd, &vault)
	cmd.Flags().StringVar(&component, "component", "", "component `name`, when the configuration has several")
	cmd.Flags().BoolVarP(&followIt, "follow", "f", false, "show the progress and wait for the outcome")
	return cmd
}
