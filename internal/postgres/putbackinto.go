package postgres

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/jackc/pgx/v5"
)

// look asks the database for what an INSERT into the table meets: generated columns, triggers and parents.
func (t *backTable) look(ctx context.Context, seen *pgx.Conn, fire bool) error {
	const op = "put rows back"
	name := relation(t.now.id.schema, t.now.id.name)
	var triggers int
	var generated []string
	err := seen.QueryRow(ctx, `SELECT (SELECT count(*) FROM pg_catalog.pg_trigger g WHERE g.tgrelid = c.oid AND NOT g.tgisinternal AND g.tgenabled <> 'D' AND g.tgtype & 4 > 0)
			+ (SELECT count(*) FROM pg_catalog.pg_rewrite r WHERE r.ev_class = c.oid AND r.ev_type = '3' AND r.ev_enabled <> 'D'),
		ARRAY(SELECT a.attname::text FROM pg_catalog.pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND a.attgenerated <> '')
		FROM pg_catalog.pg_class c WHERE c.oid = $1::text::regclass`, name).Scan(&triggers, &generated)
	if err != nil {
		return fail(op, name, err)
	}
	if triggers > 0 && !fire {
		return &Error{Op: op, Object: name, Kind: ErrInvalid, Err: fmt.Errorf("%d triggers or rules fire when a row is inserted", triggers),
			Hint: "look at what they do, and then let them: triggers: fire"}
	}
	skip := map[string]bool{}
	for _, c := range generated {
		skip[c] = true
	}
	for _, c := range t.before.columns {
		if !skip[c.name] {
			t.insertable = append(t.insertable, c.name)
		}
	}
	t.reading.rows = t.insertable
	return t.parents(ctx, seen, name)
}

// parents makes the condition under which every foreign key of a row holds.
func (t *backTable) parents(ctx context.Context, seen *pgx.Conn, name string) error {
	// A key that refers to a partitioned table stands in the catalog a second time for each of its partitions.
	rows, err := seen.Query(ctx, `SELECT c.confrelid = c.conrelid, p.relkind = 'p', pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(p.relname),
		ARRAY(SELECT a.attname::text FROM pg_catalog.unnest(c.conkey) WITH ORDINALITY k (n, o) JOIN pg_catalog.pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = k.n ORDER BY o),
		ARRAY(SELECT a.attname::text FROM pg_catalog.unnest(c.confkey) WITH ORDINALITY k (n, o) JOIN pg_catalog.pg_attribute a ON a.attrelid = c.confrelid AND a.attnum = k.n ORDER BY o),
		ARRAY(SELECT 'OPERATOR(' || pg_catalog.quote_ident(s.nspname) || '.' || q.oprname || ')' FROM pg_catalog.unnest(c.conpfeqop) WITH ORDINALITY k (n, o)
			JOIN pg_catalog.pg_operator q ON q.oid = k.n JOIN pg_catalog.pg_namespace s ON s.oid = q.oprnamespace ORDER BY o)
		FROM pg_catalog.pg_constraint c JOIN pg_catalog.pg_class p ON p.oid = c.confrelid JOIN pg_catalog.pg_namespace n ON n.oid = p.relnamespace
		WHERE c.conrelid = $1::text::regclass AND c.contype = 'f'
		AND NOT EXISTS (SELECT FROM pg_catalog.pg_constraint u WHERE u.oid = c.conparentid AND u.conrelid = c.conrelid)
		ORDER BY c.conname`, name)
	if err != nil {
		return fail("list foreign keys", name, err)
	}
	conditions := []string{"true"}
	var self, partitioned bool
	var parent string
	var from, to, operators []string
	_, err = pgx.ForEachRow(rows, []any{&self, &partitioned, &parent, &from, &to, &operators}, func() error {
		var any, there, itself []string
		for i := range from {
			any = append(any, "t."+ident(from[i])+" IS NULL")
			there = append(there, "p."+ident(to[i])+" "+operators[i]+" t."+ident(from[i]))
			itself = append(itself, "t."+ident(to[i])+" "+operators[i]+" t."+ident(from[i]))
		}
		only := "ONLY "
		if partitioned {
			only = ""
		}
		any = append(any, "EXISTS (SELECT FROM "+only+parent+" AS p WHERE "+strings.Join(there, " AND ")+")")
		if self {
			any = append(any, "("+strings.Join(itself, " AND ")+")")
		}
		conditions = append(conditions, "("+strings.Join(any, " OR ")+")")
		return nil
	})
	t.ready = strings.Join(conditions, " AND ")
	return fail("list foreign keys", name, err)
}

// unlistedChildren counts tables whose rows go with rows of the listed ones, or forget them, and that are not listed.
func unlistedChildren(ctx context.Context, seen *pgx.Conn, listed [][2]string) (n int64, err error) {
	names := make([]string, len(listed))
	for i, name := range listed {
		names[i] = relation(name[0], name[1])
	}
	err = seen.QueryRow(ctx, `WITH listed AS (SELECT pg_catalog.unnest($1::text[])::regclass::oid AS oid),
			known AS (SELECT oid FROM listed UNION SELECT pg_catalog.pg_partition_root(oid)::oid FROM listed WHERE pg_catalog.pg_partition_root(oid) IS NOT NULL)
		SELECT count(DISTINCT c.conrelid) FROM pg_catalog.pg_constraint c
		WHERE c.contype = 'f' AND c.confdeltype IN ('c', 'n', 'd') AND c.conparentid = 0 AND c.confrelid IN (SELECT oid FROM known) AND c.conrelid NOT IN (SELECT oid FROM known)`,
		names).Scan(&n)
	return n, fail("list the tables that refer to those", "", err)
}

// collect brings the rows that only the earlier state has into a temporary table.
func (t *backTable) collect(ctx context.Context, earlier, seen *pgx.Conn, tx pgx.Tx) error {
	name := relation(t.now.id.schema, t.now.id.name)
	_, err := tx.Exec(ctx, "CREATE TEMPORARY TABLE "+strings.TrimPrefix(t.temp, "pg_temp.")+" ON COMMIT DROP AS SELECT "+columns(t.insertable)+" FROM "+name+" WITH NO DATA")
	if err != nil {
		return fail("keep rows of", name, err)
	}
	left := t.reading.open(ctx, earlier, t.before)
	keys := t.reading
	keys.rows = nil
	right := keys.open(ctx, seen, t.now)
	defer left.close()
	defer right.close()
	gone := &goneRows{left: left, right: right}
	tag, err := tx.Conn().PgConn().CopyFrom(ctx, gone, "COPY "+t.temp+" ("+columns(t.insertable)+") FROM STDIN")
	if gone.failed != nil {
		return gone.failed
	}
	t.done.Found = tag.RowsAffected()
	return fail("keep rows of", name, err)
}

// insert puts those rows back whose parents are there, and says how many it dealt with.
func (t *backTable) insert(ctx context.Context, tx pgx.Tx) (moved int64, err error) {
	name := relation(t.now.id.schema, t.now.id.name)
	var put int64
	err = tx.QueryRow(ctx, "WITH moved AS (DELETE FROM "+t.temp+" AS t WHERE "+t.ready+" RETURNING "+columns(t.insertable)+"), "+
		"put AS (INSERT INTO "+name+" ("+columns(t.insertable)+") OVERRIDING SYSTEM VALUE SELECT "+columns(t.insertable)+" FROM moved ON CONFLICT DO NOTHING RETURNING 1) "+
		"SELECT (SELECT count(*) FROM moved), (SELECT count(*) FROM put)").Scan(&moved, &put)
	t.done.Rows, t.done.Conflicts = t.done.Rows+put, t.done.Conflicts+moved-put
	return moved, fail("put rows back into", name, err)
}

// goneRows is the text of COPY of the rows that only the earlier of two states has. Only the newest row is held.
type goneRows struct {
	left, right *reading
	begun       bool
	buffer      bytes.Buffer
	failed      error
}

// Read implements [io.Reader].
func (g *goneRows) Read(p []byte) (int, error) {
	for g.buffer.Len() == 0 {
		if err := g.next(); err != nil {
			if !errors.Is(err, io.EOF) {
				g.failed = err
			}
			return 0, err
		}
	}
	return g.buffer.Read(p)
}

// next goes to the next row of the earlier state and writes it down when the other state has none of its key.
func (g *goneRows) next() error {
	if err := g.left.next(); err != nil {
		return err
	}
	if !g.left.more {
		return io.EOF
	}
	if !g.begun {
		g.begun = true
		if err := g.right.next(); err != nil {
			return err
		}
	}
	for g.right.more && bytes.Compare(g.right.key, g.left.key) < 0 {
		if err := g.right.next(); err != nil {
			return err
		}
	}
	if g.right.more && bytes.Equal(g.right.key, g.left.key) {
		return nil
	}
	for i, value := range g.left.row {
		if i > 0 {
			g.buffer.WriteByte('\t')
		}
		copyText(&g.buffer, value)
	}
	g.buffer.WriteByte('\n')
	return nil
}

// copyText writes a value as COPY reads it; nil is NULL.
func copyText(into *bytes.Buffer, value []byte) {
	if value == nil {
		into.WriteString(`\N`)
		return
	}
	for _, c := range value {
		switch c {
		case '\\':
			into.WriteString(`\\`)
		case '\n':
			into.WriteString(`\n`)
		case '\r':
			into.WriteString(`\r`)
		case '\t':
			into.WriteString(`\t`)
		default:
			into.WriteByte(c)
		}
	}
}
