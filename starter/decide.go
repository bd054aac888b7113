package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"
	"go.temporal.io/sdk/client"

	"github.com/lifeboat-dr/lifeboat/internal/plan"
	"github.com/lifeboat-dr/lifeboat/internal/roster"
	"github.com/lifeboat-dr/lifeboat/runbooks"
	"github.com/lifeboat-dr/lifeboat/workflows"
)

// waiting is one gate that waits for somebody.
type waiting struct {
	Execution string              `json:"execution"`
	Gate      string              `json:"gate"`
	Title     string              `json:"title"`
	Mode      plan.Mode           `json:"mode"`
	Since     time.Time           `json:"since"`
	Deadline  time.Time           `json:"deadline,omitzero"`
	Decided   []string            `json:"decided"`
	Requires  int                 `json:"requires"`
	View      *workflows.ViewGate `json:"view"`
}

// newDecide makes approve, reject and confirm.
func newDecide(a *app, kind plan.CommandKind, short string) *cobra.Command {
	var f commandFlags
	var yes bool
	cmd := &cobra.Command{
		Use:   string(kind) + " [EXECUTION [GATE]]",
		Short: short,
		Long: `Without arguments: what waits for you, with what you need to decide. With an execution: shows the facts of its
gate, asks, and signs your decision with your own key (--key, or the SSH agent). The decision is bound to the
exact facts that were shown.

--offline FILE with --facts FILE signs where Temporal cannot be reached; lifeboat submit sends it later.`,
		Example: "  lifeboat " + string(kind) + "\n  lifeboat " + string(kind) + " data-deletion/database/20261125T030000Z gate --reason \"…\"",
		Args:    cobra.MaximumNArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			if f.facts != "" {
				return a.decideOffline(cmd.Context(), kind, args, f)
			}
			return a.withTemporal(cmd.Context(), func(c client.Client) error {
				if len(args) == 0 {
					return a.printWaiting(cmd.Context(), c, f.key)
				}
				gate, err := a.gate(cmd.Context(), c, args, kind == plan.CommandConfirm)
				if err != nil {
					return err
				}
				fmt.Fprintln(a.stderr, gate.View.Facts)
				if kind == plan.CommandApprove && !yes {
					if err := confirm(fmt.Sprintf("Approve %s of %s?", gate.Gate, gate.Execution)); err != nil {
						return err
					}
				}
				return a.say(cmd.Context(), c, plan.Command{Kind: kind, Execution: gate.Execution, Step: gate.Gate, Digest: gate.View.Digest}, f)
			})
		},
	}
	f.add(cmd)
	cmd.Flags().StringVar(&f.facts, "facts", "", "`file` with the facts of the gate, as lifeboat show --facts printed them")
	if kind == plan.CommandApprove {
		cmd.Flags().BoolVar(&yes, "yes", false, "do not ask again")
	}
	return cmd
}

// decideOffline signs what somebody read to us, without Temporal.
func (a *app) decideOffline(ctx context.Context, kind plan.CommandKind, args []string, f commandFlags) error {
	if f.offline == "" || len(args) != 2 {
		return failWith(exitUsage, "--facts signs offline: name EXECUTION and GATE, and give --offline FILE")
	}
	if err := a.load(); err != nil {
		return err
	}
	text, err := os.ReadFile(f.facts)
	if err != nil {
		return failWith(exitNotFound, "read facts: %w", err)
	}
	fmt.Fprintln(a.stderr, string(text))
	return a.say(ctx, nil, plan.Command{Kind: kind, Execution: args[0], Step: args[1], Digest: runbooks.Digest(text)}, f)
}

// gate finds the gate that is meant: the one named, or the only one that is open.
func (a *app) gate(ctx context.Context, c client.Client, args []string, tasks bool) (waiting, error) {
	v, err := view(ctx, c, args[0])
	if err != nil {
		return waiting{}, err
	}
	var open []waiting
	for _, w := range gatesOf(v) {
		if (len(args) < 2 || w.Gate == args[1]) && w.View.Confirm == tasks {
			open = append(open, w)
		}
	}
	switch {
	case len(open) == 1:
		return open[0], nil
	case len(open) == 0 && len(args) == 2:
		return waiting{}, failWith(exitNotFound, "%s waits for nobody at %q: lifeboat show %s", args[0], args[1], args[0])
	case len(open) == 0:
		return waiting{}, failWith(exitNotFound, "%s waits for nobody", args[0])
	}
	return waiting{}, failWith(exitUsage, "%s waits at several gates: name one", args[0])
}

func gatesOf(v workflows.View) (open []waiting) {
	for _, s := range v.Steps {
		if s.State == plan.StepAwaitingApproval && s.Gate != nil {
			open = append(open, waiting{
				Execution: v.Execution, Gate: s.ID, Title: s.Title, Mode: v.Mode, Since: s.Gate.Opened, Deadline: s.Gate.Deadline,
				Decided: s.Gate.Decisions, Requires: s.Gate.Requires, View: s.Gate,
			})
		}
	}
	return open
}

// printWaiting lists what waits for the person at the keyboard, with the facts.
func (a *app) printWaiting(ctx context.Context, c client.Client, key string) error {
	people, _, err := a.roster()
	if err != nil {
		return err
	}
	_, person, err := a.speaker(people, key)
	if err != nil {
		return err
	}
	list, err := listExecutions(ctx, c, "WorkflowType = '"+workflows.RunbookName+"' AND ExecutionStatus = 'Running' AND "+workflows.AttrAwaiting.GetName()+" = true")
	if err != nil {
		return err
	}
	mine := []waiting{}
	for _, l := range list {
		v, err := view(ctx, c, l.Execution)
		if err != nil {
			fmt.Fprintln(a.stderr, err)
			continue
		}
		for _, w := range gatesOf(v) {
			if mayDecide(person, w) {
				mine = append(mine, w)
			}
		}
	}
	return a.print(mine, func() {
		if len(mine) == 0 {
			fmt.Fprintf(a.stdout, "Nothing waits for %s.\n", person.ID)
		}
		for _, w := range mine {
			verb := "approve"
			if w.View.Confirm {
				verb = "confirm"
			}
			fmt.Fprintf(a.stdout, "%s  %s: %s, since %s, %d of %d\n%s\n\n  lifeboat %s %s %s --reason \"…\"\n\n",
				w.Execution, w.Gate, w.Title, w.Since.Format(time.RFC3339), len(w.Decided), w.Requires, w.View.Facts, verb, w.Execution, w.Gate)
		}
	})
}

func mayDecide(p roster.Person, w waiting) bool {
	kind := plan.CommandApprove
	if w.View.Confirm {
		kind = plan.CommandConfirm
	}
	return plan.RightTo(kind).Permits(p.Roles, w.View.Roles)
}
