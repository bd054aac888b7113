package roster_test

import (
	"context"
	"iter"
	"testing"
	"time"

	"github.com/lifeboat-dr/lifeboat/internal/manifest"
	"github.com/lifeboat-dr/lifeboat/internal/roster"
	"github.com/lifeboat-dr/lifeboat/internal/store"
)

// gone is a store that does not answer.
type gone struct{ store.Store }

func (gone) Versions(context.Context, string) iter.Seq2[store.Object, error] {
	return func(yield func(store.Object, error) bool) {
		yield(store.Object{}, &store.Error{Op: "list", Kind: store.ErrUnavailable})
	}
}

// locking is a store that notes its locks, over one that has none.
type locking struct {
	store.Store
	locked   []time.Time
	extended []string
}

func (l *locking) Create(ctx context.Context, key string, body []byte, opt store.CreateOptions) (store.Object, error) {
	l.locked = append(l.locked, opt.RetainUntil)
	opt.RetainUntil = time.Time{}
	return l.Store.Create(ctx, key, body, opt)
}

func (l *locking) Extend(_ context.Context, key, _ string, until time.Time) error {
	l.extended = append(l.extended, key+" until "+until.Format(time.DateOnly))
	return nil
}

// TestVersionsAreLocked: every version for the vault's time, and the newest again by each process that starts, so
// that it stays locked for as long as it is the newest.
func TestVersionsAreLocked(t *testing.T) {
	w := newTown(t)
	w.add(w.next(nothing), "olga", "omar")
	c := newCellar(t, w.chain.Fingerprint(), 1)
	vault := &locking{Store: c.Vaults.Vaults[0].Store}
	c.Vaults.Vaults[0] = roster.Vault{Name: "east", Store: vault, Retain: 48 * time.Hour}
	c.publish(t, w.chain)
	if len(vault.locked) != 2 || !vault.locked[0].Equal(now.Add(48*time.Hour)) || len(vault.extended) > 0 {
		t.Errorf("locked until %v, extended %v", vault.locked, vault.extended)
	}
	again := c.fresh()
	for range 2 { // once in a process
		if errs := again.Publish(t.Context(), w.chain, again.Look(t.Context(), w.chain, now), now.Add(24*time.Hour)); len(errs) > 0 {
			t.Fatal(errs)
		}
	}
	want := manifest.RosterKey(c.Fingerprint, 2, w.chain.Versions[1].Digest()) + " until " + now.Add(72*time.Hour).Format(time.DateOnly)
	if len(vault.locked) != 2 || len(vault.extended) != 1 || vault.extended[0] != want {
		t.Errorf("extended %v, want %s once", vault.extended, want)
	}
}
