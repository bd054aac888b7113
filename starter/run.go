package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"go.temporal.io/sdk/client"

	"github.com/lifeboat-dr/lifeboat/internal/plan"
	"github.com/lifeboat-dr/lifeboat/internal/roster"
	"github.com/lifeboat-dr/lifeboat/internal/signature"
	"github.com/lifeboat-dr/lifeboat/runbooks"
	"github.com/lifeboat-dr/lifeboat/workflows"
)

// startLife is how long a signed start waits to be taken up.
const startLife = 15 * time.Minute

// runFlags are what a person says about a run.
type runFlags struct {
	plan, drill, live, ungraceful, follow, yes bool
	inputs                                     []string
	key, reason, bound                         string
}

func newRun(a *app) *cobra.Command {
	var f runFlags
	cmd := &cobra.Command{
		Use:   "run RUNBOOK",
		Short: "Start a runbook: as a plan, a drill, or for real",
		Long: `Starts an execution of a runbook, signed with your own key: --key FILE, or the first key of a commander in
the SSH agent. RUNBOOK is a name or a file.

--plan    checks everything and changes nothing (the default)
--drill   acts on what drills are given in the configuration
--live    acts on production; asks you to type the target's name

--bound-to PLAN takes inputs and approach from a plan that has completed, and lets the run do what the plan intended
and nothing else: where anything differs it pauses before it acts. Runbooks that RUNBOOK runs are looked for beside
its file first, then by their names.

What is missing is asked for on a terminal.`,
		Example: "  lifeboat run backup-restore-rehearsal --input component=database\n  lifeboat run data-deletion --live --input component=database --follow\n  lifeboat run data-deletion --live --bound-to data-deletion/database/20261125T030000Z",
		Args:    cobra.ExactArgs(1),
		RunE:    func(cmd *cobra.Command, args []string) error { return a.run(cmd.Context(), args[0], f) },
	}
	cmd.Flags().BoolVar(&f.plan, "plan", false, "check everything, change nothing")
	cmd.Flags().BoolVar(&f.drill, "drill", false, "act on isolated copies")
	cmd.Flags().BoolVar(&f.live, "live", false, "act on production")
	cmd.MarkFlagsMutuallyExclusive("plan", "drill", "live")
	cmd.Flags().BoolVar(&f.ungraceful, "ungraceful", false, "the primary cannot be reached")
	cmd.Flags().StringArrayVar(&f.inputs, "input", nil, "`NAME=VALUE`, for each input")
	cmd.Flags().StringVar(&f.bound, "bound-to", "", "do only what this `plan` intended")
	cmd.Flags().StringVar(&f.key, "key", "", "private key `file` (default: the SSH agent)")
	cmd.Flags().StringVar(&f.reason, "reason", "", "why, for the journal")
	cmd.Flags().BoolVarP(&f.follow, "follow", "f", false, "show the steps until the end")
	cmd.Flags().BoolVar(&f.yes, "yes", false, "do not ask to type the target's name")
	return cmd
}

func (a *app) run(ctx context.Context, name string, f runFlags) error {
	people, _, err := a.roster()
	if err != nil {
		return err
	}
	text, sigs, err := a.runbookText(name)
	if err != nil {
		return err
	}
	r, err := runbooks.Parse(text)
	if err != nil {
		return failWith(exitUsage, "%w", err)
	}
	if err := enough(people, r.Name, text, sigs); err != nil {
		return err
	}
	whole, inside, err := a.papers(people, name, r)
	if err != nil {
		return err
	}
	planned, err := a.planned(ctx, f.bound)
	if err != nil {
		return err
	}
	brief, err := a.brief(whole, text, f, planned)
	if err != nil {
		return err
	}
	if brief.Epoch, err = a.epoch(ctx); err != nil {
		return err
	}
	docket := plan.Docket{Runbook: string(text), Signatures: sigs}
	if err := f.names(&brief, &docket, inside, planned); err != nil {
		return err
	}
	if brief.Mode == plan.ModeLive && !f.yes {
		fmt.Fprintf(a.stderr, "%s acts on PRODUCTION: target %s, %s.\n", r.Title, brief.Target, brief.Approach)
		if err := typed("Type the target's name to go on: ", brief.Target); err != nil {
			return err
		}
	}
	signer, person, err := a.speaker(people, f.key)
	if err != nil {
		return err
	}
	now := time.Now().UTC().Truncate(time.Second)
	briefText, err := json.Marshal(brief)
	if err != nil {
		return fmt.Errorf("write brief: %w", err)
	}
	id := workflows.ExecutionID(r.Name, brief.Target, now)
	signed, err := roster.SignCommand(plan.Command{
		Format: 1, Kind: plan.CommandStart, ID: roster.NewCommandID(), Execution: id, Digest: runbooks.Digest(briefText), Person: person.ID,
		Reason: f.reason, Issued: now, Expires: now.Add(startLife),
	}, signer)
	if err != nil {
		return err
	}
	docket.Brief, docket.Start = string(briefText), signed
	packed, err := roster.PackDocket(docket)
	if err != nil {
		return err
	}
	return a.withTemporal(ctx, func(c client.Client) error {
		_, err := start(ctx, c, client.StartWorkflowOptions{
			ID: id, TaskQueue: workflows.Queue, TypedSearchAttributes: workflows.Attributes(workflows.KindRunbook, brief.Target),
			StaticSummary: strings.ToUpper(string(brief.Mode)) + " · " + r.Title + " · " + brief.Target + ", started by " + person.ID,
			StaticDetails: r.Description,
		}, workflows.RunbookName, workflows.RunbookInput{Docket: packed})
		if err != nil {
			return err
		}
		if !f.follow {
			return a.print(map[string]string{"execution": id}, func() {
				fmt.Fprintf(a.stdout, "Started %s\nLook at it with: lifeboat show %s --follow\n", id, id)
			})
		}
		return a.followExecution(ctx, c, id)
	})
}

// runbookText finds a runbook by file, or by name: in the configuration's directory first, then among those
// that Lifeboat brings. The signatures of the latter lie in the directory, too.
func (a *app) runbookText(name string) (text []byte, sigs []string, err error) {
	if err := a.load(); err != nil {
		return nil, nil, err
	}
	if strings.ContainsAny(name, "/\\") || strings.HasSuffix(name, ".yaml") {
		return readRunbook(name)
	}
	path := filepath.Join(string(a.config.Runbooks.Dir), name+".yaml")
	if a.config.Runbooks.Dir != "" {
		if _, err := os.Stat(path); err == nil {
			return readRunbook(path)
		}
	}
	text, ok := runbooks.BuiltinNamed(name)
	if !ok {
		return nil, nil, failWith(exitNotFound, "there is no runbook %q: lifeboat runbook list", name)
	}
	file, err := os.ReadFile(signaturesOf(path))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, nil, fmt.Errorf("read signatures: %w", err)
	}
	sigs, err = roster.ParseSignatures(file)
	return text, sigs, err
}

// speaker is the person at the keyboard: whose key it is, by the roster.
func (a *app) speaker(people *roster.Roster, key string) (*signature.Signer, roster.Person, error) {
	mine := func(k signature.PublicKey) bool { _, ok := people.PersonByKey(k); return ok }
	signer, err := a.signer(key, mine)
	if err != nil {
		return nil, roster.Person{}, err
	}
	person, ok := people.PersonByKey(signature.PublicKey(signer.PublicKey()))
	if !ok {
		return nil, person, failWith(exitFailed, "this key belongs to nobody in the roster: lifeboat roster show")
	}
	return signer, person, nil
}

// ask asks a person at the terminal.
func ask(question string) (string, error) {
	tty, err := terminal()
	if err != nil {
		return "", err
	}
	defer tty.Close()
	fmt.Fprint(tty, question)
	answer, err := bufio.NewReader(tty).ReadString('\n')
	return strings.TrimSpace(answer), err
}

// typed lets a person type a word, so that nothing irreversible is begun by a habit.
func typed(question, word string) error {
	answer, err := ask(question)
	if err != nil {
		return failWith(exitUsage, "there is no terminal to ask on: give --yes when you are sure")
	}
	if answer != word {
		return failWith(exitFailed, "that is not %q: nothing was started", word)
	}
	return nil
}

func dash(text string) string {
	if text == "" {
		return ""
	}
	return " — " + text
}

func causeText(err error) string {
	if err == nil {
		return ""
	}
	return " (" + err.Error() + ")"
}
