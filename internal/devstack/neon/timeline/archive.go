package timeline

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/lifeboat-dr/lifeboat/internal/devstack/pgserver"
)

const (
	// archiveTimeout bounds the wait for the archiver; it wakes at once after a switch of segments.
	archiveTimeout = time.Minute
	// archivePoll is how often the archive is looked at.
	archivePoll = 5 * time.Millisecond
)

// archiveCommand copies a segment under a passing name and renames it. One that is there already with the
// same bytes is fine: the archiver repeats itself after a crash.
func archiveCommand(dir string) string {
	to := dir + "/%f"
	return fmt.Sprintf(`if test -f '%[1]s'; then cmp -s '%%p' '%[1]s'; else cp '%%p' '%[2]s/%%f.new' && mv '%[2]s/%%f.new' '%[1]s'; fi`, to, dir)
}

// restoreCommand looks into several archives, the nearest first.
func restoreCommand(dirs []string) string {
	var b strings.Builder
	b.WriteString("for d in")
	for _, dir := range dirs {
		fmt.Fprintf(&b, " '%s' '%s/%s'", dir, dir, tails)
	}
	b.WriteString(`; do test -f "$d/%f" && exec cp "$d/%f" "%p"; done; exit 1`)
	return b.String()
}

// Head makes sure that everything up to now is archived, and returns the LSN now: what a fork at the head
// forks at. A stopped line is woken for it only when it was not stopped cleanly.
func (t *Timeline) Head(ctx context.Context) (LSN, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	at, err := t.head(ctx)
	return at.lsn, err
}

// instant is a head with a commit after it, both archived.
type instant struct {
	lsn  LSN
	time time.Time // of that commit
}

// head is [Timeline.Head] with t.mu held.
func (t *Timeline) head(ctx context.Context) (instant, error) {
	if t.meta.Sealed == nil && t.Mode() == ReadWrite {
		return t.tick(ctx)
	}
	if t.meta.Sealed == nil {
		if err := t.reseal(ctx); err != nil {
			return instant{}, err
		}
	}
	return instant{lsn: t.meta.Sealed.LSN, time: t.meta.Sealed.End}, nil
}

// reseal starts a line and stops it cleanly; t.mu is held.
func (t *Timeline) reseal(ctx context.Context) error {
	if err := t.start(ctx, ReadWrite, nil); err != nil {
		return err
	}
	if err := t.stop(ctx); err != nil {
		return err
	}
	if t.meta.Sealed == nil {
		return fmt.Errorf("archive head of timeline %s: its server does not archive: see its log", t.id)
	}
	return nil
}

// tick commits something and waits until that is archived: recovery to a point needs a record after it,
// to a time a commit after it. t.mu is held.
func (t *Timeline) tick(ctx context.Context) (at instant, err error) {
	conn, err := t.Connect(ctx, "postgres")
	if err != nil {
		return instant{}, err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	var lsn, segment string
	if err := conn.QueryRow(ctx, "SELECT pg_current_wal_insert_lsn()::text").Scan(&lsn); err != nil {
		return instant{}, fmt.Errorf("ask timeline %s for its head: %w", t.id, err)
	}
	if at.lsn, err = ParseLSN(lsn); err != nil {
		return instant{}, err
	}
	// A standby replays the message as nothing; logical subscribers without an interest in it skip it.
	if _, err := conn.Exec(ctx, "SELECT pg_logical_emit_message(true, 'emulator', 'tick')"); err != nil {
		return instant{}, fmt.Errorf("commit a tick on timeline %s: %w", t.id, err)
	}
	if err := conn.QueryRow(ctx, "SELECT pg_walfile_name(pg_switch_wal()), clock_timestamp()").Scan(&segment, &at.time); err != nil {
		return instant{}, fmt.Errorf("switch WAL segment of timeline %s: %w", t.id, err)
	}
	return at, t.waitArchived(ctx, segment)
}

func (t *Timeline) waitArchived(ctx context.Context, segment string) error {
	ctx, cancel := context.WithTimeout(ctx, archiveTimeout)
	defer cancel()
	poll := time.NewTicker(archivePoll)
	defer poll.Stop()
	for {
		if _, err := os.Stat(filepath.Join(t.archive(), segment)); err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for segment %s of timeline %s to be archived: %w", segment, t.id, ctx.Err())
		case <-poll.C:
		}
	}
}

// Backup takes a base backup of a line that runs read-write: from its end on the line can be forked at any
// point. More of them make forks quicker, as less WAL is replayed.
func (t *Timeline) Backup(ctx context.Context) (err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	conn, err := t.Connect(ctx, "postgres")
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	var start, end string
	if err := conn.QueryRow(ctx, "SELECT pg_current_wal_insert_lsn()::text").Scan(&start); err != nil {
		return fmt.Errorf("begin base backup of timeline %s: %w", t.id, err)
	}
	t.live.Lock()
	server := t.server
	t.live.Unlock()
	if server == nil {
		return fmt.Errorf("back up timeline %s: %w", t.id, ErrStopped)
	}
	b := base{Name: strings.ReplaceAll(start, "/", "-")}
	dir := filepath.Join(t.basesDir(), b.Name)
	if err := os.RemoveAll(dir); err != nil { // of an attempt that was cut short
		return fmt.Errorf("remove unfinished base backup: %w", err)
	}
	err = pgserver.Run(ctx, "pg_basebackup", "--host="+server.SocketDir(), "--port="+port(server), "--username="+Superuser,
		"--pgdata="+dir, "--wal-method=none", "--checkpoint=fast", "--no-sync", "--no-manifest")
	if err != nil {
		return errors.Join(fmt.Errorf("back up timeline %s: %w", t.id, err), os.RemoveAll(dir))
	}
	// Taken after the end, so that both are on the safe side.
	const finish = "SELECT pg_current_wal_insert_lsn()::text, clock_timestamp(), (SELECT sum(pg_database_size(oid))::bigint FROM pg_database)"
	if err := conn.QueryRow(ctx, finish).Scan(&end, &b.Time, &b.Bytes); err != nil {
		return fmt.Errorf("end base backup of timeline %s: %w", t.id, err)
	}
	if b.Start, err = ParseLSN(start); err != nil {
		return err
	}
	if b.LSN, err = ParseLSN(end); err != nil {
		return err
	}
	if _, err := t.tick(ctx); err != nil {
		return err
	}
	t.meta.Bases = append(t.meta.Bases, b)
	return t.save()
}
