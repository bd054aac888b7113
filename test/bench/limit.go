package main

import (
	"bufio"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgproto3"
	"golang.org/x/sync/errgroup"

	"github.com/lifeboat-dr/lifeboat/internal/manifest"
	"github.com/lifeboat-dr/lifeboat/internal/postgres"
	"github.com/lifeboat-dr/lifeboat/internal/secret"
)

// copyLimit is what no text backup can beat: the same chunks over the same number of connections with the same
// settings, and the rows thrown away unread. Arguments: the address's variable, connections, bytes of a chunk.
// It prints how many bytes came and in how many seconds, from the first connection on: planning is not part of
// the limit.
func copyLimit(ctx context.Context, args []string, out io.Writer) error {
	address := secret.New(os.Getenv(args[0]))
	connections, err := strconv.Atoi(args[1])
	if err != nil {
		return fmt.Errorf("read number of connections: %w", err)
	}
	target, err := strconv.ParseInt(args[2], 10, 64)
	if err != nil {
		return fmt.Errorf("read size of chunks: %w", err)
	}
	held, err := postgres.Export(ctx, address, "limit")
	if err != nil {
		return err
	}
	defer held.Close(ctx)
	session, err := postgres.Connect(ctx, address, postgres.Options{Snapshot: held.ID, ReadOnly: true})
	if err != nil {
		return err
	}
	catalog, err := postgres.Inspect(ctx, session)
	session.Close(ctx)
	if err != nil {
		return err
	}
	began := time.Now()
	work := make(chan manifest.Chunk)
	var total atomic.Int64
	group, ctx := errgroup.WithContext(ctx)
	for range connections {
		group.Go(func() error {
			line, err := openDrain(ctx, address, held.ID)
			if err != nil {
				return err
			}
			defer line.close()
			for chunk := range work {
				n, err := line.read(catalog, chunk)
				if err != nil {
					return err
				}
				total.Add(n)
			}
			return nil
		})
	}
	group.Go(func() error {
		defer close(work)
		for _, chunk := range postgres.Split(catalog, postgres.SplitOptions{TargetBytes: target}) {
			select {
			case work <- chunk:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		return nil
	})
	if err := group.Wait(); err != nil {
		return err
	}
	_, err = fmt.Fprintln(out, total.Load(), time.Since(began).Seconds())
	return err
}

// drain reads COPY's messages off the wire and nothing else: the driver's own way costs more.
type drain struct {
	conn *pgconn.HijackedConn
	in   *bufio.Reader
}

func openDrain(ctx context.Context, address secret.String, snapshot string) (*drain, error) {
	conn, err := postgres.Connect(ctx, address, postgres.Options{Snapshot: snapshot, ReadOnly: true})
	if err != nil {
		return nil, err
	}
	raw, err := conn.PgConn().Hijack()
	if err != nil {
		return nil, fmt.Errorf("take over connection: %w", err)
	}
	return &drain{conn: raw, in: bufio.NewReaderSize(raw.Conn, 256<<10)}, nil
}

func (d *drain) close() { _ = d.conn.Conn.Close() }

// read has one chunk sent and counts its bytes.
func (d *drain) read(catalog manifest.Catalog, chunk manifest.Chunk) (bytes int64, err error) {
	query, err := chunkQuery(catalog, chunk)
	if err != nil {
		return 0, err
	}
	d.conn.Frontend.Send(&pgproto3.Query{String: query})
	if err := d.conn.Frontend.Flush(); err != nil {
		return 0, fmt.Errorf("ask for chunk: %w", err)
	}
	for {
		var head [5]byte
		if _, err := io.ReadFull(d.in, head[:]); err != nil {
			return 0, fmt.Errorf("read message: %w", err)
		}
		body := int(binary.BigEndian.Uint32(head[1:])) - 4
		if _, err := d.in.Discard(body); err != nil {
			return 0, fmt.Errorf("read message: %w", err)
		}
		switch head[0] {
		case 'd':
			bytes += int64(body)
		case 'E':
			return 0, errors.New("the server refused to copy")
		case 'Z':
			return bytes, nil
		}
	}
}

// chunkQuery is the statement that Lifeboat reads a chunk with.
func chunkQuery(catalog manifest.Catalog, chunk manifest.Chunk) (string, error) {
	if chunk.Kind != postgres.KindTable {
		return "", fmt.Errorf("the generated database has no chunks of kind %s", chunk.Kind)
	}
	table := catalog.Tables[chunk.Table]
	columns := make([]string, len(table.Columns))
	for i, c := range table.Columns {
		columns[i] = pgx.Identifier{c}.Sanitize()
	}
	name := pgx.Identifier{table.Schema, table.Name}.Sanitize()
	if chunk.Range == (manifest.Range{}) && len(columns) > 0 {
		return fmt.Sprintf("COPY %s (%s) TO STDOUT", name, strings.Join(columns, ", ")), nil
	}
	where := fmt.Sprintf(" WHERE ctid >= '(%d,0)'", chunk.Range.From)
	if chunk.Range.To > 0 {
		where += fmt.Sprintf(" AND ctid < '(%d,0)'", chunk.Range.To)
	}
	return fmt.Sprintf("COPY (SELECT %s FROM ONLY %s%s) TO STDOUT", strings.Join(columns, ", "), name, where), nil
}
