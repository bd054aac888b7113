package storetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lifeboat-dr/lifeboat/internal/store"
)

func roundTrip(t *testing.T, s store.Store) {
	const key = "v1/db/backups/one/manifest.json"
	body := []byte(`{"format":1}`)
	metadata := map[string]string{"lifeboat-range": "(0,0)-(128,0)", "rows": "17"}
	before := time.Now()
	created := create(t, s, key, body, store.CreateOptions{Metadata: metadata, ContentType: "application/json"})

	if created.Version == "" {
		t.Error("the new version has no name")
	}
	// A minute is the tolerance for two clocks.
	if d := created.Modified.Sub(before).Abs(); d > time.Minute {
		t.Errorf("modified %s away from now", d)
	}
	want := store.Object{Key: key, Version: created.Version, Size: int64(len(body)), SHA256: sum(body), Metadata: metadata}
	timeless := func(o store.Object) store.Object { o.Modified = time.Time{}; return o }
	if diff := cmp.Diff(want, timeless(created)); diff != "" {
		t.Errorf("Create returned (-want +got):\n%s", diff)
	}
	for _, version := range []string{"", created.Version} {
		o, err := s.Stat(t.Context(), key, version)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, timeless(o)); diff != "" {
			t.Errorf("Stat of version %q (-want +got):\n%s", version, diff)
		}
		if d := o.Modified.Sub(created.Modified).Abs(); d > 2*time.Second {
			t.Errorf("Stat says modified %s, Create %s", o.Modified, created.Modified)
		}
		got, o := read(t, s, key, version)
		if !bytes.Equal(got, body) {
			t.Errorf("version %q holds %q", version, got)
		}
		if diff := cmp.Diff(want, timeless(o)); diff != "" {
			t.Errorf("Open of version %q (-want +got):\n%s", version, diff)
		}
	}
	listed := versions(t, s, "")
	want.Metadata = nil
	if len(listed) == 1 && listed[0].SHA256 == "" {
		want.SHA256 = "" // a listing may tell or not
	}
	for i := range listed {
		listed[i] = timeless(listed[i])
	}
	if diff := cmp.Diff([]store.Object{want}, listed); diff != "" {
		t.Errorf("Versions (-want +got):\n%s", diff)
	}
	if s.Location() == "" {
		t.Error("the store has no name for people")
	}
}

func bodies(t *testing.T, s store.Store) {
	for _, size := range []int{0, 1, 16 << 20} {
		key, body := fmt.Sprintf("size/%d", size), pattern(size)
		created := create(t, s, key, body, store.CreateOptions{})
		if created.Size != int64(size) || created.SHA256 != sum(body) {
			t.Errorf("%d bytes: created %d with SHA-256 %s", size, created.Size, created.SHA256)
		}
		if got, _ := read(t, s, key, created.Version); !bytes.Equal(got, body) {
			t.Errorf("%d bytes: %d others came back", size, len(got))
		}
	}
	// A caller who has seen enough closes early; that is no error.
	r, _, err := s.Open(t.Context(), "size/16777216", "")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Read(make([]byte, 10)); err != nil {
		t.Error(err)
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
}

func createOnly(t *testing.T, s store.Store) {
	first := create(t, s, "taken", []byte("first"), store.CreateOptions{})
	// The same bytes are refused as well: only the caller can tell whether it meant the same object.
	for _, body := range []string{"second", "first"} {
		_, err := s.Create(t.Context(), "taken", []byte(body), store.CreateOptions{})
		failed(t, err, store.ErrExists, "create", "taken")
	}
	if got, o := read(t, s, "taken", ""); string(got) != "first" || o.Version != first.Version {
		t.Errorf("the key now holds %q as version %s", got, o.Version)
	}
	if all := versions(t, s, "taken"); len(all) != 1 {
		t.Errorf("there are %d versions", len(all))
	}
}

const writers = 32

func oneWriterWins(t *testing.T, s store.Store) {
	race(t, s, func(i int) []byte { return fmt.Appendf(nil, "writer %d", i) })
}

// oneEqualWriterWins matters to epochs: two workers who ask for the same thing must not both get it.
func oneEqualWriterWins(t *testing.T, s store.Store) {
	race(t, s, func(int) []byte { return []byte("epoch 7") })
}

func race(t *testing.T, s store.Store, body func(i int) []byte) {
	for round := range 3 {
		key := fmt.Sprintf("v1/epochs/%d.json", round)
		var (
			start, done sync.WaitGroup
			objects     [writers]store.Object
			errs        [writers]error
		)
		start.Add(1)
		for i := range writers {
			done.Go(func() {
				start.Wait()
				// What a careful caller does: try again as long as trying again may help.
				for {
					objects[i], errs[i] = s.Create(t.Context(), key, body(i), store.CreateOptions{})
					if !store.Retryable(errs[i]) || t.Context().Err() != nil {
						return
					}
				}
			})
		}
		start.Done()
		done.Wait()
		winner := -1
		for i, err := range errs {
			switch {
			case err == nil && winner < 0:
				winner = i
			case err == nil:
				t.Errorf("%s: writers %d and %d both won", key, winner, i)
			default:
				failed(t, err, store.ErrExists, "create", key)
			}
		}
		if winner < 0 {
			t.Fatalf("%s: nobody won", key)
		}
		if got, o := read(t, s, key, ""); !bytes.Equal(got, body(winner)) || o.Version != objects[winner].Version {
			t.Errorf("%s: writer %d won, the key holds %q as version %s", key, winner, got, o.Version)
		}
		if all := versions(t, s, key); len(all) != 1 {
			t.Errorf("%s: there are %d versions", key, len(all))
		}
	}
}

func cancelled(t *testing.T, s store.Store) {
	create(t, s, "there", []byte("x"), store.CreateOptions{})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	check := func(op, key string, err error) {
		t.Helper()
		failed(t, err, store.ErrUnavailable, op, key)
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%s: the error does not say that the context ended: %v", op, err)
		}
	}
	_, err := s.Create(ctx, "new", []byte("x"), store.CreateOptions{})
	check("create", "new", err)
	_, _, err = s.Open(ctx, "there", "")
	check("open", "there", err)
	_, err = s.Stat(ctx, "there", "")
	check("stat", "there", err)
	check("extend", "there", s.Extend(ctx, "there", "", soon(time.Hour)))
	_, err = s.Inspect(ctx)
	check("inspect", "", err)
	for _, err := range s.Versions(ctx, "t") {
		check("list", "t", err)
	}
	for _, err := range s.Folders(ctx, "") {
		check("list", "", err)
	}
	_, err = s.Stat(t.Context(), "new", "")
	failed(t, err, store.ErrNotFound, "stat", "new")
}
