package pgbouncer

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/lifeboat-dr/lifeboat/internal/traffic"
)

// lockPoll is how often a taken lock is looked at.
const lockPoll = 50 * time.Millisecond

// lock keeps two operations, of this or another process, from writing at the same time. It is held for
// moments only, and ends with its process.
func (d *Door) lock(ctx context.Context, op string) (unlock func(), err error) {
	f, err := os.OpenFile(d.cfg.File+".lock", os.O_CREATE|os.O_RDWR, 0o640)
	if err != nil {
		return nil, fileError(op, err)
	}
	ctx, cancel := context.WithTimeout(ctx, d.cfg.Timeout)
	defer cancel()
	for {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return func() { f.Close() }, nil
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) && !errors.Is(err, syscall.EINTR) {
			f.Close()
			return nil, fileError(op, err)
		}
		select {
		case <-ctx.Done():
			f.Close()
			return nil, traffic.Fail(op, traffic.ErrUnavailable, "another operation on this door is under way: try again in a moment", "the door's file is locked")
		case <-time.After(lockPoll):
		}
	}
}

// write puts a record in place, whole or not at all, with the owner and the rights of the file that it replaces.
func (d *Door) write(op string, r record, extra string) error {
	text, err := r.render(extra)
	if err != nil {
		return err
	}
	before, err := os.Stat(d.cfg.File)
	if err != nil {
		return fileError(op, err)
	}
	dir := filepath.Dir(d.cfg.File)
	f, err := os.CreateTemp(dir, ".lifeboat-door-*")
	if err != nil {
		return fileError(op, err)
	}
	defer func() { _ = os.Remove(f.Name()) }() // nothing is there any more when it was renamed
	defer f.Close()
	if owner, ok := before.Sys().(*syscall.Stat_t); ok {
		uid := -1
		if os.Getuid() == 0 {
			uid = int(owner.Uid)
		}
		if err := f.Chown(uid, int(owner.Gid)); err != nil {
			return fileError(op, err)
		}
	}
	if err := f.Chmod(before.Mode().Perm()); err != nil {
		return fileError(op, err)
	}
	if _, err = f.Write(text); err == nil {
		err = f.Sync()
	}
	if err == nil {
		err = os.Rename(f.Name(), d.cfg.File)
	}
	if err == nil {
		err = syncDir(dir)
	}
	if err != nil {
		return fileError(op, err)
	}
	return nil
}

func syncDir(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer f.Close()
	return f.Sync()
}
