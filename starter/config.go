package main

import (
	"fmt"
	"runtime"

	"github.com/spf13/cobra"
)

func newConfig(a *app) *cobra.Command {
	cmd := &cobra.Command{Use: "config", Short: "The configuration"}
	cmd.AddCommand(&cobra.Command{
		Use:   "check",
		Short: "Check the configuration and show it with every default filled in",
		Long: `Reports everything that is wrong at once, each with its line. Secrets are shown as the places they come
from; none of them is read.`,
		Example: "  lifeboat config check --config lifeboat.yaml",
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			if err := a.load(); err != nil {
				return err
			}
			for _, w := range a.config.Warnings {
				fmt.Fprintln(a.stderr, "warning:", w)
			}
			text := a.config.Redacted()
			return a.print(map[string]any{"file": a.config.File, "warnings": len(a.config.Warnings), "configuration": text}, func() {
				fmt.Fprint(a.stdout, text)
				fmt.Fprintf(a.stderr, "%s is right, with %d warnings.\n", a.config.File, len(a.config.Warnings))
			})
		},
	})
	return cmd
}

func newVersion(a *app) *cobra.Command {
	return &cobra.Command{
		Use:     "version",
		Short:   "Print the version",
		Example: "  lifeboat version",
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			return a.print(map[string]string{"version": version, "go": runtime.Version()}, func() {
				fmt.Fprintf(a.stdout, "lifeboat %s (%s)\n", version, runtime.Version())
			})
		},
	}
}
