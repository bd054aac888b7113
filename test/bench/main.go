// Command bench measures Lifeboat side by side with what people use otherwise: on one generated database and
// one S3 server, several runs each, in turns. It prints medians and ratios and writes them to bench.json.
//
// Every contender reads the same server, encrypts to the same kind of key, and stores in the same bucket server;
// every backup that was measured is restored afterwards and its rows compared with the source's.
// docs/performance.md says how to read the figures.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	if ran, err := child(); ran {
		exit(err)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	s, err := readSettings(os.Getenv)
	if err == nil {
		_, err = bench(ctx, s, os.Stdout)
	}
	stop()
	exit(err)
}

func exit(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
	os.Exit(0)
}
