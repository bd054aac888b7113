package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"regexp"

	"github.com/spf13/cobra"
	"go.temporal.io/sdk/temporal"

	"github.com/lifeboat-dr/lifeboat/internal/plan"
)

// version is set by the linker.
var version = "dev"

// execute runs one command line and returns its exit code.
func execute(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	a := &app{stdout: stdout, stderr: stderr}
	root := newRoot(a)
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	err := root.ExecuteContext(ctx)
	if err != nil {
		fmt.Fprintln(stderr, "lifeboat:", readable(err))
	}
	return exitCode(err)
}

func newRoot(a *app) *cobra.Command {
	root := &cobra.Command{
		Use:   "lifeboat",
		Short: "Backups that are proven restorable, and the way back on the worst day",
		Long: `Lifeboat backs up PostgreSQL databases into locked, encrypted vaults, restores every backup once to
prove that it can be, and tells people when that has not happened.

Try it on this machine, with nothing set up:  lifeboat demo`,
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.PersistentFlags().StringVarP(&a.configPath, "config", "c", "", "configuration `file` (default $LIFEBOAT_CONFIG, else lifeboat.yaml)")
	root.PersistentFlags().StringVarP(&a.output, "output", "o", "text", "`text` or json")
	root.PersistentPreRunE = func(*cobra.Command, []string) error {
		if a.output != "text" && a.output != "json" {
			return failWith(exitUsage, "--output %q: use text or json", a.output)
		}
		return nil
	}
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return failWith(exitUsage, "%w\nsee: %s --help", err, cmd.CommandPath())
	})
	root.AddGroup(
		&cobra.Group{ID: "daily", Title: "Backups and restores:"},
		&cobra.Group{ID: "night", Title: "Runbooks and decisions:"},
		&cobra.Group{ID: "setup", Title: "Setting up:"},
		&cobra.Group{ID: "try", Title: "Trying it:"},
	)
	addTo(root, "daily", newBackup(a), newBackups(a), newVerify(a), newRestore(a), newReplicate(a), newStatus(a), newSchedule(a))
	addTo(root, "night",
		newRun(a), newExecutions(a), newShow(a), newSubmit(a), newHandover(a), newCancel(a), newResume(a), newEvidence(a), newLedger(a),
		newDecide(a, plan.CommandApprove, "Approve at a gate; without arguments: what waits for me"),
		newDecide(a, plan.CommandReject, "Reject at a gate"),
		newDecide(a, plan.CommandConfirm, "Confirm that a manual task was done"),
		newSteer(a, plan.CommandAcknowledge, "Take a page: nobody else is called any more", "It approves nothing.", true),
		newSteer(a, plan.CommandPause, "Start no new step", "What runs goes on to its end; nothing new begins until resume.", false),
		newSteer(a, plan.CommandRetry, "Try a failed step again", "", true),
		newSteer(a, plan.CommandSkip, "Go on without a failed step", "The execution then ends as completedWithExceptions. Gates, fences and verifications cannot be skipped.", true),
		newSteer(a, plan.CommandUndo, "Take back what was done, and end", "", false),
		newSteer(a, plan.CommandUngraceful, "Say that the primary cannot be reached any more", "Steps that need it are stopped and do not apply any more.", false),
	)
	addTo(root, "setup", newKeygen(a), newOrder(a), newRoster(a), newRunbook(a), newDoor(a), newConfig(a))
	addTo(root, "try", newDev(a), newDemo(a))
	root.AddCommand(newVersion(a))
	root.AddCommand(&cobra.Command{Use: "exit-codes", Short: "What the exit codes mean", Long: exitCodesText})
	usageErrors(root)
	return root
}

func addTo(root *cobra.Command, group string, commands ...*cobra.Command) {
	for _, c := range commands {
		c.GroupID = group
		root.AddCommand(c)
	}
}

// usageErrors makes wrong arguments end in exitUsage, like wrong flags do.
func usageErrors(cmd *cobra.Command) {
	if check := cmd.Args; check != nil {
		cmd.Args = func(c *cobra.Command, args []string) error {
			if err := check(c, args); err != nil {
				return failWith(exitUsage, "%w\nsee: %s --help", err, c.CommandPath())
			}
			return nil
		}
	}
	for _, child := range cmd.Commands() {
		usageErrors(child)
	}
}

// readable is what a person can act upon: of an execution's error the innermost typed message, without
// what Temporal wraps around it.
func readable(err error) string {
	text := err.Error()
	var app *temporal.ApplicationError
	for inner := err; errors.As(inner, &app); inner = app.Unwrap() {
		text = app.Message()
		if app.Unwrap() == nil {
			break
		}
	}
	return typeNote.ReplaceAllString(text, "")
}

var typeNote = regexp.MustCompile(` \(type: \w+, retryable: (true|false)\)`)
