package roster

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/lifeboat-dr/lifeboat/internal/manifest"
	"github.com/lifeboat-dr/lifeboat/internal/store"
)

// believe sorts what lies in the vaults into versions that follow from the pinned one, and problems. Where
// versions fork, both sides count as seen: no file can then hold all of them.
func (l *Looked) believe(fingerprint string, local *Chain, now time.Time) {
	waiting := slices.DeleteFunc(slices.Clone(l.copies), func(c copyOf) bool {
		if c.err != nil {
			l.refuse(c, c.err)
		}
		return c.err != nil
	})
	slices.SortStableFunc(waiting, func(a, b copyOf) int { return a.number() - b.number() })
	believed := map[string]*SignedVersion{}
	l.believed = believed
	if local != nil {
		for _, signed := range local.Versions {
			if follows(believed, fingerprint, signed, now) == nil {
				believed[signed.Digest()] = signed
			}
		}
	}
	marked := map[string]bool{}
	for _, c := range waiting { // in the order of their numbers, so that who signs is known before what they signed
		if err := follows(believed, fingerprint, c.signed, now); err != nil {
			l.refuse(c, err)
			continue
		}
		believed[c.digest] = c.signed
		if !marked[c.digest] {
			marked[c.digest] = true
			l.Marks = append(l.Marks, Mark{Number: c.number(), Digest: c.digest, Place: "vault " + c.vault})
		}
	}
}

func (l *Looked) refuse(c copyOf, err error) {
	l.Problems = append(l.Problems, fmt.Errorf("vault %s: %s is not believed: %w", c.vault, c.object.Key, err))
}

// Chain is the newest roster, put together from what lies in the vaults and from the chain at hand. It still has
// to be verified, like a file. The error is [ErrForked] when two versions follow one, and [ErrForeign] when the
// first is nowhere.
func (l Looked) Chain(fingerprint string) (*Chain, error) {
	next := map[string][]*SignedVersion{}
	for _, signed := range l.believed {
		v, err := signed.Read()
		if err != nil {
			return nil, err
		}
		next[v.Previous] = append(next[v.Previous], signed)
	}
	c := &Chain{Format: 1}
	for follow := next[""]; len(follow) > 0; follow = next[follow[0].Digest()] {
		if len(follow) > 1 {
			return nil, fmt.Errorf("%w: there are %d versions of number %d", ErrForked, len(follow), len(c.Versions)+1)
		}
		c.Versions = append(c.Versions, follow[0])
	}
	if len(c.Versions) == 0 || c.Fingerprint() != fingerprint {
		return nil, fmt.Errorf("%w: no vault that could be read holds version %s", ErrForeign, fingerprint)
	}
	return c, nil
}

// follows says why a version does not follow from one that is believed.
func follows(believed map[string]*SignedVersion, fingerprint string, signed *SignedVersion, now time.Time) error {
	v, err := signed.Read()
	if err != nil {
		return err
	}
	if v.Issued.After(now.Add(clockSkew)) {
		return fmt.Errorf("%w: it is issued at %s, which has not come yet", ErrBroken, v.Issued.Format(time.RFC3339))
	}
	var before *Chain
	switch {
	case v.Number == 1 && signed.Digest() != fingerprint:
		return ErrForeign
	case v.Number > 1:
		parent, ok := believed[v.Previous]
		if !ok {
			return fmt.Errorf("%w: the version before it, %s, is nowhere", ErrBroken, v.Previous)
		}
		before = &Chain{Format: 1, Versions: []*SignedVersion{parent}}
	}
	complete, by, required, err := before.Complete(signed)
	if err != nil {
		return err
	}
	if !complete {
		return fmt.Errorf("%w: it has %d of %d", ErrUnsigned, len(by), required)
	}
	return nil
}

// Publish writes the versions of a verified chain that the vaults of l lack, and keeps the newest one locked. It
// is safe to repeat. The errors are those of single vaults; what the others hold is not less for it.
func (v *Vaults) Publish(ctx context.Context, chain *Chain, l Looked, now time.Time) []error {
	var errs []error
	for _, vault := range v.Vaults {
		if !slices.Contains(l.Reached, vault.Name) {
			continue
		}
		if err := v.publish(ctx, vault, chain, l, now); err != nil {
			errs = append(errs, fmt.Errorf("vault %s: %w", vault.Name, err))
		}
	}
	return errs
}

func (v *Vaults) publish(ctx context.Context, vault Vault, chain *Chain, l Looked, now time.Time) error {
	if v.Patience > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, v.Patience)
		defer cancel()
	}
	for i, signed := range chain.Versions {
		digest := signed.Digest()
		at := slices.IndexFunc(l.copies, func(c copyOf) bool { return c.vault == vault.Name && c.err == nil && c.digest == digest })
		if at < 0 {
			if err := v.create(ctx, vault, i+1, signed, now); err != nil {
				return err
			}
			continue
		}
		if i == len(chain.Versions)-1 {
			if err := v.renew(ctx, vault, l.copies[at].object, now); err != nil {
				return err
			}
		}
	}
	return nil
}

func (v *Vaults) create(ctx context.Context, vault Vault, number int, signed *SignedVersion, now time.Time) error {
	body, err := signed.Bytes()
	if err != nil {
		return err
	}
	opt := store.CreateOptions{ContentType: "application/json"}
	if vault.Retain > 0 {
		opt.RetainUntil = now.Add(vault.Retain)
	}
	_, err = vault.Store.Create(ctx, manifest.RosterKey(v.Fingerprint, number, signed.Digest()), body, opt)
	if errors.Is(err, store.ErrExists) {
		return nil // another worker was quicker, or what is there is a problem that Look reports
	}
	return err
}

// renew keeps the newest version locked for as long as it is the newest, once in a process.
func (v *Vaults) renew(ctx context.Context, vault Vault, object store.Object, now time.Time) error {
	id := objectID{vault.Name, object.Key, object.Version}
	v.mu.Lock()
	done := v.renewed[id]
	v.mu.Unlock()
	if done || vault.Retain <= 0 {
		return nil
	}
	if err := vault.Store.Extend(ctx, object.Key, object.Version, now.Add(vault.Retain)); err != nil {
		return err
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.renewed == nil {
		v.renewed = map[objectID]bool{}
	}
	v.renewed[id] = true
	return nil
}
