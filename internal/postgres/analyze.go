package postgres

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"
)

// analyzable is a table for which the planner keeps statistics.
type analyzable struct {
	schema, name string
	// partitions are those below it: analyzing a partitioned table analyzes them, too.
	partitions [][2]string
}

// Analyze gathers statistics for the planner, on so many connections, the largest tables first, and returns
// everything that the restore had to leave out, with what could not be analyzed: no row depends on it. It
// runs the functions of indexes, some of which only work with the search path of their applications, and it
// reads foreign partitions, whose servers may be out of reach. It is safe to repeat, until [Restorer.Finish].
func (r *Restorer) Analyze(ctx context.Context, connections int) (waived []string, err error) {
	if err := r.analyze(ctx, connections); err != nil {
		return nil, err
	}
	return r.waived(ctx)
}

func (r *Restorer) analyze(ctx context.Context, connections int) error {
	rows, err := r.conn.Query(ctx, `SELECT n.nspname::text, c.relname::text,
		ARRAY(SELECT u.word FROM pg_catalog.pg_partition_tree(c.oid) t
			JOIN pg_catalog.pg_class p ON p.oid = t.relid JOIN pg_catalog.pg_namespace pn ON pn.oid = p.relnamespace
			CROSS JOIN LATERAL (VALUES (1, pn.nspname::text), (2, p.relname::text)) u (n, word)
			WHERE t.isleaf AND t.level > 0 AND p.relkind = 'r' ORDER BY p.oid, u.n)
		FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
		WHERE c.relkind IN ('r', 'p', 'm') AND NOT c.relispartition
		AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast', '`+bookkeeping+`')
		AND c.relpersistence <> 't' AND pg_catalog.pg_has_role(c.relowner, 'USAGE')
		ORDER BY (SELECT COALESCE(pg_catalog.sum(pg_catalog.pg_table_size(t.relid)), pg_catalog.pg_table_size(c.oid))
			FROM pg_catalog.pg_partition_tree(c.oid) t) DESC`)
	if err != nil {
		return fail("list tables to analyze", "", err)
	}
	tables, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (t analyzable, err error) {
		var words []string // schema, name, schema, name, …
		err = row.Scan(&t.schema, &t.name, &words)
		for pair := range slices.Chunk(words, 2) {
			t.partitions = append(t.partitions, [2]string(pair))
		}
		return t, err
	})
	if err != nil {
		return fail("list tables to analyze", "", err)
	}
	work := make(chan analyzable)
	group, ctx := errgroup.WithContext(ctx)
	for range max(1, min(connections, len(tables))) {
		group.Go(func() error {
			helper, err := NewRestorer(ctx, r.address, r.backup)
			if err != nil {
				return err
			}
			defer helper.Close(ctx)
			for t := range work {
				if err := helper.analyzeTable(ctx, t); err != nil {
					return err
				}
			}
			return nil
		})
	}
	group.Go(func() error {
		defer close(work)
		for _, t := range tables {
			select {
			case work <- t:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		return nil
	})
	return group.Wait()
}

// analyzeTable analyzes a table. Where one of its partitions keeps the whole from being analyzed, the others
// are, one by one.
func (r *Restorer) analyzeTable(ctx context.Context, t analyzable) error {
	if len(t.partitions) == 0 {
		return r.analyzeOne(ctx, t.schema, t.name)
	}
	if _, err := r.conn.Exec(ctx, "ANALYZE "+relation(t.schema, t.name)); err == nil {
		return nil
	}
	for _, p := range t.partitions {
		if err := r.analyzeOne(ctx, p[0], p[1]); err != nil {
			return err
		}
	}
	return r.analyzeOne(ctx, t.schema, t.name)
}

func (r *Restorer) analyzeOne(ctx context.Context, schema, table string) error {
	name := relation(schema, table)
	_, err := r.conn.Exec(ctx, "ANALYZE "+name)
	known := &Error{}
	if errors.As(fail("analyze", name, err), &known) && unresolved[known.Code] {
		set := strings.Replace(searchPath(schema), "SET LOCAL", "SET", 1)
		if _, err := r.conn.PgConn().Exec(ctx, set).ReadAll(); err != nil {
			return fail("analyze", name, err)
		}
		_, err = r.conn.Exec(ctx, "ANALYZE "+name)
		if _, reset := r.conn.PgConn().Exec(ctx, "SET search_path = ''").ReadAll(); reset != nil {
			return fail("analyze", name, reset)
		}
	}
	if err == nil {
		return nil
	}
	if !errors.As(fail("analyze", name, err), &known) || Retryable(known) || ctx.Err() != nil || r.conn.IsClosed() {
		return fail("analyze", name, err)
	}
	return r.atomically(ctx, "note what is not analyzed", func(tx pgx.Tx) error {
		return waive(ctx, tx, "ANALYZE "+schema+"."+table, "the planner has no statistics of it: "+known.Err.Error())
	})
}
