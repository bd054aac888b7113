package replicate

import (
	"io"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lifeboat-dr/lifeboat/activities"
	"github.com/lifeboat-dr/lifeboat/internal/manifest"
	"github.com/lifeboat-dr/lifeboat/internal/store"
	"github.com/lifeboat-dr/lifeboat/internal/store/fault"
	"github.com/lifeboat-dr/lifeboat/test/lab"
)

// TestCopies copies a verified backup to every kind of vault, takes its own vault away, and restores from the copy.
func TestCopies(t *testing.T) {
	s := newScene(t)
	id := newID(2)
	origin := s.Worker(t)
	b := origin.Backup(t, id)
	record, err := lab.Do[string](origin, origin.All.Records.RecordVerified, origin.Verified(t, s.Scratch(id, "first")))
	if err != nil {
		t.Fatal(err)
	}
	for _, target := range []struct {
		name  string
		open  func(*testing.T) store.Store
		locks bool
	}{
		{"S3", func(t *testing.T) store.Store { return newRegion(t).bucket(t) }, true},
		{"GCS", archive, true},
		{"a directory", dirStore, false},
	} {
		t.Run(target.name, func(t *testing.T) {
			defer s.reading.Heal()
			vault := target.open(t)
			r := s.to(t, vault, target.locks)
			if m := r.missing(t); m.Total != 1 || m.Of != 1 || !slices.Equal(m.Backups, []string{id}) {
				t.Fatalf("missing %+v", m)
			}
			copied, err := r.copy(id)
			if err != nil {
				t.Fatal(err)
			}
			all := listed(b)
			if copied.Copied != len(all) || copied.Present != 0 || copied.Bytes != b.Envelope.Totals.StoredBytes {
				t.Errorf("copied %+v, there are %d objects", copied, len(all))
			}
			if m := r.missing(t); m.Total != 0 || m.Of != 1 || len(m.Records) != 0 || !m.Point.Equal(b.Envelope.Point.Time) {
				t.Errorf("missing after the copy: %+v", m)
			}
			r.sameAsHome(t, b, record)
			if again, err := r.copy(id); err != nil || again.Copied != 0 || again.Present != len(all) || again.Bytes != 0 {
				t.Errorf("copied again: %+v, %v", again, err)
			}

			// The region of the original is gone.
			s.reading.FailNext(fault.Any, fault.Always, store.ErrUnavailable)
			r.again(t)
			r.restoreFromCopy(t, id)
		})
	}
}

// sameAsHome compares a replica with its original: all but the notes between workers, byte for byte, once, locked.
func (r *replica) sameAsHome(t *testing.T, b *activities.Backup, record string) {
	t.Helper()
	e := b.Envelope
	keys := []string{manifest.ManifestKey(e.Component, e.Backup), record}
	for _, o := range listed(b) {
		keys = append(keys, o.Key)
	}
	there := versions(t, r.target, e.Backup)
	for _, key := range keys {
		if there[key] != 1 {
			t.Errorf("%s has %d versions in the replica", key, there[key])
		}
		delete(there, key)
		if string(read(t, r.target, key)) != string(read(t, r.scene.home, key)) {
			t.Errorf("%s differs in the replica", key)
		}
		o, err := r.target.Stat(t.Context(), key, "")
		if err != nil {
			t.Fatal(err)
		}
		began, _ := manifest.BackupTime(e.Backup)
		if until := began.Add(retain); r.locks != (!o.RetainUntil.IsZero() && !o.RetainUntil.Before(until)) {
			t.Errorf("%s is locked until %s, want %s", key, o.RetainUntil, until)
		}
	}
	// What is left are the records of the copy: one for the verification, one for the manifest.
	for key, n := range there {
		if n != 1 || !strings.HasPrefix(key, manifest.CopiedPrefix(e.Component, e.Backup)) {
			t.Errorf("%s was copied, %d times", key, n)
		}
	}
	if len(there) != 2 {
		t.Errorf("records of the copy: %v", slices.Sorted(maps.Keys(there)))
	}
}

func read(t *testing.T, s store.Store, key string) []byte {
	t.Helper()
	body, _, err := s.Open(t.Context(), key, "")
	if err != nil {
		t.Fatal(err)
	}
	defer body.Close()
	data, err := io.ReadAll(body)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// restoreFromCopy verifies a backup from the replica, up to the record.
func (r *replica) restoreFromCopy(t *testing.T, id string) {
	t.Helper()
	found, err := lab.Do[activities.Found](r.Worker, r.All.Records.FindBackup, activities.FindBackupInput{Component: lab.Component, Backup: "latest-verified", Vault: lab.Replica})
	if err != nil || found.Backup != id || !found.Verified {
		t.Fatalf("found %+v: %v", found, err)
	}
	in := r.scene.Scratch(id, "copy")
	in.Vault = lab.Replica
	chunks := found.Totals.Chunks
	for _, err := range []error{r.OpenTarget(in), r.CreateTables(in), r.Load(in, 0, chunks), r.CreateConstraints(in)} {
		if err != nil {
			t.Fatal(err)
		}
	}
	compared, err := r.Compare(in)
	if err != nil {
		t.Fatal(err)
	}
	smoked, err := r.Smoke(in)
	if err != nil {
		t.Fatal(err)
	}
	dropped, err := r.Drop(in, compared.Receipt.MAC, smoked.Receipt.MAC)
	if err != nil {
		t.Fatal(err)
	}
	key, err := lab.Do[string](r.Worker, r.All.Records.RecordVerified, activities.RecordVerifiedInput{
		Guard: in.Guard, Component: in.Component, Backup: id, Vault: lab.Replica, Started: time.Now().Add(-time.Minute),
		Compared: compared.Receipt, Smoked: smoked.Receipt, Dropped: dropped.Receipt,
	})
	if err != nil {
		t.Fatal(err)
	}
	if versions(t, r.target, id)[key] != 1 {
		t.Errorf("the record %s is not in the replica", key)
	}
	if _, err := r.Find(id); err == nil {
		t.Error("the vault that is gone was read")
	}
}
