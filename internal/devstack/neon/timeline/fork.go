package timeline

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/lifeboat-dr/lifeboat/internal/devstack/pgserver"
)

var (
	// ErrBeforeHistory: the point lies before the oldest base backup that is kept.
	ErrBeforeHistory = errors.New("the point is before the history that is kept")
	// ErrAfterHead: the point has not happened yet.
	ErrAfterHead = errors.New("the point is after the head of the timeline")
)

// Target is a point of a line: an LSN, a time, or, when both are zero, the head. A time includes what
// committed at or before it; an LSN everything that ends at or before it.
type Target struct {
	LSN  LSN
	Time time.Time
}

// point is a target resolved on the very line on which it lies.
type point struct {
	line *Timeline
	Target
	base    base
	baseDir string
	// archives are those of the line and its ancestors down to the base, the line's first.
	archives []string
}

// Fork makes a new line out of an existing one as it was at a point, and leaves it running read-write. Until
// its next start it applies no subscriptions: those it was copied with would compete with the original's.
func (s *Store) Fork(ctx context.Context, id string, parent *Timeline, target Target) (_ *Timeline, err error) {
	p, err := parent.resolve(ctx, target)
	if err != nil {
		return nil, fmt.Errorf("fork timeline %s: %w", parent.id, err)
	}
	t := &Timeline{store: s, id: id}
	t.mu.Lock()
	defer t.mu.Unlock()
	if err := t.makeDirs(); err != nil {
		return nil, err
	}
	defer t.discardOn(&err)
	if err := pgserver.RunProgram(ctx, "cp", "-a", "--reflink=auto", p.baseDir, t.data()); err != nil {
		return nil, fmt.Errorf("copy base backup: %w", err)
	}
	if err := touch(filepath.Join(t.data(), "recovery.signal")); err != nil {
		return nil, err
	}
	recovery := map[string]string{
		"restore_command":          restoreCommand(p.archives),
		"recovery_target_timeline": strconv.FormatUint(uint64(p.line.meta.TLI), 10),
		"recovery_target_action":   "promote",
		"hot_standby":              "off", // nobody is let in before the point is reached

		"max_logical_replication_workers": "0",
	}
	if p.Time.IsZero() {
		// The first record that starts at the LSN or after it is the first one left out.
		recovery["recovery_target_lsn"], recovery["recovery_target_inclusive"] = p.LSN.String(), "off"
	} else {
		recovery["recovery_target_time"] = p.Time.UTC().Format("2006-01-02 15:04:05.999999+00")
	}
	if err := t.start(ctx, ReadWrite, recovery); err != nil {
		return nil, fmt.Errorf("fork timeline %s at its point: %w", parent.id, err)
	}
	t.meta = meta{Parent: p.line.id, ForkTime: p.base.Time}
	if err := t.readFork(ctx); err != nil {
		return nil, err
	}
	if err := t.save(); err != nil {
		return nil, err
	}
	s.add(t)
	return t, nil
}

// readFork asks the recovered server where exactly it left its parent.
func (t *Timeline) readFork(ctx context.Context) error {
	conn, err := t.Connect(ctx, "postgres")
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	var last *time.Time
	err = conn.QueryRow(ctx, `SELECT pg_last_xact_replay_timestamp(), timeline_id, clock_timestamp()
		FROM pg_control_checkpoint()`).Scan(&last, &t.meta.TLI, &t.meta.Created)
	if err != nil {
		return fmt.Errorf("ask timeline for its fork: %w", err)
	}
	if last != nil { // else nothing committed since the base backup
		t.meta.ForkTime = *last
	}
	history, err := os.Open(filepath.Join(t.data(), "pg_wal", fmt.Sprintf("%08X.history", t.meta.TLI)))
	if err != nil {
		return fmt.Errorf("read history of timeline: %w", err)
	}
	defer history.Close()
	for lines := bufio.NewScanner(history); lines.Scan(); {
		// "<parent tli> <switch point> <reason>"; the last line is ours.
		if fields := strings.Fields(lines.Text()); len(fields) >= 2 {
			if t.meta.ForkLSN, err = ParseLSN(fields[1]); err != nil {
				return fmt.Errorf("read history of timeline: %w", err)
			}
		}
	}
	if t.meta.ForkLSN == 0 {
		return errors.New("read history of timeline: no switch point in it")
	}
	return nil
}

// resolve finds the line on which a point lies, makes sure that WAL beyond it is archived, and chooses
// the newest base backup before it.
func (t *Timeline) resolve(ctx context.Context, target Target) (point, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	// A point before the fork lies on an ancestor. PostgreSQL must be sent there by name: stopping on a
	// timeline before the one aimed at would write a history that contradicts itself.
	if parent, on := t.onParent(target); parent != nil {
		return parent.resolve(ctx, on)
	}
	if !target.Time.IsZero() {
		if time.Now().Before(target.Time) {
			return point{}, ErrAfterHead
		}
		// The tick must commit strictly later, in PostgreSQL's microseconds.
		time.Sleep(time.Until(target.Time.Add(time.Millisecond)))
	}
	if s := t.meta.Sealed; s != nil && t.Mode() == Stopped && !target.Time.Before(s.Tick) && target.Time.Before(s.End) {
		// Something may have committed after the time and before the end, and nothing after both.
		if err := t.reseal(ctx); err != nil {
			return point{}, err
		}
	}
	head, err := t.head(ctx)
	switch {
	case err != nil:
		return point{}, err
	case target.LSN > head.lsn:
		return point{}, ErrAfterHead
	case target == Target{}, !target.Time.IsZero() && !target.Time.Before(head.time):
		target = Target{LSN: head.lsn}
	}
	return t.chooseBase(target)
}

func (t *Timeline) beforeFork(target Target) bool {
	if !target.Time.IsZero() {
		return target.Time.Before(t.meta.Created)
	}
	return target.LSN != 0 && target.LSN <= t.meta.ForkLSN
}

// chooseBase goes up the line of descent; t.mu is held.
func (t *Timeline) chooseBase(target Target) (point, error) {
	p := point{line: t, Target: target}
	ceiling := target.LSN
	if ceiling == 0 {
		ceiling = math.MaxUint64
	}
	for line := t; line != nil; {
		p.archives = append(p.archives, line.archive())
		if line != t {
			line.mu.Lock()
		}
		bases, m := line.meta.Bases, line.meta
		if line != t {
			line.mu.Unlock()
		}
		for i := len(bases) - 1; i >= 0; i-- {
			b := bases[i]
			if b.LSN <= ceiling && (target.Time.IsZero() || !b.Time.After(target.Time)) {
				p.base, p.baseDir = b, filepath.Join(line.basesDir(), b.Name)
				return p, nil
			}
		}
		ceiling = min(ceiling, m.ForkLSN)
		line = t.store.Get(m.Parent)
	}
	return point{}, ErrBeforeHistory
}
