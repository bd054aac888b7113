package archive

import (
	"context"
	"errors"
	"fmt"

	"github.com/lifeboat-dr/lifeboat/internal/manifest"
	"github.com/lifeboat-dr/lifeboat/internal/store"
)

// Ciphertext fetches an object of a backup as it is stored, holds it against the manifest, and shows its bytes to use,
// which must not keep them. It needs no key. What is not as the manifest says is an [ErrObject], and then use is not
// called.
func Ciphertext(ctx context.Context, s store.Store, budget *Budget, o manifest.Object, use func(sealed []byte) error) error {
	return inRoom(ctx, budget, func(room []byte) error {
		sealed, err := fetch(ctx, s, o, room)
		if err != nil {
			return err
		}
		return use(sealed)
	})
}

// Holding finds the oldest version of an object's key whose bytes are what the manifest says; it is empty when
// there is none. It reads the bytes: what a store or whoever wrote the object says of them proves nothing.
func Holding(ctx context.Context, s store.Store, budget *Budget, o manifest.Object) (version string, err error) {
	err = inRoom(ctx, budget, func(room []byte) error {
		if o.Size < 0 || o.Size > int64(cap(room)) {
			return fmt.Errorf("%w: %s claims %d bytes", ErrObject, o.Key, o.Size)
		}
		for found, err := range s.Versions(ctx, o.Key) {
			if err != nil {
				return err
			}
			if found.Key != o.Key || found.DeleteMarker || found.Size != o.Size {
				continue
			}
			err := read(ctx, s, o, found.Version, room[:o.Size])
			if err == nil {
				version = found.Version
			}
			if err == nil || !errors.Is(err, ErrObject) {
				return err
			}
		}
		return nil
	})
	return version, err
}

// inRoom lends room of the budget for one object.
func inRoom(ctx context.Context, budget *Budget, do func(room []byte) error) error {
	room, err := budget.take(ctx)
	if err != nil {
		return fmt.Errorf("wait for memory: %w", err)
	}
	defer budget.give(room)
	return do(room)
}
