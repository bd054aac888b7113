package activities

import (
	"bytes"
	"context"
	"errors"
	"slices"

	"github.com/lifeboat-dr/lifeboat/internal/manifest"
	"github.com/lifeboat-dr/lifeboat/internal/plan"
	"github.com/lifeboat-dr/lifeboat/internal/signature"
	"github.com/lifeboat-dr/lifeboat/internal/store"
)

// FindBackup finds a backup in the vault: an id, "latest" or "latest-verified". It changes nothing.
func (r *Records) FindBackup(ctx context.Context, in FindBackupInput) (Found, error) {
	c, err := r.Crew.ComponentIn(in.Component, in.Vault)
	if err != nil {
		return Found{}, err
	}
	b, err := r.Finder.Find(ctx, c, in.Backup)
	if errors.Is(err, ErrNoBackup) {
		return Found{}, NotFound("list what there is: lifeboat backups", "%v", err)
	}
	if err != nil {
		return Found{}, err
	}
	contents, err := r.Crew.Contents(ctx, c, b)
	if err != nil {
		return Found{}, err
	}
	record, err := r.Finder.Verified(ctx, c, b)
	if err != nil {
		return Found{}, err
	}
	sizes := make([]int64, len(contents.Chunks))
	for i, chunk := range contents.Chunks {
		sizes[i] = chunk.Bytes
	}
	return Found{
		Backup: b.Envelope.Backup, SHA256: b.SHA256, Point: b.Envelope.Point, Totals: b.Envelope.Totals,
		Batches: batches(sizes), Verified: record != nil,
	}, nil
}

// RecordVerified writes the signed record that a backup was restored and compared. Only it makes a
// restore point a verified one. It believes receipts of this fleet and nothing else: one that is missing,
// altered, or of another backup, target or execution is refused with type Untrusted. A repetition writes
// the same record to the same key.
func (r *Records) RecordVerified(ctx context.Context, in RecordVerifiedInput) (string, error) {
	if err := r.Orders.CheckFor(in.Guard, in.Component, plan.CreateInVault); err != nil {
		return "", err
	}
	c, err := r.Crew.ComponentIn(in.Component, in.Vault)
	if err != nil {
		return "", err
	}
	b, err := r.Finder.Load(ctx, c, in.Backup)
	if err != nil {
		return "", err
	}
	v, err := in.check(r.Keys, b)
	if err != nil {
		return "", err
	}
	if in.Started.After(v.dropped.At) {
		return "", InvalidInput("the verification of %s ended before it began", in.Backup)
	}
	key := manifest.VerifiedKey(in.Component, in.Backup, v.dropped.At)
	return key, r.record(ctx, c, in.Backup, key, manifest.Verified{
		Format: manifest.Format, Component: in.Component, Backup: in.Backup, Manifest: b.SHA256, Point: b.Envelope.Point,
		Started: in.Started.UTC(), Finished: v.dropped.At, Scratch: v.dropped.Target.Site + "/" + v.dropped.Target.Database, Dropped: true,
		Checks: append(slices.Clone(v.compared.Checks), v.smoked.Checks...), Totals: b.Envelope.Totals, Writer: r.Crew.Version,
	})
}

// RecordAttempt writes the signed record of a failure beside the backup it belongs to.
func (r *Records) RecordAttempt(ctx context.Context, in RecordAttemptInput) error {
	a := in.Attempt
	if err := r.Orders.CheckFor(in.Guard, a.Component, plan.CreateInVault); err != nil {
		return err
	}
	c, err := r.Crew.ComponentIn(a.Component, in.Vault)
	if err != nil {
		return err
	}
	if !manifest.ValidBackupID(a.Backup) {
		return InvalidInput("%q is not a backup id", a.Backup)
	}
	a.Writer = r.Crew.Version
	const most = 1000
	for n := 1; n <= most; n++ {
		err := r.record(ctx, c, a.Backup, manifest.AttemptKey(a.Component, a.Backup, n), a)
		if typeOf(err) != TypeConflict {
			return err
		}
	}
	return InvalidInput("backup %s has %d records of failures already", a.Backup, most)
}

// record signs and writes a record, create-only. One with the same content that is there already is ours.
func (r *Records) record(ctx context.Context, c *Component, backup, key string, value any) error {
	data, err := signed(r.Signer, signature.Manifest, value)
	if err != nil {
		return err
	}
	_, err = c.Vault.Store.Create(ctx, key, data, store.CreateOptions{ContentType: "application/json", RetainUntil: c.Vault.fullLock(backup)})
	if errors.Is(err, store.ErrExists) {
		there, readErr := readAll(ctx, c.Vault.Store, key)
		if readErr == nil && sameDocument(there, data) {
			return nil
		}
	}
	return fromStore(err, "write record")
}

// sameDocument compares what two signed documents say; signatures of the same text may differ.
func sameDocument(a, b []byte) bool {
	docA, errA := manifest.ParseDocument(a)
	docB, errB := manifest.ParseDocument(b)
	return errA == nil && errB == nil && bytes.Equal([]byte(docA.Signed), []byte(docB.Signed))
}
