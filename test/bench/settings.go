package main

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/lifeboat-dr/lifeboat/internal/config"
)

// settings are what BENCH_* variables say; the zero values of the environment are the published measurement.
type settings struct {
	// Bytes is the size of the generated database, as COPY text.
	Bytes int64
	// Runs is how often everything is measured.
	Runs int
	// Only limits what is measured: tables, names, or table/name.
	Only []string
	// Near and Far are how many connections Lifeboat reads with, as its setting "connections", on the spot and
	// across the distance; Chunk is its setting "chunk_bytes", 0 for the default.
	Near, Far int
	Chunk     int64
	// Out is the file for the figures.
	Out string
	// Dir is where servers and files are kept while it runs; empty is a fresh folder.
	Dir string
	// Worker is the worker's binary; empty runs this binary as one.
	Worker string
	// Profile is a folder that the worker's CPU and heap profiles are written to; empty writes none. It needs
	// Worker to be empty.
	Profile string
	// Cold drops the system's caches before each run, which needs root; otherwise all runs read a warm database.
	Cold bool
}

// The tables of figures.
const (
	tableBackup  = "backup"
	tableFar     = "backup-far"
	tableRestore = "restore"
)

var tables = []string{tableBackup, tableFar, tableRestore}

func readSettings(get func(string) string) (settings, error) {
	s := settings{Out: get("BENCH_OUT"), Dir: get("BENCH_DIR"), Worker: get("BENCH_WORKER"), Profile: get("BENCH_PROFILE"), Cold: get("BENCH_COLD") != ""}
	if s.Out == "" {
		s.Out = "bench.json"
	}
	var errs []error
	size := func(name, otherwise string) int64 {
		text := get(name)
		if text == "" {
			text = otherwise
		}
		n, err := config.ParseSize(text)
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", name, err))
		}
		return int64(n)
	}
	count := func(name string, otherwise int) int {
		text := get(name)
		if text == "" {
			return otherwise
		}
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 {
			errs = append(errs, fmt.Errorf("%s: %q is no number from 1 on", name, text))
		}
		return n
	}
	s.Bytes, s.Chunk = size("BENCH_SIZE", "1GB"), size("BENCH_CHUNK", "64MiB")
	s.Runs, s.Near, s.Far = count("BENCH_RUNS", 3), count("BENCH_CONNECTIONS", 4), count("BENCH_FAR_CONNECTIONS", 32)
	for only := range strings.SplitSeq(get("BENCH_ONLY"), ",") {
		if only = strings.TrimSpace(only); only != "" {
			s.Only = append(s.Only, only)
		}
	}
	if s.Profile != "" && s.Worker != "" {
		errs = append(errs, errors.New("BENCH_PROFILE: leave BENCH_WORKER empty, since the worker's own binary writes no profile"))
	}
	if s.Cold && os.Getuid() != 0 {
		errs = append(errs, errors.New("BENCH_COLD: only root may drop the system's caches"))
	}
	return s, errors.Join(errs...)
}

// wants says whether something is to be measured.
func (s settings) wants(table, name string) bool {
	return len(s.Only) == 0 || slices.ContainsFunc(s.Only, func(only string) bool {
		return only == table || only == name || only == table+"/"+name
	})
}
