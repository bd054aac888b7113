package activities

import (
	"context"
	"fmt"
	"io"
	"slices"
	"sync"

	"github.com/lifeboat-dr/lifeboat/internal/archive"
	"github.com/lifeboat-dr/lifeboat/internal/manifest"
)

// opened keeps the contents of the manifest that was used last: every batch of a restore needs it.
type opened struct {
	mu       sync.Mutex
	digest   string
	contents *manifest.Contents
}

// Contents opens the sealed part of a manifest and checks it against the envelope.
func (c *Crew) Contents(ctx context.Context, component *Component, b *Backup) (*manifest.Contents, error) {
	c.opened.mu.Lock()
	defer c.opened.mu.Unlock()
	if c.opened.digest == b.SHA256 {
		return c.opened.contents, nil
	}
	if len(c.Identities) == 0 {
		return nil, Misconfigured(nil, "this worker has no identity that opens backups (keys.identities)")
	}
	var text []byte
	for _, o := range b.Envelope.Contents {
		o = component.Vault.held(o)
		part, err := archive.OpenObject(ctx, component.Vault.Store, c.Identities, o)
		if err != nil {
			return nil, classify(err, "open the contents of "+b.Envelope.Backup)
		}
		text = append(text, part...)
	}
	var contents manifest.Contents
	if err := manifest.Decode(text, &contents); err != nil {
		return nil, Corrupt(fmt.Errorf("parse contents: %w", err), "contents of "+b.Envelope.Backup)
	}
	if err := contents.Validate(b.Envelope); err != nil {
		return nil, Corrupt(err, "contents of "+b.Envelope.Backup)
	}
	c.opened.digest, c.opened.contents = b.SHA256, &contents
	return &contents, nil
}

// open streams the plaintext of a chunk. What was read of it has to be undone unless it came to its end.
func (c *Crew) open(ctx context.Context, component *Component, chunk manifest.Chunk) (io.ReadCloser, error) {
	if component.Vault.Replica {
		chunk.Parts = slices.Clone(chunk.Parts)
		for i := range chunk.Parts {
			chunk.Parts[i].Object = component.Vault.held(chunk.Parts[i].Object)
		}
	}
	r, err := archive.NewReader(ctx, archive.ReaderConfig{Store: component.Vault.Store, Identities: c.Identities, Chunk: chunk, Budget: c.Budget})
	return r, classify(err, "open chunk "+chunk.ID)
}

// held is an object of a manifest as a vault holds it. A replica's versions are its own: there the current one is
// looked at first, then the others. Which one it is, the digest decides.
func (v Vault) held(o manifest.Object) manifest.Object {
	if v.Replica {
		o.Version = ""
	}
	return o
}
