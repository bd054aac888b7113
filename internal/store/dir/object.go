package dir

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"maps"
	"path"
	"syscall"
	"time"

	"github.com/lifeboat-dr/lifeboat/internal/store"
)

// Create implements [store.Store].
func (s *Store) Create(ctx context.Context, key string, body []byte, opt store.CreateOptions) (store.Object, error) {
	if err := checkKey("create", key); err != nil {
		return store.Object{}, err
	}
	if err := store.CheckCreate(key, body, opt); err != nil {
		return store.Object{}, err
	}
	if err := ctx.Err(); err != nil {
		return store.Object{}, failure("create", key, err)
	}
	// A taken name is the common refusal; it need not cost a write first.
	if _, err := s.root.Lstat(key); err == nil {
		return store.Object{}, failure("create", key, fs.ErrExist)
	}
	if err := s.writable(); err != nil {
		return store.Object{}, failure("create", key, err)
	}
	sum := sha256.Sum256(body)
	r := record{
		Key: key, SHA256: hex.EncodeToString(sum[:]), Size: int64(len(body)), Modified: time.Now().UTC(),
		ContentType: opt.ContentType, Metadata: maps.Clone(opt.Metadata), RetainUntil: opt.RetainUntil.UTC(),
	}
	if opt.RetainUntil.IsZero() {
		r.RetainUntil = time.Time{}
	}
	received, err := s.receive(body)
	if err != nil {
		return store.Object{}, failure("create", key, err)
	}
	var info fs.FileInfo
	err = s.exclusively(ctx, func() (err error) {
		info, err = s.publish(received, r)
		return err
	})
	// By now the object has a name of its own, or never will. If the other one stays, sweep will get it:
	// a write that is durable must not be reported as failed.
	_ = s.root.Remove(received)
	if err != nil {
		return store.Object{}, failure("create", key, err)
	}
	o := r.object(info)
	o.Metadata = maps.Clone(opt.Metadata)
	return o, nil
}

// publish gives a received file its name. It runs under the lock, so a record found without a file is
// what a crash or a deletion left, and is replaced.
func (s *Store) publish(received string, r record) (fs.FileInfo, error) {
	if _, err := s.root.Lstat(r.Key); err == nil {
		return nil, fs.ErrExist
	} else if !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	if err := s.makeFolders(path.Dir(r.Key)); err != nil {
		return nil, err
	}
	if err := s.writeRecord(r); err != nil {
		return nil, err
	}
	if err := s.name(received, r.Key); err != nil {
		return nil, err
	}
	if err := s.sync(path.Dir(r.Key)); err != nil {
		return nil, err
	}
	return s.root.Lstat(r.Key)
}

// name links the file to its key, which fails if somebody without regard for the lock was quicker. Some
// shares and drives have no links; there the lock must do.
func (s *Store) name(received, key string) error {
	err := s.root.Link(received, key)
	if errors.Is(err, errors.ErrUnsupported) || errors.Is(err, syscall.EPERM) {
		return s.root.Rename(received, key)
	}
	return err
}

// makeFolders makes a folder and those above it, each durable in the one above.
func (s *Store) makeFolders(folder string) error {
	if folder == "." {
		return nil
	}
	info, err := s.root.Stat(folder)
	switch {
	case err == nil && info.IsDir():
		return nil
	case err == nil:
		return syscall.ENOTDIR
	case !errors.Is(err, fs.ErrNotExist):
		return err
	}
	if err := s.makeFolders(path.Dir(folder)); err != nil {
		return err
	}
	if err := s.root.Mkdir(folder, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	return s.sync(path.Dir(folder))
}

// Open implements [store.Store].
func (s *Store) Open(ctx context.Context, key, version string) (io.ReadCloser, store.Object, error) {
	o, err := s.stat(ctx, "open", key, version)
	if err != nil {
		return nil, store.Object{}, err
	}
	f, err := s.root.Open(key)
	if err != nil {
		return nil, store.Object{}, failure("open", key, err)
	}
	failed := func(err error) error { return failure("open", key, err) }
	return store.Verify(&cancellable{f, ctx}, o, failed), o, nil
}

// cancellable ends reading when the context does; a file would go on.
type cancellable struct {
	fs.File
	ctx context.Context
}

func (c *cancellable) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	return c.File.Read(p)
}

// Stat implements [store.Store].
func (s *Store) Stat(ctx context.Context, key, version string) (store.Object, error) {
	return s.stat(ctx, "stat", key, version)
}

func (s *Store) stat(ctx context.Context, op, key, version string) (store.Object, error) {
	r, info, err := s.find(ctx, op, key, version)
	if err != nil {
		return store.Object{}, err
	}
	return r.object(info), nil
}

// find returns what is known about a version that is there. Its errors are the store's.
func (s *Store) find(ctx context.Context, op, key, version string) (record, fs.FileInfo, error) {
	if err := checkKey(op, key); err != nil {
		return record{}, nil, err
	}
	if err := ctx.Err(); err != nil {
		return record{}, nil, failure(op, key, err)
	}
	missing := &store.Error{Op: op, Key: key, Kind: store.ErrNotFound}
	info, err := s.root.Lstat(key)
	if errors.Is(err, syscall.ENOTDIR) || err == nil && !info.Mode().IsRegular() {
		return record{}, nil, missing
	}
	if err != nil {
		return record{}, nil, failure(op, key, err)
	}
	r, err := s.describe(key, info)
	if err != nil {
		return record{}, nil, failure(op, key, err)
	}
	if version != "" && version != r.SHA256 {
		return record{}, nil, missing
	}
	return r, info, nil
}

// Extend implements [store.Store]. The time is recorded; see the package about what that is worth.
func (s *Store) Extend(ctx context.Context, key, version string, until time.Time) error {
	// The usual case changes nothing and need not wait for anybody.
	r, _, err := s.find(ctx, "extend", key, version)
	if err != nil || !until.After(r.RetainUntil) {
		return err
	}
	err = s.exclusively(ctx, func() error {
		r, _, err := s.find(ctx, "extend", key, version)
		if err != nil || !until.After(r.RetainUntil) {
			return err
		}
		r.RetainUntil = until.UTC()
		return s.writeRecord(r)
	})
	if err != nil {
		return failure("extend", key, err)
	}
	r, _, err = s.find(ctx, "extend", key, version)
	if err == nil && r.RetainUntil.Before(until) {
		return &store.Error{Op: "extend", Key: key, Kind: store.ErrUnavailable, Hint: "the new time was written and is not there: is somebody else changing the directory?"}
	}
	return err
}
