package dir_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/lifeboat-dr/lifeboat/internal/store"
	"github.com/lifeboat-dr/lifeboat/internal/store/dir"
	"github.com/lifeboat-dr/lifeboat/internal/store/storetest"
)

func TestConformance(t *testing.T) {
	storetest.Run(t, func(t *testing.T) store.Store { return storetest.Dir(t) })
}

func opened(t *testing.T, path string) *dir.Store {
	t.Helper()
	s, err := dir.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func created(t *testing.T, s store.Store, key, body string, opt store.CreateOptions) store.Object {
	t.Helper()
	o, err := s.Create(t.Context(), key, []byte(body), opt)
	if err != nil {
		t.Fatal(err)
	}
	return o
}

func read(t *testing.T, s store.Store, key, version string) (string, error) {
	t.Helper()
	r, _, err := s.Open(t.Context(), key, version)
	if err != nil {
		return "", err
	}
	defer r.Close()
	b, err := io.ReadAll(r)
	return string(b), err
}

// An object is a plain file at its key, and neither files nor folders are open to others.
func TestOnDisk(t *testing.T) {
	path := t.TempDir()
	created(t, opened(t, path), "v1/db/x.json", "body", store.CreateOptions{Metadata: map[string]string{"a": "b"}})
	if b, err := os.ReadFile(filepath.Join(path, "v1/db/x.json")); err != nil || string(b) != "body" {
		t.Errorf("the file holds %q, %v", b, err)
	}
	err := filepath.WalkDir(path, func(p string, d fs.DirEntry, err error) error {
		if err != nil || p == path {
			return err
		}
		info, err := d.Info()
		if err == nil && info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s has mode %s", p, info.Mode())
		}
		return err
	})
	if err != nil {
		t.Error(err)
	}
	if left, _ := os.ReadDir(filepath.Join(path, ".lifeboat/incoming")); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
}

// Stores opened apart stand for processes: each has a lock file handle of its own.
func TestOneOfManyProcessesWins(t *testing.T) {
	path := t.TempDir()
	var wg sync.WaitGroup
	var mu sync.Mutex
	won := 0
	for range 16 {
		s := opened(t, path)
		wg.Go(func() {
			_, err := s.Create(t.Context(), "v1/epochs/1.json", []byte("1"), store.CreateOptions{})
			mu.Lock()
			defer mu.Unlock()
			if err == nil {
				won++
			} else if !errors.Is(err, store.ErrExists) {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if won != 1 {
		t.Errorf("%d won", won)
	}
}

func TestDamageIsSeen(t *testing.T) {
	for what, damage := range map[string]func([]byte) []byte{
		"changed":   func(b []byte) []byte { c := bytes.Clone(b); c[100] ^= 1; return c },
		"truncated": func(b []byte) []byte { return b[:len(b)-1] },
		"appended":  func(b []byte) []byte { return append(bytes.Clone(b), 'x') },
	} {
		path := t.TempDir()
		s := opened(t, path)
		body := bytes.Repeat([]byte("body"), 1000)
		o := created(t, s, "a/k", string(body), store.CreateOptions{})
		if err := os.WriteFile(filepath.Join(path, "a/k"), damage(body), 0o600); err != nil {
			t.Fatal(err)
		}
		// A truncated or longer file has another size than its record says, yet it is the digest that decides.
		for _, version := range []string{"", o.Version} {
			if _, err := read(t, s, "a/k", version); !errors.Is(err, store.ErrCorrupt) {
				t.Errorf("%s, version %q: %v", what, version, err)
			}
		}
	}
}

// Whoever copies only the plain files can still open them by the versions a manifest names.
func TestLostRecords(t *testing.T) {
	path := t.TempDir()
	o := created(t, opened(t, path), "a/k", "body", store.CreateOptions{Metadata: map[string]string{"a": "b"}})
	if err := os.RemoveAll(filepath.Join(path, ".lifeboat")); err != nil {
		t.Fatal(err)
	}
	s := opened(t, path)
	if got, err := read(t, s, "a/k", o.Version); err != nil || got != "body" {
		t.Errorf("read %q, %v", got, err)
	}
	if err := os.WriteFile(filepath.Join(path, "a/k"), []byte("ydob"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := read(t, s, "a/k", o.Version); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("other bytes under the pinned version: %v", err)
	}
	until := time.Now().Add(time.Hour)
	if err := s.Extend(t.Context(), "a/k", "", until); err != nil {
		t.Fatal(err)
	}
	if o, err := s.Stat(t.Context(), "a/k", ""); err != nil || !o.RetainUntil.Equal(until) {
		t.Errorf("extended to %s, %v", o.RetainUntil, err)
	}
}

// A file that was deleted is gone, whatever its record says, and a copy can be put back.
func TestDeletedFile(t *testing.T) {
	path := t.TempDir()
	s := opened(t, path)
	first := created(t, s, "a/k", "body", store.CreateOptions{Metadata: map[string]string{"n": "1"}})
	if err := os.Remove(filepath.Join(path, "a/k")); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Stat(t.Context(), "a/k", first.Version); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("stat: %v", err)
	}
	for o := range s.Versions(t.Context(), "") {
		t.Errorf("listed: %+v", o)
	}
	for name := range s.Folders(t.Context(), "") {
		t.Errorf("an empty folder is listed: %s", name)
	}
	created(t, s, "a/k", "other", store.CreateOptions{Metadata: map[string]string{"n": "2"}})
	if o, err := s.Stat(t.Context(), "a/k", ""); err != nil || o.Metadata["n"] != "2" {
		t.Errorf("put back: %+v, %v", o, err)
	}
}

func TestForeignFilesAreKept(t *testing.T) {
	path := t.TempDir()
	if err := os.WriteFile(filepath.Join(path, "mine"), []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	s := opened(t, path)
	if _, err := s.Create(t.Context(), "mine", []byte("x"), store.CreateOptions{}); !errors.Is(err, store.ErrExists) {
		t.Errorf("create: %v", err)
	}
	if b, _ := os.ReadFile(filepath.Join(path, "mine")); string(b) != "precious" {
		t.Errorf("the file holds %q", b)
	}
}

// Nothing outside of the directory can be reached, not even through links somebody put there.
func TestLinksLeadNowhere(t *testing.T) {
	outside, path := t.TempDir(), t.TempDir()
	if err := os.WriteFile(filepath.Join(outside, "secret"), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, target := range map[string]string{"dir": outside, "file": filepath.Join(outside, "secret")} {
		if err := os.Symlink(target, filepath.Join(path, name)); err != nil {
			t.Fatal(err)
		}
	}
	s := opened(t, path)
	for _, key := range []string{"dir/secret", "file"} {
		if _, err := read(t, s, key, ""); err == nil {
			t.Errorf("%s can be read", key)
		}
	}
	if _, err := s.Create(t.Context(), "dir/new", []byte("x"), store.CreateOptions{}); err == nil {
		t.Error("a file can be created outside")
	}
	for o, err := range s.Versions(t.Context(), "") {
		t.Errorf("listed: %+v, %v", o, err)
	}
}

func TestRefusals(t *testing.T) {
	_, err := dir.Open(filepath.Join(t.TempDir(), "missing"))
	if !errors.Is(err, store.ErrDenied) || !strings.Contains(err.Error(), "mount") {
		t.Errorf("a missing directory: %v", err)
	}
	s := opened(t, t.TempDir())
	created(t, s, "a", "x", store.CreateOptions{})
	for _, key := range []string{"a/b", ".lifeboat/lock", ".lifeboat"} {
		if _, err := s.Create(t.Context(), key, nil, store.CreateOptions{}); !errors.Is(err, store.ErrInvalid) {
			t.Errorf("create %q: %v", key, err)
		}
	}
	p, err := s.Inspect(t.Context())
	if err != nil || p.Versioning || p.ObjectLock || len(p.Unverified) != 1 {
		t.Errorf("inspect: %+v, %v", p, err)
	}
}

// While another process is committing nobody else does, and waiting for it ends with the context.
func TestLockOfAnotherProcess(t *testing.T) {
	path := t.TempDir()
	s := opened(t, path)
	o := created(t, s, "a", "x", store.CreateOptions{})
	other, err := os.OpenFile(filepath.Join(path, ".lifeboat/lock"), os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	if err := syscall.Flock(int(other.Fd()), syscall.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := s.Create(ctx, "b", nil, store.CreateOptions{}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("create: %v", err)
	}
	if err := s.Extend(ctx, "a", o.Version, time.Now().Add(time.Hour)); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("extend: %v", err)
	}
	if got, err := read(t, s, "a", ""); err != nil || got != "x" {
		t.Errorf("reading waits, too: %q, %v", got, err)
	}
	if err := syscall.Flock(int(other.Fd()), syscall.LOCK_UN); err != nil {
		t.Fatal(err)
	}
	created(t, s, "b", "x", store.CreateOptions{})
}
