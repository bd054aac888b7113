package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"go.temporal.io/sdk/client"

	"github.com/lifeboat-dr/lifeboat/internal/plan"
	"github.com/lifeboat-dr/lifeboat/internal/roster"
	"github.com/lifeboat-dr/lifeboat/workflows"
)

// commandLife is how long a command of a person counts.
const commandLife = time.Hour

// answerWithin is how long the main road, the update, may take before the command goes by signal.
const answerWithin = 15 * time.Second

// commandFlags are those of every command of a person.
type commandFlags struct {
	reason, key, offline, facts, to string
}

func (f *commandFlags) add(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.reason, "reason", "", "why, for the journal")
	cmd.Flags().StringVar(&f.key, "key", "", "private key `file` (default: the SSH agent)")
	cmd.Flags().StringVar(&f.offline, "offline", "", "write the signed command to this `file` instead of sending it; lifeboat submit sends it")
}

// say signs a command and sends it, or writes it to a file.
func (a *app) say(ctx context.Context, c client.Client, cmd plan.Command, f commandFlags) error {
	people, _, err := a.roster()
	if err != nil {
		return err
	}
	if f.reason == "" && cmd.Kind != plan.CommandAcknowledge {
		if f.reason, err = ask("Reason: "); err != nil || f.reason == "" {
			return failWith(exitUsage, "give a reason: --reason \"…\"")
		}
	}
	signer, person, err := a.speaker(people, f.key)
	if err != nil {
		return err
	}
	now := time.Now().UTC().Truncate(time.Second)
	cmd.Format, cmd.ID, cmd.Person, cmd.Reason, cmd.Issued, cmd.Expires = 1, roster.NewCommandID(), person.ID, f.reason, now, now.Add(commandLife)
	signed, err := roster.SignCommand(cmd, signer)
	if err != nil {
		return failWith(exitUsage, "%w", err)
	}
	if f.offline != "" {
		text, err := json.MarshalIndent(signed, "", "  ")
		if err != nil {
			return fmt.Errorf("write command: %w", err)
		}
		if err := os.WriteFile(f.offline, append(text, '\n'), 0o600); err != nil {
			return fmt.Errorf("write command: %w", err)
		}
		fmt.Fprintf(a.stderr, "Signed, not sent. It counts until %s: lifeboat submit %s\n", cmd.Expires.Format(time.RFC3339), f.offline)
		return nil
	}
	return a.send(ctx, c, cmd.Execution, signed)
}

// send brings a signed command to its execution: by update, which answers, or by signal, which waits for a
// worker.
func (a *app) send(ctx context.Context, c client.Client, execution string, signed plan.SignedCommand) error {
	asked, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	handle, err := c.UpdateWorkflow(asked, client.UpdateWorkflowOptions{
		WorkflowID: execution, UpdateName: workflows.CommandUpdate, Args: []any{signed}, WaitForStage: client.WorkflowUpdateStageCompleted,
	})
	var outcome workflows.CommandOutcome
	if err == nil {
		err = handle.Get(asked, &outcome)
	}
	var late *client.WorkflowUpdateServiceTimeoutOrCanceledError
	if errors.As(err, &late) || errors.Is(err, context.DeadlineExceeded) {
		if err := c.SignalWorkflow(ctx, execution, "", workflows.CommandSignal, signed); err != nil {
			return failWith(exitUnreachable, "send the command: %w", err)
		}
		fmt.Fprintln(a.stderr, "No worker has answered. The command waits as a signal and is judged as soon as one runs: lifeboat show "+execution)
		return nil
	}
	if err != nil {
		return failWith(exitFailed, "send the command: %w", explained(err))
	}
	if !outcome.Accepted {
		return failWith(exitFailed, "refused (%s): %s", outcome.Cause, outcome.Message)
	}
	return a.print(outcome, func() { fmt.Fprintf(a.stdout, "Accepted. The execution is %s.\n", outcome.State) })
}

// newSteer makes a command that steers an execution, optionally about a step.
func newSteer(a *app, kind plan.CommandKind, short, long string, aboutStep bool) *cobra.Command {
	var f commandFlags
	use, args := string(kind)+" EXECUTION", cobra.ExactArgs(1)
	example := "  lifeboat " + string(kind) + " data-deletion/database/20261125T030000Z"
	if aboutStep {
		use, args = use+" STEP", cobra.ExactArgs(2)
		example += " restore"
	}
	example += " --reason \"…\""
	cmd := &cobra.Command{
		Use: use, Short: short, Long: long, Args: args, Example: example,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.withTemporal(cmd.Context(), func(c client.Client) error {
				v, err := view(cmd.Context(), c, args[0])
				if err != nil {
					return err
				}
				said := plan.Command{Kind: kind, Execution: args[0], Digest: v.Brief}
				if aboutStep {
					said.Step = args[1]
				}
				return a.say(cmd.Context(), c, said, f)
			})
		},
	}
	f.add(cmd)
	return cmd
}

func newHandover(a *app) *cobra.Command {
	var f commandFlags
	cmd := &cobra.Command{
		Use: "handover EXECUTION", Short: "Make somebody else the commander of an execution", Args: cobra.ExactArgs(1),
		Example: "  lifeboat handover data-deletion/database/20261125T030000Z --to bob --reason \"my shift ends\"",
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.withTemporal(cmd.Context(), func(c client.Client) error {
				v, err := view(cmd.Context(), c, args[0])
				if err != nil {
					return err
				}
				return a.say(cmd.Context(), c, plan.Command{Kind: plan.CommandHandover, Execution: args[0], Digest: v.Brief, To: f.to}, f)
			})
		},
	}
	f.add(cmd)
	cmd.Flags().StringVar(&f.to, "to", "", "the `person` who takes over, by the roster's id (required)")
	_ = cmd.MarkFlagRequired("to")
	return cmd
}

func newCancel(a *app) *cobra.Command {
	var f commandFlags
	var planned bool
	cmd := &cobra.Command{
		Use: "cancel EXECUTION", Short: "End an execution, and undo what it did", Args: cobra.ExactArgs(1),
		Example: "  lifeboat cancel data-deletion/database/20261125T030000Z --plan",
		Long: `Stops what runs, takes back what was done (the last step first) and ends the execution. Past the point of no
return nothing is taken back. --plan shows what would be undone, and changes nothing.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.withTemporal(cmd.Context(), func(c client.Client) error {
				v, err := view(cmd.Context(), c, args[0])
				if err != nil {
					return err
				}
				if planned {
					return a.print(v.Undo, func() { fmt.Fprint(a.stdout, undoPlan(v)) })
				}
				return a.say(cmd.Context(), c, plan.Command{Kind: plan.CommandCancel, Execution: args[0], Digest: v.Brief}, f)
			})
		},
	}
	f.add(cmd)
	cmd.Flags().BoolVar(&planned, "plan", false, "show what would be undone")
	return cmd
}

// undoPlan says what a cancellation would take back, in its order.
func undoPlan(v workflows.View) string {
	if v.Returnless != "" {
		return fmt.Sprintf("Nothing: since %s began nothing can be taken back. Cancel would stop here and leave everything as it is.\n", v.Returnless)
	}
	if len(v.Undo) == 0 {
		return "Nothing has to be undone.\n"
	}
	var b strings.Builder
	fmt.Fprintln(&b, "In this order:")
	for _, u := range v.Undo {
		fmt.Fprintf(&b, "  %-24s %-10s at most %-8s %s\n", u.Step, u.Type, u.Timeout, u.Summary)
		if u.Loss != "" {
			fmt.Fprintf(&b, "  %-24s what is lost: %s\n", "", u.Loss)
		}
	}
	return b.String()
}

func newSubmit(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "submit FILE", Short: "Send a command that was signed with --offline", Args: cobra.ExactArgs(1),
		Example: "  lifeboat submit decision.json",
		RunE: func(cmd *cobra.Command, args []string) error {
			text, err := os.ReadFile(args[0])
			if err != nil {
				return failWith(exitNotFound, "read command: %w", err)
			}
			var signed plan.SignedCommand
			if err := json.Unmarshal(text, &signed); err != nil {
				return failWith(exitUsage, "%s holds no signed command", args[0])
			}
			said, err := roster.PeekCommand(signed)
			if err != nil {
				return failWith(exitUsage, "%s: %w", args[0], err)
			}
			return a.withTemporal(cmd.Context(), func(c client.Client) error { return a.send(cmd.Context(), c, said.Execution, signed) })
		},
	}
}
