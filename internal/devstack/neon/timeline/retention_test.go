package timeline_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/lifeboat-dr/lifeboat/internal/devstack/neon/timeline"
)

func TestPruneKeepsWhatCanBeAskedFor(t *testing.T) {
	t.Parallel()
	dir := stateDir(t)
	s := open(t, dir)
	main := root(t, s)
	at1, _ := write(t, main, 1)
	exec(t, main, "CREATE TABLE bulk AS SELECT repeat('x', 1000) FROM generate_series(1, 40000)") // several segments
	if due, err := main.BackupDue(t.Context(), 1<<20); err != nil || !due {
		t.Errorf("a base backup is due: %v, %v", due, err)
	}
	if due, err := main.BackupDue(t.Context(), 1<<40); err != nil || due {
		t.Errorf("a base backup is due already: %v, %v", due, err)
	}
	child := fork(t, s, "child", main, timeline.Target{Time: at1})
	if err := main.Backup(t.Context()); err != nil {
		t.Fatal(err)
	}
	at2, _ := write(t, main, 2)
	exec(t, main, "CREATE TABLE more AS SELECT repeat('x', 1000) FROM generate_series(1, 10000)")
	if due, err := main.BackupDue(t.Context(), 1<<20); err != nil || due {
		t.Errorf("a base backup that is larger than what was written since is due: %v, %v", due, err)
	}
	segments := func() int {
		list, err := filepath.Glob(filepath.Join(dir, "root", "archive", "0*"))
		if err != nil {
			t.Fatal(err)
		}
		return len(list)
	}
	before := segments()

	// The child begins with the first base backup.
	if err := s.Prune(main, 0); err != nil {
		t.Fatal(err)
	}
	wantLog(t, fork(t, s, "still", main, timeline.Target{Time: at1}), "1")
	if err := s.Collect(map[string]bool{"root": true, "child": true}); err != nil {
		t.Fatal(err)
	}
	if s.Get("still") != nil || s.Get("child") == nil {
		t.Error("the wrong line was deleted")
	}
	write(t, child, 10)
	wantLog(t, fork(t, s, "grandchild", child, timeline.Target{}), "1,10")

	// A needed line keeps its ancestors.
	if err := s.Collect(map[string]bool{"grandchild": true}); err != nil {
		t.Fatal(err)
	}
	if s.Get("child") == nil || s.Get("root") == nil {
		t.Fatal("an ancestor was deleted")
	}
	if err := s.Collect(map[string]bool{"root": true}); err != nil {
		t.Fatal(err)
	}
	if err := s.Prune(main, 0); err != nil {
		t.Fatal(err)
	}
	if after := segments(); after >= before {
		t.Errorf("%d segments before, %d after", before, after)
	}
	if _, err := s.Fork(t.Context(), "x", main, timeline.Target{Time: at1}); !errors.Is(err, timeline.ErrBeforeHistory) {
		t.Errorf("a point that was pruned: %v", err)
	}
	wantLog(t, fork(t, s, "later", main, timeline.Target{Time: at2}), "1,2")
	bases, err := os.ReadDir(filepath.Join(dir, "root", "bases"))
	if err != nil || len(bases) != 1 {
		t.Errorf("%d base backups are left: %v", len(bases), err)
	}
}

func TestAWholeWindowIsKept(t *testing.T) {
	t.Parallel()
	s := open(t, stateDir(t))
	main := root(t, s)
	at1, _ := write(t, main, 1)
	if err := main.Backup(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := s.Prune(main, time.Hour); err != nil {
		t.Fatal(err)
	}
	wantLog(t, fork(t, s, "child", main, timeline.Target{Time: at1}), "1")
}
