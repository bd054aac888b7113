package postgres_test

import (
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/lifeboat-dr/lifeboat/internal/devstack/pgserver"
	"github.com/lifeboat-dr/lifeboat/internal/manifest"
	"github.com/lifeboat-dr/lifeboat/internal/postgres"
	"github.com/lifeboat-dr/lifeboat/internal/secret"
)

// largest is how large the largest piece was.
type largest struct{ piece int }

func (l *largest) Write(p []byte) (int, error) {
	l.piece = max(l.piece, len(p))
	return len(p), nil
}

// stops fails after some bytes.
type stops struct{ left int }

var errStopped = errors.New("the vault is closed")

func (s *stops) Write(p []byte) (int, error) {
	if s.left -= len(p); s.left < 0 {
		return 0, errStopped
	}
	return len(p), nil
}

func TestHugeRows(t *testing.T) {
	server := pgserver.New(t, pgserver.TestOptions{})
	source := server.Database(t, "owner", "source")
	connectAs(t, source)(`
		CREATE TABLE large (id int, v text); CREATE TABLE small (id int); INSERT INTO small SELECT generate_series(1, 1000);
		INSERT INTO large SELECT i, repeat('x', 40000000) FROM generate_series(1, 2) i;
		CREATE TABLE too_large (v bytea); INSERT INTO too_large SELECT convert_to(repeat('y', 540000000), 'UTF8');`)
	ctx := t.Context()
	conn, err := postgres.Connect(ctx, secret.New(source), postgres.Options{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(ctx)
	catalog, err := postgres.Inspect(ctx, conn)
	if err != nil {
		t.Fatal(err)
	}
	chunk := func(table string) manifest.Chunk {
		for i, known := range catalog.Tables {
			if known.Name == table {
				return manifest.Chunk{ID: "c00000", Kind: postgres.KindTable, Table: i}
			}
		}
		t.Fatalf("no table %s", table)
		return manifest.Chunk{}
	}
	var pieces largest
	stats, err := postgres.CopyOut(ctx, conn, catalog, chunk("large"), &pieces)
	if err != nil || stats.Rows != 2 || stats.Bytes != 80_000_006 {
		t.Errorf("large rows: %+v, %v", stats, err)
	}
	if pieces.piece > 256<<10 {
		t.Errorf("a piece of %d bytes", pieces.piece)
	}
	// The session goes on after the server's own limit was met, as far as its transaction lets it.
	_, err = postgres.CopyOut(ctx, conn, catalog, chunk("too_large"), io.Discard)
	if !errors.Is(err, postgres.ErrRowTooLarge) || !strings.Contains(err.Error(), `"public"."too_large"`) || postgres.Retryable(err) {
		t.Errorf("a row that the server cannot write: %v", err)
	}
	if _, err := conn.Exec(ctx, "ROLLBACK"); err != nil {
		t.Fatal(err)
	}
	stats, err = postgres.CopyOut(ctx, conn, catalog, chunk("small"), io.Discard)
	if err != nil || stats.Rows != 1000 {
		t.Errorf("then small rows: %+v, %v", stats, err)
	}
	_, err = postgres.CopyOut(ctx, conn, catalog, chunk("large"), &stops{left: 1 << 20})
	if !errors.Is(err, errStopped) {
		t.Errorf("a sink that stops: %v", err)
	}
	if _, err := postgres.CopyOut(ctx, conn, catalog, chunk("small"), io.Discard); err == nil {
		t.Error("a session whose rows were lost goes on")
	}
}
