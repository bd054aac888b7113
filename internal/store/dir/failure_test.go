package dir

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/lifeboat-dr/lifeboat/internal/store"
)

func TestFailure(t *testing.T) {
	for cause, kind := range map[error]error{
		syscall.ENOSPC: store.ErrFull, syscall.EDQUOT: store.ErrFull, syscall.EROFS: store.ErrDenied, syscall.EACCES: store.ErrDenied,
		syscall.EEXIST: store.ErrExists, syscall.ENOENT: store.ErrNotFound, syscall.ENAMETOOLONG: store.ErrInvalid,
		syscall.ENOTDIR: store.ErrInvalid, syscall.EIO: store.ErrUnavailable, syscall.ESTALE: store.ErrUnavailable,
		context.DeadlineExceeded: store.ErrUnavailable,
	} {
		err := failure("create", "k", errors.Join(&fs.PathError{Op: "write", Path: "p", Err: cause}))
		if err.Kind != kind || !errors.Is(err, cause) {
			t.Errorf("%v became %v", cause, err)
		}
	}
}

// What a killed writer leaves is removed when it is old enough to belong to nobody, and not before.
func TestSweep(t *testing.T) {
	path := t.TempDir()
	s, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	old, err := s.receive([]byte("old"))
	if err != nil {
		t.Fatal(err)
	}
	young, err := s.receive([]byte("young"))
	if err != nil {
		t.Fatal(err)
	}
	past := time.Now().Add(-2 * abandoned)
	if err := os.Chtimes(filepath.Join(path, old), past, past); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s, err = Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if _, err := s.root.Stat(old); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("the old file: %v", err)
	}
	if _, err := s.root.Stat(young); err != nil {
		t.Errorf("the young file: %v", err)
	}
}

// A full disk in the middle of a body leaves neither an object nor a stray file. The limit on the size of
// a file stands in for the disk.
func TestFullInTheMiddle(t *testing.T) {
	path := t.TempDir()
	s, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	var before syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &before); err != nil {
		t.Fatal(err)
	}
	small := before
	small.Cur = 1 << 20
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &small); err != nil {
		t.Fatal(err)
	}
	_, err = s.Create(t.Context(), "k", make([]byte, 2<<20), store.CreateOptions{})
	if reset := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &before); reset != nil {
		t.Fatal(reset)
	}
	if !errors.Is(err, store.ErrFull) {
		t.Errorf("create: %v", err)
	}
	if left, err := os.ReadDir(filepath.Join(path, incoming)); err != nil || len(left) != 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
	if _, err := s.Create(t.Context(), "k", make([]byte, 2<<20), store.CreateOptions{}); err != nil {
		t.Errorf("after room was made: %v", err)
	}
}
