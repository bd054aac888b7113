package postgres

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/lifeboat-dr/lifeboat/internal/manifest"
)

// Compare reads the target back, on so many connections, and compares it with what was read at the source:
// rows and fingerprint of every table and chunk of large objects, every sequence, whether materialized views
// are populated, and the schema, entry by entry, against the backup's own archive. A check's name is
// "kind:object". It changes nothing.
func (r *Restorer) Compare(ctx context.Context, contents manifest.Contents, archive []byte, connections int) ([]manifest.Check, error) {
	wanted, err := expectations(contents)
	if err != nil {
		return nil, err
	}
	checks := make([]manifest.Check, len(wanted))
	group, groupCtx := errgroup.WithContext(ctx)
	next := make(chan int)
	for range max(1, min(connections, len(wanted))) {
		group.Go(func() error {
			conn, err := Connect(groupCtx, r.address, Options{ReadOnly: true, AppName: "lifeboat compare"})
			if err != nil {
				return err
			}
			defer conn.Close(context.WithoutCancel(groupCtx))
			for i := range next {
				stats, err := copyOut(groupCtx, conn, wanted[i].query, wanted[i].object, io.Discard)
				if err != nil {
					return err
				}
				checks[i] = wanted[i].check(stats)
			}
			return nil
		})
	}
	group.Go(func() error {
		defer close(next)
		for i := range wanted {
			select {
			case next <- i:
			case <-groupCtx.Done():
				return groupCtx.Err()
			}
		}
		return nil
	})
	if err := group.Wait(); err != nil {
		return nil, err
	}
	catalog, err := r.present(ctx, contents.Catalog)
	if err != nil {
		return nil, err
	}
	rest, err := r.compareCatalog(ctx, catalog)
	if err != nil {
		return nil, err
	}
	if r.selected != nil {
		check, err := r.compareSelection(ctx)
		if err != nil {
			return nil, err
		}
		rest = append(rest, check)
	}
	schema, err := r.compareSchema(ctx, archive)
	return slices.Concat(checks, rest, schema), err
}

// expectation is a set of rows as it was at the source.
type expectation struct {
	kind, object, query string
	// leaves read the partitions that are compared as one.
	leaves []string
	rows   int64
	sum    Fingerprint
}

func (e expectation) check(got Stats) manifest.Check {
	c := manifest.Check{Name: e.kind + ":" + e.object, OK: got.Rows == e.rows && got.Fingerprint == e.sum, Detail: fmt.Sprintf("%d rows", got.Rows)}
	if !c.OK {
		c.Detail = fmt.Sprintf("has %d rows, the backup %d, and the fingerprints differ", got.Rows, e.rows)
		if got.Rows == e.rows {
			c.Detail = fmt.Sprintf("has its %d rows, but other ones", got.Rows)
		}
	}
	return c
}

// expectations sums the chunks of each table. Hash partitions whose rows were loaded through their root are
// compared as one: only the sum is the same on every platform. Other partitions of that root are not among them.
func expectations(contents manifest.Contents) ([]expectation, error) {
	var list []expectation
	index := map[string]int{}
	for _, chunk := range contents.Chunks {
		e := expectation{kind: "tables"}
		var err error
		if chunk.Kind == KindLargeObjects {
			e.kind, e.object = "large objects", chunk.ID
			if e.query, _, err = copyQuery(contents.Catalog, chunk); err != nil {
				return nil, err
			}
		} else {
			table, err := tableOf(contents.Catalog, chunk)
			if err != nil {
				return nil, err
			}
			e.object = tableName(table)
			whole := manifest.Chunk{ID: chunk.ID, Kind: chunk.Kind, Table: chunk.Table}
			if e.query, _, err = copyQuery(contents.Catalog, whole); err != nil {
				return nil, err
			}
			if len(table.Root) == 2 {
				e.object = relation(table.Root[0], table.Root[1])
				e.leaves = []string{"SELECT " + columns(table.Columns) + " FROM ONLY " + tableName(table)}
			}
		}
		sum, err := ParseFingerprint(chunk.Fingerprint)
		if err != nil {
			return nil, fmt.Errorf("chunk %s: %w", chunk.ID, err)
		}
		i, seen := index[e.kind+e.object]
		if !seen {
			i = len(list)
			index[e.kind+e.object] = i
			list = append(list, e)
		} else if len(e.leaves) > 0 && !slices.Contains(list[i].leaves, e.leaves[0]) {
			list[i].leaves = append(list[i].leaves, e.leaves[0])
		}
		list[i].rows += chunk.Rows
		list[i].sum = list[i].sum.Add(sum)
	}
	for i, e := range list {
		// Not simply the root: it may have foreign and unlogged partitions, whose rows no backup holds.
		if len(e.leaves) > 0 {
			list[i].query = "COPY (" + strings.Join(e.leaves, " UNION ALL ") + ") TO STDOUT"
		}
	}
	return list, nil
}

func (r *Restorer) compareCatalog(ctx context.Context, catalog manifest.Catalog) ([]manifest.Check, error) {
	var checks []manifest.Check
	there, err := readSequences(ctx, r.conn, slices.Clone(catalog.Sequences))
	if err != nil {
		return nil, err
	}
	for i, s := range catalog.Sequences {
		c := manifest.Check{Name: "sequences:" + relation(s.Schema, s.Name), OK: there[i] == s}
		if !c.OK {
			c.Detail = "stands elsewhere"
		}
		checks = append(checks, c)
	}
	left, err := r.leftOut(ctx)
	if err != nil {
		return nil, err
	}
	for _, view := range catalog.MatViews {
		if slices.ContainsFunc(left, func(w waiver) bool { return w.entry == "MATERIALIZED VIEW "+view.Schema+"."+view.Name }) {
			continue
		}
		name := relation(view.Schema, view.Name)
		var populated bool
		if err := r.conn.QueryRow(ctx, `SELECT relispopulated FROM pg_catalog.pg_class WHERE oid = `+literal(name)+`::regclass`).Scan(&populated); err != nil {
			return nil, fail("look at materialized view", name, err)
		}
		c := manifest.Check{Name: "materialized views:" + name, OK: populated == view.Populated}
		if !c.OK {
			c.Detail = fmt.Sprintf("populated: %t, in the backup: %t", populated, view.Populated)
		}
		checks = append(checks, c)
	}
	return checks, nil
}
