package activities

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"sort"
	"time"

	"github.com/lifeboat-dr/lifeboat/internal/manifest"
	"github.com/lifeboat-dr/lifeboat/internal/plan"
	"github.com/lifeboat-dr/lifeboat/internal/signature"
	"github.com/lifeboat-dr/lifeboat/internal/store"
	"github.com/lifeboat-dr/lifeboat/internal/workrecord"
)

// contentsChunk names the objects that hold the sealed contents of a manifest.
const contentsChunk = "contents"

// Records writes and reads what makes a backup a backup: manifests, locks, verifications, failures.
type Records struct {
	Crew   *Crew
	Orders *Orders
	Finder *Finder
	Signer *signature.Signer
	Keys   workrecord.Keys
}

// CommitManifest gathers the notes of all chunks into the sealed contents, and writes the signed
// manifest, create-only. From then on the backup exists. It is safe to repeat: the first manifest holds.
func (r *Records) CommitManifest(ctx context.Context, in CommitInput) (Committed, error) {
	if err := r.Orders.CheckFor(in.Guard, in.Component, plan.CreateInVault); err != nil {
		return Committed{}, err
	}
	dumps := Dumps{Crew: r.Crew, Keys: r.Keys}
	j, err := dumps.job(in.Component, in.Backup, in.Snapshot.ID)
	if err != nil {
		return Committed{}, err
	}
	defer alive(ctx, &counter{})()
	if done, err := r.committed(ctx, j); err != nil || done != nil {
		return found(done), err
	}
	envelope, contents, err := j.gather(ctx, in)
	if err != nil {
		return Committed{}, err
	}
	if envelope.Source, err = r.source(ctx, j, contents.Catalog, envelope.Source); err != nil {
		return Committed{}, err
	}
	if err := r.sealContents(ctx, j, &envelope, contents); err != nil {
		return Committed{}, err
	}
	if err := errors.Join(envelope.Validate(), contents.Validate(envelope)); err != nil {
		return Committed{}, Mismatch("the manifest of backup %s would not be valid: %v", in.Backup, err)
	}
	data, err := signed(r.Signer, signature.Manifest, envelope)
	if err != nil {
		return Committed{}, err
	}
	_, err = j.component.Vault.Store.Create(ctx, manifest.ManifestKey(in.Component, in.Backup), data, store.CreateOptions{
		ContentType: "application/json", RetainUntil: j.component.Vault.firstLock(in.Backup),
	})
	if err != nil && !errors.Is(err, store.ErrExists) {
		return Committed{}, fromStore(err, "write manifest")
	}
	// Read back what now holds: an earlier attempt may have been quicker.
	done, err := r.committed(ctx, j)
	if err == nil && done == nil {
		err = fmt.Errorf("manifest of %s was written and is not there", in.Backup)
	}
	return found(done), err
}

func (r *Records) committed(ctx context.Context, j *job) (*Backup, error) {
	b, err := r.Finder.Load(ctx, j.component, j.backup)
	if errors.Is(err, ErrNoBackup) {
		return nil, nil
	}
	return b, err
}

func found(b *Backup) Committed {
	if b == nil {
		return Committed{}
	}
	e := b.Envelope
	return Committed{Key: manifest.ManifestKey(e.Component, e.Backup), SHA256: b.SHA256, Point: e.Point, Totals: e.Totals}
}

// gather reads the notes of a snapshot: all of them have to be there.
func (j *job) gather(ctx context.Context, in CommitInput) (envelope manifest.Envelope, contents manifest.Contents, err error) {
	p, err := j.planned(ctx)
	if err != nil {
		return envelope, contents, err
	}
	var schema schemaDone
	ok, err := j.read(ctx, schemaNote, &schema)
	if err != nil {
		return envelope, contents, err
	}
	if !ok {
		return envelope, contents, Incomplete(nil, "the schema of backup "+j.backup)
	}
	contents = manifest.Contents{Format: manifest.Format, Backup: j.backup, Catalog: p.Catalog, Schema: schema.Chunk}
	contents.Catalog.NotCovered = append(contents.Catalog.NotCovered, schema.NotCovered...)
	envelope = manifest.Envelope{
		Format: manifest.Format, Application: j.component.Application, Component: j.component.Name, Backup: j.backup,
		Snapshot: j.snapshot, Point: p.Position.Point, Started: in.Started.UTC(), Finished: time.Now().UTC(),
		Writer: j.crew.Version, Recipients: j.crew.RecipientNames,
		Source: manifest.Source{System: p.Position.System, ServerVersion: p.Position.ServerVersion},
		Totals: manifest.Totals{Tables: len(p.Catalog.Tables), Chunks: len(p.Chunks), NotCovered: len(contents.Catalog.NotCovered)},
	}
	for _, planned := range p.Chunks {
		var chunk manifest.Chunk
		ok, err := j.read(ctx, planned.ID, &chunk)
		if err != nil {
			return envelope, contents, err
		}
		if !ok || chunk.ID != planned.ID || chunk.Range != planned.Range || chunk.Table != planned.Table {
			return envelope, contents, Incomplete(nil, "chunk "+planned.ID+" of backup "+j.backup)
		}
		contents.Chunks = append(contents.Chunks, chunk)
		envelope.Totals.Rows += chunk.Rows
	}
	for _, chunk := range append([]manifest.Chunk{contents.Schema}, contents.Chunks...) {
		envelope.Totals.PlainBytes += chunk.Bytes
		for _, part := range chunk.Parts {
			envelope.Objects = append(envelope.Objects, part.Object)
			envelope.Totals.StoredBytes += part.Size
		}
	}
	sort.Slice(envelope.Objects, func(a, b int) bool { return envelope.Objects[a].Key < envelope.Objects[b].Key })
	return envelope, contents, nil
}

// source completes what a backup was read from with what only the source and its server know.
func (r *Records) source(ctx context.Context, j *job, catalog manifest.Catalog, known manifest.Source) (manifest.Source, error) {
	identity, err := j.component.Source.Identity(ctx)
	if err != nil {
		return known, classify(err, "ask what "+j.component.Name+" is")
	}
	identity.System, identity.ServerVersion, identity.Database = known.System, known.ServerVersion, catalog.Database
	return identity, nil
}

// sealContents writes the contents like a chunk, and lists their objects in the envelope.
func (r *Records) sealContents(ctx context.Context, j *job, envelope *manifest.Envelope, contents manifest.Contents) error {
	text, err := json.Marshal(contents)
	if err != nil {
		return fmt.Errorf("render contents: %w", err)
	}
	// The name tells contents apart: a repetition that gathered other notes must not adopt these.
	sum := sha256.Sum256(text)
	w, err := j.writer(ctx, contentsChunk+"-"+hex.EncodeToString(sum[:6]))
	if err != nil {
		return err
	}
	defer w.Abort()
	if _, err := w.Write(text); err != nil {
		return classify(err, "store the contents")
	}
	sealed, err := w.Close()
	if err != nil {
		return classify(err, "store the contents")
	}
	for _, part := range sealed.Parts {
		envelope.Contents = append(envelope.Contents, part.Object)
		envelope.Totals.StoredBytes += part.Size
	}
	return nil
}

// LockBackup locks every object of a backup for the vault's whole retention, and reads the locks back.
// It is safe to repeat: locks only grow.
func (r *Records) LockBackup(ctx context.Context, in LockInput) (Locked, error) {
	if err := r.Orders.CheckFor(in.Guard, in.Component, plan.CreateInVault); err != nil {
		return Locked{}, err
	}
	c, err := r.Crew.Component(in.Component)
	if err != nil {
		return Locked{}, err
	}
	until := c.Vault.fullLock(in.Backup)
	if until.IsZero() {
		return Locked{}, nil
	}
	b, err := r.Finder.Load(ctx, c, in.Backup)
	if err != nil {
		return Locked{}, err
	}
	var count counter
	defer alive(ctx, &count)()
	objects := append([]manifest.Object{{Key: manifest.ManifestKey(in.Component, in.Backup), Version: b.Version}}, b.Envelope.Contents...)
	objects = append(objects, b.Envelope.Objects...)
	if err := lockAll(ctx, c.Vault.Store, objects, until, &count); err != nil {
		return Locked{}, err
	}
	return Locked{Objects: len(objects), Until: until}, nil
}
