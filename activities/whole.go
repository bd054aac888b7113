package activities

import (
	"context"
	"errors"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/lifeboat-dr/lifeboat/internal/manifest"
	"github.com/lifeboat-dr/lifeboat/internal/store"
)

// lookLanes is how many backups are looked at at a time: each is a few small requests.
const lookLanes = 8

// sizedAsListed says of which objects of an envelope a vault holds a version of the right size.
func sizedAsListed(ctx context.Context, s store.Store, e manifest.Envelope) (map[string]bool, error) {
	sizes := make(map[string]int64, len(e.Objects)+len(e.Contents))
	for _, list := range [][]manifest.Object{e.Contents, e.Objects} {
		for _, o := range list {
			sizes[o.Key] = o.Size
		}
	}
	there := make(map[string]bool, len(sizes))
	for version, err := range s.Versions(ctx, manifest.ChunkKey(e.Component, e.Backup, e.Snapshot, "")) {
		if err != nil {
			return nil, fromStore(err, "list the objects of backup "+e.Backup)
		}
		if size, listed := sizes[version.Key]; listed && !version.DeleteMarker && version.Size == size {
			there[version.Key] = true
		}
	}
	return there, nil
}

// lacking is the first object of an envelope that a vault holds in no version, empty when all are there. It goes by
// keys and sizes: what bytes they are is found out when they are copied and whenever they are read.
func lacking(ctx context.Context, s store.Store, e manifest.Envelope) (string, error) {
	there, err := sizedAsListed(ctx, s, e)
	if err != nil {
		return "", err
	}
	for _, list := range [][]manifest.Object{e.Contents, e.Objects} {
		for _, o := range list {
			if !there[o.Key] {
				return o.Key, nil
			}
		}
	}
	return "", nil
}

// whole is a backup of a vault when its manifest holds and all its objects are there, else nil.
func (f *Finder) whole(ctx context.Context, c *Component, id string) (*Backup, error) {
	b, err := f.Load(ctx, c, id)
	switch {
	case errors.Is(err, ErrNoBackup), typeOf(err) == TypeUntrusted:
		return nil, nil
	case err != nil:
		return nil, err
	}
	missing, err := lacking(ctx, c.Vault.Store, b.Envelope)
	if err != nil || missing != "" {
		return nil, err
	}
	return b, nil
}

// ids are the folders of a component's backups, the newest first. Not each holds a backup.
func (f *Finder) ids(ctx context.Context, c *Component) (ids []string, err error) {
	for id, err := range c.Vault.Store.Folders(ctx, manifest.BackupsPrefix(c.Name)) {
		if err != nil {
			return nil, fromStore(err, "list backups")
		}
		if manifest.ValidBackupID(id) {
			ids = append(ids, id)
		}
	}
	slices.Reverse(ids)
	return ids, nil
}

// comparedTo is what one vault says of a backup of another.
type comparedTo struct {
	// there is the backup in the source, nil when it is none; refused says that its manifest is not trusted.
	there   *Backup
	refused bool
	whole   bool
	// records says that the replica lacks a record of a verification.
	records bool
}

// compare holds one backup of a vault against what another vault holds of it.
func (f *Finder) compare(ctx context.Context, from, to *Component, id string, records bool) (found comparedTo, err error) {
	found.there, err = f.Load(ctx, from, id)
	switch {
	case errors.Is(err, ErrNoBackup):
		return comparedTo{}, nil
	case typeOf(err) == TypeUntrusted:
		return comparedTo{refused: true}, nil
	case err != nil:
		return found, err
	}
	copied, err := f.whole(ctx, to, id)
	if err != nil || copied == nil {
		return found, err
	}
	found.whole = copied.SHA256 == found.there.SHA256
	if !found.whole || !records {
		return found, nil
	}
	verified, err := f.keys(ctx, from, found.there)
	if err != nil {
		return found, err
	}
	copies, err := f.keys(ctx, to, copied)
	found.records = slices.ContainsFunc(verified, func(key string) bool { return !slices.Contains(copies, key) })
	return found, err
}

// keys are those of the records of a backup's verifications.
func (f *Finder) keys(ctx context.Context, c *Component, b *Backup) (keys []string, err error) {
	for v, err := range f.verifications(ctx, c, b) {
		if err != nil {
			return nil, err
		}
		keys = append(keys, v.key)
	}
	return keys, nil
}

// compareAll compares many backups at a time and gives what was found in the order of ids.
func (f *Finder) compareAll(ctx context.Context, from, to *Component, ids []string, records bool, count *counter) ([]comparedTo, error) {
	found := make([]comparedTo, len(ids))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(lookLanes)
	for i, id := range ids {
		group.Go(func() (err error) {
			found[i], err = f.compare(ctx, from, to, id, records)
			if count != nil {
				count.chunks.Add(1)
			}
			return err
		})
	}
	return found, group.Wait()
}

// keeps says whether a vault still wants a backup: one whose lock there would be over is not copied any more.
func (v Vault) keeps(id string, now time.Time) bool {
	until := v.fullLock(id)
	return until.IsZero() || until.After(now)
}

// ListMissing compares two vaults of a component: which backups of the one are not whole in the other. It changes
// nothing and needs no key. Backups that are older than the other vault keeps its backups do not count.
func (r *Replicas) ListMissing(ctx context.Context, in ListMissingInput) (Missing, error) {
	from, to, err := r.vaults(in.Component, in.From, in.To)
	if err != nil {
		return Missing{}, err
	}
	var count counter
	defer alive(ctx, &count)()
	ids, err := r.Finder.ids(ctx, from)
	if err != nil {
		return Missing{}, err
	}
	now := time.Now()
	ids = slices.DeleteFunc(ids, func(id string) bool { return !to.Vault.keeps(id, now) })
	found, err := r.Finder.compareAll(ctx, from, to, ids, true, &count)
	if err != nil {
		return Missing{}, err
	}
	var m Missing
	for i, f := range found {
		if f.refused {
			m.Refused++
		}
		if f.there == nil {
			continue
		}
		m.Of++
		list := &m.Records
		if !f.whole {
			m.Total++
			list = &m.Backups
		}
		switch {
		case f.whole && !f.records, slices.Contains(in.Skip, ids[i]):
		case len(*list) < in.Most:
			*list = append(*list, ids[i])
		default:
			m.More = true
		}
		if f.whole && f.there.Envelope.Point.Time.After(m.Point) {
			m.Point = f.there.Envelope.Point.Time
		}
	}
	return m, nil
}
