package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
)

func newSchedule(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "schedule",
		Short: "The nights: apply, list, pause, resume or run schedules",
		Long: `Schedules stand in the configuration under schedules and live in Temporal. After a change of the
configuration, "lifeboat schedule apply" makes Temporal's schedules equal to it.`,
	}
	cmd.AddCommand(newScheduleApply(a), newScheduleList(a), newSchedulePause(a), newScheduleResume(a), newScheduleRunNow(a))
	return cmd
}

func newScheduleApply(a *app) *cobra.Command {
	return &cobra.Command{
		Use:     "apply",
		Short:   "Make Temporal's schedules equal to the configuration",
		Example: "  lifeboat schedule apply",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.withTemporal(cmd.Context(), func(c client.Client) error {
				changes, err := applySchedules(cmd.Context(), c, a.config)
				if err != nil {
					return err
				}
				return a.print(changes, func() {
					if len(changes) == 0 {
						fmt.Fprintln(a.stdout, "The configuration has no schedules, and Temporal has none.")
					}
					for _, change := range changes {
						fmt.Fprintf(a.stdout, "%-8s %s\n", change.What, change.Name)
					}
				})
			})
		},
	}
}

func newScheduleList(a *app) *cobra.Command {
	return &cobra.Command{
		Use:     "list",
		Short:   "List the schedules with their last and next runs",
		Example: "  lifeboat schedule list",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.withTemporal(cmd.Context(), func(c client.Client) error {
				list, err := listSchedules(cmd.Context(), c)
				if err != nil {
					return err
				}
				return a.print(list, func() {
					rows := [][]string{}
					for _, s := range list {
						rows = append(rows, []string{s.Name, s.state(), s.Runs, when(s.Last), when(s.Next), s.Note})
					}
					a.table([]string{"schedule", "state", "runs", "last run", "next run", "note"}, rows)
				})
			})
		},
	}
}

func newSchedulePause(a *app) *cobra.Command {
	var reason string
	cmd := &cobra.Command{
		Use:     "pause NAME",
		Short:   "Stop a schedule from starting runs",
		Example: `  lifeboat schedule pause nightly --reason "migration tonight"`,
		Args:    cobra.ExactArgs(1),
	}
	cmd.Flags().StringVar(&reason, "reason", "", "why, shown in the list and in the Temporal UI (required)")
	_ = cmd.MarkFlagRequired("reason")
	cmd.RunE = a.onSchedule(func(cmd *cobra.Command, h client.ScheduleHandle, name string) error {
		if err := h.Pause(cmd.Context(), client.SchedulePauseOptions{Note: reason}); err != nil {
			return err
		}
		return a.print(map[string]string{"paused": name}, func() {
			fmt.Fprintf(a.stdout, "%s is paused. Backups get late while it is: lifeboat schedule resume %s\n", name, name)
		})
	})
	return cmd
}

func newScheduleResume(a *app) *cobra.Command {
	return &cobra.Command{
		Use:     "resume NAME",
		Short:   "Let a paused schedule start runs again",
		Example: "  lifeboat schedule resume nightly",
		Args:    cobra.ExactArgs(1),
		RunE: a.onSchedule(func(cmd *cobra.Command, h client.ScheduleHandle, name string) error {
			if err := h.Unpause(cmd.Context(), client.ScheduleUnpauseOptions{}); err != nil {
				return err
			}
			return a.print(map[string]string{"resumed": name}, func() { fmt.Fprintf(a.stdout, "%s runs again.\n", name) })
		}),
	}
}

func newScheduleRunNow(a *app) *cobra.Command {
	return &cobra.Command{
		Use:     "run-now NAME",
		Short:   "Start one run of a schedule at once, also when it is paused",
		Example: "  lifeboat schedule run-now nightly",
		Args:    cobra.ExactArgs(1),
		RunE: a.onSchedule(func(cmd *cobra.Command, h client.ScheduleHandle, name string) error {
			if err := h.Trigger(cmd.Context(), client.ScheduleTriggerOptions{}); err != nil {
				return err
			}
			return a.print(map[string]string{"started": name}, func() {
				fmt.Fprintf(a.stdout, "A run of %s was asked for. While another one runs it is skipped. Look at it with: lifeboat schedule list\n", name)
			})
		}),
	}
}

// onSchedule finds the schedule that the first argument names, or says which there are.
func (a *app) onSchedule(do func(*cobra.Command, client.ScheduleHandle, string) error) func(*cobra.Command, []string) error {
	return func(cmd *cobra.Command, args []string) error {
		return a.withTemporal(cmd.Context(), func(c client.Client) error {
			h := c.ScheduleClient().GetHandle(cmd.Context(), scheduleID(args[0]))
			_, err := h.Describe(cmd.Context())
			var missing *serviceerror.NotFound
			if errors.As(err, &missing) {
				return failWith(exitNotFound, "Temporal has no schedule %q; it has %s. After a change of the configuration: lifeboat schedule apply", args[0], a.scheduleNames(cmd, c))
			}
			if err != nil {
				return failWith(exitUnreachable, "look at schedule %s: %w", args[0], err)
			}
			return do(cmd, h, args[0])
		})
	}
}

func (a *app) scheduleNames(cmd *cobra.Command, c client.Client) string {
	list, err := listSchedules(cmd.Context(), c)
	if err != nil || len(list) == 0 {
		return "none"
	}
	names := make([]string, 0, len(list))
	for _, s := range list {
		names = append(names, s.Name)
	}
	slices.Sort(names)
	return strings.Join(names, ", ")
}

func when(t time.Time) string {
	if t.IsZero() {
		return "—"
	}
	return t.UTC().Format("2006-01-02 15:04:05Z")
}
