package activities

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
	"time"

	"github.com/lifeboat-dr/lifeboat/internal/manifest"
	"github.com/lifeboat-dr/lifeboat/internal/signature"
	"github.com/lifeboat-dr/lifeboat/internal/store"
)

// ErrNoBackup says that a vault holds no backup that was asked for.
var ErrNoBackup = errors.New("no such backup")

// Finder reads a vault's manifests and records, and believes only those that are validly signed. It
// needs nothing but the vault: no Temporal, and no key that opens backups.
type Finder struct {
	Signers *signature.Verifier
}

// Backup is a backup whose manifest's signature holds.
type Backup struct {
	Envelope manifest.Envelope
	// SHA256 is the digest of the manifest object, in hex.
	SHA256 string
	// Version is the version of the manifest object that was believed.
	Version string
	// Dated is the time at which its signature held: when the vault that it was first written to got it.
	Dated time.Time
	// Signer is who signed it.
	Signer string
}

// Load reads one backup. Of several versions of a manifest the oldest validly signed one holds: a lock
// keeps a version, not a name, so whoever comes later cannot change what a backup is.
func (f *Finder) Load(ctx context.Context, c *Component, id string) (*Backup, error) {
	if !manifest.ValidBackupID(id) {
		return nil, InvalidInput("%q is not a backup id such as 20261123T020000Z-k3v7qa", id)
	}
	key := manifest.ManifestKey(c.Name, id)
	var refused error
	for version, err := range c.Vault.Store.Versions(ctx, key) {
		if err != nil {
			return nil, fromStore(err, "look for manifest")
		}
		if version.Key != key || version.DeleteMarker {
			continue
		}
		b, err := f.open(ctx, c, id, version)
		if err == nil {
			return b, nil
		}
		if store.Retryable(err) || ctx.Err() != nil {
			return nil, fromStore(err, "read manifest")
		}
		refused = errors.Join(refused, err)
	}
	if refused != nil {
		return nil, Untrusted(refused, "manifest "+key)
	}
	return nil, fmt.Errorf("%w: %s in vault %s", ErrNoBackup, id, c.Vault.Name)
}

func (f *Finder) open(ctx context.Context, c *Component, id string, version store.Object) (*Backup, error) {
	var envelope manifest.Envelope
	doc, err := f.document(ctx, c, id, version, &envelope)
	if err != nil {
		return nil, err
	}
	if envelope.Application != c.Application || envelope.Component != c.Name || envelope.Backup != id {
		return nil, fmt.Errorf("manifest %s speaks of backup %s of %s of application %s", version.Key, envelope.Backup, envelope.Component, envelope.Application)
	}
	if err := envelope.Validate(); err != nil {
		return nil, fmt.Errorf("manifest %s: %w", version.Key, err)
	}
	return &Backup{Envelope: envelope, SHA256: doc.sha256, Version: version.Version, Dated: doc.dated, Signer: doc.signer}, nil
}

// Backups goes through a component's backups from the newest to the oldest. Folders without a valid
// manifest are no backups and are passed over; refused tells of manifests that are not trusted.
func (f *Finder) Backups(ctx context.Context, c *Component, refused func(id string, err error)) iter.Seq2[*Backup, error] {
	return func(yield func(*Backup, error) bool) {
		ids := []string{}
		for id, err := range c.Vault.Store.Folders(ctx, manifest.BackupsPrefix(c.Name)) {
			if err != nil {
				yield(nil, fromStore(err, "list backups"))
				return
			}
			if manifest.ValidBackupID(id) {
				ids = append(ids, id)
			}
		}
		for _, id := range slices.Backward(ids) {
			b, err := f.Load(ctx, c, id)
			switch {
			case err == nil:
				if !yield(b, nil) {
					return
				}
			case errors.Is(err, ErrNoBackup):
			case typeOf(err) == TypeUntrusted:
				if refused != nil {
					refused(id, err)
				}
			default:
				yield(nil, err)
				return
			}
		}
	}
}

// Newest is the newest backup, verified or not.
func (f *Finder) Newest(ctx context.Context, c *Component) (*Backup, error) {
	for b, err := range f.Backups(ctx, c, nil) {
		return b, err
	}
	return nil, fmt.Errorf("%w: component %s has none in vault %s", ErrNoBackup, c.Name, c.Vault.Name)
}

// NewestVerified is the newest backup that was restored and compared.
func (f *Finder) NewestVerified(ctx context.Context, c *Component) (*Backup, error) {
	for b, err := range f.Backups(ctx, c, nil) {
		if err != nil {
			return nil, err
		}
		record, err := f.Verified(ctx, c, b)
		if err != nil {
			return nil, err
		}
		if record != nil {
			return b, nil
		}
	}
	return nil, fmt.Errorf("%w: component %s has no verified one in vault %s", ErrNoBackup, c.Name, c.Vault.Name)
}

// Verified is the newest record that a backup was restored and compared, nil when there is none. A
// record of another manifest, or one whose signature does not hold, is no record.
func (f *Finder) Verified(ctx context.Context, c *Component, b *Backup) (*manifest.Verified, error) {
	newest, _, err := f.newestRecord(ctx, c, b)
	return newest, err
}

// newestRecord is Verified, with the key of the record.
func (f *Finder) newestRecord(ctx context.Context, c *Component, b *Backup) (newest *manifest.Verified, key string, err error) {
	for v, err := range f.verifications(ctx, c, b) {
		if err != nil {
			return nil, "", err
		}
		if newest == nil || v.record.Finished.After(newest.Finished) {
			newest, key = &v.record, v.key
		}
	}
	return newest, key, nil
}

// readAll reads the current version of a small object.
func readAll(ctx context.Context, s store.Store, key string) ([]byte, error) {
	return readVersion(ctx, s, key, "")
}

func readVersion(ctx context.Context, s store.Store, key, version string) ([]byte, error) {
	r, _, err := s.Open(ctx, key, version)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	data, err := io.ReadAll(io.LimitReader(r, store.MaxBody+1))
	if err != nil {
		return nil, err
	}
	if len(data) > store.MaxBody {
		return nil, fmt.Errorf("read object %s: it is larger than %d bytes", key, store.MaxBody)
	}
	return data, nil
}

// signed renders a document, signs it and returns its bytes.
func signed(signer *signature.Signer, namespace signature.Namespace, value any) ([]byte, error) {
	text, err := json.Marshal(value)
	if err != nil {
		return nil, fmt.Errorf("render document: %w", err)
	}
	armored, err := signer.Sign(namespace, text)
	if err != nil {
		return nil, fmt.Errorf("sign document: %w", err)
	}
	return manifest.Document{Signed: string(text), Signature: string(armored)}.Bytes()
}

// firstLock is the lock of objects when they are first written, before it is known that the backup they
// belong to will exist.
func (v Vault) firstLock(backup string) time.Time {
	const first = 30 * 24 * time.Hour
	return v.lock(backup, min(first, v.Retain))
}

// fullLock is the lock of objects of a backup that exists.
func (v Vault) fullLock(backup string) time.Time { return v.lock(backup, v.Retain) }

func (v Vault) lock(backup string, keep time.Duration) time.Time {
	began, err := manifest.BackupTime(backup)
	if err != nil || keep <= 0 {
		return time.Time{}
	}
	return began.Add(keep)
}

// Find finds what a person named: an id, "latest" or "latest-verified".
func (f *Finder) Find(ctx context.Context, c *Component, name string) (*Backup, error) {
	switch name {
	case "latest":
		return f.Newest(ctx, c)
	case "latest-verified":
		return f.NewestVerified(ctx, c)
	}
	return f.Load(ctx, c, name)
}
