package postgres_test

import (
	"bytes"
	"errors"
	"io"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lifeboat-dr/lifeboat/internal/devstack/pgserver"
	"github.com/lifeboat-dr/lifeboat/internal/postgres"
	"github.com/lifeboat-dr/lifeboat/internal/secret"
)

// slowSource gives its rows again and again; its second read begins when the target is still there and ends
// some time after that was killed.
type slowSource struct {
	rows     []byte
	reads    int
	reading  chan struct{}
	killed   chan struct{}
	returned atomic.Bool
	late     atomic.Bool
}

func (s *slowSource) Read(p []byte) (int, error) {
	if s.reads++; s.reads == 2 { // not guarded: the race detector sees whoever reads after Load returned
		close(s.reading)
		<-s.killed
		time.Sleep(200 * time.Millisecond) // time for Load to return too early
	}
	if s.returned.Load() {
		s.late.Store(true)
	}
	return copy(p, s.rows), nil
}

func TestNothingReadsOnAfterAConnectionDied(t *testing.T) {
	server := pgserver.New(t, pgserver.TestOptions{})
	source := server.Database(t, "owner", "source")
	connectAs(t, source)(`CREATE TABLE t (v text); INSERT INTO t SELECT repeat('x', 1000) FROM generate_series(1, 2000)`)
	d := read(t, source, 1<<30)
	target := server.Database(t, "owner2", "target")
	r, err := postgres.NewRestorer(t.Context(), secret.New(target), "backup-1")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close(t.Context())
	if err := r.Prepare(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := r.PreData(t.Context(), d.archive); err != nil {
		t.Fatal(err)
	}
	chunk := d.contents.Chunks[0]
	in := &slowSource{rows: bytes.Repeat(append(bytes.Repeat([]byte("y"), 1023), '\n'), 16), reading: make(chan struct{}), killed: make(chan struct{})}
	go func() {
		<-in.reading
		server.Exec(t, "postgres", `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'target'`)
		close(in.killed)
	}()
	err = r.Load(t.Context(), d.contents.Catalog, chunk, in)
	in.returned.Store(true)
	reads := in.reads
	if !postgres.Retryable(err) {
		t.Errorf("a killed session: %v", err)
	}
	time.Sleep(300 * time.Millisecond)
	if in.late.Load() || in.reads != reads {
		t.Error("the source was read after Load had returned")
	}
}

// failing gives some rows and then its error.
type failing struct {
	io.Reader
	err error
}

func (f failing) Read(p []byte) (int, error) {
	n, err := f.Reader.Read(p)
	if err == io.EOF {
		err = f.err
	}
	return n, err
}

func TestWhatTheSourceSaysIsTheSources(t *testing.T) {
	server := pgserver.New(t, pgserver.TestOptions{})
	source := server.Database(t, "owner", "source")
	connectAs(t, source)(`CREATE TABLE t (v text); INSERT INTO t VALUES ('one'), ('two')`)
	d := read(t, source, 1<<30)
	r, err := postgres.NewRestorer(t.Context(), secret.New(server.Database(t, "owner2", "target")), "backup-1")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close(t.Context())
	if err := r.Prepare(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := r.PreData(t.Context(), d.archive); err != nil {
		t.Fatal(err)
	}
	chunk := d.contents.Chunks[0]
	broken := errors.New("the store burnt down")
	if err := r.Load(t.Context(), d.contents.Catalog, chunk, failing{bytes.NewReader(d.rows[chunk.ID]), broken}); !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
	if done, err := r.Loaded(t.Context(), chunk); err != nil || done {
		t.Errorf("loaded %t after a failure: %v", done, err)
	}
	if err := r.Load(t.Context(), d.contents.Catalog, chunk, bytes.NewReader(d.rows[chunk.ID])); err != nil {
		t.Errorf("then from a good source: %v", err)
	}
}
