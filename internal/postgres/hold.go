package postgres

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/lifeboat-dr/lifeboat/internal/secret"
)

// lockWait bounds the wait for the locks of a snapshot. While we wait, others queue behind us, the
// application included: better to give up and try again later.
var lockWait = 30 * time.Second

// readerWait bounds how long a session that reads a snapshot waits for a table. The snapshot's own lock keeps
// the table as it is, but a migration that waits for it stands before whoever comes after it: we would wait for
// it and it for us, for ever. A migration that gives up by itself within this time does no harm.
var readerWait = 10 * time.Second

// snapshotTries is how often a snapshot is taken anew because tables were made or dropped meanwhile.
const snapshotTries = 10

// lockBatch is how many tables one statement locks.
const lockBatch = 500

// Exported is a snapshot that other sessions can read as long as it is open.
type Exported struct {
	// ID is what [Options.Snapshot] takes.
	ID       string
	Position Position
	conn     *pgx.Conn
}

// Export takes a snapshot of a server that goes on writing. The caller closes it when everything was read: only
// until then the tables stay as they are. It cannot be made on a standby.
//
// Like pg_dump it holds an ACCESS SHARE lock on every table that the role may read, so that none can be dropped,
// altered, rewritten or truncated while it is read: a snapshot does not protect from these, a truncated
// table would look empty. Unlike pg_dump it locks first and takes the snapshot after: what a migration did
// before is in the snapshot as a whole, and what it does after waits. A migration that holds its own locks for
// longer than half a minute, that makes and drops tables all the time, or that waits in front of a session which
// reads the snapshot, is an error ([ErrConflict]), never a mix: begin again with a new snapshot.
func Export(ctx context.Context, address secret.String, appName string) (*Exported, error) {
	conn, err := Connect(ctx, address, Options{AppName: appName})
	if err != nil {
		return nil, err
	}
	e := &Exported{conn: conn}
	for range snapshotTries {
		var stable bool
		if stable, err = e.take(ctx); err != nil || stable {
			break
		}
		err = &Error{Op: "export snapshot", Kind: ErrConflict, Err: errors.New("tables are made or dropped all the time"),
			Hint: "wait for the migration to end, then try again"}
	}
	if err != nil {
		e.Close(ctx)
		return nil, fail("export snapshot", "", err)
	}
	return e, nil
}

// take locks all tables, takes the snapshot, and says whether it holds exactly the tables that are locked.
func (e *Exported) take(ctx context.Context) (stable bool, err error) {
	// Locking is all that a transaction can do before its snapshot, so the position and the list come before.
	// The snapshot then holds all that committed up to the position.
	if e.Position, err = Where(ctx, e.conn); err != nil {
		return false, err
	}
	locked, err := e.tables(ctx)
	if err != nil {
		return false, err
	}
	if _, err = e.conn.Exec(ctx, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"); err != nil {
		return false, err
	}
	if stable, err = e.lockThenSnapshot(ctx, locked); err != nil || !stable {
		_, _ = e.conn.Exec(context.WithoutCancel(ctx), "ROLLBACK") // a session that is gone holds no locks either
	}
	return stable, err
}

func (e *Exported) lockThenSnapshot(ctx context.Context, tables []heldTable) (stable bool, err error) {
	for batch := range slices.Chunk(tables, lockBatch) {
		names := make([]string, len(batch))
		for i, t := range batch {
			names[i] = "ONLY " + relation(t.schema, t.name)
		}
		_, err := e.conn.PgConn().Exec(ctx, fmt.Sprintf("SET LOCAL lock_timeout = %d; LOCK TABLE %s IN ACCESS SHARE MODE; SET LOCAL lock_timeout = 0",
			lockWait.Milliseconds(), strings.Join(names, ", "))).ReadAll()
		if err != nil {
			return false, lockFailed(err)
		}
	}
	if err := e.conn.QueryRow(ctx, "SELECT pg_catalog.pg_export_snapshot()").Scan(&e.ID); err != nil {
		return false, err
	}
	seen, err := e.tables(ctx)
	return slices.Equal(seen, tables), err
}

// lockFailed is nil when a table went away between being listed and being locked: then the list is taken anew.
func lockFailed(err error) error {
	var pg *pgconn.PgError
	if !errors.As(err, &pg) {
		return err
	}
	switch pg.Code {
	case "42P01", "3F000", "42809": // table or schema is gone, or something else has its name
		return nil
	case "55P03":
		return &Error{Op: "lock tables", Kind: ErrConflict, Code: pg.Code,
			Err:  fmt.Errorf("another session has held a table for more than %s: a migration, or a VACUUM FULL", lockWait),
			Hint: "look for it in pg_locks, or wait for its end; then try again"}
	}
	return err
}

// heldTable is a table as a lock and a snapshot see it.
type heldTable struct {
	oid          uint32
	schema, name string
}

// tables lists what can be locked: tables and partitioned tables that the role may read. [Inspect] refuses
// the others.
func (e *Exported) tables(ctx context.Context) ([]heldTable, error) {
	rows, err := e.conn.Query(ctx, `SELECT c.oid, n.nspname::text, c.relname::text FROM pg_catalog.pg_class c
		JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
		WHERE c.relkind IN ('r', 'p') AND c.relpersistence <> 't' AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast')
		AND pg_catalog.has_schema_privilege(n.oid, 'USAGE') AND pg_catalog.has_table_privilege(c.oid, 'SELECT')
		ORDER BY n.nspname, c.relname`)
	if err != nil {
		return nil, fail("list tables", "", err)
	}
	list, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (t heldTable, err error) {
		return t, row.Scan(&t.oid, &t.schema, &t.name)
	})
	return list, fail("list tables", "", err)
}

// Alive says whether the snapshot can still be imported.
func (e *Exported) Alive(ctx context.Context) error {
	_, err := e.conn.Exec(ctx, "SELECT 1")
	return fail("keep snapshot", e.ID, err)
}

// Close ends the snapshot.
func (e *Exported) Close(ctx context.Context) {
	_ = e.conn.Close(context.WithoutCancel(ctx)) // the server ends the snapshot with the connection either way
}
