package postgres

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"strings"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"

	"github.com/lifeboat-dr/lifeboat/internal/manifest"
)

// PostData creates everything that comes after the data: indexes and keys (on so many connections), then
// foreign keys, triggers, rules and the rest; then it refreshes the materialized views that were populated,
// sets the sequences and analyzes. Each entry is noted in the transaction that made it, so it is safe to
// repeat. It returns what an unprivileged owner had to leave out.
func (r *Restorer) PostData(ctx context.Context, archive []byte, catalog manifest.Catalog, connections int) (waived []string, err error) {
	done, err := r.done(ctx, stepPostData)
	if err != nil {
		return nil, err
	}
	if !done {
		list, err := entries(ctx, archive, "post-data")
		if err != nil {
			return nil, err
		}
		var together, inOrder []entry
		for _, e := range list {
			if e.Type == "INDEX" || e.Type == "CONSTRAINT" {
				together = append(together, e)
			} else {
				inOrder = append(inOrder, e)
			}
		}
		if err := r.createTogether(ctx, together, connections); err != nil {
			return nil, err
		}
		for _, e := range inOrder {
			if err := r.createOnce(ctx, e); err != nil {
				return nil, err
			}
		}
		if err := r.conclude(ctx, catalog); err != nil {
			return nil, err
		}
	}
	return r.waived(ctx)
}

// createTogether creates entries that do not depend on each other: each builds on one table's rows only.
func (r *Restorer) createTogether(ctx context.Context, list []entry, connections int) error {
	group, ctx := errgroup.WithContext(ctx)
	work := make(chan entry)
	for range max(1, min(connections, len(list))) {
		group.Go(func() error {
			helper, err := NewRestorer(ctx, r.address, r.backup)
			if err != nil {
				return err
			}
			defer helper.Close(ctx)
			for e := range work {
				if err := helper.createOnce(ctx, e); err != nil {
					return err
				}
			}
			return nil
		})
	}
	group.Go(func() error {
		defer close(work)
		for _, e := range list {
			select {
			case work <- e:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		return nil
	})
	return group.Wait()
}

// createOnce runs an entry and its note in one transaction, unless an earlier attempt did.
func (r *Restorer) createOnce(ctx context.Context, e entry) error {
	sum := sha256.Sum256([]byte(e.Type + e.Name + e.SQL))
	step := "entry " + hex.EncodeToString(sum[:16])
	done, err := r.done(ctx, step)
	if err != nil || done {
		return err
	}
	return r.atomically(ctx, "create "+strings.ToLower(e.Type), func(tx pgx.Tx) error {
		if err := runEntry(ctx, tx, e); err != nil {
			return err
		}
		return mark(ctx, tx, step)
	})
}

// conclude does what no archive holds, and notes that all is done.
func (r *Restorer) conclude(ctx context.Context, catalog manifest.Catalog) error {
	err := r.atomically(ctx, "refresh views and sequences", func(tx pgx.Tx) error {
		for _, view := range catalog.MatViews {
			if !view.Populated {
				continue
			}
			if _, err := tx.Exec(ctx, "REFRESH MATERIALIZED VIEW "+relation(view.Schema, view.Name)); err != nil {
				return fail("refresh materialized view", relation(view.Schema, view.Name), err)
			}
		}
		for _, s := range catalog.Sequences {
			name := relation(s.Schema, s.Name)
			if _, err := tx.Exec(ctx, "SELECT pg_catalog.setval("+literal(name)+"::regclass, $1, $2)", s.LastValue, s.IsCalled); err != nil {
				return fail("set sequence", name, err)
			}
		}
		if err := restoreObjectNotes(ctx, tx, catalog); err != nil {
			return err
		}
		return mark(ctx, tx, stepPostData)
	})
	if err != nil {
		return err
	}
	_, err = r.conn.Exec(ctx, "ANALYZE")
	return fail("analyze", "", err)
}
