package neon

import (
	"bytes"
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	emulator "github.com/lifeboat-dr/lifeboat/internal/devstack/neon"
	"github.com/lifeboat-dr/lifeboat/internal/secret"
)

const (
	database = "claims"
	owner    = "claims_owner"
)

// road is the way to the emulator, on which answers can be lost after the emulator did its work.
type road struct {
	http.Handler
	mu   sync.Mutex
	lose map[string]int // by method
	seen []string
}

func (r *road) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	r.mu.Lock()
	r.seen = append(r.seen, req.Method+" "+req.URL.Path)
	lost := r.lose[req.Method] > 0
	if lost {
		r.lose[req.Method]--
	}
	r.mu.Unlock()
	if !lost {
		r.Handler.ServeHTTP(w, req)
		return
	}
	r.Handler.ServeHTTP(httptest.NewRecorder(), req)
	if conn, _, err := w.(http.Hijacker).Hijack(); err == nil {
		_ = conn.Close()
	}
}

func (r *road) count(method string) (n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, s := range r.seen {
		if len(s) > len(method) && s[:len(method)] == method {
			n++
		}
	}
	return n
}

// rig is an emulator with one project and a client of it.
type rig struct {
	emulator *emulator.Emulator
	project  emulator.FirstProject
	client   *Client
	road     *road
	main     *pgx.Conn
	log      bytes.Buffer // written to by slog's handler, one line at a time
}

func newRig(t *testing.T) *rig {
	t.Helper()
	dir, err := os.MkdirTemp("", "lbneon")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	if err := os.Chmod(dir, 0o711); err != nil {
		t.Fatal(err)
	}
	e, err := emulator.New(emulator.Config{
		Dir: filepath.Join(dir, "east"), Region: "aws-us-east-2", Addresses: netip.MustParsePrefix("127.91.0.0/16"), APIKey: testKey, NoSync: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.Close(context.Background()); err != nil { // the test's own context has ended
			t.Error(err)
		}
	})
	in := emulator.NewProject{}
	in.Branch.Database, in.Branch.Role = database, owner
	p, err := e.CreateProject(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{emulator: e, project: p, road: &road{Handler: e.Handler(), lose: map[string]int{}}}
	server := httptest.NewServer(r.road)
	t.Cleanup(server.Close)
	r.client, err = New(Config{
		BaseURL: server.URL + "/api/v2", Key: func() (secret.String, error) { return secret.New(testKey), nil },
		Log: slog.New(slog.NewTextHandler(&r.log, &slog.HandlerOptions{Level: slog.LevelDebug})), PollInterval: 20 * time.Millisecond, RetryBudget: 30 * time.Second, FailedGrace: time.Second,
	})
	if err != nil {
		t.Fatal(err)
	}
	r.main = r.connect(t, ConnectionSpec{Branch: p.BranchID})
	r.exec(t, "CREATE TABLE claims (n int)")
	return r
}

func (r *rig) connect(t *testing.T, spec ConnectionSpec) *pgx.Conn {
	t.Helper()
	spec.Project, spec.Database, spec.Role = r.project.ProjectID, database, owner
	uri, err := r.client.ConnectionURI(t.Context(), spec)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := pgx.Connect(t.Context(), uri.Reveal())
	if err != nil {
		t.Fatalf("connect: %v", err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

func (r *rig) exec(t *testing.T, sql string) {
	t.Helper()
	if _, err := r.main.Exec(t.Context(), sql); err != nil {
		t.Fatal(err)
	}
}

func rows(t *testing.T, conn *pgx.Conn) (n int) {
	t.Helper()
	if err := conn.QueryRow(t.Context(), "SELECT count(*) FROM claims").Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

// now is the server's time and position after everything that was committed.
func (r *rig) now(t *testing.T) (at time.Time, lsn string) {
	t.Helper()
	if err := r.main.QueryRow(t.Context(), "SELECT clock_timestamp(), pg_current_wal_flush_lsn()::text").Scan(&at, &lsn); err != nil {
		t.Fatal(err)
	}
	return at, lsn
}
