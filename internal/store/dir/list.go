package dir

import (
	"context"
	"errors"
	"io/fs"
	"iter"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/lifeboat-dr/lifeboat/internal/store"
)

// Versions implements [store.Store]. It holds the names of one folder and those above it in memory.
func (s *Store) Versions(ctx context.Context, prefix string) iter.Seq2[store.Object, error] {
	return func(yield func(store.Object, error) bool) {
		if err := store.CheckPrefix("list", prefix); err != nil {
			yield(store.Object{}, err)
			return
		}
		folder := "."
		if i := strings.LastIndexByte(prefix, '/'); i >= 0 {
			folder = prefix[:i]
		}
		w := walk{store: s, ctx: ctx, prefix: prefix, yield: yield}
		w.folder(folder)
	}
}

// walk goes through folders in the order of keys: a folder counts with the slash after its name.
type walk struct {
	store  *Store
	ctx    context.Context
	prefix string
	yield  func(store.Object, error) bool
}

// folder says whether to go on.
func (w *walk) folder(folder string) bool {
	names, err := w.store.names(w.ctx, folder)
	if err != nil {
		w.yield(store.Object{}, failure("list", w.prefix, err))
		return false
	}
	for _, name := range names {
		key := name
		if folder != "." {
			key = folder + "/" + name
		}
		// Everything below a folder may start with the prefix, or the prefix may go on below it.
		below := strings.HasSuffix(key, "/") && strings.HasPrefix(w.prefix, key)
		if !strings.HasPrefix(key, w.prefix) && !below {
			continue
		}
		if sub, isFolder := strings.CutSuffix(key, "/"); isFolder {
			if !w.folder(sub) {
				return false
			}
			continue
		}
		if !w.object(key) {
			return false
		}
	}
	return true
}

func (w *walk) object(key string) bool {
	o, err := w.store.stat(w.ctx, "list", key, "")
	if errors.Is(err, store.ErrNotFound) {
		return true // gone since the folder was read
	}
	if err != nil {
		e := failure("list", key, err)
		w.yield(store.Object{}, &store.Error{Op: "list", Key: w.prefix, Kind: e.Kind, Hint: e.Hint, Err: err})
		return false
	}
	o.Metadata, o.RetainUntil = nil, time.Time{} // as in every store's listings
	return w.yield(o, nil)
}

// names are the files and folders of a folder, the latter with a slash, in the order of keys. What is
// neither (a symbolic link, a socket) is not the store's. No folder is an empty one.
func (s *Store) names(ctx context.Context, folder string) ([]string, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	entries, err := fs.ReadDir(s.root.FS(), folder)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var names []string
	for _, e := range entries {
		name := e.Name()
		switch {
		case folder == "." && name == private:
		case store.CheckKey("list", name) != nil:
		case e.IsDir():
			names = append(names, name+"/")
		case e.Type().IsRegular():
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names, nil
}

// Folders implements [store.Store]. A folder that holds no object, however deep, is not one.
func (s *Store) Folders(ctx context.Context, prefix string) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		if prefix != "" && !strings.HasSuffix(prefix, "/") {
			yield("", &store.Error{Op: "list", Key: prefix, Kind: store.ErrInvalid, Hint: `the prefix of folders ends in "/"`})
			return
		}
		if err := store.CheckPrefix("list", prefix); err != nil {
			yield("", err)
			return
		}
		folder := strings.TrimSuffix(prefix, "/")
		if folder == "" {
			folder = "."
		}
		names, err := s.names(ctx, folder)
		if err != nil {
			yield("", failure("list", prefix, err))
			return
		}
		for _, name := range names {
			sub, isFolder := strings.CutSuffix(name, "/")
			if !isFolder {
				continue
			}
			holds, err := s.holds(ctx, prefix+sub)
			if err != nil {
				yield("", failure("list", prefix, err))
				return
			}
			if holds && !yield(sub, nil) {
				return
			}
		}
	}
}

// holds says whether there is an object below a folder.
func (s *Store) holds(ctx context.Context, folder string) (bool, error) {
	names, err := s.names(ctx, folder)
	if err != nil {
		return false, err
	}
	for _, name := range names {
		sub, isFolder := strings.CutSuffix(name, "/")
		if !isFolder {
			return true, nil
		}
		if holds, err := s.holds(ctx, folder+"/"+sub); holds || err != nil {
			return holds, err
		}
	}
	return false, nil
}
