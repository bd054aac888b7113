package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"github.com/lifeboat-dr/lifeboat/internal/config"
	"github.com/lifeboat-dr/lifeboat/internal/devstack/stack"
)

// devOptions are the flags that dev and demo share.
type devOptions struct {
	state   string
	size    string
	rate    float64
	verbose bool
}

func (o *devOptions) flags(cmd *cobra.Command, size string) {
	cmd.Flags().StringVar(&o.state, "state", "", "`directory` to keep everything in and to start again from (default a new one, removed at the end)")
	cmd.Flags().StringVar(&o.size, "size", size, "about how much data the sample application begins with, for example 1GB")
	cmd.Flags().Float64Var(&o.rate, "rate", 5, "how many claims a second the sample application adds")
	cmd.Flags().BoolVarP(&o.verbose, "verbose", "v", false, "show what the parts say about their work")
}

func newDev(a *app) *cobra.Command {
	var opt devOptions
	cmd := &cobra.Command{
		Use:   "dev",
		Short: "Run everything on this machine: two sites, the sample application, Temporal, a worker",
		Long: `Starts two sites (S3 with Object Lock, a Neon emulator on real PostgreSQL servers), the MedLink sample
application adding claims, and Temporal with its UI and a worker in this process. It stays up until Ctrl-C
and leaves no process behind, also when it is killed: the kernel ends the children with their parent.`,
		Example: "  lifeboat dev\n  lifeboat dev --state /tmp/lifeboat --size 1GB",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.withDev(cmd.Context(), opt, func(d *dev) error {
				d.printAddresses(a)
				fmt.Fprintln(a.stdout, "\nCtrl-C stops everything.")
				<-cmd.Context().Done()
				fmt.Fprintln(a.stdout, "\nStopping…")
				return nil
			})
		},
	}
	opt.flags(cmd, "50MB")
	cmd.AddCommand(newDevPlaces(a)...)
	return cmd
}

// withDev brings everything up, calls do, and takes everything down again, whatever happens.
func (a *app) withDev(ctx context.Context, opt devOptions, do func(*dev) error) (err error) {
	bytes, err := parseSize(opt.size)
	if err != nil {
		return failWith(exitUsage, "--size: %w", err)
	}
	dir := opt.state
	if dir == "" {
		if dir, err = os.MkdirTemp("", "lifeboat-"); err != nil {
			return fmt.Errorf("make state directory: %w", err)
		}
		defer func() {
			err = errors.Join(err, os.RemoveAll(dir))
		}()
	}
	level := slog.LevelWarn
	if opt.verbose {
		level = slog.LevelInfo
	}
	log := slog.New(slog.NewTextHandler(a.stderr, &slog.HandlerOptions{Level: level}))
	fmt.Fprintf(a.stdout, "Starting two sites, the sample application (%s of claims) and Temporal…\n", opt.size)
	began := time.Now()
	world, err := stack.Start(ctx, stack.Options{Dir: dir, Bytes: bytes, Rate: opt.rate, NoSync: opt.state == "", Log: log})
	if err != nil {
		return fmt.Errorf("start the development stack: %w; what its servers said is in %s", err, dir)
	}
	defer world.Stop()
	d, err := startDev(ctx, world, log)
	if err != nil {
		return err
	}
	defer d.stop()
	d.took = time.Since(began)
	return do(d)
}

// parseSize reads sizes as the configuration does.
func parseSize(text string) (int64, error) {
	size, err := config.ParseSize(text)
	return int64(size), err
}

// printAddresses says where everything is.
func (d *dev) printAddresses(a *app) {
	fmt.Fprintf(a.stdout, "Up in %s.\n\n", d.took.Round(100*time.Millisecond))
	fmt.Fprintf(a.stdout, "  Temporal UI    %s/namespaces/%s/workflows\n", d.temporal.UIURL(), d.temporal.Namespace())
	fmt.Fprintf(a.stdout, "  Temporal       %s\n", d.temporal.Address())
	for _, site := range d.world.Sites {
		fmt.Fprintf(a.stdout, "  %-10s     %s: Neon's API %s (project %s), S3 %s (bucket %s), door %s\n", site.Name, site.Role, site.API, site.Project, site.Store.Endpoint(), site.Bucket(), site.DoorAddr())
	}
	fmt.Fprintf(a.stdout, "  Alerts         %s\n", d.world.Inbox.URL())
	fmt.Fprintf(a.stdout, "  Slack          %s (a stand-in: press the buttons as one of the five people)\n", d.world.Slack.URL)
	fmt.Fprintf(a.stdout, "  Claims ledger  %s\n", d.world.Ledger)
	self, err := os.Executable()
	if err != nil {
		self = "lifeboat"
	}
	fmt.Fprintf(a.stdout, "\nIn another terminal:\n\n  export LIFEBOAT_CONFIG=%s\n  %s backup --follow\n  %s status\n", d.world.Config, filepath.Clean(self), filepath.Clean(self))
}
