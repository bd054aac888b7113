package storetest

import (
	"testing"
	"time"

	"github.com/lifeboat-dr/lifeboat/internal/store"
)

func locks(t *testing.T, s store.Store) {
	until := soon(time.Hour)
	created := create(t, s, "locked", []byte("x"), store.CreateOptions{RetainUntil: until})
	if !created.RetainUntil.Equal(until) {
		t.Errorf("Create returned a lock until %s, want %s", created.RetainUntil, until)
	}
	lockedUntil(t, s, created, until)

	later := until.Add(24 * time.Hour)
	for _, step := range []struct{ ask, want time.Time }{
		{later, later}, {later, later}, {until, later}, {time.Now().Add(-time.Hour), later}, {time.Time{}, later},
	} {
		if err := s.Extend(t.Context(), "locked", created.Version, step.ask); err != nil {
			t.Errorf("extend to %s: %v", step.ask, err)
		}
		lockedUntil(t, s, created, step.want)
	}

	free := create(t, s, "free", []byte("x"), store.CreateOptions{})
	lockedUntil(t, s, free, time.Time{})
	if err := s.Extend(t.Context(), "free", free.Version, until); err != nil {
		t.Fatal(err)
	}
	lockedUntil(t, s, free, until)

	// Fractions of a second are rounded up: a lock must not end before it was asked to.
	odd := until.Add(100 * time.Millisecond)
	fraction := create(t, s, "fraction", []byte("x"), store.CreateOptions{RetainUntil: odd})
	o, err := s.Stat(t.Context(), "fraction", fraction.Version)
	if err != nil {
		t.Fatal(err)
	}
	if o.RetainUntil.Before(odd) || o.RetainUntil.Sub(odd) > time.Second {
		t.Errorf("locked until %s, asked for %s", o.RetainUntil, odd)
	}
}

func lockedUntil(t *testing.T, s store.Store, o store.Object, want time.Time) {
	t.Helper()
	for _, version := range []string{"", o.Version} {
		got, err := s.Stat(t.Context(), o.Key, version)
		if err != nil {
			t.Fatal(err)
		}
		if !got.RetainUntil.Equal(want) {
			t.Errorf("%s version %q is locked until %s, want %s", o.Key, version, got.RetainUntil, want)
		}
	}
}

func inspect(t *testing.T, s store.Store) {
	p, err := s.Inspect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if p.ObjectLock && !p.Versioning {
		t.Error("a lock keeps a version: there cannot be locks without versioning")
	}
	if all := versions(t, s, ""); len(all) != 0 {
		t.Errorf("inspecting wrote %q", keys(all))
	}
}
