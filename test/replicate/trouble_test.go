package replicate

import (
	"bytes"
	"errors"
	"strings"
	"sync"
	"testing"

	"go.temporal.io/sdk/temporal"

	"github.com/lifeboat-dr/lifeboat/activities"
	devs3 "github.com/lifeboat-dr/lifeboat/internal/devstack/s3"
	"github.com/lifeboat-dr/lifeboat/internal/manifest"
	"github.com/lifeboat-dr/lifeboat/internal/store"
	"github.com/lifeboat-dr/lifeboat/internal/store/fault"
	"github.com/lifeboat-dr/lifeboat/test/lab"
)

// refused fails the test unless err is of a type, final or not, and names what it is about.
func refused(t *testing.T, err error, kind string, final bool, about string) {
	t.Helper()
	var typed *temporal.ApplicationError
	if !errors.As(err, &typed) || typed.Type() != kind || typed.NonRetryable() != final || !strings.Contains(typed.Error(), about) {
		t.Errorf("ended with %v, want type %s, final %t, about %s", err, kind, final, about)
	}
}

// counts fails the test when a backup counts in the replica though not all of it is there.
func (r *replica) countsNot(t *testing.T, id string) {
	t.Helper()
	if _, err := r.All.Replicas.Finder.Load(t.Context(), r.there(t), id); !errors.Is(err, activities.ErrNoBackup) && activities.TypeOf(err) != activities.TypeUntrusted {
		t.Errorf("backup %s counts in the replica: %v", id, err)
	}
	if m := r.missing(t); m.Total != 1 {
		t.Errorf("missing %+v", m)
	}
}

// whole fails the test unless every object is there once and the backup counts.
func (r *replica) whole(t *testing.T, b *activities.Backup) {
	t.Helper()
	counts := versions(t, r.target, b.Envelope.Backup)
	for _, o := range listed(b) {
		if counts[o.Key] != 1 {
			t.Errorf("%s has %d versions", o.Key, counts[o.Key])
		}
	}
	if m := r.missing(t); m.Total != 0 || m.Of != 1 {
		t.Errorf("missing %+v", m)
	}
}

// TestTroubles copies one backup in every trouble there is.
func TestTroubles(t *testing.T) {
	s := newScene(t)
	id := newID(1)
	b := s.Worker(t).Backup(t, id)
	t.Run("faults", func(t *testing.T) { s.faults(t, b) })
	t.Run("a target that may only be read", func(t *testing.T) { s.readOnly(t, b) })
	t.Run("foreign objects", func(t *testing.T) { s.foreign(t, b) })
	t.Run("several at once", func(t *testing.T) { s.severalAtOnce(t, b) })
	t.Run("no way around", func(t *testing.T) { s.noWayAround(t, b) })
	t.Run("gaps", func(t *testing.T) { s.gaps(t, b) })
}

// faults lets both vaults fail in every way while a backup is copied.
func (s *scene) faults(t *testing.T, b *activities.Backup) {
	id := b.Envelope.Backup
	all := listed(b)
	victim := all[len(all)/2].Key

	for _, trouble := range []struct {
		name    string
		cause   func(*replica)
		kind    string
		final   bool
		about   string
		present int // that the second attempt finds at least
	}{
		{"throttled target", func(r *replica) { r.target.FailNext(fault.Create, 3, store.ErrUnavailable) }, activities.TypeUnavailable, false, "", 0},
		{"full target", func(r *replica) { r.target.FailNext(fault.Create, fault.Always, store.ErrFull) }, activities.TypeStoreFull, true, "store is full", 0},
		{"target that may not be written", func(r *replica) { r.target.FailNext(fault.Create, fault.Always, store.ErrDenied) }, activities.TypeStoreDenied, true, "access denied", 0},
		{"target whose answer is lost", func(r *replica) { r.target.LoseAnswer(fault.Create, 1) }, activities.TypeUnavailable, false, "", 1},
		{"target that loses locks", func(r *replica) { r.target.FailNext(fault.Extend, 1, store.ErrInvalid) }, activities.TypeInvalidInput, true, "lock object", 1},
		{"target whose listing is cut off", func(r *replica) { r.target.LoseAnswer(fault.List, 1) }, activities.TypeUnavailable, false, "", 0},
		{"source that is away", func(*replica) { s.reading.FailNext(fault.Open, 4, store.ErrUnavailable) }, activities.TypeUnavailable, false, "", 0},
		{"source that is cut off", func(*replica) { s.reading.Cut(victim, 100) }, activities.TypeUnavailable, false, victim, 0},
		{"source that is damaged", func(*replica) { s.reading.Corrupt(victim) }, activities.TypeCorrupt, true, victim, 0},
		{"source that is damaged and says nothing", func(*replica) { s.reading.CorruptSilently(victim) }, activities.TypeCorrupt, true, victim, 0},
	} {
		t.Run(trouble.name, func(t *testing.T) {
			defer s.reading.Heal()
			r := s.to(t, s.region.bucket(t), true)
			trouble.cause(r)
			_, err := r.copy(id)
			refused(t, err, trouble.kind, trouble.final, trouble.about)
			s.reading.Heal()
			r.target.Heal()
			r.countsNot(t, id)
			before := versions(t, r.target, id)
			r.again(t)
			copied, err := r.copy(id)
			if err != nil {
				t.Fatal(err)
			}
			if copied.Present != len(before) || copied.Copied != len(all)-len(before) || copied.Present < trouble.present {
				t.Errorf("the second attempt copied %+v, %d of %d were there", copied, len(before), len(all))
			}
			r.whole(t, b)
		})
	}
}

// readOnly copies to a bucket that these credentials may only read.
func (s *scene) readOnly(t *testing.T, b *activities.Backup) {
	id := b.Envelope.Backup
	target := s.region.bucket(t)
	if err := s.region.server.CreateBucket(t.Context(), devs3.Bucket{Name: target.name, ObjectLock: true, Readers: []string{writer.AccessKey}}); err != nil {
		t.Fatal(err)
	}
	r := s.to(t, target, true)
	_, err := r.copy(id)
	refused(t, err, activities.TypeStoreDenied, true, "from vault east to west")
	r.countsNot(t, id)
}

// foreign has somebody else's objects under the names of a backup before it is copied.
func (s *scene) foreign(t *testing.T, b *activities.Backup) {
	id := b.Envelope.Backup
	all := listed(b)
	victim, other := all[len(all)/2], all[len(all)/2-1]
	for name, foreign := range map[string]struct {
		key  string
		body []byte
	}{
		"another object":                  {victim.Key, []byte("forged")},
		"another object of the same size": {victim.Key, bytes.Repeat([]byte("x"), int(victim.Size))},
		"another object of the backup":    {victim.Key, read(t, s.home, other.Key)},
		"another manifest":                {manifest.ManifestKey(lab.Component, id), []byte("{}")},
	} {
		t.Run(name, func(t *testing.T) {
			bucket := s.region.bucket(t)
			version := bucket.put(t, foreign.key, foreign.body)
			r := s.to(t, bucket, true)
			_, err := r.copy(id)
			refused(t, err, activities.TypeConflict, true, foreign.key)
			r.countsNot(t, id)
			if got := read(t, bucket, foreign.key); !bytes.Equal(got, foreign.body) {
				t.Error("it was overwritten")
			}
			// As the hint says: its owner removes it.
			bucket.remove(t, foreign.key, version)
			if _, err := r.copy(id); err != nil {
				t.Fatal(err)
			}
			// And swapped afterwards: what the manifest names is still found.
			bucket.put(t, other.Key, foreign.body)
			bucket.hide(t, victim.Key)
			r.again(t)
			defer s.reading.Heal()
			s.reading.FailNext(fault.Any, fault.Always, store.ErrUnavailable)
			in := s.Scratch(id, "swapped")
			in.Vault = lab.Replica
			for _, err := range []error{r.OpenTarget(in), r.CreateTables(in), r.Load(in, 0, b.Envelope.Totals.Chunks)} {
				if err != nil {
					t.Error(err)
				}
			}
			if _, err := r.Drop(in); err != nil {
				t.Error(err)
			}
		})
	}
}

// severalAtOnce lets several workers copy the same backup at the same time.
func (s *scene) severalAtOnce(t *testing.T, b *activities.Backup) {
	id := b.Envelope.Backup
	bucket := s.region.bucket(t)
	const workers = 3
	done := make([]activities.CopiedObjects, workers)
	var group sync.WaitGroup
	for i := range workers {
		r := s.to(t, bucket, true)
		group.Go(func() {
			var err error
			if done[i], err = r.copy(id); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	wrote := 0
	for _, d := range done {
		wrote += d.Copied
	}
	if want := len(listed(b)); wrote != want {
		t.Errorf("%d objects were written, there are %d", wrote, want)
	}
	s.to(t, bucket, true).whole(t, b)
}
