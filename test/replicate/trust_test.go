package replicate

import (
	"strings"
	"testing"
	"time"

	"github.com/lifeboat-dr/lifeboat/activities"
	"github.com/lifeboat-dr/lifeboat/internal/manifest"
	"github.com/lifeboat-dr/lifeboat/internal/signature"
	"github.com/lifeboat-dr/lifeboat/internal/store"
	"github.com/lifeboat-dr/lifeboat/internal/store/fault"
	"github.com/lifeboat-dr/lifeboat/test/lab"
)

// noWayAround asks activities for what they must not do, as somebody can who owns the Temporal namespace.
func (s *scene) noWayAround(t *testing.T, b *activities.Backup) {
	id := b.Envelope.Backup
	r := s.to(t, s.region.bucket(t), true)
	copied, err := r.objects(id)
	if err != nil {
		t.Fatal(err)
	}
	elsewhere := s.to(t, s.region.bucket(t), true)
	fromElsewhere, err := elsewhere.objects(id)
	if err != nil {
		t.Fatal(err)
	}
	r.again(t)
	for name, change := range map[string]func(activities.Receipt) activities.Receipt{
		"none":                 func(activities.Receipt) activities.Receipt { return activities.Receipt{} },
		"of another backup":    func(c activities.Receipt) activities.Receipt { c.Backup = newID(9); return c },
		"of another vault":     func(c activities.Receipt) activities.Receipt { c.Target.Name = "north"; return c },
		"of another execution": func(c activities.Receipt) activities.Receipt { c.Execution = "replicate/database/x"; return c },
		"altered":              func(c activities.Receipt) activities.Receipt { c.At = c.At.Add(time.Second); return c },
	} {
		_, err := r.commit(id, change(copied.Receipt))
		t.Run("a receipt "+name, func(t *testing.T) { refused(t, err, activities.TypeUntrusted, true, "copied") })
	}
	r.countsNot(t, id)
	// A receipt for objects that are gone since, or of a vault of the same name.
	empty := s.to(t, s.region.bucket(t), true)
	_, err = empty.commit(id, fromElsewhere.Receipt)
	refused(t, err, activities.TypeNoSuchChunk, true, "is missing in vault west")
	empty.countsNot(t, id)

	// Guards that the order does not cover.
	for name, change := range map[string]func(*activities.CopyInput){
		"the component's guard": func(in *activities.CopyInput) { in.Target = lab.Component },
		"another component":     func(in *activities.CopyInput) { in.Component = "payroll" },
		"its own vault":         func(in *activities.CopyInput) { in.To, in.Target = "east", "east" },
	} {
		in := empty.input(id)
		change(&in)
		before := empty.target.Calls(fault.Any)
		_, err := lab.Do[activities.CopiedObjects](empty.Worker, empty.All.Replicas.CopyObjects, in)
		t.Run("under "+name, func(t *testing.T) { refused(t, err, activities.TypeNotAllowed, true, "not allowed") })
		if empty.target.Calls(fault.Any) != before {
			t.Error("the vault was touched")
		}
	}
}

// gaps makes holes and unfinished copies, which a comparison finds.
func (s *scene) gaps(t *testing.T, b *activities.Backup) {
	id := b.Envelope.Backup
	r := s.to(t, s.region.bucket(t), true)
	if _, err := r.objects(id); err != nil { // no manifest yet
		t.Fatal(err)
	}
	alerts := func() activities.ReplicaProtection {
		p, err := r.All.Alerts.EvaluateProtection(t.Context())
		if err != nil || len(p.Components) != 1 || len(p.Components[0].Replicas) != 1 {
			t.Fatalf("protection %+v: %v", p, err)
		}
		return p.Components[0].Replicas[0]
	}
	r.Crew.Components[lab.Component].RPO = time.Hour
	if p := alerts(); p.State != "none" || p.Missing == nil || *p.Missing != 1 || !p.OldestMissing.Equal(b.Envelope.Point.Time) {
		t.Errorf("without a manifest the replica is %+v", p)
	}
	if _, err := r.copy(id); err != nil {
		t.Fatal(err)
	}
	if p := alerts(); p.State != "ok" || p.Backup != id || *p.Missing != 0 {
		t.Errorf("with it the replica is %+v", p)
	}
	r.Crew.Components[lab.Component].RPO = time.Nanosecond
	if p := alerts(); p.State != "late" {
		t.Errorf("later the replica is %+v", p)
	}
	r.Crew.Components[lab.Component].RPO = time.Hour

	// An object is lost. The backup does not count any more, and the next copy brings that object alone.
	victim := listed(b)[2]
	r.target = fault.Wrap(&without{Store: r.target, key: victim.Key})
	r.again(t)
	r.Crew.Components[lab.Component].RPO = time.Hour
	if p := alerts(); p.State != "none" || *p.Missing != 1 {
		t.Errorf("without an object the replica is %+v", p)
	}
	if m := r.missing(t); m.Total != 1 {
		t.Errorf("missing %+v", m)
	}
	s.reading.FailNext(fault.Any, fault.Always, store.ErrUnavailable)
	defer s.reading.Heal()
	if p := alerts(); p.Missing != nil {
		t.Errorf("with the source away, %d are said to be missing", *p.Missing)
	}
}

// TestKeysThatWereRotated revokes the key that signed a backup and its verification before they are copied. They
// count in the replica, for they were good when they were written; what that key signs now counts nowhere.
func TestKeysThatWereRotated(t *testing.T) {
	s := newScene(t)
	id, late := newID(3), newID(2)
	old := s.Worker(t)
	b := old.Backup(t, id)
	if _, err := lab.Do[string](old, old.All.Records.RecordVerified, old.Verified(t, s.Scratch(id, "rotated"))); err != nil {
		t.Fatal(err)
	}
	// The store's dates have seconds.
	time.Sleep(time.Until(time.Now().Truncate(time.Second).Add(2100 * time.Millisecond)))
	revoked := time.Now().UTC().Add(-time.Second).Format("20060102150405Z")
	oldSigner := s.Signer
	s.Signers = strings.Replace(s.Signers, lab.Signer+" ", lab.Signer+` valid-before="`+revoked+`" `, 1) + s.newSigner(t)

	bucket := s.region.bucket(t)
	r := s.to(t, bucket, true)
	if _, err := r.copy(id); err != nil {
		t.Fatal(err)
	}
	found, err := lab.Do[activities.Found](r.Worker, r.All.Records.FindBackup, activities.FindBackupInput{Component: lab.Component, Backup: id, Vault: lab.Replica})
	if err != nil || !found.Verified {
		t.Errorf("the copy is not what the original was: %+v, %v", found, err)
	}
	if m := r.missing(t); m.Total != 0 || len(m.Records) != 0 {
		t.Errorf("missing %+v", m)
	}
	back, err := r.All.Replicas.Finder.Load(t.Context(), r.there(t), id)
	if err != nil || back.Dated.After(b.Dated) {
		t.Errorf("it is dated %s, the original %s", back.Dated, b.Dated)
	}

	// Whoever has the old key signs a manifest of now, and a record that says it is old.
	envelope := b.Envelope
	forged := strings.ReplaceAll(string(mustJSON(t, envelope)), id, late)
	doc := signedBy(t, oldSigner, forged)
	bucket.put(t, manifest.ManifestKey(lab.Component, late), doc)
	bucket.put(t, manifest.CopiedKey(lab.Component, late, time.Now(), strings.Repeat("0", 64)), signedBy(t, oldSigner, string(mustJSON(t, manifest.Copied{
		Format: manifest.Format, Component: lab.Component, Backup: late, From: "east", Vault: lab.Replica, At: b.Dated, Writer: "x",
		Documents: []manifest.CopiedDocument{{Key: manifest.ManifestKey(lab.Component, late), SHA256: digest(doc), Dated: b.Dated}},
	}))))
	if _, err := r.All.Replicas.Finder.Load(t.Context(), r.there(t), late); activities.TypeOf(err) != activities.TypeUntrusted {
		t.Errorf("a manifest of a revoked key: %v", err)
	}
	// The record of another document does not help it either.
	bucket.put(t, manifest.CopiedKey(lab.Component, late, time.Now(), strings.Repeat("1", 64)), r.copiedRecord(t, id))
	if _, err := r.All.Replicas.Finder.Load(t.Context(), r.there(t), late); activities.TypeOf(err) != activities.TypeUntrusted {
		t.Errorf("a manifest of a revoked key beside a foreign record: %v", err)
	}
}

// copiedRecord is one of the records of a backup's copy.
func (r *replica) copiedRecord(t *testing.T, id string) []byte {
	t.Helper()
	for key := range versions(t, r.target, id) {
		if strings.HasPrefix(key, manifest.CopiedPrefix(lab.Component, id)) {
			return read(t, r.target, key)
		}
	}
	t.Fatal("the copy left no record")
	return nil
}

func signedBy(t *testing.T, signer *signature.Signer, text string) []byte {
	t.Helper()
	armored, err := signer.Sign(signature.Manifest, []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	data, err := manifest.Document{Signed: text, Signature: string(armored)}.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	return data
}
