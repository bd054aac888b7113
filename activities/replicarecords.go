package activities

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"time"

	"github.com/lifeboat-dr/lifeboat/internal/manifest"
	"github.com/lifeboat-dr/lifeboat/internal/signature"
	"github.com/lifeboat-dr/lifeboat/internal/store"
)

// CopyRecords copies the records of a backup's verifications into another vault. They count there as soon as the
// manifest does. It is safe to repeat.
func (r *Replicas) CopyRecords(ctx context.Context, in CopyInput) (CopiedRecords, error) {
	c, err := r.begin(ctx, in)
	if err != nil {
		return CopiedRecords{}, err
	}
	defer alive(ctx, &c.count)()
	var records []document
	for v, err := range r.Finder.verifications(ctx, c.from, c.backup) {
		if err != nil {
			return CopiedRecords{}, err
		}
		records = append(records, v.document)
	}
	if err := r.attest(ctx, c, records); err != nil {
		return CopiedRecords{}, err
	}
	var done CopiedRecords
	for _, doc := range records {
		wrote, err := c.write(ctx, doc)
		if err != nil {
			return done, err
		}
		if wrote {
			done.Copied++
		} else {
			done.Present++
		}
	}
	return done, nil
}

// attest leaves a signed record of when the signatures of documents held, for those that have none yet.
func (r *Replicas) attest(ctx context.Context, c *copying, docs []document) error {
	e := c.backup.Envelope
	record := manifest.Copied{
		Format: manifest.Format, Component: e.Component, Backup: e.Backup, From: c.from.Vault.Name, Vault: c.to.Vault.Name,
		At: time.Now().UTC(), Writer: r.Crew.Version,
	}
	for _, doc := range docs {
		dates, err := r.Finder.copiedDates(ctx, c.to, e.Backup, doc.key, doc.sha256)
		if err != nil {
			return fromStore(err, "look for records of copies")
		}
		if len(dates) == 0 {
			record.Documents = append(record.Documents, manifest.CopiedDocument{Key: doc.key, SHA256: doc.sha256, Dated: doc.dated.UTC()})
		}
	}
	if len(record.Documents) == 0 {
		return nil
	}
	data, err := signed(r.Signer, signature.Manifest, record)
	if err != nil {
		return err
	}
	_, err = c.to.Vault.Store.Create(ctx, manifest.CopiedKey(e.Component, e.Backup, record.At, digestOf(data)), data,
		store.CreateOptions{ContentType: "application/json", RetainUntil: c.until})
	return fromStore(err, "write record of the copy to vault "+c.to.Vault.Name)
}

func digestOf(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// holdsDocument says whether a version of a document's key has its very bytes.
func holdsDocument(ctx context.Context, s store.Store, doc document) (bool, error) {
	for version, err := range s.Versions(ctx, doc.key) {
		if err != nil {
			return false, err
		}
		if version.Key != doc.key || version.DeleteMarker || version.Size != int64(len(doc.data)) {
			continue
		}
		data, err := readVersion(ctx, s, version.Key, version.Version)
		if err == nil && bytes.Equal(data, doc.data) {
			return true, nil
		}
		if err != nil && !errors.Is(err, store.ErrCorrupt) && !errors.Is(err, store.ErrNotFound) {
			return false, err
		}
	}
	return false, nil
}
