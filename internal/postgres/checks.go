package postgres

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// A CHECK that calls a function of the database may read tables whose rows come later, or look for names
// that no search path of ours finds: rows that were right in the source would be refused. Such checks are
// taken off the empty tables and domains and put back over all rows. Functions of extensions stay: they
// know no tables of the database.

// userChecks lists the checks that call functions of the database, with how to drop and how to add them. A
// check that only comes from a parent goes and comes with the parent's; the deepest come first, so that a
// parent's check finds that of its child and merges with it.
const userChecks = `
WITH RECURSIVE depth AS (
	SELECT i.inhrelid AS rel, i.inhparent AS parent, 1 AS level FROM pg_catalog.pg_inherits i
	UNION ALL
	SELECT d.rel, i.inhparent, d.level + 1 FROM depth d JOIN pg_catalog.pg_inherits i ON i.inhrelid = d.parent
), named AS (
	SELECT con.oid, con.conrelid, con.contypid, con.conname, con.conislocal, con.coninhcount,
		pg_catalog.format('%I.%I', n.nspname, COALESCE(c.relname, t.typname)) AS object, con.conrelid <> 0 AS of_table,
		(COALESCE(c.relname, t.typname))::text AS plain, n.nspname::text AS schema,
		COALESCE((SELECT max(d.level) FROM depth d WHERE d.rel = con.conrelid), 0) AS level
	FROM pg_catalog.pg_constraint con
	LEFT JOIN pg_catalog.pg_class c ON c.oid = con.conrelid LEFT JOIN pg_catalog.pg_type t ON t.oid = con.contypid
	JOIN pg_catalog.pg_namespace n ON n.oid = COALESCE(c.relnamespace, t.typnamespace)
	WHERE con.contype = 'c' AND n.nspname NOT IN ('pg_catalog', 'information_schema', '` + bookkeeping + `')
	AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend e WHERE e.deptype = 'e'
		AND e.classid IN ('pg_catalog.pg_class'::regclass, 'pg_catalog.pg_type'::regclass) AND e.objid IN (con.conrelid, con.contypid))
	AND EXISTS (SELECT FROM pg_catalog.pg_depend d WHERE d.classid = 'pg_catalog.pg_constraint'::regclass AND d.objid = con.oid
		AND d.refclassid IN ('pg_catalog.pg_proc'::regclass, 'pg_catalog.pg_operator'::regclass)
		AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend e WHERE e.classid = d.refclassid AND e.objid = d.refobjid AND e.deptype = 'e'))
)
SELECT schema, plain, conname::text, of_table, coninhcount = 0, conislocal OR coninhcount = 0,
	pg_catalog.format('ALTER %s %s DROP CONSTRAINT %I', CASE WHEN of_table THEN 'TABLE' ELSE 'DOMAIN' END, object, conname),
	pg_catalog.format('ALTER %s %s ADD CONSTRAINT %I %s', CASE WHEN of_table THEN 'TABLE' ELSE 'DOMAIN' END, object, conname, pg_catalog.pg_get_constraintdef(oid)),
	COALESCE(pg_catalog.format('COMMENT ON CONSTRAINT %I ON %s%s IS %L', conname, CASE WHEN of_table THEN '' ELSE 'DOMAIN ' END, object,
		pg_catalog.obj_description(oid, 'pg_constraint')), '')
FROM named ORDER BY level DESC, schema, plain, conname`

type check struct {
	schema, object, name  string
	ofTable, top, own     bool
	drop, add, annotation string
}

func readChecks(ctx context.Context, tx pgx.Tx) ([]check, error) {
	rows, err := tx.Query(ctx, userChecks)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (c check, err error) {
		return c, row.Scan(&c.schema, &c.object, &c.name, &c.ofTable, &c.top, &c.own, &c.drop, &c.add, &c.annotation)
	})
}

// deferChecks takes such checks off and notes how they are put back.
func (r *Restorer) deferChecks(ctx context.Context, tx pgx.Tx) error {
	checks, err := readChecks(ctx, tx)
	if err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, `CREATE TABLE `+bookkeeping+`.checks (seq int PRIMARY KEY, of_table bool NOT NULL, schema text NOT NULL,
		object text NOT NULL, name text NOT NULL, sql text NOT NULL, annotation text NOT NULL)`, pgx.QueryExecModeSimpleProtocol); err != nil {
		return err
	}
	for i, c := range checks {
		if !c.own {
			// Its comment is its own even where the check is its parent's.
			c.add = ""
		}
		if c.add == "" && c.annotation == "" {
			continue
		}
		// The deepest first; the comments of merged checks after all of them.
		if _, err := tx.Exec(ctx, `INSERT INTO `+bookkeeping+`.checks VALUES ($1, $2, $3, $4, $5, $6, $7)`,
			i, c.ofTable, c.schema, c.object, c.name, c.add, c.annotation); err != nil {
			return err
		}
	}
	// Dropping a parent's takes those of its children along, but for the ones that were also their own.
	for dropped := true; dropped; {
		dropped = false
		for _, c := range checks {
			if !c.top {
				continue
			}
			if _, err := tx.Exec(ctx, c.drop, pgx.QueryExecModeSimpleProtocol); err != nil {
				return fail("take off check", c.name, err)
			}
			dropped = true
		}
		if checks, err = readChecks(ctx, tx); err != nil {
			return err
		}
	}
	return nil
}

// restoreChecks puts the checks back over the rows. One that the rows do not fulfil, as nobody looked at
// old rows when its function changed, is put back for new rows only, and that is reported.
func (r *Restorer) restoreChecks(ctx context.Context) error {
	rows, err := r.conn.Query(ctx, `SELECT seq, of_table, schema, object, name, sql, annotation FROM `+bookkeeping+`.checks ORDER BY seq`)
	if err != nil {
		return fail("list checks", "", err)
	}
	type noted struct {
		seq int
		check
	}
	list, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (n noted, err error) {
		return n, row.Scan(&n.seq, &n.ofTable, &n.schema, &n.object, &n.name, &n.add, &n.annotation)
	})
	if err != nil {
		return fail("list checks", "", err)
	}
	for _, n := range list {
		if n.add == "" {
			continue
		}
		if err := r.once(ctx, fmt.Sprintf("check %d", n.seq), func(tx pgx.Tx) error { return n.restore(ctx, tx) }); err != nil {
			return err
		}
	}
	return r.once(ctx, "check comments", func(tx pgx.Tx) error {
		for _, n := range list {
			if n.annotation == "" {
				continue
			}
			if _, err := tx.Exec(ctx, n.annotation, pgx.QueryExecModeSimpleProtocol); err != nil {
				return fail("comment on check", n.name, err)
			}
		}
		return nil
	})
}

func (c check) restore(ctx context.Context, tx pgx.Tx) error {
	var failed error
	for _, sql := range []string{c.add, searchPath(c.schema) + c.add + ";" + noSearchPath} {
		if failed = inSavepoint(ctx, tx, sql); failed == nil || ctx.Err() != nil {
			return failed
		}
	}
	known := &Error{}
	if err := fail("restore check", c.name, failed); !errors.As(err, &known) || known.Kind != nil && !errors.Is(known.Kind, ErrPermission) {
		return err
	}
	if err := inSavepoint(ctx, tx, c.add+" NOT VALID"); err != nil {
		return fail("restore check", relation(c.schema, c.object)+" "+c.name, err)
	}
	kind := "DOMAIN "
	if c.ofTable {
		kind = "TABLE "
	}
	object := c.schema + "." + c.object
	if err := waive(ctx, tx, kind+object, "its check "+c.name+" is restored for new rows only: "+known.Err.Error()); err != nil {
		return err
	}
	return waive(ctx, tx, "CHECK CONSTRAINT "+object+" "+c.name, "the rows do not fulfil it: it is restored for new rows only (NOT VALID)")
}
