package timeline

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/lifeboat-dr/lifeboat/internal/devstack/pgserver"
)

// seal is the head of a line at rest. Everything before LSN is archived, and the segment that holds the
// record at LSN, the checkpoint of the shutdown, lies beside the archive, for PostgreSQL archives full
// segments only.
type seal struct {
	LSN LSN `json:"lsn"`
	// Tick is the time of a commit shortly before the end: a recovery to a time needs a later commit.
	Tick time.Time `json:"tick"`
	// End is when the server had stopped.
	End time.Time `json:"end"`
}

// tails is the folder of last segments within an archive.
const tails = "tails"

// stop stops everything and, when a primary could be stopped cleanly, seals the line; t.mu is held.
func (t *Timeline) stop(ctx context.Context) error {
	if t.Mode() != ReadWrite {
		return t.halt(pgserver.Fast)
	}
	at, tickErr := t.tick(ctx)
	if err := t.halt(pgserver.Fast); err != nil {
		return err
	}
	if tickErr == nil {
		s := seal{Tick: at.time, End: time.Now()}
		if s.LSN, tickErr = t.keepTail(ctx); tickErr == nil {
			t.meta.Sealed = &s
			return t.save()
		}
	}
	// It must be stopped all the same; a fork will wake it to find its head.
	t.store.cfg.Log.Warn("timeline stopped without archiving its head", "timeline", t.id, "error", tickErr)
	return nil
}

// keepTail copies the last segment of a cleanly stopped cluster and returns the LSN of its shutdown.
func (t *Timeline) keepTail(ctx context.Context) (LSN, error) {
	path, err := pgserver.Bin("pg_controldata")
	if err != nil {
		return 0, err
	}
	cmd := exec.CommandContext(ctx, path, t.data())
	cmd.Env = append(os.Environ(), "LC_ALL=C")
	out, err := cmd.Output()
	if err != nil {
		return 0, fmt.Errorf("read control file: %w", err)
	}
	control := map[string]string{}
	for line := range strings.Lines(string(out)) {
		if name, value, ok := strings.Cut(line, ":"); ok {
			control[name] = strings.TrimSpace(value)
		}
	}
	if state := control["Database cluster state"]; state != "shut down" {
		return 0, fmt.Errorf("read control file: the cluster was not shut down but is %q", state)
	}
	lsn, err := ParseLSN(control["Latest checkpoint location"])
	if err != nil {
		return 0, err
	}
	segment := control["Latest checkpoint's REDO WAL file"]
	dir := filepath.Join(t.archive(), tails)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return 0, fmt.Errorf("make folder of last segments: %w", err)
	}
	if err := pgserver.Own(dir); err != nil {
		return 0, err
	}
	if err := t.dropOldTails(dir); err != nil {
		return 0, err
	}
	if err := pgserver.RunProgram(ctx, "cp", filepath.Join(t.data(), "pg_wal", segment), filepath.Join(dir, segment)); err != nil {
		return 0, fmt.Errorf("keep last segment: %w", err)
	}
	return lsn, nil
}

// dropOldTails removes last segments that were filled up and archived since. One that is not may still be
// read by a fork under way.
func (t *Timeline) dropOldTails(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return fmt.Errorf("list last segments: %w", err)
	}
	for _, e := range entries {
		if _, err := os.Stat(filepath.Join(t.archive(), e.Name())); err == nil {
			if err := os.Remove(filepath.Join(dir, e.Name())); err != nil {
				return fmt.Errorf("remove last segment: %w", err)
			}
		}
	}
	return nil
}
