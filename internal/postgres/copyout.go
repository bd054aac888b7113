package postgres

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/lifeboat-dr/lifeboat/internal/manifest"
)

// runBytes is how much is gathered before it is handed on. A row that is larger than that goes on alone.
const runBytes = 256 << 10

// CopyOut reads one chunk and hands it to w in runs of whole rows, in COPY text. The buffer that w gets
// is used again. The session has to be one of [Connect] with ReadOnly, and every chunk of one database has
// to be read from the same snapshot. Nothing is kept, so it is safe to repeat.
func CopyOut(ctx context.Context, conn *pgx.Conn, catalog manifest.Catalog, chunk manifest.Chunk, w io.Writer) (Stats, error) {
	query, object, err := copyQuery(catalog, chunk)
	if err != nil {
		return Stats{}, err
	}
	return copyOut(ctx, conn, query, object, newTally(), w)
}

func copyOut(ctx context.Context, conn *pgx.Conn, query, object string, count *tally, w io.Writer) (Stats, error) {
	runs := &runWriter{to: w, count: count}
	tag, err := conn.PgConn().CopyTo(ctx, runs, query)
	if err == nil {
		err = runs.flush()
	}
	if runs.err != nil {
		// What the sink says is the sink's, whatever became of the connection.
		return Stats{}, fmt.Errorf("copy %s: %w", object, runs.err)
	}
	if err != nil {
		return Stats{}, fail("copy", object, err)
	}
	stats := count.stats()
	if len(count.begun) > 0 || stats.Rows != tag.RowsAffected() {
		return Stats{}, &Error{Op: "copy", Object: object, Kind: ErrMismatch,
			Err: fmt.Errorf("%d rows came where the server says %d", stats.Rows, tag.RowsAffected())}
	}
	return stats, nil
}

// runWriter gathers rows. The server sends one row a message, but nothing here leans on it.
type runWriter struct {
	to    io.Writer
	count *tally
	buf   []byte
	err   error
}

func (r *runWriter) Write(p []byte) (int, error) {
	if len(r.buf)+len(p) > runBytes {
		if err := r.flush(); err != nil {
			return 0, err
		}
	}
	if len(r.buf) == 0 && len(p) >= runBytes && p[len(p)-1] == '\n' {
		return len(p), r.hand(p)
	}
	r.buf = append(r.buf, p...)
	return len(p), nil
}

// flush hands on the whole rows that were gathered.
func (r *runWriter) flush() error {
	end := bytes.LastIndexByte(r.buf, '\n') + 1
	if end == 0 {
		return nil
	}
	if err := r.hand(r.buf[:end]); err != nil {
		return err
	}
	r.buf = r.buf[:copy(r.buf, r.buf[end:])]
	if cap(r.buf) > 4*runBytes && len(r.buf) == 0 {
		r.buf = nil // do not hold on to the room of one huge row
	}
	return nil
}

func (r *runWriter) hand(p []byte) error {
	r.count.write(p)
	if _, err := r.to.Write(p); err != nil {
		r.err = err
		return err
	}
	return nil
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
