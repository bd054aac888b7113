package postgres

import (
	"context"
	"fmt"
	"io"
	"sync"

	"github.com/jackc/pgx/v5"

	"github.com/lifeboat-dr/lifeboat/internal/manifest"
)

// Loaded says whether a chunk was loaded by an earlier attempt.
func (r *Restorer) Loaded(ctx context.Context, chunk manifest.Chunk) (bool, error) {
	return r.done(ctx, chunk.ID)
}

// Load loads one chunk and notes it, in one transaction, which commits only when rows, bytes and
// fingerprint are those of the manifest. A chunk that was loaded already is left alone. When Load returns,
// in is no longer read.
func (r *Restorer) Load(ctx context.Context, catalog manifest.Catalog, chunk manifest.Chunk, in io.Reader) error {
	loaded, err := r.Loaded(ctx, chunk)
	if err != nil || loaded {
		return err
	}
	var source error // what the reader says is the reader's, not the server's
	err = r.atomically(ctx, "load chunk "+chunk.ID, func(tx pgx.Tx) error {
		// The bytes are in the source's encoding; the server converts where the target has another one.
		if _, err := tx.Exec(ctx, `SELECT pg_catalog.set_config('client_encoding', $1, true)`, catalog.Encoding); err != nil {
			return err
		}
		counted := &counting{from: in}
		err := load(ctx, tx, catalog, chunk, counted)
		source = counted.end()
		if err != nil {
			return err
		}
		if source != nil {
			return source
		}
		if err := counted.tally.stats().matches(chunk); err != nil {
			return &Error{Op: "load chunk", Object: chunk.ID, Kind: ErrMismatch, Err: err, Hint: "nothing of it was committed"}
		}
		_, err = tx.Exec(ctx, `INSERT INTO `+bookkeeping+`.done (step, rows, fingerprint) VALUES ($1, $2, $3)`, chunk.ID, chunk.Rows, chunk.Fingerprint)
		return err
	})
	if source != nil {
		return fmt.Errorf("load chunk %s: %w", chunk.ID, source)
	}
	return r.explainLoad(err)
}

func load(ctx context.Context, tx pgx.Tx, catalog manifest.Catalog, chunk manifest.Chunk, in io.Reader) error {
	if chunk.Kind == KindLargeObjects {
		return loadObjects(ctx, tx, in)
	}
	table, err := tableOf(catalog, chunk)
	if err != nil {
		return err
	}
	into := tableName(table)
	if len(table.Root) == 2 {
		// A hash may differ on another platform: the parent knows where a row belongs.
		into = relation(table.Root[0], table.Root[1])
	}
	if chunk.Kind == KindExtConfig {
		// The extension's own script may have put rows there.
		if _, err := tx.Exec(ctx, "DELETE FROM ONLY "+into+" "+table.Filter, pgx.QueryExecModeSimpleProtocol); err != nil {
			return err
		}
	}
	query := "COPY " + into
	if len(table.Columns) > 0 {
		query += " (" + columns(table.Columns) + ")"
	}
	_, err = tx.Conn().PgConn().CopyFrom(ctx, in, query+" FROM STDIN")
	return err
}

// loadObjects makes large objects from rows of object, position and bytes. The rows wait in a temporary
// table, so a large object is in memory one slice at a time.
func loadObjects(ctx context.Context, tx pgx.Tx, in io.Reader) error {
	const slices = "pg_temp.lifeboat_slices"
	if _, err := tx.Exec(ctx, "CREATE TEMP TABLE lifeboat_slices (oid oid, pos bigint, data bytea) ON COMMIT DROP"); err != nil {
		return err
	}
	if _, err := tx.Conn().PgConn().CopyFrom(ctx, in, "COPY "+slices+" FROM STDIN"); err != nil {
		return err
	}
	for _, query := range []string{
		"SELECT pg_catalog.count(pg_catalog.lo_create(oid)) FROM (SELECT DISTINCT oid FROM " + slices + ") d",
		"SELECT pg_catalog.count(*) FROM (SELECT pg_catalog.lo_put(oid, pos, data) FROM " + slices + " WHERE pg_catalog.length(data) > 0 OFFSET 0) p",
	} {
		if _, err := tx.Exec(ctx, query); err != nil {
			return err
		}
	}
	return nil
}

// counting tallies what it passes on, and keeps the error of where it reads from. The driver reads in a
// goroutine of its own, which it leaves behind when the connection dies: end waits for that.
type counting struct {
	from  io.Reader
	tally tally

	mu    sync.Mutex
	ended bool
	err   error
}

func (c *counting) Read(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ended {
		return 0, io.ErrClosedPipe
	}
	n, err := c.from.Read(p)
	c.tally.write(p[:n])
	if err != nil && err != io.EOF {
		c.err = err
	}
	return n, err
}

// end waits for a read that is under way and refuses all later ones. It returns what was wrong with the source.
func (c *counting) end() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ended = true
	return c.err
}
