package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/lifeboat-dr/lifeboat/internal/assemble"
	"github.com/lifeboat-dr/lifeboat/internal/roster"
	"github.com/lifeboat-dr/lifeboat/runbooks"
)

func newRunbook(a *app) *cobra.Command {
	cmd := &cobra.Command{Use: "runbook", Short: "Runbooks: what is done in which disaster, signed by owners"}
	cmd.AddCommand(newRunbookList(a), newRunbookShow(a), newRunbookLint(a), newRunbookRender(a), newRunbookGraph(a), newRunbookDiff(a), newRunbookSign(a), newRunbookSchema(a))
	return cmd
}

// known is a runbook in a list.
type known struct {
	Name     string   `json:"name"`
	Title    string   `json:"title"`
	Scenario string   `json:"scenario"`
	From     string   `json:"from"`
	Digest   string   `json:"digest"`
	SignedBy []string `json:"signed_by"`
	Wrong    string   `json:"wrong,omitempty"`
}

func newRunbookList(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "list", Example: "  lifeboat runbook list",
		Short: "List the runbooks: those of the configuration's directory, and those that Lifeboat brings", Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			names, err := a.runbookNames()
			if err != nil {
				return err
			}
			people, _, err := a.roster()
			if err != nil {
				return err
			}
			list := []known{}
			for _, name := range names {
				k := known{Name: name, From: "Lifeboat", SignedBy: []string{}}
				if _, builtin := runbooks.BuiltinNamed(name); !builtin {
					k.From = string(a.config.Runbooks.Dir)
				}
				text, sigs, err := a.runbookText(name)
				if err != nil {
					k.Wrong = err.Error()
				} else if r, err := runbooks.Parse(text); err != nil {
					k.Wrong = err.Error()
				} else {
					k.Title, k.Scenario, k.Digest = r.Title, r.Scenario, runbooks.Digest(text)
					k.SignedBy, _ = roster.RunbookSigners(people, string(text), sigs, time.Now())
				}
				list = append(list, k)
			}
			return a.print(list, func() {
				rows := [][]string{}
				for _, k := range list {
					signed := fmt.Sprintf("%d of %d", len(k.SignedBy), people.Version.Required)
					if k.Wrong != "" {
						signed = "wrong: lifeboat runbook lint " + k.Name
					}
					rows = append(rows, []string{k.Name, k.Scenario, k.Title, signed})
				}
				a.table([]string{"runbook", "scenario", "title", "signed"}, rows)
			})
		},
	}
}

// runbookNames are all names that lifeboat run takes.
func (a *app) runbookNames() ([]string, error) {
	if err := a.load(); err != nil {
		return nil, err
	}
	var names []string
	for _, file := range runbooks.Builtin() {
		names = append(names, file.Name)
	}
	if dir := string(a.config.Runbooks.Dir); dir != "" {
		entries, err := os.ReadDir(dir)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, failWith(exitConfig, "runbooks.dir: %w", err)
		}
		for _, entry := range entries {
			if name, ok := strings.CutSuffix(entry.Name(), ".yaml"); ok && !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	}
	slices.Sort(names)
	return names, nil
}

func newRunbookShow(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "show RUNBOOK", Example: "  lifeboat runbook show backup-restore-rehearsal",
		Short: "Print the text of a runbook", Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			text, _, err := a.rawRunbook(args[0])
			if err != nil {
				return err
			}
			_, err = a.stdout.Write(text)
			return err
		},
	}
}

// rawRunbook is the text of a runbook, well formed or not.
func (a *app) rawRunbook(name string) (text []byte, path string, err error) {
	if strings.ContainsAny(name, "/\\") || strings.HasSuffix(name, ".yaml") {
		text, err = os.ReadFile(name)
		if errors.Is(err, fs.ErrNotExist) {
			return nil, name, failWith(exitNotFound, "there is no runbook %s", name)
		}
		return text, name, err
	}
	if err := a.load(); err == nil && a.config.Runbooks.Dir != "" {
		path := filepath.Join(string(a.config.Runbooks.Dir), name+".yaml")
		if text, err := os.ReadFile(path); err == nil {
			return text, path, nil
		}
	}
	if text, ok := runbooks.BuiltinNamed(name); ok {
		return text, name + ".yaml", nil
	}
	return nil, name, failWith(exitNotFound, "there is no runbook %q: lifeboat runbook list", name)
}

// parsedRunbook is a runbook that is well formed.
func (a *app) parsedRunbook(name string) (text []byte, r *runbooks.Runbook, err error) {
	text, path, err := a.rawRunbook(name)
	if err != nil {
		return nil, nil, err
	}
	if r, err = runbooks.Parse(text); err != nil {
		return nil, nil, failWith(exitUsage, "%s: %w", path, err)
	}
	return text, r, nil
}

func newRunbookLint(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "lint RUNBOOK...", Example: "  lifeboat runbook lint runbooks/*.yaml",
		Short: "Say everything that is wrong with runbooks, with line and column", Args: cobra.MinimumNArgs(1),
		Long: `Checks text, steps, references and types; against the configuration also names, and what of the lost site is
leaned on; against the roster whether every gate can be passed with any one person absent. What could not be
looked at is said. Ends with 1 when a runbook must not run.`,
		RunE: func(_ *cobra.Command, args []string) error {
			views := a.views()
			bad := 0
			for _, name := range args {
				views.Runbook = a.library(name)
				text, path, err := a.rawRunbook(name)
				if err != nil {
					return err
				}
				problems := runbooks.Lint(text, views)
				bad += len(problems.Errors())
				for _, p := range problems {
					fmt.Fprintf(a.stdout, "%s:%s\n", path, p)
				}
			}
			if bad > 0 {
				return failWith(exitFailed, "%d errors", bad)
			}
			return nil
		},
	}
}

// views are what lint can look at here: what cannot be read is not checked, and lint says so.
func (a *app) views() runbooks.Views {
	var views runbooks.Views
	if err := a.load(); err != nil {
		return views
	}
	views.Configuration = assemble.Names{Config: a.config}
	if people, _, err := a.roster(); err == nil {
		views.Roster = roster.View{Roster: people, At: time.Now()}
	}
	return views
}

func newRunbookRender(a *app) *cobra.Command {
	var html bool
	cmd := &cobra.Command{
		Use: "render RUNBOOK", Example: "  lifeboat runbook render backup-restore-rehearsal --html > rehearsal.html",
		Short: "Make a page for printing, for the day nothing runs (Markdown, or --html)", Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			text, r, err := a.parsedRunbook(args[0])
			if err != nil {
				return err
			}
			// On the day nothing runs, what stands on another page is not there.
			if r, err = a.expanded(args[0], r); err != nil {
				return err
			}
			sheet := runbooks.Sheet{Digest: runbooks.Digest(text)}
			if err := a.load(); err == nil {
				if people, _, err := a.roster(); err == nil {
					sheet.Holders = func(role string) (names []string) {
						for _, p := range people.Holders(role) {
							names = append(names, p.Name)
						}
						return names
					}
				}
			}
			page, err := r.Markdown(sheet), error(nil)
			if html {
				page, err = r.Page(sheet)
			}
			if err != nil {
				return err
			}
			_, err = a.stdout.Write(page)
			return err
		},
	}
	cmd.Flags().BoolVar(&html, "html", false, "one HTML page that needs nothing else")
	return cmd
}

func newRunbookGraph(a *app) *cobra.Command {
	var whole bool
	cmd := &cobra.Command{
		Use: "graph RUNBOOK", Example: "  lifeboat runbook graph backup-restore-rehearsal > rehearsal.svg",
		Short: "Draw the steps of a runbook (SVG)", Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			_, r, err := a.parsedRunbook(args[0])
			if err != nil {
				return err
			}
			if whole {
				if r, err = a.expanded(args[0], r); err != nil {
					return err
				}
			}
			_, err = a.stdout.Write(r.Graph())
			return err
		},
	}
	cmd.Flags().BoolVar(&whole, "expand", false, "with the steps of the runbooks that it runs, which are one box each otherwise")
	return cmd
}

func newRunbookDiff(a *app) *cobra.Command {
	var texts bool
	cmd := &cobra.Command{
		Use: "diff OLD NEW", Example: "  lifeboat runbook diff old.yaml new.yaml\n  lifeboat runbook diff before/quarterly.yaml after/quarterly.yaml",
		Short: "Say what differs between two runbooks, step by step", Args: cobra.ExactArgs(2),
		Long: `Also inside of the runbooks that they run, which are looked for beside each of the two files first, then in
runbooks.dir and among those that Lifeboat brings: what an edit of an inner runbook changes for the outer one is told
in its place, as steps.STEP.INNER-STEP.`,
		RunE: func(_ *cobra.Command, args []string) error {
			var both, whole [2]*runbooks.Runbook
			for i, name := range args {
				var err error
				if _, both[i], err = a.parsedRunbook(name); err != nil {
					return err
				}
				if whole[i] = both[i]; texts {
					continue
				}
				if whole[i], err = a.expanded(name, both[i]); err != nil {
					return fmt.Errorf("%w; --texts compares the two texts alone", err)
				}
			}
			changes := runbooks.DiffWhole(both[0], both[1], whole[0], whole[1])
			return a.print(changes, func() {
				for _, c := range changes {
					fmt.Fprintln(a.stdout, c)
				}
				if len(changes) == 0 {
					fmt.Fprintln(a.stdout, "They do the same.")
				}
			})
		},
	}
	cmd.Flags().BoolVar(&texts, "texts", false, "compare the two texts alone, not the runbooks that they run")
	return cmd
}

func newRunbookSchema(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "schema", Example: "  lifeboat runbook schema > runbook.schema.json",
		Short: "Print the JSON Schema of runbooks, for editors", Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			_, err := a.stdout.Write(runbooks.Schema())
			return err
		},
	}
}
