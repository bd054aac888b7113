package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"
)

// bench measures everything that is wanted, writes the file of figures, and prints them.
func bench(ctx context.Context, s settings, out io.Writer) (_ []figure, err error) {
	if err := s.check(); err != nil {
		return nil, err
	}
	describe(ctx, s, out)
	began := time.Now()
	w, err := newWorld(ctx, s)
	defer func() { err = errors.Join(err, w.close()) }()
	if err != nil {
		return nil, err
	}
	// Reads everything once, too: the first run finds the same warm caches as the others.
	source, err := w.look(ctx, database)
	if err != nil {
		return nil, err
	}
	fmt.Fprintf(out, "Database of %d tables made in %.0f s. One line a run:\n\n", len(source), time.Since(began).Seconds())
	b := &round{world: w, source: source, out: out, runs: runs{}}
	for n := range s.Runs {
		for _, table := range []string{tableBackup, tableFar} {
			if err := b.measure(ctx, table, n+1); err != nil {
				return nil, err
			}
		}
	}
	figures := b.runs.figures()
	if err := writeFigures(s.Out, figures); err != nil {
		return nil, err
	}
	report(out, figures)
	return figures, nil
}

// check refuses what could only fail later.
func (s settings) check() error {
	var wanted []peer
	for _, p := range peers {
		if s.wants(tableBackup, p.name) || s.wants(tableFar, p.name) || p.restores != "" && s.wants(tableRestore, p.restores) {
			wanted = append(wanted, p)
		}
	}
	return missing(wanted)
}

// round measures a table once for every contender, in turns, so that whatever changes on the machine meets all.
type round struct {
	*world
	source held
	out    io.Writer
	runs   runs
}

type made struct {
	contender
	ref string
}

// measure makes the backups of one table, and then restores each of them and compares all rows: only what came
// back counts.
func (b *round) measure(ctx context.Context, table string, n int) error {
	var backups []made
	for _, c := range b.contenders() {
		if !b.needed(table, c) {
			continue
		}
		if err := settle(b.Cold); err != nil {
			return err
		}
		used := cpuOfTree(b.server.PID())
		ref, m, err := c.backup(ctx, table == tableFar, key(table, c.name, n))
		if err != nil {
			return fmt.Errorf("%s of %s: %w", table, c.name, err)
		}
		m.server = cpuOfTree(b.server.PID()) - used
		if b.wants(table, c.name) {
			b.note(table, c.name, m)
		}
		if c.restore != nil {
			backups = append(backups, made{c, ref})
		}
	}
	for _, c := range backups {
		if err := b.restore(ctx, table, c); err != nil {
			return fmt.Errorf("restore of %s by %s: %w", table, c.name, err)
		}
	}
	return nil
}

// needed says whether a contender's backup is measured itself, or restored for the table of restores.
func (b *round) needed(table string, c contender) bool {
	return b.wants(table, c.name) || table == tableBackup && slices.ContainsFunc(c.restores, func(name string) bool {
		return b.wants(tableRestore, name)
	})
}

func (b *round) restore(ctx context.Context, table string, c made) error {
	into, err := b.emptyDatabase(ctx)
	if err != nil {
		return err
	}
	if err := settle(b.Cold); err != nil {
		return err
	}
	used := cpuOfTree(b.server.PID())
	figures, err := c.restore(ctx, table == tableFar, c.ref, into)
	if err != nil {
		return err
	}
	used = cpuOfTree(b.server.PID()) - used
	restored, err := b.look(ctx, into.database)
	if err != nil {
		return err
	}
	if err := b.source.differs(restored); err != nil {
		return err
	}
	for _, name := range c.restores {
		if table == tableBackup && b.wants(tableRestore, name) {
			m := figures[name]
			m.server = used
			b.note(tableRestore, name, m)
		}
	}
	return b.dropDatabase(ctx, into.database)
}

// note keeps a run and shows it.
func (b *round) note(table, name string, m measured) {
	b.runs.add(table, name, m)
	fmt.Fprintf(b.out, "%-11s  %-20s  %7.2f s  %5d MiB  %6.1f MB  processors: %6.2f s its own, %6.2f s the server's\n",
		table, name, m.took.Seconds(), m.rss>>20, float64(m.bytes)/1e6, m.cpu.Seconds(), m.server.Seconds())
}
