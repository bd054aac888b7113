package activities

import (
	"bytes"
	"context"
	"errors"

	"github.com/lifeboat-dr/lifeboat/internal/manifest"
	"github.com/lifeboat-dr/lifeboat/internal/plan"
	"github.com/lifeboat-dr/lifeboat/internal/signature"
	"github.com/lifeboat-dr/lifeboat/internal/store"
)

// FindBackup finds a backup in the vault: an id, "latest" or "latest-verified". It changes nothing.
func (r *Records) FindBackup(ctx context.Context, in FindBackupInput) (Found, error) {
	c, err := r.Crew.Component(in.Component)
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
// restore point a verified one. A repetition writes the same record to the same key.
func (r *Records) RecordVerified(ctx context.Context, in RecordVerifiedInput) (string, error) {
	v := in.Verified
	if err := r.Orders.Check(in.Guard, plan.CreateInVault); err != nil {
		return "", err
	}
	c, err := r.Crew.Component(v.Component)
	if err != nil {
		return "", err
	}
	b, err := r.Finder.Load(ctx, c, v.Backup)
	if err != nil {
		return "", err
	}
	if b.SHA256 != v.Manifest || !v.Dropped || len(v.Checks) == 0 {
		return "", InvalidInput("the verification of %s does not fit its manifest, or compared nothing", v.Backup)
	}
	for _, check := range v.Checks {
		if !check.OK {
			return "", InvalidInput("the verification of %s failed its check %q", v.Backup, check.Name)
		}
	}
	v.Writer = r.Crew.Version
	key := manifest.VerifiedKey(v.Component, v.Backup, v.Finished)
	return key, r.record(ctx, c, v.Backup, key, v)
}

// RecordAttempt writes the signed record of a failure beside the backup it belongs to.
func (r *Records) RecordAttempt(ctx context.Context, in RecordAttemptInput) error {
	a := in.Attempt
	if err := r.Orders.Check(in.Guard, plan.CreateInVault); err != nil {
		return err
	}
	c, err := r.Crew.Component(a.Component)
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
