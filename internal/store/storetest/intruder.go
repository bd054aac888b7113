package storetest

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/lifeboat-dr/lifeboat/internal/store"
)

// Intruded is a store with versions and somebody with the rights of its owner.
type Intruded struct {
	Store store.Store
	// Overwrite puts a new version over what the key holds.
	Overwrite func(t *testing.T, key string, body []byte)
	// Hide deletes the key without naming a version.
	Hide func(t *testing.T, key string)
	// Corrupt changes a byte of what the key holds, below the store. Nil where that cannot be done.
	Corrupt func(t *testing.T, key string)
	// Markers says that Hide leaves a delete marker that listings show.
	Markers bool
	// Retakes says that a hidden name can be taken again, as with Amazon. Where it stays taken the
	// answer must be that the object exists.
	Retakes bool
	// ExtendsHidden says that the server lengthens the lock of a version that is not current, and ShowsHidden
	// that it tells of it when the version is described. Stand-ins that do not leave that unproven.
	ExtendsHidden, ShowsHidden bool
}

// RunIntruded tests that a version stays what it was whatever happens to its name.
func RunIntruded(t *testing.T, open func(t *testing.T) Intruded) {
	t.Run("overwritten", func(t *testing.T) { overwritten(t, open(t)) })
	t.Run("hidden", func(t *testing.T) { hidden(t, open(t)) })
	t.Run("hidden under a lock", func(t *testing.T) { hiddenUnderLock(t, open(t)) })
	t.Run("corrupt", func(t *testing.T) { corrupt(t, open(t)) })
}

func overwritten(t *testing.T, in Intruded) {
	s, key := in.Store, "v1/db/backups/one/manifest.json"
	first := create(t, s, key, []byte("genuine"), store.CreateOptions{})
	in.Overwrite(t, key, []byte("forged, and longer"))
	in.Overwrite(t, key, []byte("forged again"))

	if got, o := read(t, s, key, first.Version); string(got) != "genuine" || o.Version != first.Version {
		t.Errorf("the pinned version holds %q", got)
	}
	if got, o := read(t, s, key, ""); string(got) != "forged again" || o.Version == first.Version {
		t.Errorf("the current version is %s and holds %q", o.Version, got)
	}
	all := versions(t, s, "")
	if len(all) != 3 || all[0].Version != first.Version {
		t.Fatalf("the versions are %+v, want three with %s first", all, first.Version)
	}
	var sizes []int64
	for _, o := range all {
		sizes = append(sizes, o.Size)
	}
	if diff := cmp.Diff([]int64{7, 18, 12}, sizes); diff != "" {
		t.Errorf("sizes from the oldest to the newest (-want +got):\n%s", diff)
	}
}

func hidden(t *testing.T, in Intruded) {
	s, key := in.Store, "v1/db/backups/one/manifest.json"
	first := create(t, s, key, []byte("genuine"), store.CreateOptions{})
	in.Hide(t, key)

	_, err := s.Stat(t.Context(), key, "")
	failed(t, err, store.ErrNotFound, "stat", key)
	_, _, err = s.Open(t.Context(), key, "")
	failed(t, err, store.ErrNotFound, "open", key)
	if got, _ := read(t, s, key, first.Version); string(got) != "genuine" {
		t.Errorf("the pinned version holds %q", got)
	}
	if diff := cmp.Diff([]string{"one"}, names(t, s, "v1/db/backups/")); diff != "" {
		t.Errorf("Folders with everything hidden (-want +got):\n%s", diff)
	}
	if in.Markers {
		all := versions(t, s, key)
		if len(all) != 2 || all[0].Version != first.Version || all[0].DeleteMarker || !all[1].DeleteMarker {
			t.Fatalf("the versions are %+v, want the genuine one and a delete marker", all)
		}
		_, err := s.Stat(t.Context(), key, all[1].Version)
		failed(t, err, store.ErrNotFound, "stat", key)
		_, _, err = s.Open(t.Context(), key, all[1].Version)
		failed(t, err, store.ErrNotFound, "open", key)
	}

	second, err := s.Create(t.Context(), key, []byte("again"), store.CreateOptions{})
	if !in.Retakes {
		failed(t, err, store.ErrExists, "create", key)
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	all := versions(t, s, key)
	if first.Version == second.Version || all[0].Version != first.Version || all[len(all)-1].Version != second.Version {
		t.Errorf("the versions are %+v, want %s first and %s last", all, first.Version, second.Version)
	}
}

// hiddenUnderLock is a delete marker over a locked name: the lock keeps the version and not the name. The
// version stays readable, its lock can be lengthened, and it is listed before whatever came later.
func hiddenUnderLock(t *testing.T, in Intruded) {
	s, key := in.Store, "v1/db/backups/one/manifest.json"
	until := soon(time.Hour)
	first := create(t, s, key, []byte("genuine"), store.CreateOptions{RetainUntil: until})
	in.Hide(t, key)
	in.Overwrite(t, key, []byte("forged"))
	in.Hide(t, key)

	if in.ExtendsHidden {
		until = until.Add(24 * time.Hour)
	}
	// It reads back what it set, so it fails where the lock is not as long.
	if err := s.Extend(t.Context(), key, first.Version, until); err != nil {
		t.Fatal(err)
	}
	if got, o := read(t, s, key, first.Version); string(got) != "genuine" || o.Version != first.Version {
		t.Errorf("the locked version %s holds %q", o.Version, got)
	}
	if stat, err := s.Stat(t.Context(), key, first.Version); err != nil || in.ShowsHidden && !stat.RetainUntil.Equal(until) {
		t.Errorf("the version is locked until %s, want %s: %v", stat.RetainUntil, until, err)
	}
	_, err := s.Stat(t.Context(), key, "")
	failed(t, err, store.ErrNotFound, "stat", key)
	err = s.Extend(t.Context(), key, "", until)
	failed(t, err, store.ErrNotFound, "extend", key)
	var objects []string
	for _, o := range versions(t, s, key) {
		if !o.DeleteMarker {
			objects = append(objects, o.Version)
		}
	}
	if len(objects) != 2 || objects[0] != first.Version {
		t.Errorf("the objects are %q, want two with %s first", objects, first.Version)
	}
}

func corrupt(t *testing.T, in Intruded) {
	if in.Corrupt == nil {
		return
	}
	body := pattern(1 << 20)
	created := create(t, in.Store, "damaged", body, store.CreateOptions{})
	in.Corrupt(t, "damaged")
	for _, version := range []string{"", created.Version} {
		_, _, err := tryRead(t, in.Store, "damaged", version)
		failed(t, err, store.ErrCorrupt, "open", "damaged")
	}
}
