package main

import (
	"errors"
	"fmt"
	"io/fs"

	"github.com/spf13/cobra"

	"github.com/lifeboat-dr/lifeboat/internal/roster"
)

func newRosterFetch(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "fetch",
		Short: "Bring the newest roster from the vaults to this machine",
		Long: `Puts the newest version that lies in the vaults into the roster's file. It is believed for its owners' signatures,
from the pinned fingerprint on; nothing else in a vault is.`,
		Example: "  lifeboat roster fetch",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := a.needRoster(); err != nil {
				return err
			}
			if a.config.Roster.Fingerprint == "" {
				return failWith(exitConfig, "no roster is believed without its fingerprint: put it into roster.fingerprint, as two owners say it")
			}
			path := string(a.config.Roster.File)
			had, err := roster.ReadChain(path)
			if err != nil && !errors.Is(err, fs.ErrNotExist) {
				return failWith(exitFailed, "%w: move the file away first", err)
			}
			engine, err := a.reader(cmd.Context())
			if err != nil {
				return err
			}
			chain, looked, err := engine.NewestRoster(cmd.Context())
			for _, problem := range append(looked.Problems, looked.Unreached...) {
				fmt.Fprintln(a.stderr, "warning:", problem)
			}
			if err != nil {
				return failWith(exitFailed, "%w", err)
			}
			if had != nil && len(had.Versions) > len(chain.Versions) {
				return failWith(exitFailed, "%s has %d versions that do not all hold, and the vaults have %d: look at it (lifeboat roster verify)", path, len(had.Versions), len(chain.Versions))
			}
			return a.keepFetched(path, had, chain)
		},
	}
}

// keepFetched writes the roster and says what its new versions change.
func (a *app) keepFetched(path string, had, chain *roster.Chain) error {
	known := 0
	if had != nil {
		known = len(had.Versions)
	}
	data, err := chain.Bytes()
	if err != nil {
		return err
	}
	if err := replaceFile(path, data); err != nil {
		return err
	}
	return a.print(map[string]any{"versions": len(chain.Versions), "new": len(chain.Versions) - known, "file": path}, func() {
		var before *roster.Version
		for i, signed := range chain.Versions {
			v, err := signed.Read()
			if err != nil {
				return
			}
			if i >= known {
				fmt.Fprintf(a.stdout, "Version %d, %s:\n", v.Number, v.Issued.Format("2006-01-02T15:04:05Z07:00"))
				for _, change := range roster.Changes(before, v) {
					fmt.Fprintln(a.stdout, " ", change)
				}
			}
			before = &v
		}
		fmt.Fprintf(a.stdout, "%s is version %d now.\n", path, len(chain.Versions))
	})
}
