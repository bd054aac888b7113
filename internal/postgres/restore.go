package postgres

import (
	"context"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/lifeboat-dr/lifeboat/internal/secret"
)

// Restorer brings one backup back into one database. What is done is recorded in the target itself, in the
// schema lifeboat_restore, in the transaction that did it: another Restorer, in another process, goes on
// where this one stopped. As long as that schema is there the target is incomplete.
type Restorer struct {
	address secret.String
	backup  string
	conn    *pgx.Conn
	roles   roleMap
	// selected is nil when everything is restored.
	selected *Selected
}

// NewRestorer connects to a target for the restore of the backup with this id. Close it.
func NewRestorer(ctx context.Context, address secret.String, backup string) (*Restorer, error) {
	conn, err := Connect(ctx, address, Options{AppName: "lifeboat restore"})
	if err != nil {
		return nil, err
	}
	r := &Restorer{address: address, backup: backup, conn: conn}
	if err := conn.QueryRow(ctx, "SELECT CURRENT_USER::text").Scan(&r.roles.restorer); err != nil {
		r.Close(ctx)
		return nil, fail("ask for role", "", err)
	}
	return r, nil
}

// MapOwners restores owners: each role of the source becomes the role of the target that it is mapped to, as
// owner and in rights, policies and user mappings. Without it who restores owns everything. What belongs to
// a role that is not mapped belongs to who restores, and that is reported. Call it before anything else, in
// every process alike.
func (r *Restorer) MapOwners(owners map[string]string) { r.roles.to = owners }

// Close ends the session; what is not committed is undone.
func (r *Restorer) Close(ctx context.Context) { _ = r.conn.Close(context.WithoutCancel(ctx)) }

// occupants lists what a database holds besides PostgreSQL's own and extensions: at most ten.
const occupants = `
SELECT kind || ' ' || name FROM (
	SELECT 'schema' AS kind, n.nspname::text AS name, n.oid, 'pg_catalog.pg_namespace'::regclass AS class FROM pg_catalog.pg_namespace n
		WHERE n.nspname NOT IN ('public', 'information_schema') AND n.nspname !~ '^pg_'
	UNION ALL SELECT 'relation', n.nspname || '.' || c.relname, c.oid, 'pg_catalog.pg_class'::regclass
		FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
		WHERE n.nspname <> 'information_schema' AND n.nspname !~ '^pg_' AND c.relkind NOT IN ('i', 'I', 't', 'c')
	UNION ALL SELECT 'function', n.nspname || '.' || p.proname, p.oid, 'pg_catalog.pg_proc'::regclass
		FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
		WHERE n.nspname <> 'information_schema' AND n.nspname !~ '^pg_'
	UNION ALL SELECT 'type', n.nspname || '.' || t.typname, t.oid, 'pg_catalog.pg_type'::regclass
		FROM pg_catalog.pg_type t JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace
		WHERE n.nspname <> 'information_schema' AND n.nspname !~ '^pg_' AND t.typtype IN ('d', 'e', 'r')
	UNION ALL SELECT 'large object', m.oid::text, m.oid, 'pg_catalog.pg_largeobject'::regclass FROM pg_catalog.pg_largeobject_metadata m
) o WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_depend d WHERE d.classid = o.class AND d.objid = o.oid AND d.deptype = 'e')
ORDER BY 1 LIMIT 10`

// Prepare marks an empty database as the target of this restore. A database that holds anything is refused
// with ErrNotEmpty, before anything is written; one that an earlier attempt of the same restore prepared
// is taken on. It is safe to repeat.
func (r *Restorer) Prepare(ctx context.Context) error {
	resumed, err := r.resumes(ctx)
	if err != nil || resumed {
		return err
	}
	return r.atomically(ctx, "prepare target", func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, occupants)
		if err != nil {
			return err
		}
		held, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil {
			return err
		}
		if len(held) > 0 {
			return &Error{Op: "prepare target", Kind: ErrNotEmpty, Err: fmt.Errorf("%w: it holds %s", ErrNotEmpty, strings.Join(held, ", ")),
				Hint: "choose an empty database; nothing was changed"}
		}
		_, err = tx.Exec(ctx, `CREATE SCHEMA `+bookkeeping+`;
			CREATE TABLE `+bookkeeping+`.restore (backup text PRIMARY KEY, selection text NOT NULL, began timestamptz NOT NULL DEFAULT pg_catalog.now());
			CREATE TABLE `+bookkeeping+`.done (step text PRIMARY KEY, rows bigint, fingerprint text, at timestamptz NOT NULL DEFAULT pg_catalog.now());
			CREATE TABLE `+bookkeeping+`.waived (entry text PRIMARY KEY, reason text NOT NULL);
			`+selectionTables+`
			INSERT INTO `+bookkeeping+`.restore (backup, selection) VALUES (`+literal(r.backup)+`, `+literal(r.selectionText())+`);
			COMMENT ON SCHEMA `+bookkeeping+` IS 'INCOMPLETE: this database is being restored, or its restore failed'`, pgx.QueryExecModeSimpleProtocol)
		return err
	})
}

// resumes says whether the target was prepared for this very restore; for another one it is refused.
func (r *Restorer) resumes(ctx context.Context) (bool, error) {
	var there bool
	if err := r.conn.QueryRow(ctx, `SELECT pg_catalog.to_regclass('`+bookkeeping+`.restore') IS NOT NULL`).Scan(&there); err != nil {
		return false, fail("look at target", "", err)
	}
	if !there {
		return false, nil
	}
	var backup string
	if err := r.conn.QueryRow(ctx, `SELECT backup FROM `+bookkeeping+`.restore`).Scan(&backup); err != nil {
		return false, fail("look at target", "", err)
	}
	if backup != r.backup {
		return false, &Error{Op: "prepare target", Kind: ErrNotEmpty, Err: fmt.Errorf("%w: a restore of backup %s was begun in it", ErrNotEmpty, backup),
			Hint: "finish that restore, or choose an empty database"}
	}
	return true, r.resumesSelection(ctx)
}

// atomically runs do in a transaction.
func (r *Restorer) atomically(ctx context.Context, op string, do func(pgx.Tx) error) error {
	tx, err := r.conn.Begin(ctx)
	if err != nil {
		return fail(op, "", err)
	}
	defer func() { _ = tx.Rollback(context.WithoutCancel(ctx)) }()
	if err := do(tx); err != nil {
		return fail(op, "", err)
	}
	return fail(op, "", tx.Commit(ctx))
}

// done says whether a step was committed.
func (r *Restorer) done(ctx context.Context, step string) (done bool, err error) {
	err = r.conn.QueryRow(ctx, `SELECT EXISTS (SELECT FROM `+bookkeeping+`.done WHERE step = $1)`, step).Scan(&done)
	return done, fail("look for step", step, err)
}

// mark notes a step in the transaction that does it.
func mark(ctx context.Context, tx pgx.Tx, step string) error {
	_, err := tx.Exec(ctx, `INSERT INTO `+bookkeeping+`.done (step) VALUES ($1)`, step)
	return err
}

// Finish removes the mark of being incomplete, with the bookkeeping. Call it when everything was compared. Event
// triggers of the database, which might refuse or record the removal, rest meanwhile.
// It is safe to repeat; the mark of another restore stays.
func (r *Restorer) Finish(ctx context.Context) error {
	if there, err := r.resumes(ctx); err != nil || !there {
		return err
	}
	return r.atomically(ctx, "remove mark", func(tx pgx.Tx) error {
		rows, err := tx.Query(ctx, `SELECT e.evtname::text, e.evtenabled::text FROM pg_catalog.pg_event_trigger e
			WHERE e.evtenabled <> 'D' AND pg_catalog.pg_has_role(e.evtowner, 'USAGE') ORDER BY 1`)
		if err != nil {
			return err
		}
		awake, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (t [2]string, err error) { return t, row.Scan(&t[0], &t[1]) })
		if err != nil {
			return err
		}
		var before, after string
		for _, t := range awake {
			before += "ALTER EVENT TRIGGER " + ident(t[0]) + " DISABLE;\n"
			after += "ALTER EVENT TRIGGER " + ident(t[0]) + " ENABLE" + map[string]string{"R": " REPLICA", "A": " ALWAYS"}[t[1]] + ";\n"
		}
		_, err = tx.Exec(ctx, before+"DROP SCHEMA IF EXISTS "+bookkeeping+" CASCADE;\n"+after, pgx.QueryExecModeSimpleProtocol)
		return err
	})
}
