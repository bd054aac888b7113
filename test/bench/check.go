package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/jackc/pgx/v5"
)

// connect hides the connection string, which an error of the driver could repeat.
func connect(ctx context.Context, url string) (*pgx.Conn, error) {
	conn, err := pgx.Connect(ctx, url)
	if err != nil {
		return nil, errors.New("the benchmark's own server does not answer")
	}
	return conn, nil
}

// held is what a database holds: for each table and filled view its rows' number and a sum of hashes of all
// their columns, which does not depend on their order.
type held map[string]string

const relationsHeld = `
SELECT c.oid::regclass::text FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'm') AND n.nspname NOT LIKE 'pg\_%' AND n.nspname <> 'information_schema' ORDER BY 1`

// look reads a whole database.
func (w *world) look(ctx context.Context, database string) (held, error) {
	conn, err := w.server.Connect(ctx, database)
	if err != nil {
		return nil, err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	rows, err := conn.Query(ctx, relationsHeld)
	if err != nil {
		return nil, fmt.Errorf("list tables of %s: %w", database, err)
	}
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return nil, fmt.Errorf("list tables of %s: %w", database, err)
	}
	found := held{}
	for _, name := range names {
		var content string
		query := "SELECT count(*) || ' rows, sum ' || coalesce(sum(hashtextextended(t::text, 0)), 0) FROM ONLY " + name + " t"
		if err := conn.QueryRow(ctx, query).Scan(&content); err != nil {
			return nil, fmt.Errorf("read table %s: %w", name, err)
		}
		found[name] = content
	}
	return found, nil
}

// differs says where two databases are not equal.
func (h held) differs(other held) error {
	if len(h) == 0 {
		return errors.New("the source holds no tables")
	}
	names := map[string]bool{}
	for name := range h {
		names[name] = true
	}
	for name := range other {
		names[name] = true
	}
	for _, name := range slices.Sorted(maps.Keys(names)) {
		if h[name] != other[name] {
			return fmt.Errorf("table %s: the source holds %q, the restore %q", name, h[name], other[name])
		}
	}
	return nil
}

// emptyDatabase makes a fresh database for one restore.
func (w *world) emptyDatabase(ctx context.Context) (environment, error) {
	w.databases++
	into := w.near
	into.database = fmt.Sprintf("restored_%d", w.databases)
	conn, err := w.server.Connect(ctx, "postgres")
	if err != nil {
		return into, err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	if _, err := conn.Exec(ctx, "CREATE DATABASE "+into.database+" OWNER "+role); err != nil {
		return into, fmt.Errorf("make database to restore into: %w", err)
	}
	return into, nil
}

func (w *world) dropDatabase(ctx context.Context, name string) error {
	conn, err := w.server.Connect(ctx, "postgres")
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	for _, sql := range []string{"DROP DATABASE " + name + " WITH (FORCE)", "CHECKPOINT"} {
		if _, err := conn.Exec(ctx, sql); err != nil {
			return fmt.Errorf("drop restored database: %w", err)
		}
	}
	return nil
}
