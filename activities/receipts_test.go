package activities_test

import (
	"encoding/base64"
	"errors"
	"strings"
	"testing"
	"time"

	"go.temporal.io/sdk/temporal"

	"github.com/lifeboat-dr/lifeboat/activities"
	"github.com/lifeboat-dr/lifeboat/internal/manifest"
	"github.com/lifeboat-dr/lifeboat/internal/secret"
	"github.com/lifeboat-dr/lifeboat/internal/store/storetest"
	"github.com/lifeboat-dr/lifeboat/internal/workrecord"
	"github.com/lifeboat-dr/lifeboat/test/lab"
)

// TestOnlyReceiptsMakeAVerifiedRecord verifies a backup for real, and then asks for the record with every kind
// of receipt that must not be believed.
func TestOnlyReceiptsMakeAVerifiedRecord(t *testing.T) {
	l := lab.New(t, storetest.Dir(t))
	l.Fill(t, "CREATE TABLE claims AS SELECT g AS id FROM generate_series(1, 100) g")
	w := l.Worker(t)
	const id, other = "20261123T020000Z-k3v7qa", "20261123T030000Z-k3v7qa"
	w.Backup(t, id)
	w.Backup(t, other)

	good := w.Verified(t, l.Scratch(id, "a"))
	ofOther := w.Verified(t, l.Scratch(other, "a"))
	elsewhere := w.Verified(t, l.Scratch(id, "b"))
	strangers, err := workrecord.ParseKeys([]secret.String{secret.New(base64.StdEncoding.EncodeToString([]byte(strings.Repeat("x", 32))))})
	if err != nil {
		t.Fatal(err)
	}
	stranger := l.Worker(t, func(w *lab.Worker) { w.All.Restores.Keys = strangers }).Verified(t, l.Scratch(id, "a"))
	early, err := w.Drop(l.Scratch(id, "a"))
	if err != nil {
		t.Fatal(err)
	}

	for name, forge := range map[string]func(*activities.RecordVerifiedInput){
		"nothing was compared":           func(in *activities.RecordVerifiedInput) { in.Compared = activities.Receipt{} },
		"nothing was asked":              func(in *activities.RecordVerifiedInput) { in.Smoked = activities.Receipt{} },
		"nothing was dropped":            func(in *activities.RecordVerifiedInput) { in.Dropped = activities.Receipt{} },
		"all of another backup":          func(in *activities.RecordVerifiedInput) { *in = ofOther; in.Backup = id },
		"compared in another backup":     func(in *activities.RecordVerifiedInput) { in.Compared = ofOther.Compared },
		"asked of another target":        func(in *activities.RecordVerifiedInput) { in.Smoked = elsewhere.Smoked },
		"another target dropped":         func(in *activities.RecordVerifiedInput) { in.Dropped = elsewhere.Dropped },
		"dropped before it was compared": func(in *activities.RecordVerifiedInput) { in.Dropped = early.Receipt },
		"a comparison taken for a drop":  func(in *activities.RecordVerifiedInput) { in.Dropped = in.Compared },
		"a receipt's kind changed":       func(in *activities.RecordVerifiedInput) { in.Smoked = in.Compared; in.Smoked.Kind = "smoked" },
		"a check made up":                func(in *activities.RecordVerifiedInput) { in.Compared.Checks[0].Detail = "1000 equal" },
		"a check left out":               func(in *activities.RecordVerifiedInput) { in.Compared.Checks = in.Compared.Checks[1:] },
		"another time":                   func(in *activities.RecordVerifiedInput) { in.Dropped.At = in.Dropped.At.Add(time.Hour) },
		"a manifest made up":             func(in *activities.RecordVerifiedInput) { in.Compared.Manifest = strings.Repeat("0", 64) },
		"a backup's name changed":        func(in *activities.RecordVerifiedInput) { *in = ofOther; in.Backup, in.Compared.Backup = id, id },
		"a target's name changed":        func(in *activities.RecordVerifiedInput) { in.Compared.Target.Database = "lifeboat_scratch_b" },
		"a kept target":                  func(in *activities.RecordVerifiedInput) { in.Compared.Target.Kind = activities.BranchTarget },
		"another order of events": func(in *activities.RecordVerifiedInput) {
			in.Dropped.After[0], in.Dropped.After[1] = in.Dropped.After[1], in.Dropped.After[0]
		},
		"another execution":               func(in *activities.RecordVerifiedInput) { in.Execution = "verify/database/y" },
		"workers of another fleet":        func(in *activities.RecordVerifiedInput) { *in = stranger },
		"a MAC that is none":              func(in *activities.RecordVerifiedInput) { in.Compared.MAC = "00" },
		"a MAC of other receipts' making": func(in *activities.RecordVerifiedInput) { in.Compared.MAC = in.Smoked.MAC },
	} {
		t.Run(name, func(t *testing.T) {
			in := good
			in.Compared.Checks = append([]manifest.Check{}, good.Compared.Checks...)
			in.Dropped.After = append([]string{}, good.Dropped.After...)
			forge(&in)
			_, err := lab.Do[string](w, w.All.Records.RecordVerified, in)
			var failed *temporal.ApplicationError
			if !errors.As(err, &failed) || failed.Type() != activities.TypeUntrusted || !failed.NonRetryable() {
				t.Errorf("got %v", err)
			}
			if found, err := w.Find(id); err != nil || found.Verified {
				t.Fatalf("verified %t: %v", found.Verified, err)
			}
		})
	}
	late := good
	late.Started = time.Now().Add(time.Hour)
	if _, err := lab.Do[string](w, w.All.Records.RecordVerified, late); err == nil {
		t.Error("a verification that ended before it began was recorded")
	}

	key, err := lab.Do[string](w, w.All.Records.RecordVerified, good)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := lab.Do[string](w, w.All.Records.RecordVerified, good); again != key || err != nil {
		t.Errorf("a repetition: %s, %v", again, err)
	}
	if found, err := w.Find(id); err != nil || !found.Verified {
		t.Errorf("verified %t: %v", found.Verified, err)
	}
	b, _ := w.Open(t, id)
	record, err := w.All.Records.Finder.Verified(t.Context(), w.Crew.Components[lab.Component], b)
	if err != nil || record.Scratch != "east/lifeboat_scratch_a" || !record.Dropped || record.Totals != b.Envelope.Totals || len(record.Checks) < 3 {
		t.Errorf("recorded %+v: %v", record, err)
	}
}
