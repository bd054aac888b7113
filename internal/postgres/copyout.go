package postgres

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/lifeboat-dr/lifeboat/internal/manifest"
)

// CopyOut reads one chunk and hands it to w as COPY text, in pieces that end anywhere and are small whatever
// the rows are. The buffer that w gets is used again. The session has to be one of [Connect] with ReadOnly,
// and every chunk of one database has to be read from the same snapshot. Nothing is kept, so it is safe to repeat.
func CopyOut(ctx context.Context, conn *pgx.Conn, catalog manifest.Catalog, chunk manifest.Chunk, w io.Writer) (Stats, error) {
	query, object, err := copyQuery(catalog, chunk)
	if err != nil {
		return Stats{}, err
	}
	return copyOut(ctx, conn, query, object, w)
}

func copyOut(ctx context.Context, conn *pgx.Conn, query, object string, w io.Writer) (Stats, error) {
	tap, err := tapOf(conn)
	if err != nil {
		return Stats{}, err
	}
	var count tally
	var sunk error
	tap.divert(func(p []byte) error {
		count.write(p)
		_, sunk = w.Write(p)
		return sunk
	})
	defer tap.divert(nil)
	tag, err := conn.PgConn().CopyTo(ctx, io.Discard, query)
	if sunk != nil {
		// What the sink says is the sink's, whatever became of the connection.
		return Stats{}, fmt.Errorf("copy %s: %w", object, sunk)
	}
	if err != nil {
		return Stats{}, tooLarge(object, err)
	}
	stats := count.stats()
	if count.begun || stats.Rows != tag.RowsAffected() {
		return Stats{}, &Error{Op: "copy", Object: object, Kind: ErrMismatch,
			Err: fmt.Errorf("%d rows came where the server says %d", stats.Rows, tag.RowsAffected())}
	}
	return stats, nil
}

// ErrRowTooLarge says that PostgreSQL itself cannot write a row as text: it has more than 1 GiB of it. A bytea
// has two digits a byte, so half a gigabyte is enough.
var ErrRowTooLarge = errors.New("a row is larger than PostgreSQL can write")

// tooLarge tells a row beyond PostgreSQL's own limit from other failures.
func tooLarge(object string, err error) error {
	failed := fail("copy", object, err)
	var pg *pgconn.PgError
	if !errors.As(err, &pg) || (pg.Code != "54000" && !strings.HasPrefix(pg.Message, "invalid memory alloc request size")) {
		return failed
	}
	return &Error{Op: "copy", Object: object, Kind: ErrRowTooLarge, Code: pg.Code, Err: ErrRowTooLarge,
		Hint: "pg_dump cannot read it either: find the row by octet_length() and split or move its value"}
}

// copyQuery is the statement that writes a chunk's rows.
func copyQuery(catalog manifest.Catalog, chunk manifest.Chunk) (query, object string, err error) {
	if chunk.Kind == KindLargeObjects {
		list, err := objectsOf(catalog, chunk)
		if err != nil {
			return "", "", err
		}
		return copyObjects(list), "large objects of chunk " + chunk.ID, nil
	}
	table, err := tableOf(catalog, chunk)
	if err != nil {
		return "", "", err
	}
	object = tableName(table)
	if chunk.Kind == KindExtConfig {
		if where := strings.TrimSpace(table.Filter); where != "" {
			return "COPY (SELECT " + columns(table.Columns) + " FROM ONLY " + object + " " + where + ") TO STDOUT", object, nil
		}
	}
	if chunk.Range == (manifest.Range{}) && len(table.Columns) > 0 {
		// COPY of a table reads that table only, never its children, and is quicker than a query.
		return "COPY " + object + " (" + columns(table.Columns) + ") TO STDOUT", object, nil
	}
	var where []string
	if from := chunk.Range.From; from > 0 {
		where = append(where, "ctid >= '("+strconv.FormatUint(uint64(from), 10)+",0)'")
	}
	if to := chunk.Range.To; to > 0 {
		where = append(where, "ctid < '("+strconv.FormatUint(uint64(to), 10)+",0)'")
	}
	query = "COPY (SELECT " + columns(table.Columns) + " FROM ONLY " + object
	if len(where) > 0 {
		query += " WHERE " + strings.Join(where, " AND ")
	}
	return query + ") TO STDOUT", object, nil
}

func tableOf(catalog manifest.Catalog, chunk manifest.Chunk) (manifest.Table, error) {
	if chunk.Table < 0 || chunk.Table >= len(catalog.Tables) || (chunk.Kind != KindTable && chunk.Kind != KindExtConfig) {
		return manifest.Table{}, &Error{Op: "find table of chunk", Object: chunk.ID, Kind: ErrInvalid, Err: errors.New("the catalog does not know it")}
	}
	return catalog.Tables[chunk.Table], nil
}
