// Command lifeboat starts and watches the work of Lifeboat: backups, verifications, restores, schedules.
// Workers do the work (see ../worker); `lifeboat dev` has everything in one process.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	os.Exit(execute(ctx, os.Args[1:], os.Stdout, os.Stderr))
}
