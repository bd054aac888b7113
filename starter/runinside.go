package main

import (
	"context"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/lifeboat-dr/lifeboat/activities"
	"github.com/lifeboat-dr/lifeboat/internal/plan"
	"github.com/lifeboat-dr/lifeboat/internal/roster"
	"github.com/lifeboat-dr/lifeboat/runbooks"
)

// beside is the directory of a runbook that is named by its file, empty for one that is named by its name. Runbooks
// that it runs are looked for there first.
func beside(name string) string {
	if strings.ContainsAny(name, "/\\") || strings.HasSuffix(name, ".yaml") {
		return filepath.Dir(name)
	}
	return ""
}

// inside finds the runbook that another one runs.
func (a *app) inside(dir, name string) (text []byte, sigs []string, err error) {
	if dir != "" {
		path := filepath.Join(dir, name+".yaml")
		if _, err := os.Stat(path); err == nil {
			return readRunbook(path)
		}
	}
	return a.runbookText(name)
}

// library finds the runbooks that the one named runs, for looking at them: nothing is asked of their signatures.
func (a *app) library(outer string) runbooks.Library {
	dir := beside(outer)
	return func(name string) (*runbooks.Runbook, string) {
		text, _, err := a.inside(dir, name)
		if err != nil {
			return nil, ""
		}
		r, err := runbooks.Parse(text)
		if err != nil {
			return nil, ""
		}
		return r, runbooks.Digest(text)
	}
}

// expanded is a runbook with the steps of those that it runs.
func (a *app) expanded(name string, r *runbooks.Runbook) (*runbooks.Runbook, error) {
	whole, err := runbooks.Expand(r, a.library(name))
	if err != nil {
		return nil, failWith(exitUsage, "%s: %w", name, err)
	}
	return whole, nil
}

// papers are the runbooks inside of one that is to run: all of them, each signed by enough owners.
func (a *app) papers(people *roster.Roster, outer string, r *runbooks.Runbook) (whole *runbooks.Runbook, texts map[string]plan.NestedText, err error) {
	texts = map[string]plan.NestedText{}
	read := map[string]*runbooks.Runbook{}
	var trouble error
	whole, err = runbooks.Expand(r, func(name string) (*runbooks.Runbook, string) {
		if read[name] == nil && trouble == nil {
			text, sigs, err := a.inside(beside(outer), name)
			if err == nil {
				read[name], err = runbooks.Parse(text)
			}
			if err != nil {
				trouble = err
				return nil, ""
			}
			texts[name] = plan.NestedText{Text: string(text), Signatures: sigs}
		}
		return read[name], runbooks.Digest([]byte(texts[name].Text))
	})
	if trouble != nil {
		return nil, nil, trouble
	}
	if err != nil {
		return nil, nil, failWith(exitUsage, "%s: %w", outer, err)
	}
	for _, name := range slices.Sorted(maps.Keys(texts)) {
		if err := enough(people, name, []byte(texts[name].Text), texts[name].Signatures); err != nil {
			return nil, nil, err
		}
	}
	return whole, texts, nil
}

// enough makes sure that enough owners signed a runbook.
func enough(people *roster.Roster, name string, text []byte, sigs []string) error {
	if by, refused := roster.RunbookSigners(people, string(text), sigs, time.Now()); len(by) < people.Version.Required {
		return failWith(exitFailed, "runbook %s is signed by %d owners, %d are needed: lifeboat runbook sign%s", name, len(by), people.Version.Required, causeText(refused))
	}
	return nil
}

// planned reads the plan that a run is bound to; nil for none.
func (a *app) planned(ctx context.Context, id string) (*activities.Planned, error) {
	if id == "" {
		return nil, nil
	}
	engine, err := a.vaults(ctx)
	if err != nil {
		return nil, err
	}
	p, err := activities.ReadPlan(ctx, engine.JournalVaults(), engine.Finder.Signers, id)
	return &p, err
}
