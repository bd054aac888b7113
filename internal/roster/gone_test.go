package roster_test

import (
	"context"
	"iter"

	"github.com/lifeboat-dr/lifeboat/internal/store"
)

// gone is a store that does not answer.
type gone struct{ store.Store }

func (gone) Versions(context.Context, string) iter.Seq2[store.Object, error] {
	return func(yield func(store.Object, error) bool) {
		yield(store.Object{}, &store.Error{Op: "list", Kind: store.ErrUnavailable})
	}
}
