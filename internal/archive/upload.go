package archive

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"

	"github.com/lifeboat-dr/lifeboat/internal/manifest"
	"github.com/lifeboat-dr/lifeboat/internal/store"
)

// upload writes a part, create-only. When its place is taken, an earlier attempt may have written the same
// rows: sealed bytes differ every time, so what counts is the range that the fleet vouched for. Rows are
// the same as long as the snapshot is, and cuts depend on nothing but the rows.
func upload(ctx context.Context, cfg WriterConfig, p *part) (manifest.Part, error) {
	key := manifest.PartKey(cfg.Component, cfg.Backup, cfg.Snapshot, cfg.Chunk, p.number)
	body := p.body.room
	sum := sha256.Sum256(body)
	digest := hex.EncodeToString(sum[:])
	stored := manifest.Part{
		Object: manifest.Object{Key: key, Size: int64(len(body)), SHA256: digest},
		Offset: p.offset, Bytes: p.bytes, PlainSHA256: hex.EncodeToString(p.plain.Sum(nil)),
	}
	where := fmt.Sprintf("%d+%d", p.offset, p.bytes)
	object, err := cfg.Store.Create(ctx, key, body, store.CreateOptions{
		RetainUntil: cfg.RetainUntil,
		Metadata:    map[string]string{metaRange: where, metaMAC: cfg.Notes.MAC(key, where+" "+stored.PlainSHA256+" "+digest)},
	})
	switch {
	case err == nil:
		stored.Version = object.Version
		return stored, nil
	case errors.Is(err, store.ErrExists):
		return adopt(ctx, cfg, stored, where)
	}
	return stored, err
}

// adopt takes the object that is in a part's place, if the fleet vouched for it as these very rows. The
// vouching covers the plaintext's digest without telling it: the MAC is keyed.
func adopt(ctx context.Context, cfg WriterConfig, stored manifest.Part, where string) (manifest.Part, error) {
	object, err := cfg.Store.Stat(ctx, stored.Key, "")
	if err != nil {
		return stored, err
	}
	if object.SHA256 == "" {
		return stored, fmt.Errorf("object %s: %w: the store does not tell its digest", stored.Key, ErrForeign)
	}
	vouched := where + " " + stored.PlainSHA256 + " " + object.SHA256
	if object.Metadata[metaRange] != where || !cfg.Notes.CheckMAC(stored.Key, vouched, object.Metadata[metaMAC]) {
		return stored, fmt.Errorf("object %s: %w", stored.Key, ErrForeign)
	}
	stored.Version, stored.Size, stored.SHA256 = object.Version, object.Size, object.SHA256
	return stored, nil
}
