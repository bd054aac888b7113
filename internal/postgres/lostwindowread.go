package postgres

import (
	"context"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

type tableID struct{ schema, name string }

// column is one of a table; key counts from 1 in the primary key, and is 0 outside of it.
type column struct {
	name, kind string
	key        int
}

// shape is a table of one state.
type shape struct {
	id      tableID
	there   bool
	columns []column
}

func (s shape) typeOf(name string) (string, bool) {
	for _, c := range s.columns {
		if c.name == name {
			return c.kind, true
		}
	}
	return "", false
}

func (s shape) key() (key []column) {
	for _, c := range s.columns {
		if c.key > 0 {
			key = append(key, c)
		}
	}
	slices.SortFunc(key, func(a, b column) int { return a.key - b.key })
	return key
}

// sameColumns says whether both have the same columns, in whatever order.
func (s shape) sameColumns(o shape) bool {
	for _, c := range s.columns {
		if kind, there := o.typeOf(c.name); !there || kind != c.kind {
			return false
		}
	}
	return len(s.columns) == len(o.columns)
}

// shapes are all tables with rows of their own, by name.
func shapes(ctx context.Context, conn *pgx.Conn) ([]shape, error) {
	catalog, err := Inspect(ctx, conn)
	if err != nil {
		return nil, err
	}
	all := make([]shape, len(catalog.Tables))
	place := map[uint32]int{}
	oids := make([]string, len(all))
	for i, t := range catalog.Tables {
		all[i] = shape{id: tableID{t.Schema, t.Name}, there: true}
		place[t.OID] = i
		oids[i] = strconv.FormatUint(uint64(t.OID), 10)
	}
	rows, err := conn.Query(ctx, `SELECT a.attrelid, a.attname::text, pg_catalog.format_type(a.atttypid, a.atttypmod),
		COALESCE((SELECT k.n FROM pg_catalog.unnest(i.indkey::pg_catalog.int2[]) WITH ORDINALITY AS k (attnum, n)
			WHERE k.attnum = a.attnum AND k.n <= i.indnkeyatts), 0)::int
		FROM pg_catalog.pg_attribute a
		LEFT JOIN pg_catalog.pg_index i ON i.indrelid = a.attrelid AND i.indisprimary AND i.indisvalid
		WHERE a.attrelid = ANY ($1::text::oid[]) AND a.attnum > 0 AND NOT a.attisdropped
		ORDER BY a.attrelid, a.attnum`, "{"+strings.Join(oids, ",")+"}")
	if err != nil {
		return nil, fail("list columns", "", err)
	}
	var oid uint32
	var c column
	_, err = pgx.ForEachRow(rows, []any{&oid, &c.name, &c.kind, &c.key}, func() error {
		all[place[oid]].columns = append(all[place[oid]].columns, c)
		return nil
	})
	return all, fail("list columns", "", err)
}

// readingPlan is how both states of a table are read, so that their rows can be laid beside each other.
type readingPlan struct {
	keyed   bool
	key     []column
	columns []string
	value   string
	// rows are columns whose values are read, too.
	rows []string
}

// readingOf plans to read what both states have; of a table that only one has, all of it.
func readingOf(a, b shape) readingPlan {
	if !a.there {
		a, b = b, a
	}
	q := readingPlan{key: a.key()}
	for _, c := range a.columns {
		if _, both := b.typeOf(c.name); both || !b.there {
			q.columns = append(q.columns, c.name)
		}
	}
	q.keyed = len(q.key) > 0 && (!b.there || slices.Equal(q.key, b.key()))
	return q
}

// fixed are types whose binary form, with the sign of integers turned, sorts as their values do. Then an index gives
// the order. All others are read in the order of a digest of the key, which does not depend on collations.
var fixed = map[string]string{"smallint": "int8send(%s::bigint)", "integer": "int8send(%s::bigint)", "bigint": "int8send(%s)", "uuid": "uuid_send(%s)"}

// query reads keys, digests of rows and what they are worth, in the order of keys. Flips are where signs have to be
// turned.
func (q readingPlan) query(id tableID, valued bool) (text string, flips []int) {
	digest := func(names []string) string {
		return "pg_catalog.sha256(pg_catalog.textsend(ROW(" + columns(names) + ")::text))"
	}
	key, order := digest(q.columns), "1"
	if q.keyed {
		var parts, names []string
		at := 0
		for _, c := range q.key {
			names = append(names, c.name)
			if send, ok := fixed[c.kind]; ok {
				parts = append(parts, "pg_catalog."+fmt.Sprintf(send, ident(c.name)))
				if c.kind == "uuid" {
					at += 16
				} else {
					flips = append(flips, at)
					at += 8
				}
			}
		}
		if len(parts) == len(names) {
			// Qualified: a result column may have the name of a key's column.
			key, order = strings.Join(parts, " || "), "r."+strings.Join(idents(names), ", r.")
		} else {
			key, flips = digest(names), nil
		}
	}
	value := "NULL"
	if valued {
		value = "r." + ident(q.value) + "::numeric::text"
	}
	for _, name := range idents(q.rows) {
		value += ", r." + name
	}
	return "SELECT " + key + ", " + digest(q.columns) + ", " + value + " FROM ONLY " + relation(id.schema, id.name) + " AS r ORDER BY " + order, flips
}

// reading is one state's rows as they go by. Only the newest is held.
type reading struct {
	table  string
	rows   *pgconn.ResultReader
	flips  []int
	more   bool
	key    []byte
	digest []byte
	value  *big.Rat
	// row is the text of the columns that were asked for; nil is NULL. It is the server's buffer, good until the next row.
	row [][]byte
}

// open begins to read, below pgx, which would choose the format of results itself: keys are compared as the bytes
// that they are.
func (q readingPlan) open(ctx context.Context, conn *pgx.Conn, s shape) *reading {
	r := &reading{table: relation(s.id.schema, s.id.name)}
	if !s.there {
		return r
	}
	_, valued := s.typeOf(q.value)
	var text string
	text, r.flips = q.query(s.id, valued)
	formats := append([]int16{pgx.BinaryFormatCode, pgx.BinaryFormatCode, pgx.TextFormatCode}, make([]int16, len(q.rows))...)
	r.rows = conn.PgConn().ExecParams(ctx, text, nil, nil, nil, formats)
	return r
}

// close reads away what is left.
func (r *reading) close() {
	if r.rows != nil {
		_, _ = r.rows.Close() // its error was told by next
	}
}

// next goes to the next row, if there is one.
func (r *reading) next() error {
	if r.rows == nil {
		return nil
	}
	if r.more = r.rows.NextRow(); !r.more {
		if _, err := r.rows.Close(); err != nil {
			return tooLarge(r.table, err)
		}
		return nil
	}
	raw := r.rows.Values()
	r.key, r.digest, r.value, r.row = append(r.key[:0], raw[0]...), append(r.digest[:0], raw[1]...), nil, raw[3:]
	for _, at := range r.flips {
		r.key[at] ^= 0x80
	}
	if raw[2] == nil {
		return nil
	}
	value, ok := new(big.Rat).SetString(string(raw[2]))
	if !ok { // NaN and the infinities of numeric
		return &Error{Op: "compare", Object: r.table, Kind: ErrInvalid, Err: errors.New("what a row is worth is no finite number")}
	}
	r.value = value
	return nil
}
