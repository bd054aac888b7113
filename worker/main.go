// Command lifeboat-worker does the work of Lifeboat: it runs the workflows, and the activities of the sites
// that its configuration names. It holds what it needs for these sites and nothing else.
package main

import (
	"context"
	"flag"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"os/signal"
	"slices"
	"syscall"

	"github.com/lifeboat-dr/lifeboat/internal/assemble"
	"github.com/lifeboat-dr/lifeboat/internal/config"
)

// version is set by the linker.
var version = "dev"

func main() {
	path := flag.String("config", envOr("LIFEBOAT_CONFIG", "lifeboat.yaml"), "configuration `file`")
	show := flag.Bool("version", false, "print the version")
	flag.Parse()
	if *show {
		fmt.Println("lifeboat-worker", version)
		return
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *path); err != nil {
		fmt.Fprintln(os.Stderr, "lifeboat-worker:", err)
		os.Exit(1)
	}
}

// run works until the context ends; then running activities get the configuration's stop timeout.
func run(ctx context.Context, path string) error {
	cfg, err := config.Load(path)
	if err != nil {
		return err
	}
	assemble.BoundMemory(cfg)
	log := logger(cfg.Log)
	slog.SetDefault(log)
	for _, w := range cfg.Warnings {
		log.Warn("configuration", "problem", w.String())
	}
	engine, err := assemble.New(ctx, cfg, assemble.Options{Version: version, Working: true, Log: log})
	if err != nil {
		return err
	}
	c, err := assemble.Dial(ctx, cfg, log)
	if err != nil {
		return err
	}
	defer c.Close()
	workers, err := engine.Workers(c)
	if err != nil {
		return err
	}
	engine.WatchRoster(ctx)
	engine.ListenToSlack(ctx, c)
	if err := workers.Start(); err != nil {
		return fmt.Errorf("start: %w", err)
	}
	sites := cfg.Worker.Sites
	if len(sites) == 0 {
		sites = slices.Sorted(maps.Keys(cfg.Sites))
	}
	log.Info("working", "version", version, "sites", sites)
	<-ctx.Done()
	log.Info("stopping", "within", cfg.Worker.StopTimeout.String())
	workers.Stop()
	return nil
}

func logger(cfg config.Log) *slog.Logger {
	options := &slog.HandlerOptions{Level: cfg.Level}
	if cfg.Format == config.LogJSON {
		return slog.New(slog.NewJSONHandler(os.Stderr, options))
	}
	return slog.New(slog.NewTextHandler(os.Stderr, options))
}

func envOr(name, otherwise string) string {
	if value := os.Getenv(name); value != "" {
		return value
	}
	return otherwise
}
