package timeline

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// Position is the LSN now, without archiving anything. A line that was not stopped cleanly is woken for it.
func (t *Timeline) Position(ctx context.Context) (LSN, error) {
	if conn, err := t.Connect(ctx, "postgres"); err == nil && t.Mode() == ReadWrite {
		defer conn.Close(context.WithoutCancel(ctx))
		var lsn string
		if err := conn.QueryRow(ctx, "SELECT pg_current_wal_insert_lsn()::text").Scan(&lsn); err != nil {
			return 0, fmt.Errorf("ask timeline %s for its position: %w", t.id, err)
		}
		return ParseLSN(lsn)
	} else if err == nil {
		_ = conn.Close(ctx)
	}
	return t.Head(ctx)
}

// Check says whether a line can be forked at a point, without doing anything: nil, [ErrBeforeHistory] or
// [ErrAfterHead].
func (t *Timeline) Check(ctx context.Context, target Target) error {
	if target.LSN != 0 {
		head, err := t.Position(ctx)
		if err != nil {
			return err
		}
		if target.LSN > head {
			return ErrAfterHead
		}
	} else if target.Time.After(time.Now()) {
		return ErrAfterHead
	}
	return t.check(target)
}

func (t *Timeline) check(target Target) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if parent, on := t.onParent(target); parent != nil {
		return parent.check(on)
	}
	_, err := t.chooseBase(target)
	return err
}

// onParent is where a point before the fork lies; nil when the point is on this very line.
func (t *Timeline) onParent(target Target) (*Timeline, Target) {
	if t.meta.Parent == "" || !t.beforeFork(target) {
		return nil, target
	}
	if !target.Time.IsZero() && !target.Time.Before(t.meta.ForkTime) {
		target = Target{LSN: t.meta.ForkLSN} // between the fork's point and its making nothing happened
	}
	return t.store.Get(t.meta.Parent), target
}

// BackupDue says whether a line that runs read-write has written more than so many bytes since its last base
// backup, or, having none, since its fork. A line that is larger than that writes as much as it has: so all
// base backups of a line that only grows take no more than twice its size.
func (t *Timeline) BackupDue(ctx context.Context, after int64) (bool, error) {
	if t.Mode() != ReadWrite {
		return false, nil
	}
	now, err := t.Position(ctx)
	if err != nil {
		return false, err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	from := t.meta.ForkLSN
	if n := len(t.meta.Bases); n > 0 {
		from, after = t.meta.Bases[n-1].LSN, max(after, t.meta.Bases[n-1].Bytes)
	}
	return now > from && int64(now-from) > after, nil
}

// Collect deletes the lines that are neither needed nor ancestors of needed ones.
func (s *Store) Collect(needed map[string]bool) error {
	s.mu.Lock()
	keep := map[string]bool{}
	for id := range needed {
		for t := s.lines[id]; t != nil && !keep[t.id]; t = s.lines[t.meta.Parent] {
			keep[t.id] = true
		}
	}
	var gone []string
	for id := range s.lines {
		if !keep[id] {
			gone = append(gone, id)
		}
	}
	s.mu.Unlock()
	var errs []error
	for _, id := range gone {
		errs = append(errs, s.Delete(id))
	}
	return errors.Join(errs...)
}

// Prune deletes base backups and WAL of a line that nobody can ask for any more: what is older than the
// window and not what a child line begins with.
func (s *Store) Prune(t *Timeline, window time.Duration) error {
	s.mu.Lock()
	children := slices.DeleteFunc(slices.Collect(maps.Values(s.lines)), func(c *Timeline) bool { return c.meta.Parent != t.id })
	s.mu.Unlock()
	t.mu.Lock()
	defer t.mu.Unlock()
	horizon := time.Now().Add(-window)
	keep := len(t.meta.Bases) - 1 // of the bases, from here on
	for keep > 0 && t.meta.Bases[keep].Time.After(horizon) {
		keep--
	}
	for _, c := range children {
		for keep > 0 && t.meta.Bases[keep].LSN > c.meta.ForkLSN {
			keep--
		}
	}
	// A root without its first base backup has no history before; a child reaches back to its parent's, and
	// must go on doing so until a backup of its own has left the window.
	if keep <= 0 {
		return nil
	}
	old := t.meta.Bases[:keep]
	t.meta.Bases = slices.Clone(t.meta.Bases[keep:])
	if err := t.save(); err != nil {
		return err
	}
	for _, b := range old {
		if err := os.RemoveAll(filepath.Join(t.basesDir(), b.Name)); err != nil {
			return fmt.Errorf("remove old base backup: %w", err)
		}
	}
	return t.dropSegmentsBefore(t.meta.Bases[0].Start)
}

// segmentSize is what Create asks initdb for, in bytes.
const segmentSize = 4 << 20

// dropSegmentsBefore removes archived segments that end before an LSN. History files stay.
func (t *Timeline) dropSegmentsBefore(lsn LSN) error {
	entries, err := os.ReadDir(t.archive())
	if err != nil {
		return fmt.Errorf("list archive: %w", err)
	}
	first := uint64(lsn) / segmentSize
	perID := uint64(1<<32) / segmentSize
	for _, e := range entries {
		var tli, high, low uint64
		if n, err := fmt.Sscanf(e.Name(), "%08X%08X%08X", &tli, &high, &low); n != 3 || err != nil || len(e.Name()) < 24 {
			continue
		}
		if high*perID+low < first {
			if err := os.Remove(filepath.Join(t.archive(), e.Name())); err != nil {
				return fmt.Errorf("remove old segment: %w", err)
			}
		}
	}
	return nil
}
