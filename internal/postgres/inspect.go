package postgres

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/lifeboat-dr/lifeboat/internal/manifest"
)

// bookkeeping is the schema in a restore target that holds what is done; it is never part of a backup.
const bookkeeping = "lifeboat_restore"

// StandbySchema is the schema in a standby that says what it follows; it is never part of a backup either.
const StandbySchema = "lifeboat_standby"

// DoneSchema is the schema in which a database keeps what was done in it once; no data of the application, and no part
// of a backup.
const DoneSchema = "lifeboat_done"

// Inspect finds out what a database holds, and refuses at once when the role cannot read some of it,
// naming all that it cannot read. It changes nothing. The session has to be read-only.
func Inspect(ctx context.Context, conn *pgx.Conn) (manifest.Catalog, error) {
	var catalog manifest.Catalog
	for _, step := range []func(context.Context, *pgx.Conn, *manifest.Catalog) error{
		inspectDatabase, inspectRelations, inspectMatViews, inspectObjects, inspectSurroundings, inspectNotCovered,
	} {
		if err := step(ctx, conn, &catalog); err != nil {
			return manifest.Catalog{}, err
		}
	}
	return catalog, refuseNames(catalog)
}

// refuseNames refuses names that JSON cannot hold as they are: those of databases in another encoding than UTF-8
// that are not plain ASCII. Rows and definitions may hold any bytes; names are in the manifest.
func refuseNames(catalog manifest.Catalog) error {
	b, err := json.Marshal(catalog)
	if err == nil && bytes.Contains(b, []byte(`\ufffd`)) {
		err = &Error{Op: "inspect database", Kind: ErrInvalid,
			Err:  fmt.Errorf("a name, or a comment on a large object, in encoding %s is not plain ASCII: a manifest cannot hold it", catalog.Encoding),
			Hint: "rename it, or move the database to UTF8"}
	}
	return err
}

func inspectDatabase(ctx context.Context, conn *pgx.Conn, catalog *manifest.Catalog) error {
	err := conn.QueryRow(ctx, `SELECT d.datname::text, pg_catalog.current_setting('server_version_num')::int,
		pg_catalog.pg_encoding_to_char(d.encoding)::text, d.datcollate::text, d.datctype::text
		FROM pg_catalog.pg_database d WHERE d.datname = pg_catalog.current_database()`).
		Scan(&catalog.Database, &catalog.ServerVersion, &catalog.Encoding, &catalog.Collate, &catalog.CType)
	if err != nil {
		return fail("inspect database", "", err)
	}
	catalog.LocaleProvider = "c"
	if catalog.ServerVersion < 150000 {
		return nil // providers and versions of a database's collation came with 15
	}
	err = conn.QueryRow(ctx, `SELECT d.datlocprovider::text, COALESCE(d.datcollversion, '')
		FROM pg_catalog.pg_database d WHERE d.datname = pg_catalog.current_database()`).
		Scan(&catalog.LocaleProvider, &catalog.CollationVersion)
	return fail("inspect database", "", err)
}

// found is a relation as the server's catalog describes it.
type found struct {
	table       manifest.Table
	kind        string
	persistence string
	config      bool
	readable    bool
	filtered    bool
	root        uint32
}

// relationsQuery lists user relations. Of those of an extension only its configuration tables count.
// A partition below a hash partition carries the topmost parent that hashes: its rows may belong elsewhere
// below it on another platform. Who is to dump a table needs SELECT on it as a whole: pg_dump locks it.
const relationsQuery = `
WITH RECURSIVE up AS (
	SELECT i.inhrelid AS leaf, i.inhparent AS parent, p.partstrat, 1 AS level
	FROM pg_catalog.pg_inherits i JOIN pg_catalog.pg_partitioned_table p ON p.partrelid = i.inhparent
	UNION ALL
	SELECT up.leaf, i.inhparent, p.partstrat, up.level + 1
	FROM up JOIN pg_catalog.pg_inherits i ON i.inhrelid = up.parent
	JOIN pg_catalog.pg_partitioned_table p ON p.partrelid = i.inhparent
), root AS (
	SELECT DISTINCT ON (up.leaf) up.leaf, up.parent FROM up WHERE up.partstrat = 'h' ORDER BY up.leaf, up.level DESC
), member AS (
	SELECT d.objid AS oid, e.extname, e.extcondition[pg_catalog.array_position(e.extconfig, d.objid)] AS condition,
		COALESCE(d.objid = ANY (e.extconfig), false) AS config
	FROM pg_catalog.pg_depend d JOIN pg_catalog.pg_extension e ON e.oid = d.refobjid
	WHERE d.classid = 'pg_catalog.pg_class'::regclass AND d.refclassid = 'pg_catalog.pg_extension'::regclass AND d.deptype = 'e'
)
SELECT c.oid, n.nspname::text, c.relname::text, c.relkind::text, c.relpersistence::text, COALESCE(am.amname::text, ''),
	COALESCE(m.extname::text, ''), COALESCE(m.condition, ''), COALESCE(m.config, false), COALESCE(root.parent, 0::oid),
	ARRAY(SELECT a.attname::text FROM pg_catalog.pg_attribute a
		WHERE a.attrelid = COALESCE(root.parent, c.oid) AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
		ORDER BY a.attnum),
	CASE WHEN c.relkind = 'r' AND c.relpersistence = 'p'
		THEN pg_catalog.pg_relation_size(c.oid, 'main') / pg_catalog.current_setting('block_size')::bigint ELSE 0 END,
	CASE WHEN c.relkind = 'r' AND c.relpersistence = 'p' THEN pg_catalog.pg_table_size(c.oid) ELSE 0 END,
	pg_catalog.has_schema_privilege(n.oid, 'USAGE') AND pg_catalog.has_table_privilege(c.oid, 'SELECT'),
	CASE WHEN c.relrowsecurity THEN pg_catalog.row_security_active(c.oid) ELSE false END
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_catalog.pg_am am ON am.oid = c.relam
LEFT JOIN member m ON m.oid = c.oid
LEFT JOIN root ON root.leaf = c.oid
WHERE c.relkind IN ('r', 'p', 'S', 'f') AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast', '` + bookkeeping + `', '` + StandbySchema + `', '` + DoneSchema + `')
	AND n.nspname !~ '^pg_(temp|toast_temp)_' AND c.relpersistence <> 't' AND (m.oid IS NULL OR m.config)
ORDER BY n.nspname, c.relname`

func inspectRelations(ctx context.Context, conn *pgx.Conn, catalog *manifest.Catalog) error {
	rows, err := conn.Query(ctx, relationsQuery)
	if err != nil {
		return fail("list tables", "", err)
	}
	all, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (f found, err error) {
		t := &f.table
		var pages int64
		err = row.Scan(&t.OID, &t.Schema, &t.Name, &f.kind, &f.persistence, &t.Access, &t.Extension, &t.Filter, &f.config,
			&f.root, &t.Columns, &pages, &t.Bytes, &f.readable, &f.filtered)
		t.Pages = uint32(pages)
		return f, err
	})
	if err != nil {
		return fail("list tables", "", err)
	}
	var unreadable, filtered []string
	var sequences []manifest.Sequence
	for _, f := range all {
		name := tableName(f.table)
		switch {
		case f.kind == "f":
			notCovered(catalog, "foreign-table", name, "its rows are in another database; the definition is in the backup")
			continue
		case !f.readable:
			unreadable = append(unreadable, name)
			continue
		case f.kind == "p":
			continue // its partitions hold the rows
		case f.persistence == "u":
			notCovered(catalog, "unlogged", name, "unlogged rows do not survive a crash and are not on standbys; the definition is in the backup")
			continue
		case f.filtered:
			filtered = append(filtered, name)
		}
		if f.kind == "S" {
			sequences = append(sequences, manifest.Sequence{Schema: f.table.Schema, Name: f.table.Name})
			continue
		}
		if f.root != 0 {
			if f.table.Root, err = nameOf(ctx, conn, f.root); err != nil {
				return err
			}
		}
		catalog.Tables = append(catalog.Tables, f.table)
	}
	if err := refuseUnreadable(ctx, conn, unreadable, filtered); err != nil {
		return err
	}
	catalog.Sequences, err = readSequences(ctx, conn, sequences)
	return err
}

func nameOf(ctx context.Context, conn *pgx.Conn, oid uint32) ([]string, error) {
	var schema, name string
	err := conn.QueryRow(ctx, `SELECT n.nspname::text, c.relname::text FROM pg_catalog.pg_class c
		JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = $1::oid`, oid).Scan(&schema, &name)
	return []string{schema, name}, fail("find partitioned table", strconv.FormatUint(uint64(oid), 10), err)
}

// refuseUnreadable names everything that the role cannot read, with what an administrator has to run.
func refuseUnreadable(ctx context.Context, conn *pgx.Conn, unreadable, filtered []string) error {
	if len(unreadable) == 0 && len(filtered) == 0 {
		return nil
	}
	var role string
	if err := conn.QueryRow(ctx, "SELECT CURRENT_USER::text").Scan(&role); err != nil {
		return fail("ask for role", "", err)
	}
	var said, hints []string
	if len(unreadable) > 0 {
		said = append(said, "the role may not read "+strings.Join(unreadable, ", "))
		hints = append(hints, "GRANT pg_read_all_data TO "+ident(role))
	}
	if len(filtered) > 0 {
		said = append(said, "row security hides rows from the role in "+strings.Join(filtered, ", "))
		hints = append(hints, "ALTER ROLE "+ident(role)+" BYPASSRLS")
	}
	return &Error{Op: "inspect database", Kind: ErrPermission, Err: errors.New(strings.Join(said, "; ")),
		Hint: "as an administrator, run: " + strings.Join(hints, "; ")}
}

// inspectMatViews lists materialized views so that each comes after those it reads, directly or through
// plain views.
func inspectMatViews(ctx context.Context, conn *pgx.Conn, catalog *manifest.Catalog) error {
	rows, err := conn.Query(ctx, `SELECT c.oid, n.nspname::text, c.relname::text, c.relkind = 'm', c.relispopulated,
		ARRAY(SELECT DISTINCT d.refobjid FROM pg_catalog.pg_rewrite r JOIN pg_catalog.pg_depend d
			ON d.classid = 'pg_catalog.pg_rewrite'::regclass AND d.objid = r.oid AND d.refclassid = 'pg_catalog.pg_class'::regclass
			WHERE r.ev_class = c.oid AND d.refobjid <> c.oid ORDER BY 1)
		FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
		WHERE c.relkind IN ('m', 'v') AND n.nspname NOT IN ('pg_catalog', 'information_schema')
		ORDER BY n.nspname, c.relname`)
	if err != nil {
		return fail("list materialized views", "", err)
	}
	type view struct {
		oid          uint32
		manifest     manifest.MatView
		materialized bool
		reads        []uint32
	}
	views, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (v view, err error) {
		return v, row.Scan(&v.oid, &v.manifest.Schema, &v.manifest.Name, &v.materialized, &v.manifest.Populated, &v.reads)
	})
	if err != nil {
		return fail("list materialized views", "", err)
	}
	byOID := make(map[uint32]view, len(views))
	for _, v := range views {
		byOID[v.oid] = v
	}
	seen := map[uint32]bool{}
	var visit func(oid uint32)
	visit = func(oid uint32) {
		v, ok := byOID[oid]
		if !ok || seen[oid] {
			return
		}
		seen[oid] = true
		for _, read := range v.reads {
			visit(read)
		}
		if v.materialized {
			catalog.MatViews = append(catalog.MatViews, v.manifest)
		}
	}
	for _, v := range views {
		visit(v.oid)
	}
	return nil
}

// readSequences fills in where sequences stand, many in one statement.
func readSequences(ctx context.Context, conn *pgx.Conn, sequences []manifest.Sequence) ([]manifest.Sequence, error) {
	for batch := range slices.Chunk(sequences, 200) {
		parts := make([]string, len(batch))
		for i, s := range batch {
			parts[i] = fmt.Sprintf("SELECT %d, last_value, is_called FROM %s", i, relation(s.Schema, s.Name))
		}
		rows, err := conn.Query(ctx, strings.Join(parts, " UNION ALL "))
		if err != nil {
			return nil, fail("read sequences", "", err)
		}
		var i int
		var value int64
		var called bool
		_, err = pgx.ForEachRow(rows, []any{&i, &value, &called}, func() error {
			batch[i].LastValue, batch[i].IsCalled = value, called
			return nil
		})
		if err != nil {
			return nil, fail("read sequences", "", err)
		}
	}
	return sequences, nil
}
