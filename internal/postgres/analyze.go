package postgres

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
)

// analyzeBatch is how many tables one statement analyzes.
const analyzeBatch = 100

// analyze gathers statistics for the planner. It runs the functions of indexes, some of which only work with
// the search path of their applications, and it reads foreign partitions, whose servers may be out of
// reach. What cannot be analyzed is reported: no row depends on it.
func (r *Restorer) analyze(ctx context.Context) error {
	rows, err := r.conn.Query(ctx, `SELECT n.nspname::text, c.relname::text FROM pg_catalog.pg_class c
		JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
		WHERE c.relkind IN ('r', 'p', 'm') AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast', '`+bookkeeping+`')
		AND c.relpersistence <> 't' AND pg_catalog.pg_has_role(c.relowner, 'USAGE') ORDER BY n.nspname, c.relname`)
	if err != nil {
		return fail("list tables to analyze", "", err)
	}
	tables, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (t [2]string, err error) { return t, row.Scan(&t[0], &t[1]) })
	if err != nil {
		return fail("list tables to analyze", "", err)
	}
	for batch := range slices.Chunk(tables, analyzeBatch) {
		names := make([]string, len(batch))
		for i, t := range batch {
			names[i] = relation(t[0], t[1])
		}
		_, err := r.conn.Exec(ctx, "ANALYZE "+strings.Join(names, ", "))
		if err == nil {
			continue
		}
		for _, t := range batch {
			if err := r.analyzeOne(ctx, t[0], t[1]); err != nil {
				return err
			}
		}
	}
	return nil
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
