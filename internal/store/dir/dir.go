// Package dir is a vault's store in a directory: a disk at hand, a mounted share, a removable drive.
//
// An object is an ordinary file whose path is its key, so a backup can be restored from it with no other
// tool than age and zstd. What a file cannot say (digest, metadata, time to retain until) is in a record
// below .lifeboat/records, named by the SHA-256 of the key. The version of an object is the SHA-256 of
// its bytes: it pins them even where the records are lost, and then it is found by reading the file.
//
// A write is durable when Create returns: the file is written and synced below .lifeboat/incoming, its
// record is synced, and then the file is linked to its name, which fails if the name is taken. What a
// crash leaves is either nothing of the object or all of it; a record without a file counts as nothing.
// Processes that share the directory are kept apart by a lock on .lifeboat/lock.
//
// What it is not: it keeps one version of a key, a key cannot be an object and a folder at the same time,
// and a time to retain until is recorded, shown and never shortened here, but nothing keeps others from
// deleting the file. [Store.Inspect] says so.
package dir

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/lifeboat-dr/lifeboat/internal/store"
)

const (
	private  = ".lifeboat"
	incoming = private + "/incoming"
	records  = private + "/records"
	lockFile = private + "/lock"
	// abandoned is the age after which a half-written file belongs to no living writer.
	abandoned = 24 * time.Hour
)

// Store is a directory. It is safe for use by many goroutines and many processes.
type Store struct {
	path string
	root *os.Root // nothing outside is reachable through it, not even by symbolic links

	committing sync.Mutex // the lock file keeps processes apart, not goroutines
	preparing  sync.Mutex // holds lock
	lock       *os.File   // nil while nothing can be written
}

var _ store.Store = (*Store)(nil)

// Open opens the store in the directory, which must exist: a share that is not mounted must be noticed,
// not filled in. One that cannot be written to can still be read: a backup on a read-only medium is one.
// Close gives its file handles back.
func Open(path string) (*Store, error) {
	s := &Store{path: path}
	root, err := os.OpenRoot(path)
	if err != nil {
		f := failure("configure", path, err)
		if errors.Is(err, fs.ErrNotExist) {
			f.Kind, f.Hint = store.ErrDenied, "create the directory, or mount what should be there"
		}
		return nil, f
	}
	s.root = root
	err = s.writable()
	if err != nil && !errors.Is(err, syscall.EROFS) && !errors.Is(err, fs.ErrPermission) {
		root.Close()
		return nil, failure("configure", path, err)
	}
	return s, nil
}

// writable prepares the directory if that has not been possible yet, and says why it is not.
func (s *Store) writable() error {
	s.preparing.Lock()
	defer s.preparing.Unlock()
	if s.lock != nil {
		return nil
	}
	return s.prepare()
}

// prepare makes what the store needs of its own.
func (s *Store) prepare() error {
	for _, d := range []string{incoming, records} {
		if err := s.root.MkdirAll(d, 0o700); err != nil {
			return err
		}
	}
	if err := s.sync(".", private); err != nil {
		return err
	}
	lock, err := s.root.OpenFile(lockFile, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	if err := s.sweep(); err != nil {
		lock.Close()
		return err
	}
	s.lock = lock
	return nil
}

// sweep removes what writers left that died long ago.
func (s *Store) sweep() error {
	entries, err := fs.ReadDir(s.root.FS(), incoming)
	if err != nil {
		return err
	}
	for _, e := range entries {
		info, err := e.Info()
		if err != nil || time.Since(info.ModTime()) < abandoned {
			continue
		}
		if err := s.root.Remove(incoming + "/" + e.Name()); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

// Close releases the directory. The store cannot be used afterwards.
func (s *Store) Close() error {
	if s.lock == nil {
		return s.root.Close()
	}
	return errors.Join(s.lock.Close(), s.root.Close())
}

// Location implements [store.Store].
func (s *Store) Location() string { return "dir://" + s.path }

// Inspect implements [store.Store].
func (s *Store) Inspect(ctx context.Context) (store.Properties, error) {
	if err := ctx.Err(); err != nil {
		return store.Properties{}, failure("inspect", "", err)
	}
	if _, err := s.root.Stat("."); err != nil {
		return store.Properties{}, failure("inspect", "", err)
	}
	return store.Properties{Unverified: []string{
		"retention: a directory records it and cannot enforce it: whoever can write there can delete, " +
			"unless the file system below keeps snapshots or is write-once, which cannot be seen from here",
	}}, nil
}

// exclusively runs what must see a directory that nobody else is changing. Everything slow belongs before.
func (s *Store) exclusively(ctx context.Context, do func() error) error {
	if err := s.writable(); err != nil {
		return err
	}
	s.committing.Lock()
	defer s.committing.Unlock()
	wait := time.NewTicker(2 * time.Millisecond)
	defer wait.Stop()
	for {
		if err := ctx.Err(); err != nil {
			return err
		}
		err := syscall.Flock(int(s.lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			break
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) && !errors.Is(err, syscall.EINTR) {
			return fmt.Errorf("lock the directory: %w", err)
		}
		select {
		case <-ctx.Done():
		case <-wait.C:
		}
	}
	err := do()
	return errors.Join(err, syscall.Flock(int(s.lock.Fd()), syscall.LOCK_UN))
}

// sync makes the names in directories durable.
func (s *Store) sync(dirs ...string) error {
	for _, d := range dirs {
		f, err := s.root.Open(d)
		if err != nil {
			return err
		}
		if err := errors.Join(f.Sync(), f.Close()); err != nil {
			return fmt.Errorf("sync %s: %w", d, err)
		}
	}
	return nil
}

// checkKey also refuses the names the store uses itself.
func checkKey(op, key string) error {
	if err := store.CheckKey(op, key); err != nil {
		return err
	}
	if key == private || strings.HasPrefix(key, private+"/") {
		return &store.Error{Op: op, Key: key, Kind: store.ErrInvalid, Hint: "the store keeps its own files in " + private}
	}
	return nil
}

// failure turns an error of the file system into the store's.
func failure(op, key string, err error) *store.Error {
	var already *store.Error
	if errors.As(err, &already) {
		return already
	}
	e := &store.Error{Op: op, Key: key, Kind: store.ErrUnavailable, Err: err}
	is := func(all ...error) bool {
		for _, target := range all {
			if errors.Is(err, target) {
				return true
			}
		}
		return false
	}
	switch {
	case is(context.Canceled, context.DeadlineExceeded):
	case is(fs.ErrExist):
		e.Kind = store.ErrExists
	case is(fs.ErrNotExist):
		e.Kind = store.ErrNotFound
	case is(syscall.ENOSPC, syscall.EDQUOT, syscall.EFBIG):
		e.Kind, e.Hint = store.ErrFull, "make room on the file system or raise the quota"
	case is(fs.ErrPermission, syscall.EROFS):
		e.Kind, e.Hint = store.ErrDenied, "check the owner and the mode of the directory, and that it is mounted for writing"
	case is(syscall.ENAMETOOLONG):
		e.Kind, e.Hint = store.ErrInvalid, "the path is too long for the file system"
	case is(syscall.ENOTDIR, syscall.EISDIR, syscall.ELOOP):
		e.Kind, e.Hint = store.ErrInvalid, "in a directory a key cannot be an object and a folder at the same time"
	case is(syscall.EIO):
		e.Hint = "the disk or the share reports errors"
	}
	return e
}
