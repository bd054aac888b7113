package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"runtime/pprof"
	"syscall"

	"github.com/lifeboat-dr/lifeboat/internal/assemble"
	"github.com/lifeboat-dr/lifeboat/internal/config"
	"github.com/lifeboat-dr/lifeboat/internal/devstack/s3"
)

// childVariable names the part that a process of this binary plays; its arguments are the part's own.
const childVariable = "LIFEBOAT_BENCH_CHILD"

// child plays a part and returns when it ended, if this process was started to play one.
func child() (ran bool, err error) {
	if served, err := s3.MaybeServe(); served {
		return true, err
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	args := os.Args[1:]
	switch part := os.Getenv(childVariable); {
	case part == "":
		return false, nil
	case part == "worker" && len(args) == 2:
		return true, work(ctx, args[0], args[1])
	case part == "put" && len(args) == 1:
		return true, put(ctx, args[0], io.MultiReader(os.Stdin)) // a pipe cannot seek, and must not look as if
	case part == "put-dir" && len(args) == 2:
		return true, putDir(ctx, args[0], args[1])
	case part == "get" && len(args) == 1:
		return true, get(ctx, args[0], os.Stdout)
	case part == "get-dir" && len(args) == 2:
		return true, getDir(ctx, args[0], args[1])
	case part == "copy-limit" && len(args) == 3:
		return true, copyLimit(ctx, args, os.Stdout)
	default:
		return true, fmt.Errorf("there is no part %q with %d arguments", part, len(args))
	}
}

// work is what lifeboat-worker does, with profiles where a folder for them is given.
func work(ctx context.Context, path, profiles string) error {
	cfg, err := config.Load(path)
	if err != nil {
		return err
	}
	log := slog.New(slog.NewTextHandler(os.Stderr, nil))
	engine, err := assemble.New(ctx, cfg, assemble.Options{Version: "bench", Working: true, Log: log})
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
	if profiles != "" {
		if err := os.MkdirAll(profiles, 0o755); err != nil {
			return err
		}
		cpu, err := os.Create(filepath.Join(profiles, "worker.cpu"))
		if err != nil {
			return err
		}
		defer cpu.Close()
		if err := pprof.StartCPUProfile(cpu); err != nil {
			return err
		}
		defer pprof.StopCPUProfile()
	}
	if err := workers.Start(); err != nil {
		return err
	}
	<-ctx.Done()
	workers.Stop()
	return writeAllocations(profiles)
}

// writeAllocations keeps where memory was allocated, over the worker's whole life.
func writeAllocations(profiles string) error {
	if profiles == "" {
		return nil
	}
	f, err := os.Create(filepath.Join(profiles, "worker.allocs"))
	if err != nil {
		return err
	}
	defer f.Close()
	return pprof.Lookup("allocs").WriteTo(f, 0)
}
