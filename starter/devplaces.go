package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"

	"github.com/spf13/cobra"

	"github.com/lifeboat-dr/lifeboat/internal/devstack/stack"
)

// newDevPlaces are the two commands between which somebody else, such as docker-compose.yml, starts the servers of
// the development stack.
func newDevPlaces(a *app) []*cobra.Command {
	add := func(cmd *cobra.Command, do func(context.Context, stack.Options, stack.Places) error) *cobra.Command {
		var opt devOptions
		var file string
		cmd.Args, cmd.Hidden = cobra.NoArgs, true
		cmd.RunE = func(cmd *cobra.Command, _ []string) error {
			if opt.state == "" || file == "" {
				return failWith(exitUsage, "%s: --state and --places are needed", cmd.CommandPath())
			}
			bytes, err := parseSize(opt.size)
			if err != nil {
				return failWith(exitUsage, "--size: %w", err)
			}
			text, err := os.ReadFile(file)
			if err != nil {
				return fmt.Errorf("read places: %w", err)
			}
			places, err := stack.ReadPlaces(text)
			if err != nil {
				return fmt.Errorf("%s: %w", file, err)
			}
			log := slog.New(slog.NewTextHandler(a.stderr, nil))
			return do(cmd.Context(), stack.Options{Dir: opt.state, Bytes: bytes, Rate: opt.rate, Log: log}, places)
		}
		opt.flags(cmd, "50MB")
		cmd.Flags().StringVar(&file, "places", "", "`file` that says where the servers are")
		return cmd
	}
	prepare := &cobra.Command{
		Use: "prepare", Example: "  lifeboat dev prepare --state /state --places deploy/places.json",
		Short: "Make the keys of a stack whose servers something else starts, and what they are started with",
	}
	finish := &cobra.Command{
		Use: "finish", Example: "  lifeboat dev finish --state /state --places deploy/places.json",
		Short: "Fill the databases of a prepared stack, open its door, and write the configuration",
	}
	return []*cobra.Command{
		add(prepare, func(_ context.Context, opt stack.Options, at stack.Places) error { return stack.Prepare(opt, at) }),
		add(finish, func(ctx context.Context, opt stack.Options, at stack.Places) error {
			path, err := stack.Finish(ctx, opt, at)
			if err == nil {
				fmt.Fprintf(a.stdout, "The configuration is %s\n", path)
			}
			return err
		}),
	}
}
