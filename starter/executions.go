package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflow/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"

	"github.com/lifeboat-dr/lifeboat/internal/plan"
	"github.com/lifeboat-dr/lifeboat/workflows"
)

// listed is one execution of a runbook in a list.
type listed struct {
	Execution string    `json:"execution"`
	State     string    `json:"state"`
	Mode      string    `json:"mode"`
	Phase     string    `json:"phase"`
	Commander string    `json:"commander"`
	Started   time.Time `json:"started"`
	Closed    time.Time `json:"closed,omitzero"`
}

func newExecutions(a *app) *cobra.Command {
	var all bool
	cmd := &cobra.Command{
		Use:     "executions",
		Short:   "List executions of runbooks: those that run, or all",
		Example: "  lifeboat executions --all",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.withTemporal(cmd.Context(), func(c client.Client) error {
				query := "WorkflowType = '" + workflows.RunbookName + "'"
				if !all {
					query += " AND ExecutionStatus = 'Running'"
				}
				list, err := listExecutions(cmd.Context(), c, query)
				if err != nil {
					return err
				}
				return a.print(list, func() {
					rows := [][]string{}
					for _, l := range list {
						rows = append(rows, []string{l.Execution, l.State, l.Mode, l.Phase, l.Commander, age(l.Started, time.Now())})
					}
					a.table([]string{"execution", "state", "mode", "at", "commander", "started"}, rows)
				})
			})
		},
	}
	cmd.Flags().BoolVar(&all, "all", false, "also those that have ended")
	return cmd
}

// mostListed bounds a list.
const mostListed = 200

func listExecutions(ctx context.Context, c client.Client, query string) ([]listed, error) {
	list := []listed{}
	var token []byte
	for {
		page, err := c.ListWorkflow(ctx, &workflowservice.ListWorkflowExecutionsRequest{Query: query, NextPageToken: token})
		if err != nil {
			return nil, failWith(exitUnreachable, "list executions: %w", explained(err))
		}
		for _, info := range page.Executions {
			list = append(list, listing(info))
		}
		if token = page.NextPageToken; len(token) == 0 || len(list) >= mostListed {
			return list, nil
		}
	}
}

func listing(info *workflow.WorkflowExecutionInfo) listed {
	attribute := func(name string) (text string) {
		_ = converter.GetDefaultDataConverter().FromPayload(info.GetSearchAttributes().GetIndexedFields()[name], &text)
		return text
	}
	l := listed{
		Execution: info.GetExecution().GetWorkflowId(), State: attribute(workflows.AttrState.GetName()), Mode: attribute(workflows.AttrMode.GetName()),
		Phase: attribute(workflows.AttrPhase.GetName()), Commander: attribute(workflows.AttrCommander.GetName()), Started: info.GetStartTime().AsTime(),
	}
	if info.GetCloseTime() != nil {
		l.Closed = info.GetCloseTime().AsTime()
	}
	return l
}

// view asks an execution where it stands.
func view(ctx context.Context, c client.Client, id string) (workflows.View, error) {
	var v workflows.View
	value, err := c.QueryWorkflow(ctx, id, "", workflows.ViewQuery)
	var missing *serviceerror.NotFound
	if errors.As(err, &missing) {
		return v, failWith(exitNotFound, "Temporal knows no execution %s: lifeboat executions --all; if Temporal was lost, go on from the vaults: lifeboat resume %s", id, id)
	}
	if err != nil {
		return v, failWith(exitUnreachable, "ask %s: %w; a worker has to run for an answer", id, err)
	}
	if err := value.Get(&v); err != nil {
		return v, fmt.Errorf("read what %s says: %w", id, err)
	}
	return v, nil
}

func newShow(a *app) *cobra.Command {
	var followIt bool
	var facts string
	cmd := &cobra.Command{
		Use:     "show EXECUTION",
		Short:   "Show where an execution stands: its steps, gates, times",
		Example: "  lifeboat show data-deletion/database/20261125T030000Z --follow",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.withTemporal(cmd.Context(), func(c client.Client) error {
				if followIt {
					return a.followExecution(cmd.Context(), c, args[0])
				}
				v, err := view(cmd.Context(), c, args[0])
				if err != nil {
					return err
				}
				if facts != "" {
					for _, s := range v.Steps {
						if s.ID == facts && s.Gate != nil {
							fmt.Fprint(a.stdout, s.Gate.Facts)
							return nil
						}
					}
					return failWith(exitNotFound, "%s has no open gate %q", args[0], facts)
				}
				return a.print(v, func() { fmt.Fprint(a.stdout, tree(v)) })
			})
		},
	}
	cmd.Flags().BoolVarP(&followIt, "follow", "f", false, "go on showing until it ends")
	cmd.Flags().StringVar(&facts, "facts", "", "only the exact facts of this `gate`, which decisions are bound to")
	return cmd
}

// followExecution shows the steps as they change, until the end.
func (a *app) followExecution(ctx context.Context, c client.Client, id string) error {
	last := ""
	for {
		v, err := view(ctx, c, id)
		if err != nil && ctx.Err() == nil && exitCode(err) == exitNotFound {
			return err
		}
		if err == nil {
			if text := tree(v); stable(text) != stable(last) {
				fmt.Fprintf(a.stderr, "%s\n", text)
				last = text
			}
			if v.State.Ended() {
				if err := a.print(v, func() { fmt.Fprintf(a.stdout, "%s: %s\n", id, v.State) }); err != nil {
					return err
				}
				if v.Mode == plan.ModePlan && v.State == plan.ExecutionCompleted {
					fmt.Fprintf(a.stderr, "To do just this: lifeboat run %s --live --bound-to %s\n", v.Runbook, id)
				}
				if v.State != plan.ExecutionCompleted && v.State != plan.ExecutionCompletedWithExceptions {
					return failWith(exitFailed, "the execution ended as %s", v.State)
				}
				return nil
			}
		}
		if err := pauseFor(ctx, followEvery); err != nil {
			fmt.Fprintf(a.stderr, "\nNo longer following. %s goes on; look at it with: lifeboat show %s\n", id, id)
			return context.Canceled
		}
		// What answers no query may just have begun, or was refused before it could.
		if over, failure := workflowOver(ctx, c, id); over && err != nil && failure != nil {
			return failure
		}
	}
}

// workflowOver says whether an execution that answers no query has ended, and how.
func workflowOver(ctx context.Context, c client.Client, id string) (bool, error) {
	d, err := c.DescribeWorkflowExecution(ctx, id, "")
	if err != nil || d.GetWorkflowExecutionInfo().GetCloseTime() == nil {
		return false, nil
	}
	return true, c.GetWorkflow(ctx, id, "").Get(ctx, nil)
}

func pauseFor(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}

// stable is a tree without what changes by itself.
func stable(text string) string { _, steps, _ := strings.Cut(text, "\n\n"); return steps }
