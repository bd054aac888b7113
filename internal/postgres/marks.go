package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"
)

// once runs do in a transaction, once for each mark: repeated, it gives the note of the run that committed. The note is
// written in the same transaction, in the database itself, and has to be free of what rows hold. Notes of more than a
// month ago are removed. The role needs CREATE on the database the first time.
func once(ctx context.Context, conn *pgx.Conn, op, mark string, do func(tx pgx.Tx) (note string, err error)) (note string, err error) {
	tx, err := conn.Begin(ctx)
	if err != nil {
		return "", fail(op, "", err)
	}
	defer func() { _ = tx.Rollback(context.WithoutCancel(ctx)) }()
	// Two tries at the same time wait for each other here, and the second one finds the note of the first.
	_, err = tx.Exec(ctx, "SELECT pg_catalog.pg_advisory_xact_lock(pg_catalog.hashtextextended($1, 0))", "lifeboat "+mark)
	if err != nil {
		return "", fail(op, "", err)
	}
	var there bool
	if err := tx.QueryRow(ctx, "SELECT pg_catalog.to_regclass($1) IS NOT NULL", DoneSchema+".done").Scan(&there); err != nil {
		return "", fail(op, "", err)
	}
	if there {
		err := tx.QueryRow(ctx, "SELECT COALESCE(max(note), '') FROM "+DoneSchema+".done WHERE mark = $1", mark).Scan(&note)
		if err != nil || note != "" {
			return note, fail(op, "", err)
		}
	} else if _, err := tx.Exec(ctx, "CREATE SCHEMA IF NOT EXISTS "+DoneSchema); err != nil {
		return "", fail(op, "schema "+DoneSchema, err)
	} else if _, err := tx.Exec(ctx, "CREATE TABLE "+DoneSchema+".done (mark text PRIMARY KEY, note text NOT NULL, at timestamptz NOT NULL DEFAULT pg_catalog.now())"); err != nil {
		return "", fail(op, DoneSchema+".done", err)
	}
	if note, err = do(tx); err != nil {
		return "", err
	}
	if _, err := tx.Exec(ctx, "DELETE FROM "+DoneSchema+".done WHERE at < pg_catalog.now() - interval '30 days'"); err != nil {
		return "", fail(op, DoneSchema+".done", err)
	}
	if _, err := tx.Exec(ctx, "INSERT INTO "+DoneSchema+".done (mark, note) VALUES ($1, $2)", mark, note); err != nil {
		return "", fail(op, DoneSchema+".done", err)
	}
	return note, fail(op, "", tx.Commit(ctx))
}
