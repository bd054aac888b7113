package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
)

// goal is a ratio of two medians that is to be reached.
type goal struct {
	text        string
	table       string
	of, by      string // median of the first by median of the second
	least, most float64
	memory      int64 // bound of the first's peak memory in MiB, instead of a ratio
}

// closeTo is how far medians of runs on a shared machine may lie apart when they are called equal.
const closeTo = 1.05

var goals = []goal{
	{text: "backup: classic takes at least 4 times as long", table: tableBackup, of: "classic", by: ours, least: 4},
	{text: "backup: as fast as pg_dump-Fc", table: tableBackup, of: ours, by: "pg_dump-Fc", most: closeTo},
	{text: "backup: as fast as pg_dump-Fd", table: tableBackup, of: ours, by: "pg_dump-Fd", most: closeTo},
	{text: "backup: as fast as pg_dump-zstd-age", table: tableBackup, of: ours, by: "pg_dump-zstd-age", most: closeTo},
	{text: "backup: as fast as restic", table: tableBackup, of: ours, by: "restic", most: closeTo},
	{text: "backup: at most 1.15 of copy-limit", table: tableBackup, of: ours, by: limit, most: 1.15},
	{text: "restore: as fast as pg_restore-j2, comparison included", table: tableRestore, of: ours, by: "pg_restore-j2", most: closeTo},
	{text: "restore: as fast as pg_restore-j2, without the comparison", table: tableRestore, of: uncompared, by: "pg_restore-j2", most: closeTo},
	{text: "backup-far: pg_dump-Fc takes at least 3 times as long", table: tableFar, of: "pg_dump-Fc", by: ours, least: 3},
	{text: "backup: at most 256 MiB of memory", table: tableBackup, of: ours, memory: 256},
	{text: "backup-far: at most 256 MiB of memory", table: tableFar, of: ours, memory: 256},
	{text: "restore: at most 256 MiB of memory", table: tableRestore, of: ours, memory: 256},
}

// judge says whether the goal is reached; it is unknown when something was not measured.
func (g goal) judge(figures []figure) (text string, known bool) {
	first, found := pickFigure(figures, g.table, g.of)
	if !found {
		return "", false
	}
	if g.memory > 0 {
		return verdict(first.PeakRSS <= g.memory, g.text, fmt.Sprintf("%d MiB", first.PeakRSS)), true
	}
	second, found := pickFigure(figures, g.table, g.by)
	if !found || second.Median == 0 {
		return "", false
	}
	ratio := first.Median / second.Median
	return verdict((g.least == 0 || ratio >= g.least) && (g.most == 0 || ratio <= g.most), g.text, fmt.Sprintf("%.2f", ratio)), true
}

func verdict(reached bool, text, value string) string {
	if reached {
		return "reached  " + text + ": " + value
	}
	return "MISSED   " + text + ": " + value
}

// describe prints what the figures depend on.
func describe(ctx context.Context, s settings, out io.Writer) {
	load, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		load = []byte("unknown")
	}
	fmt.Fprintf(out, "%d bytes of COPY text, %d runs, %d connections (far: %d), chunks of %d bytes; %d processors, load before: %s",
		s.Bytes, s.Runs, s.Near, s.Far, s.Chunk, runtime.NumCPU(), load)
	for _, version := range [][]string{{"age", "--version"}, {"zstd", "--version"}, {"openssl", "version"}, {"aws", "--version"}, {"restic", "version"}} {
		path, err := find(version[0])
		if err != nil {
			continue // who needs it was refused before
		}
		said, err := exec.CommandContext(ctx, path, version[1:]...).Output()
		if err == nil {
			first, _, _ := strings.Cut(strings.TrimSpace(string(said)), "\n")
			fmt.Fprintf(out, "  %s: %s\n", version[0], first)
		}
	}
}
