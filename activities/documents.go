package activities

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"iter"
	"time"

	"github.com/lifeboat-dr/lifeboat/internal/manifest"
	"github.com/lifeboat-dr/lifeboat/internal/signature"
	"github.com/lifeboat-dr/lifeboat/internal/store"
)

// document is a signed document of a backup whose signature holds.
type document struct {
	key  string
	data []byte
	// sha256 is the digest (hex) of data.
	sha256 string
	signer string
	dated  time.Time
}

// document reads a signed document of a backup and decodes it when its signature holds at the time the store has
// for it: a key that was revoked later was good then. A copy is younger than its original, so where that is not
// enough, the time counts that whoever copied it put down.
func (f *Finder) document(ctx context.Context, c *Component, backup string, version store.Object, into any) (document, error) {
	doc, err := f.signedAt(ctx, c, version, func(data string) ([]time.Time, error) { return f.copiedDates(ctx, c, backup, version.Key, data) })
	if err != nil {
		return doc, err
	}
	return doc, decodeSigned(doc, into)
}

// signedAt reads a signed document and checks its signature: at the store's time, then at those of others.
func (f *Finder) signedAt(ctx context.Context, c *Component, version store.Object, others func(sha256 string) ([]time.Time, error)) (doc document, err error) {
	doc.key, doc.dated = version.Key, version.Modified
	if doc.data, err = readVersion(ctx, c.Vault.Store, version.Key, version.Version); err != nil {
		return doc, err
	}
	sum := sha256.Sum256(doc.data)
	doc.sha256 = hex.EncodeToString(sum[:])
	parsed, err := manifest.ParseDocument(doc.data)
	if err != nil {
		return doc, fmt.Errorf("parse %s: %w", version.Key, err)
	}
	holds := func(at time.Time) error {
		doc.dated = at
		doc.signer, err = f.Signers.Verify(signature.Manifest, []byte(parsed.Signed), []byte(parsed.Signature), at)
		return err
	}
	if holds(version.Modified) == nil {
		return doc, nil
	}
	refused := fmt.Errorf("check signature of %s: %w", version.Key, err)
	dates, err := others(doc.sha256)
	if err != nil {
		return doc, err
	}
	for _, at := range dates {
		if holds(at) == nil {
			return doc, nil
		}
	}
	return doc, refused
}

func decodeSigned(doc document, into any) error {
	parsed, err := manifest.ParseDocument(doc.data)
	if err == nil {
		err = manifest.Decode([]byte(parsed.Signed), into)
	}
	if err != nil {
		return fmt.Errorf("parse %s: %w", doc.key, err)
	}
	return nil
}

// copiedDates are the times at which a document's signature held, by the records of whoever copied it. A record
// counts when its own signature holds at the time the store has for it.
func (f *Finder) copiedDates(ctx context.Context, c *Component, backup, key, digest string) (dates []time.Time, err error) {
	for version, err := range c.Vault.Store.Versions(ctx, manifest.CopiedPrefix(c.Name, backup)) {
		if err != nil {
			return nil, err
		}
		if version.DeleteMarker {
			continue
		}
		var record manifest.Copied
		doc, err := f.signedAt(ctx, c, version, func(string) ([]time.Time, error) { return nil, nil })
		if err == nil {
			err = decodeSigned(doc, &record)
		}
		if store.Retryable(err) || ctx.Err() != nil {
			return nil, err
		}
		if err != nil || record.Format != manifest.Format || record.Component != c.Name || record.Backup != backup {
			continue
		}
		for _, d := range record.Documents {
			if d.Key == key && d.SHA256 == digest && !d.Dated.After(version.Modified) {
				dates = append(dates, d.Dated)
			}
		}
	}
	return dates, nil
}

// verification is a record that a backup was restored and compared, as it is stored.
type verification struct {
	document
	record manifest.Verified
}

// verifications are the records that this very manifest was restored and compared. What is not validly signed, or
// speaks of another manifest, is no record.
func (f *Finder) verifications(ctx context.Context, c *Component, b *Backup) iter.Seq2[verification, error] {
	return func(yield func(verification, error) bool) {
		id := b.Envelope.Backup
		for version, err := range c.Vault.Store.Versions(ctx, manifest.VerifiedPrefix(c.Name, id)) {
			if err != nil {
				yield(verification{}, fromStore(err, "look for verifications"))
				return
			}
			if version.DeleteMarker {
				continue
			}
			var v verification
			v.document, err = f.document(ctx, c, id, version, &v.record)
			if store.Retryable(err) || ctx.Err() != nil {
				yield(verification{}, fromStore(err, "read verification"))
				return
			}
			if err != nil || v.record.Backup != id || v.record.Manifest != b.SHA256 || !v.record.Dropped {
				continue
			}
			if !yield(v, nil) {
				return
			}
		}
	}
}
