// Command lifeboat starts and watches the work of Lifeboat: backups, verifications, restores, schedules.
// Workers do the work (see ../worker); `lifeboat dev` has everything in one process.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/lifeboat-dr/lifeboat/internal/devstack/stack"
)

func main() {
	// The development stack's servers are this binary again.
	if ran, err := stack.MaybeRun(); ran {
		if err != nil {
			fmt.Fprintln(os.Stderr, "lifeboat:", err)
			os.Exit(1)
		}
		return
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(execute(ctx, os.Args[1:], os.Stdout, os.Stderr))
}
