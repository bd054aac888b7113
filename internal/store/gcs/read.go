package gcs

import (
	"cmp"
	"context"
	"errors"
	"io"
	"iter"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"cloud.google.com/go/storage"
	"google.golang.org/api/iterator"

	"github.com/lifeboat-dr/lifeboat/internal/store"
)

// Open implements [store.Store]. It asks twice: the reader alone does not tell about locks.
func (s *Store) Open(ctx context.Context, key, version string) (io.ReadCloser, store.Object, error) {
	if err := store.CheckKey("open", key); err != nil {
		return nil, store.Object{}, err
	}
	attrs, err := s.attrs(ctx, "open", key, version)
	if err != nil {
		return nil, store.Object{}, err
	}
	ctx, heard, stop := s.watch(ctx)
	r, err := s.bucket.Object(attrs.Name).Generation(attrs.Generation).NewReader(ctx)
	if err != nil {
		err = because(ctx, err)
		stop()
		return nil, store.Object{}, s.failure("open", key, err)
	}
	o, _ := s.object(key, attrs)
	failed := func(err error) error { return s.failure("open", key, err) }
	return store.Verify(&heeded{r, ctx, heard, stop}, o, failed), o, nil
}

// Stat implements [store.Store].
func (s *Store) Stat(ctx context.Context, key, version string) (store.Object, error) {
	if err := store.CheckKey("stat", key); err != nil {
		return store.Object{}, err
	}
	attrs, err := s.attrs(ctx, "stat", key, version)
	if err != nil {
		return store.Object{}, err
	}
	o, _ := s.object(key, attrs)
	return o, nil
}

// attrs of a generation, the live one when version is empty.
func (s *Store) attrs(ctx context.Context, op, key, version string) (*storage.ObjectAttrs, error) {
	handle := s.bucket.Object(s.cfg.Prefix + key)
	if version != "" {
		generation, err := strconv.ParseInt(version, 10, 64)
		if err != nil || generation <= 0 {
			return nil, &store.Error{Op: op, Key: key, Kind: store.ErrNotFound, Hint: "a version is a generation, a number"}
		}
		handle = handle.Generation(generation)
	}
	ctx, cancel := s.within(ctx, 0)
	defer cancel()
	attrs, err := handle.Attrs(ctx)
	if err == nil {
		return attrs, nil
	}
	failed := s.failure(op, key, because(ctx, err))
	if errors.Is(failed, store.ErrNotFound) {
		// The same answer stands for a missing object and a missing bucket.
		if _, err := s.bucket.Attrs(ctx); errors.Is(err, storage.ErrBucketNotExist) {
			failed.Kind, failed.Hint = store.ErrDenied, s.noBucket()
		}
	}
	return nil, failed
}

// object is what Google tells, without what the store had added, and the id of the write.
func (s *Store) object(key string, a *storage.ObjectAttrs) (o store.Object, id string) {
	o = store.Object{Key: key, Version: strconv.FormatInt(a.Generation, 10), Size: a.Size, Modified: a.Created}
	// A lock on the object and one by the bucket's policy: the longer one counts.
	if a.Retention != nil {
		o.RetainUntil = a.Retention.RetainUntil
	}
	if a.RetentionExpirationTime.After(o.RetainUntil) {
		o.RetainUntil = a.RetentionExpirationTime
	}
	own := make(map[string]string, len(a.Metadata))
	for name, value := range a.Metadata {
		own[strings.ToLower(name)] = value
	}
	o.SHA256, id = own[noteSHA256], own[writeID]
	maps.DeleteFunc(own, func(name, _ string) bool { return name == writeID || name == noteSHA256 })
	if len(own) > 0 {
		o.Metadata = own
	}
	return o, id
}

// Versions implements [store.Store]. It holds one page and the generations of one key in memory.
func (s *Store) Versions(ctx context.Context, prefix string) iter.Seq2[store.Object, error] {
	return func(yield func(store.Object, error) bool) {
		query := &storage.Query{Versions: true}
		if err := query.SetAttrSelection([]string{"Name", "Generation", "Size", "Created", "Metadata"}); err != nil {
			yield(store.Object{}, s.failure("list", prefix, err))
			return
		}
		var generations []*storage.ObjectAttrs
		flush := func() bool {
			slices.SortFunc(generations, func(a, b *storage.ObjectAttrs) int { return cmp.Compare(a.Generation, b.Generation) })
			for _, a := range generations {
				o, _ := s.object(strings.TrimPrefix(a.Name, s.cfg.Prefix), a)
				o.Metadata, o.RetainUntil = nil, time.Time{} // as in every store's listings
				if !yield(o, nil) {
					return false
				}
			}
			generations = generations[:0]
			return true
		}
		for a, err := range s.list(ctx, prefix, query) {
			if err != nil {
				yield(store.Object{}, err)
				return
			}
			if len(generations) > 0 && generations[0].Name != a.Name && !flush() {
				return
			}
			generations = append(generations, a)
		}
		flush()
	}
}

// Folders implements [store.Store].
func (s *Store) Folders(ctx context.Context, prefix string) iter.Seq2[string, error] {
	return func(yield func(string, error) bool) {
		if prefix != "" && !strings.HasSuffix(prefix, "/") {
			yield("", &store.Error{Op: "list", Key: prefix, Kind: store.ErrInvalid, Hint: `the prefix of folders ends in "/"`})
			return
		}
		last := ""
		// Versions are listed, and not objects: a folder does not go away because somebody deleted what is in it.
		for a, err := range s.list(ctx, prefix, &storage.Query{Versions: true, Delimiter: "/"}) {
			if err != nil {
				yield("", err)
				return
			}
			name := strings.TrimSuffix(strings.TrimPrefix(a.Prefix, s.cfg.Prefix+prefix), "/")
			if a.Prefix == "" || name == last {
				continue // an object, or a folder repeated at the border of two pages
			}
			if !yield(name, nil) {
				return
			}
			last = name
		}
	}
}

func (s *Store) list(ctx context.Context, prefix string, query *storage.Query) iter.Seq2[*storage.ObjectAttrs, error] {
	return func(yield func(*storage.ObjectAttrs, error) bool) {
		if err := store.CheckPrefix("list", prefix); err != nil {
			yield(nil, err)
			return
		}
		query.Prefix, query.Projection = s.cfg.Prefix+prefix, storage.ProjectionNoACL
		ctx, heard, stop := s.watch(ctx)
		defer stop()
		for it := s.bucket.Objects(ctx, query); ; {
			heard() // what the caller did with the last one took time, too
			a, err := it.Next()
			if errors.Is(err, iterator.Done) {
				return
			}
			if err != nil {
				yield(nil, s.failure("list", prefix, because(ctx, err)))
				return
			}
			if !yield(a, nil) {
				return
			}
		}
	}
}
