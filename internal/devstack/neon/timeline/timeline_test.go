package timeline_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/lifeboat-dr/lifeboat/internal/devstack/neon/timeline"
	"github.com/lifeboat-dr/lifeboat/internal/devstack/pgserver"
)

// open opens a store in a folder that servers can reach.
func open(t *testing.T, dir string) *timeline.Store {
	t.Helper()
	s, err := timeline.Open(timeline.Config{Dir: dir, NoSync: true, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(context.Background()); err != nil { // the test's own context has ended
			t.Errorf("close: %v", err)
		}
	})
	return s
}

func stateDir(t *testing.T) string {
	t.Helper()
	return filepath.Join(pgserver.TestDir(t), "lines")
}

func root(t *testing.T, s *timeline.Store) *timeline.Timeline {
	t.Helper()
	line, err := s.Create(t.Context(), "root")
	if err != nil {
		t.Fatal(err)
	}
	exec(t, line, "CREATE TABLE log (n int)")
	if err := line.Backup(t.Context()); err != nil {
		t.Fatal(err)
	}
	return line
}

func exec(t *testing.T, line *timeline.Timeline, sql string) {
	t.Helper()
	conn, err := line.Connect(t.Context(), "postgres")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	if _, err := conn.Exec(t.Context(), sql); err != nil {
		t.Fatal(err)
	}
}

func query[T any](t *testing.T, line *timeline.Timeline, sql string) (v T) {
	t.Helper()
	conn, err := line.Connect(t.Context(), "postgres")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	if err := conn.QueryRow(t.Context(), sql).Scan(&v); err != nil {
		t.Fatal(err)
	}
	return v
}

func log(t *testing.T, line *timeline.Timeline) string {
	t.Helper()
	return query[string](t, line, "SELECT coalesce(string_agg(n::text, ',' ORDER BY n), '') FROM log")
}

// write commits n and returns the time and the LSN right after.
func write(t *testing.T, line *timeline.Timeline, n int) (time.Time, timeline.LSN) {
	t.Helper()
	exec(t, line, fmt.Sprintf("INSERT INTO log VALUES (%d)", n))
	lsn, err := timeline.ParseLSN(query[string](t, line, "SELECT pg_current_wal_insert_lsn()::text"))
	if err != nil {
		t.Fatal(err)
	}
	return query[time.Time](t, line, "SELECT clock_timestamp()"), lsn
}

func fork(t *testing.T, s *timeline.Store, id string, parent *timeline.Timeline, target timeline.Target) *timeline.Timeline {
	t.Helper()
	line, err := s.Fork(t.Context(), id, parent, target)
	if err != nil {
		t.Fatal(err)
	}
	return line
}

func wantLog(t *testing.T, line *timeline.Timeline, want string) {
	t.Helper()
	if got := log(t, line); got != want {
		t.Errorf("timeline %s holds %q, want %q", line.ID(), got, want)
	}
}

func TestForks(t *testing.T) {
	t.Parallel()
	s := open(t, stateDir(t))
	main := root(t, s)
	at1, lsn1 := write(t, main, 1)
	at2, _ := write(t, main, 2)

	child := fork(t, s, "child", main, timeline.Target{})
	wantLog(t, child, "1,2")
	write(t, main, 3)
	atChild, lsnChild := write(t, child, 10)
	write(t, child, 11)
	wantLog(t, main, "1,2,3")
	wantLog(t, child, "1,2,10,11")

	wantLog(t, fork(t, s, "by-time", main, timeline.Target{Time: at1}), "1")
	wantLog(t, fork(t, s, "by-lsn", main, timeline.Target{LSN: lsn1}), "1")
	wantLog(t, fork(t, s, "grandchild", child, timeline.Target{Time: atChild}), "1,2,10")
	grand := fork(t, s, "grandchild-lsn", child, timeline.Target{LSN: lsnChild})
	wantLog(t, grand, "1,2,10")
	wantLog(t, fork(t, s, "beyond-the-fork", child, timeline.Target{Time: at1}), "1")
	wantLog(t, fork(t, s, "before-the-fork-by-lsn", grand, timeline.Target{LSN: lsn1}), "1")

	// A line forked in the past: between the point and now it knows nothing of its parent.
	past := fork(t, s, "past", main, timeline.Target{Time: at1})
	wantLog(t, fork(t, s, "past-at-2", past, timeline.Target{Time: at2}), "1")

	if _, err := s.Fork(t.Context(), "x", main, timeline.Target{LSN: lsn1 + 1<<40}); !errors.Is(err, timeline.ErrAfterHead) {
		t.Errorf("an LSN to come: %v", err)
	}
	if _, err := s.Fork(t.Context(), "x", main, timeline.Target{Time: time.Now().Add(time.Hour)}); !errors.Is(err, timeline.ErrAfterHead) {
		t.Errorf("a time to come: %v", err)
	}
	if _, err := s.Fork(t.Context(), "x", grand, timeline.Target{Time: at1.Add(-time.Hour)}); !errors.Is(err, timeline.ErrBeforeHistory) {
		t.Errorf("a time before history: %v", err)
	}

	// A second base backup serves points after it, the first one those before.
	if err := main.Backup(t.Context()); err != nil {
		t.Fatal(err)
	}
	write(t, main, 4)
	wantLog(t, fork(t, s, "from-second-base", main, timeline.Target{}), "1,2,3,4")
	wantLog(t, fork(t, s, "from-first-base", main, timeline.Target{Time: at2}), "1,2")
}

func TestForksOfLinesAtRest(t *testing.T) {
	t.Parallel()
	dir := stateDir(t)
	s := open(t, dir)
	main := root(t, s)
	at1, _ := write(t, main, 1)
	write(t, main, 2)
	for _, mode := range []timeline.Mode{timeline.ReadOnly, timeline.Stopped} {
		if err := main.Set(t.Context(), mode); err != nil {
			t.Fatal(err)
		}
		wantLog(t, fork(t, s, fmt.Sprint("head-", mode), main, timeline.Target{}), "1,2")
		wantLog(t, fork(t, s, fmt.Sprint("now-", mode), main, timeline.Target{Time: time.Now()}), "1,2")
		wantLog(t, fork(t, s, fmt.Sprint("past-", mode), main, timeline.Target{Time: at1}), "1")
		if main.Mode() != mode {
			t.Errorf("mode %v became %v", mode, main.Mode())
		}
	}
	if err := s.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	again := open(t, dir)
	main = again.Get("root")
	if err := main.Set(t.Context(), timeline.ReadWrite); err != nil {
		t.Fatal(err)
	}
	write(t, main, 3)
	wantLog(t, fork(t, again, "later", main, timeline.Target{}), "1,2,3")
}

func TestForkAfterACrash(t *testing.T) {
	t.Parallel()
	s := open(t, stateDir(t))
	main := root(t, s)
	pid := query[string](t, main, "SELECT pg_read_file('postmaster.pid', 0, 20)")
	var postmaster int
	if _, err := fmt.Sscan(pid, &postmaster); err != nil {
		t.Fatal(err)
	}
	write(t, main, 1)
	if err := syscall.Kill(postmaster, syscall.SIGQUIT); err != nil {
		t.Fatal(err)
	}
	for main.Mode() != timeline.Stopped {
		time.Sleep(5 * time.Millisecond)
	}
	wantLog(t, fork(t, s, "child", main, timeline.Target{}), "1")
}

func TestReadOnlyRefusesWritesWhateverIsSet(t *testing.T) {
	t.Parallel()
	s := open(t, stateDir(t))
	main := root(t, s)
	write(t, main, 1)
	if err := main.Set(t.Context(), timeline.ReadOnly); err != nil {
		t.Fatal(err)
	}
	conn, err := main.Connect(t.Context(), "postgres")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	for _, sql := range []string{"SET default_transaction_read_only = off; INSERT INTO log VALUES (2)", "BEGIN READ WRITE"} {
		if _, err := conn.PgConn().Exec(t.Context(), sql).ReadAll(); err == nil {
			t.Errorf("%q was let through", sql)
		}
		_, _ = conn.Exec(t.Context(), "ROLLBACK")
	}
	if err := main.Set(t.Context(), timeline.ReadWrite); err != nil {
		t.Fatal(err)
	}
	write(t, main, 2)
	wantLog(t, main, "1,2")
}

func TestReplicaFollows(t *testing.T) {
	t.Parallel()
	s := open(t, stateDir(t))
	main := root(t, s)
	exec(t, main, "CREATE ROLE app LOGIN PASSWORD 'x'; GRANT pg_read_all_data TO app")
	write(t, main, 1)
	addr, err := main.Replica(t.Context(), "r1")
	if err != nil {
		t.Fatal(err)
	}
	if again, err := main.Replica(t.Context(), "r1"); err != nil || again != addr {
		t.Errorf("starting it again: %v, %v", again, err)
	}
	write(t, main, 2)
	if addr == main.Addr() || !addr.IsValid() {
		t.Errorf("replica listens on %v", addr)
	}
	if err := main.StopReplica("r1"); err != nil {
		t.Fatal(err)
	}
	if main.ReplicaAddr("r1").IsValid() {
		t.Error("a stopped replica has an address")
	}
}

func TestUnfinishedForksAreRemoved(t *testing.T) {
	t.Parallel()
	dir := stateDir(t)
	s := open(t, dir)
	if err := s.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	half := filepath.Join(dir, "half", "data")
	if err := os.MkdirAll(half, 0o700); err != nil {
		t.Fatal(err)
	}
	open(t, dir)
	if _, err := os.Stat(half); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the unfinished line is still there: %v", err)
	}
}
