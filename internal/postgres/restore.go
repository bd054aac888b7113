package postgres

import (
	"context"
	"errors"
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
}

// NewRestorer connects to a target for the restore of the backup with this id. Close it.
func NewRestorer(ctx context.Context, address secret.String, backup string) (*Restorer, error) {
	conn, err := Connect(ctx, address, Options{AppName: "lifeboat restore"})
	if err != nil {
		return nil, err
	}
	return &Restorer{address: address, backup: backup, conn: conn}, nil
}

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
			CREATE TABLE `+bookkeeping+`.restore (backup text PRIMARY KEY, began timestamptz NOT NULL DEFAULT pg_catalog.now());
			CREATE TABLE `+bookkeeping+`.done (step text PRIMARY KEY, rows bigint, fingerprint text, at timestamptz NOT NULL DEFAULT pg_catalog.now());
			CREATE TABLE `+bookkeeping+`.waived (entry text PRIMARY KEY, reason text NOT NULL);
			INSERT INTO `+bookkeeping+`.restore (backup) VALUES (`+literal(r.backup)+`);
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
	return true, nil
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

// The steps of a restore as they are marked.
const (
	stepPreData  = "pre-data"
	stepPostData = "post-data"
)

// PreData creates everything that comes before the data, all or nothing, and returns what an unprivileged
// owner had to leave out. It is safe to repeat.
func (r *Restorer) PreData(ctx context.Context, archive []byte) (waived []string, err error) {
	done, err := r.done(ctx, stepPreData)
	if err != nil {
		return nil, err
	}
	if !done {
		list, err := entries(ctx, archive, "pre-data")
		if err != nil {
			return nil, err
		}
		err = r.atomically(ctx, "create tables", func(tx pgx.Tx) error {
			if _, err := tx.Exec(ctx, "SET LOCAL check_function_bodies = false; SET LOCAL client_min_messages = warning", pgx.QueryExecModeSimpleProtocol); err != nil {
				return err
			}
			for _, e := range list {
				if err := runEntry(ctx, tx, e); err != nil {
					return err
				}
			}
			return mark(ctx, tx, stepPreData)
		})
		if err != nil {
			return nil, err
		}
	}
	return r.waived(ctx)
}

func (r *Restorer) waived(ctx context.Context) ([]string, error) {
	rows, err := r.conn.Query(ctx, `SELECT entry FROM `+bookkeeping+`.waived ORDER BY 1`)
	if err != nil {
		return nil, fail("list waived entries", "", err)
	}
	list, err := pgx.CollectRows(rows, pgx.RowTo[string])
	return list, fail("list waived entries", "", err)
}

// waivable are the kinds of entries without which the data is whole: an owner who is not a superuser, or
// who does not have the source's roles, may be unable to restore them. They are never left out silently.
var waivable = map[string]bool{
	"COMMENT": true, "ACL": true, "DEFAULT ACL": true, "EVENT TRIGGER": true, "PUBLICATION": true,
	"PUBLICATION TABLE": true, "PUBLICATION TABLES IN SCHEMA": true, "SECURITY LABEL": true,
}

// runEntry runs one entry in a savepoint. One that may be waived, and that the role is not allowed to run
// or that names a role which is not there, is noted and left out.
func runEntry(ctx context.Context, tx pgx.Tx, e entry) error {
	inner, err := tx.Begin(ctx)
	if err != nil {
		return err
	}
	_, err = inner.Exec(ctx, e.SQL, pgx.QueryExecModeSimpleProtocol)
	if err == nil {
		return inner.Commit(ctx)
	}
	failed := fail("restore "+strings.ToLower(e.Type), e.Name, err)
	if rollback := inner.Rollback(ctx); rollback != nil {
		return failed
	}
	var known *Error
	if !waivable[e.Type] || !errors.As(failed, &known) || (known.Code != "42501" && known.Code != "42704") {
		return failed
	}
	_, err = tx.Exec(ctx, `INSERT INTO `+bookkeeping+`.waived VALUES ($1, $2) ON CONFLICT DO NOTHING`, e.Type+" "+e.Name, known.Err.Error())
	return err
}

// Finish removes the mark of being incomplete, with the bookkeeping. Call it when everything was compared.
func (r *Restorer) Finish(ctx context.Context) error {
	_, err := r.conn.Exec(ctx, `DROP SCHEMA IF EXISTS `+bookkeeping+` CASCADE`)
	return fail("remove mark", bookkeeping, err)
}
