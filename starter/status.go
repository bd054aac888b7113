package main

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/spf13/cobra"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"

	"github.com/lifeboat-dr/lifeboat/activities"
	"github.com/lifeboat-dr/lifeboat/internal/assemble"
	"github.com/lifeboat-dr/lifeboat/workflows"
)

// statusReport is how well everything is protected, and what is going on.
type statusReport struct {
	Protection activities.Protection `json:"protection"`
	Running    []runningExecution    `json:"running"`
	// Temporal says why running is empty when Temporal could not be asked.
	Temporal string `json:"temporal,omitempty"`
}

type runningExecution struct {
	Execution string    `json:"execution"`
	Kind      string    `json:"kind"`
	Since     time.Time `json:"since"`
}

func newStatus(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "status",
		Short: "How well each component is protected, and what is running",
		Long: `Reads the vaults, and Temporal when it can be reached. The exit code is 6 when any component is not
protected, so that it can be used as a check.`,
		Example: "  lifeboat status\n  lifeboat status --output json",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			engine, err := a.vaults(cmd.Context())
			if err != nil {
				return err
			}
			report, err := a.status(cmd.Context(), engine)
			if err != nil {
				return err
			}
			if err := a.print(report, func() { a.printStatus(report) }); err != nil {
				return err
			}
			for _, c := range report.Protection.Components {
				if c.State != "ok" {
					return failWith(exitUnprotected, "%s is %s", c.Component, c.State)
				}
			}
			return nil
		},
	}
}

func (a *app) status(ctx context.Context, engine *assemble.Engine) (statusReport, error) {
	report := statusReport{Running: []runningExecution{}}
	var err error
	if report.Protection, err = engine.Protection(ctx); err != nil {
		return report, err
	}
	err = a.withTemporal(ctx, func(c client.Client) error {
		report.Running, err = runningExecutions(ctx, c)
		return err
	})
	if err != nil {
		report.Temporal = readable(err)
	}
	return report, nil
}

func runningExecutions(ctx context.Context, c client.Client) ([]runningExecution, error) {
	running := []runningExecution{}
	answer, err := c.ListWorkflow(ctx, &workflowservice.ListWorkflowExecutionsRequest{
		Query: "ExecutionStatus = 'Running' AND " + workflows.AttrKind.GetName() + " IS NOT NULL", PageSize: 100,
	})
	if err != nil {
		return running, fmt.Errorf("list executions: %w", err)
	}
	for _, e := range answer.GetExecutions() {
		running = append(running, runningExecution{e.GetExecution().GetWorkflowId(), e.GetType().GetName(), e.GetStartTime().AsTime()})
	}
	return running, nil
}

func (a *app) printStatus(r statusReport) {
	now := r.Protection.At
	rows := [][]string{}
	for _, c := range r.Protection.Components {
		rows = append(rows, []string{c.Component, c.State, age(c.VerifiedPoint, now), age(c.BackupPoint, now), c.RPO.String(), c.Verified})
	}
	a.table([]string{"component", "state", "verified point", "newest point", "RPO", "newest verified backup"}, rows)
	a.printReplicas(r.Protection)
	for _, c := range r.Protection.Components {
		if c.Detail != "" {
			fmt.Fprintf(a.stdout, "%s: %s\n", c.Component, c.Detail)
		}
	}
	switch {
	case r.Temporal != "":
		fmt.Fprintf(a.stdout, "\nTemporal could not be asked what is running: %s\n", r.Temporal)
	case len(r.Running) == 0:
		fmt.Fprintln(a.stdout, "\nNothing is running.")
	default:
		fmt.Fprintln(a.stdout, "\nRunning:")
		for _, e := range r.Running {
			fmt.Fprintf(a.stdout, "  %s  since %s\n", e.Execution, age(e.Since, now))
		}
	}
}

// printReplicas shows how far each replica is behind.
func (a *app) printReplicas(p activities.Protection) {
	rows := [][]string{}
	for _, c := range p.Components {
		for _, r := range c.Replicas {
			missing := "unknown"
			if r.Missing != nil {
				missing = strconv.Itoa(*r.Missing)
				if *r.Missing > 0 {
					missing += ", the oldest of " + age(r.OldestMissing, p.At)
				}
			}
			rows = append(rows, []string{c.Component, r.Vault, r.State, age(r.Point, p.At), missing, r.Backup})
		}
	}
	if len(rows) > 0 {
		fmt.Fprintln(a.stdout)
		a.table([]string{"component", "replica", "state", "newest point", "missing", "newest whole backup"}, rows)
	}
}
