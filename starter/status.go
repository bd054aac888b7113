package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/spf13/cobra"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"

	"github.com/lifeboat-dr/lifeboat/activities"
	"github.com/lifeboat-dr/lifeboat/internal/assemble"
	"github.com/lifeboat-dr/lifeboat/internal/epoch"
	"github.com/lifeboat-dr/lifeboat/workflows"
)

// statusReport is how well everything is protected, and what is going on.
type statusReport struct {
	Protection activities.Protection `json:"protection"`
	// Epoch is the last failover; nil when there never was one, or the vaults cannot be asked.
	Epoch *epoch.Record `json:"epoch,omitempty"`
	// EpochUnsure says why an epoch may have been overlooked; empty when none can be.
	EpochUnsure string             `json:"epoch_unsure,omitempty"`
	Running     []runningExecution `json:"running"`
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
	report.Epoch, report.EpochUnsure = lastEpoch(ctx, engine)
	err = a.withTemporal(ctx, func(c client.Client) error {
		report.Running, err = runningExecutions(ctx, c)
		return err
	})
	if err != nil {
		report.Temporal = readable(err)
	}
	return report, nil
}

// lastEpoch is the last failover that the vaults know of, and why there may be a later one.
func lastEpoch(ctx context.Context, engine *assemble.Engine) (last *epoch.Record, unsure string) {
	seen, err := engine.Epochs().Look(ctx)
	if err != nil {
		return nil, err.Error()
	}
	if seen.Blind() {
		unsure = fmt.Sprintf("%d of %d vaults answer", len(seen.Reached), seen.Vaults)
	}
	if seen.Current.Number > 0 {
		last = &seen.Current
	}
	return last, unsure
}

func (a *app) printEpoch(r statusReport) {
	if e := r.Epoch; e != nil {
		fmt.Fprintf(a.stdout, "\nEpoch %d, taken %s by %s.\n", e.Number, age(e.Taken, r.Protection.At), e.Execution)
		for _, component := range slices.Sorted(maps.Keys(e.Primaries)) {
			fmt.Fprintf(a.stdout, "  %s lives at %s\n", component, e.Primaries[component])
		}
	}
	if r.EpochUnsure != "" {
		fmt.Fprintf(a.stdout, "\nWhether there was a later failover is not known: %s\n", r.EpochUnsure)
	}
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
	a.printEpoch(r)
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
