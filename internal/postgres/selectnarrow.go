package postgres

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/lifeboat-dr/lifeboat/internal/manifest"
)

// How a selection is made true in the target. Which definitions a table needs is known best to the server, so
// everything that comes before the data is created; then, before any row is loaded, the tables that are not selected are
// dropped, with what needs them. What was lost on the way is found by looking before and after, not by predicting what
// CASCADE does. Until then the target is marked as incomplete like in every restore.

// Select restricts this restore to a selection. Call it before Prepare; the selection becomes part of what the
// target is marked with.
func (r *Restorer) Select(s *Selected) { r.selected = s }

func (r *Restorer) selectionText() string {
	if r.selected == nil {
		return ""
	}
	return r.selected.text
}

// resumesSelection refuses a target that was prepared for another selection, unless nothing was dropped or loaded in
// it yet: a selection that could not be kept may be mended.
func (r *Restorer) resumesSelection(ctx context.Context) error {
	var same, begun bool
	if err := r.conn.QueryRow(ctx, `SELECT selection = $1, EXISTS (SELECT FROM `+bookkeeping+`.kept) OR EXISTS (SELECT FROM `+bookkeeping+`.done WHERE step = '`+stepPreData+`') FROM `+bookkeeping+`.restore`, r.selectionText()).Scan(&same, &begun); err != nil {
		return fail("look at target", "", err)
	}
	switch {
	case same:
		return nil
	case begun:
		return &Error{Op: "prepare target", Kind: ErrNotEmpty, Err: fmt.Errorf("%w: a restore of another selection of this backup was begun in it", ErrNotEmpty),
			Hint: "finish that restore, or choose an empty database"}
	}
	_, err := r.conn.Exec(ctx, `UPDATE `+bookkeeping+`.restore SET selection = $1`, r.selectionText())
	return fail("prepare target", "", err)
}

// selectionTables is the bookkeeping of a selection: what is to stay, what is not there and how messages name it,
// and what was left out because of that. It is there, and empty, in a restore of everything, too.
const selectionTables = `
	CREATE TABLE ` + bookkeeping + `.kept (schema text, name text, PRIMARY KEY (schema, name));
	CREATE TABLE ` + bookkeeping + `.absent (kind text, identity text, qualified text, word text, PRIMARY KEY (kind, identity));
	CREATE TABLE ` + bookkeeping + `.left_out (kind text, name text, reason text, listed boolean, PRIMARY KEY (kind, name));
`

// userSpace is a condition on pg_namespace n.
const userSpace = `n.nspname NOT IN ('pg_catalog', 'information_schema', '` + bookkeeping + `') AND n.nspname !~ '^pg_'`

// ownTables are tables with their oid, of no extension.
const ownTables = `SELECT c.oid, n.nspname::text AS schema, c.relname::text AS name, c.relkind FROM pg_catalog.pg_class c
	JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
	WHERE c.relkind IN ('r', 'p', 'f') AND ` + userSpace + ` AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d
		WHERE d.classid = 'pg_catalog.pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')`

// dropBatch is how many tables are dropped in one transaction: each holds locks until its end.
const dropBatch = 200

// narrow drops what is not selected. First it is looked at whether that can be done; from then on the
// selection is settled. It is safe to repeat.
func (r *Restorer) narrow(ctx context.Context) error {
	if r.selected == nil {
		return nil
	}
	if err := r.once(ctx, stepSelect, func(tx pgx.Tx) error { return r.settle(ctx, tx) }); err != nil {
		return err
	}
	for {
		more := false
		err := r.atomically(ctx, "drop what is not selected", func(tx pgx.Tx) (err error) {
			more, err = dropSurplus(ctx, tx, bookkeeping)
			return err
		})
		if err != nil || !more {
			return err
		}
	}
}

// narrowed notes what was lost, and makes sure that no selected table lost anything.
func (r *Restorer) narrowed(ctx context.Context, tx pgx.Tx) error {
	if r.selected == nil {
		return nil
	}
	return noteLoss(ctx, tx, bookkeeping, "")
}

const stepSelect = "select"

// settle writes down what stays, and looks at all there is.
func (r *Restorer) settle(ctx context.Context, tx pgx.Tx) error {
	schemas, names := make([]string, len(r.selected.keep)), make([]string, len(r.selected.keep))
	for i, n := range r.selected.keep {
		schemas[i], names[i] = n.schema, n.name
	}
	if _, err := tx.Exec(ctx, `INSERT INTO `+bookkeeping+`.kept SELECT * FROM unnest($1::text[], $2::text[])`, schemas, names); err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, `CREATE TEMP TABLE lifeboat_own ON COMMIT DROP AS SELECT o.*, k.name IS NOT NULL AS kept
		FROM (`+ownTables+`) o LEFT JOIN `+bookkeeping+`.kept k USING (schema, name)`); err != nil {
		return err
	}
	var there int
	if err := tx.QueryRow(ctx, `SELECT pg_catalog.count(*) FROM pg_temp.lifeboat_own WHERE kept`).Scan(&there); err != nil {
		return err
	}
	if there != len(r.selected.keep) {
		return &Error{Op: "select tables", Kind: ErrMismatch, Err: fmt.Errorf("the schema archive made %d of %d selected tables", there, len(r.selected.keep))}
	}
	for _, step := range []func(context.Context, pgx.Tx) error{detach, release} {
		if err := step(ctx, tx); err != nil {
			return err
		}
	}
	return lookBefore(ctx, tx, bookkeeping, `SELECT oid, relkind FROM pg_temp.lifeboat_own WHERE NOT kept`)
}

// detach makes tables of their own of selected partitions and children whose parents are not selected.
func detach(ctx context.Context, tx pgx.Tx) error {
	rows, err := tx.Query(ctx, `SELECT c.schema, c.name, p.schema, p.name, p.relkind = 'p'
		FROM pg_catalog.pg_inherits i JOIN pg_temp.lifeboat_own c ON c.oid = i.inhrelid AND c.kept
		JOIN pg_temp.lifeboat_own p ON p.oid = i.inhparent AND NOT p.kept ORDER BY 1, 2, 3, 4`)
	if err != nil {
		return err
	}
	type link struct {
		child, parent relationName
		partition     bool
	}
	links, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (l link, err error) {
		return l, row.Scan(&l.child.schema, &l.child.name, &l.parent.schema, &l.parent.name, &l.partition)
	})
	if err != nil {
		return err
	}
	for _, l := range links {
		statement := "ALTER TABLE " + l.child.String() + " NO INHERIT " + l.parent.String()
		if l.partition {
			statement = "ALTER TABLE " + l.parent.String() + " DETACH PARTITION " + l.child.String()
		}
		if _, err := tx.Exec(ctx, statement); err != nil {
			return err
		}
		reason := "it is a table of its own here, without the foreign keys, triggers and policies of its parent " + l.parent.shown() + ", which is not selected"
		if err := noteLeft(ctx, tx, kindParent, l.child.shown()+" in "+l.parent.shown(), reason, true); err != nil {
			return err
		}
	}
	return nil
}

// kindParent is the kind of what is left out where a table lost its parent.
const kindParent = "parent"

// release keeps sequences that selected tables use and that belong to tables which are not selected.
func release(ctx context.Context, tx pgx.Tx) error {
	rows, err := tx.Query(ctx, `SELECT DISTINCT n.nspname::text, s.relname::text FROM pg_catalog.pg_depend owned
		JOIN pg_temp.lifeboat_own t ON owned.refclassid = 'pg_catalog.pg_class'::regclass AND t.oid = owned.refobjid AND NOT t.kept
		JOIN pg_catalog.pg_class s ON owned.classid = 'pg_catalog.pg_class'::regclass AND s.oid = owned.objid AND s.relkind = 'S'
		JOIN pg_catalog.pg_namespace n ON n.oid = s.relnamespace
		JOIN pg_catalog.pg_depend uses ON uses.refclassid = 'pg_catalog.pg_class'::regclass AND uses.refobjid = s.oid
			AND uses.classid = 'pg_catalog.pg_attrdef'::regclass
		JOIN pg_catalog.pg_attrdef a ON a.oid = uses.objid JOIN pg_temp.lifeboat_own k ON k.oid = a.adrelid AND k.kept
		WHERE owned.deptype = 'a' ORDER BY 1, 2`)
	if err != nil {
		return err
	}
	sequences, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (n relationName, err error) {
		return n, row.Scan(&n.schema, &n.name)
	})
	if err != nil {
		return err
	}
	for _, s := range sequences {
		if _, err := tx.Exec(ctx, "ALTER SEQUENCE "+s.String()+" OWNED BY NONE"); err != nil {
			return err
		}
	}
	return nil
}

// definedHere is all that a selected table is made of, and what the types are made of that it may use: none of it may
// be lost by dropping something else.
const definedHere = `
	SELECT a.attrelid AS relation, 'column ' || a.attname || ' ' || pg_catalog.format_type(a.atttypid, a.atttypmod) || ' ' || a.attnotnull
		|| COALESCE(' ' || pg_catalog.pg_get_expr(d.adbin, d.adrelid), '') AS what
	FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_class c ON c.oid = a.attrelid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
	LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
	WHERE NOT a.attisdropped AND a.attnum > 0 AND ((n.nspname, c.relname) IN (SELECT schema, name FROM ` + bookkeeping + `.kept)
		OR (c.relkind = 'c' AND ` + userSpace + `))
	UNION ALL SELECT x.conrelid, 'constraint ' || x.conname || ' ' || pg_catalog.pg_get_constraintdef(x.oid)
	FROM pg_catalog.pg_constraint x JOIN pg_catalog.pg_class c ON c.oid = x.conrelid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
	WHERE (n.nspname, c.relname) IN (SELECT schema, name FROM ` + bookkeeping + `.kept)
	UNION ALL SELECT 0, 'domain ' || pg_catalog.format_type(x.contypid, NULL) || ' constraint ' || x.conname FROM pg_catalog.pg_constraint x WHERE x.contypid <> 0`

// named are the objects that can be lost together with a table.
const named = `SELECT o.classid, o.objid, i.type AS kind, i.identity,
		CASE WHEN o.space IS NULL THEN pg_catalog.quote_ident(o.word) ELSE pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(o.word) END AS qualified, o.word
	FROM (
		SELECT 'pg_catalog.pg_class'::regclass::oid AS classid, oid AS objid, relnamespace AS space, relname::text AS word FROM pg_catalog.pg_class
			WHERE relkind IN ('r', 'p', 'v', 'm', 'S', 'f', 'c')
		UNION ALL SELECT 'pg_catalog.pg_proc'::regclass, oid, pronamespace, proname::text FROM pg_catalog.pg_proc
		UNION ALL SELECT 'pg_catalog.pg_type'::regclass, oid, typnamespace, typname::text FROM pg_catalog.pg_type WHERE typtype IN ('d', 'e', 'r', 'm')
		UNION ALL SELECT 'pg_catalog.pg_operator'::regclass, oid, oprnamespace, oprname::text FROM pg_catalog.pg_operator
		UNION ALL SELECT 'pg_catalog.pg_opclass'::regclass, oid, opcnamespace, opcname::text FROM pg_catalog.pg_opclass
		UNION ALL SELECT 'pg_catalog.pg_cast'::regclass, oid, NULL, '' FROM pg_catalog.pg_cast WHERE oid >= 16384
		UNION ALL SELECT 'pg_catalog.pg_policy'::regclass, oid, NULL, polname::text FROM pg_catalog.pg_policy
		UNION ALL SELECT 'pg_catalog.pg_trigger'::regclass, oid, NULL, tgname::text FROM pg_catalog.pg_trigger WHERE NOT tgisinternal
		UNION ALL SELECT 'pg_catalog.pg_rewrite'::regclass, oid, NULL, rulename::text FROM pg_catalog.pg_rewrite WHERE rulename <> '_RETURN'
	) o LEFT JOIN pg_catalog.pg_namespace n ON n.oid = o.space, LATERAL pg_catalog.pg_identify_object(o.classid, o.objid, 0) i
	WHERE o.objid >= 16384 AND (o.space IS NULL OR (` + userSpace + `))`

// needs is what falls with each of the relations in the table surplus, as far as dependencies tell.
const needs = `WITH RECURSIVE gone (classid, objid, sub, origin) AS (
		SELECT 'pg_catalog.pg_class'::regclass::oid, s.oid, 0, s.oid FROM SPACE.surplus s
		UNION SELECT d.classid, d.objid, d.objsubid, g.origin FROM gone g, LATERAL (
			SELECT classid, objid, objsubid FROM pg_catalog.pg_depend
			WHERE refclassid = g.classid AND refobjid = g.objid AND (g.sub = 0 OR refobjsubid = g.sub) AND deptype IN ('n', 'a', 'i')
			UNION ALL SELECT refclassid, refobjid, refobjsubid FROM pg_catalog.pg_depend
			WHERE classid = g.classid AND objid = g.objid AND deptype = 'i') d
	) SELECT classid, objid, sub, min(origin::regclass::text) AS origin FROM gone GROUP BY classid, objid, sub`

// remove drops a relation with all that needs it, and notes what went with it.
func remove(ctx context.Context, tx pgx.Tx, query, reason string) error {
	const space = "pg_temp"
	if err := lookBefore(ctx, tx, space, query); err != nil {
		return err
	}
	for more := true; more; {
		var err error
		if more, err = dropSurplus(ctx, tx, space); err != nil {
			return err
		}
	}
	return noteLoss(ctx, tx, space, reason)
}

// lookBefore writes down, in tables of a schema, what is to be dropped (the query gives oid and relkind), what will
// fall with it, and what there is. It refuses to take anything from a selected table.
func lookBefore(ctx context.Context, tx pgx.Tx, space, query string) error {
	for _, table := range [][2]string{{"surplus", query}, {"needs", strings.ReplaceAll(needs, "SPACE", space)}, {"named", named}, {"defined", definedHere}} {
		if _, err := tx.Exec(ctx, "CREATE TABLE "+space+"."+table[0]+" AS "+table[1], pgx.QueryExecModeSimpleProtocol); err != nil {
			return err
		}
	}
	return refuseLoss(ctx, tx, space)
}

// noteLoss looks again, and notes what is not there any more: what was dropped, and what was left out with it.
func noteLoss(ctx context.Context, tx pgx.Tx, space, reason string) error {
	var lost string
	err := tx.QueryRow(ctx, `SELECT COALESCE(relation::regclass::text, '') || ' ' || what FROM (
		SELECT * FROM `+space+`.defined EXCEPT (`+definedHere+`)) l ORDER BY 1 LIMIT 1`).Scan(&lost)
	if err == nil {
		return needsMore(lost, "a table", "")
	}
	if !errors.Is(err, pgx.ErrNoRows) {
		return err
	}
	if reason == "" {
		reason = "it needs %s, which is not selected"
	}
	_, err = tx.Exec(ctx, `WITH lost AS MATERIALIZED (
			SELECT l.* FROM `+space+`.named l LEFT JOIN (`+named+`) still USING (classid, objid) WHERE still.objid IS NULL
		), noted AS (
			INSERT INTO `+bookkeeping+`.absent SELECT kind, identity, qualified, word FROM lost ON CONFLICT DO NOTHING
		) INSERT INTO `+bookkeeping+`.left_out
		SELECT l.kind, l.identity, pg_catalog.replace($1, '%s', COALESCE(n.origin, 'something')), true
		FROM lost l LEFT JOIN `+space+`.needs n ON n.classid = l.classid AND n.objid = l.objid AND n.sub = 0
		WHERE l.kind <> 'sequence' AND NOT (l.classid = 'pg_catalog.pg_class'::regclass AND l.objid IN (SELECT oid FROM `+space+`.surplus WHERE relkind IN ('r', 'p', 'f')))
		ON CONFLICT DO NOTHING`, reason)
	if err != nil {
		return err
	}
	_, err = tx.Exec(ctx, "DROP TABLE "+space+".surplus, "+space+".needs, "+space+".named, "+space+".defined")
	return err
}

// refuseLoss says in good words what the look afterwards would find, too.
func refuseLoss(ctx context.Context, tx pgx.Tx, space string) error {
	var what, origin string
	err := tx.QueryRow(ctx, `SELECT pg_catalog.pg_describe_object(g.classid, g.objid, g.sub), g.origin FROM `+space+`.needs g
		LEFT JOIN pg_catalog.pg_attrdef a ON g.classid = 'pg_catalog.pg_attrdef'::regclass AND a.oid = g.objid
		LEFT JOIN pg_catalog.pg_constraint x ON g.classid = 'pg_catalog.pg_constraint'::regclass AND x.oid = g.objid
		JOIN pg_catalog.pg_class c ON c.oid = COALESCE(a.adrelid, x.conrelid, CASE WHEN g.classid = 'pg_catalog.pg_class'::regclass THEN g.objid END)
		JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace JOIN `+bookkeeping+`.kept k ON k.schema = n.nspname AND k.name = c.relname
		ORDER BY 1, 2 LIMIT 1`).Scan(&what, &origin)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil
	}
	if err != nil {
		return err
	}
	return needsMore(what, origin, "select "+origin+" as well")
}

func needsMore(what, origin, hint string) error {
	return &Error{Op: "select tables", Kind: ErrInvalid, Err: fmt.Errorf("%s needs %s, which is not selected", what, origin),
		Hint: strings.TrimPrefix(hint+"; no row was loaded", "; ")}
}

// explainLoad says what a person can do about a check of a selected table that reads another table.
func (r *Restorer) explainLoad(err error) error {
	var failed *Error
	if r.selected == nil || !errors.As(err, &failed) || !unresolved[failed.Code] {
		return err
	}
	failed.Kind, failed.Hint = ErrInvalid, "a check or a generated column of this table needs what is not selected: select that as well"
	return err
}

// dropSurplus drops a batch, and says whether there may be more.
func dropSurplus(ctx context.Context, tx pgx.Tx, space string) (more bool, err error) {
	rows, err := tx.Query(ctx, `SELECT CASE s.relkind WHEN 'f' THEN 'FOREIGN TABLE' WHEN 'v' THEN 'VIEW' WHEN 'm' THEN 'MATERIALIZED VIEW' ELSE 'TABLE' END, s.oid::regclass::text
		FROM `+space+`.surplus s JOIN pg_catalog.pg_class c USING (oid) ORDER BY 1, 2 LIMIT $1`, dropBatch)
	if err != nil {
		return false, err
	}
	byKind := map[string][]string{}
	var kind, name string
	if _, err := pgx.ForEachRow(rows, []any{&kind, &name}, func() error { byKind[kind] = append(byKind[kind], name); more = true; return nil }); err != nil {
		return false, err
	}
	for kind, names := range byKind {
		// One may fall with another.
		if _, err := tx.Exec(ctx, "SET LOCAL client_min_messages = warning; DROP "+kind+" IF EXISTS "+strings.Join(names, ", ")+" CASCADE", pgx.QueryExecModeSimpleProtocol); err != nil {
			return false, err
		}
	}
	return more, nil
}

func noteLeft(ctx context.Context, tx pgx.Tx, kind, name, reason string, listed bool) error {
	_, err := tx.Exec(ctx, `INSERT INTO `+bookkeeping+`.left_out VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING`, kind, name, reason, listed)
	return err
}

// LeftOut lists what a selection left out in the target, each with its reason: what needs a table that is not there.
func (r *Restorer) LeftOut(ctx context.Context) ([]manifest.NotCovered, error) {
	rows, err := r.conn.Query(ctx, `SELECT kind, name, reason FROM `+bookkeeping+`.left_out WHERE listed ORDER BY 1, 2`)
	if err != nil {
		return nil, fail("list what was left out", "", err)
	}
	list, err := pgx.CollectRows(rows, pgx.RowToStructByPos[manifest.NotCovered])
	return list, fail("list what was left out", "", err)
}
