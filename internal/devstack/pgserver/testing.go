package pgserver

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"testing"

	"github.com/jackc/pgx/v5"
)

// TestOptions describe a server for a test. The zero value is a good choice.
type TestOptions struct {
	// Settings override postgresql.conf, for example {"wal_level": "logical"}.
	Settings map[string]string
	// Encoding, Locale and InitArgs go to [Init].
	Encoding, Locale string
	InitArgs         []string
}

// New gives a test an empty, running server of its own on a free port of 127.0.0.1, without fsync. It is
// removed with everything in it when the test ends, and dies with the test's process in any case.
func New(t testing.TB, opt TestOptions) *Server {
	t.Helper()
	dir, err := os.MkdirTemp("", "lbpgtest")
	if err != nil {
		t.Fatalf("make folder of the server: %v", err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Errorf("remove folder of the server: %v", err)
		}
	})
	if err := Own(dir); err != nil {
		t.Fatal(err)
	}
	data := filepath.Join(dir, "data")
	err = Init(t.Context(), InitOptions{Dir: data, Encoding: opt.Encoding, Locale: opt.Locale, NoSync: true, Args: opt.InitArgs})
	if err != nil {
		t.Fatal(err)
	}
	s, err := Start(t.Context(), Options{
		Dir: data, NoSync: true, Settings: opt.Settings,
		Listen: netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), 0),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Stop(Immediate); err != nil {
			t.Errorf("stop server: %v", err)
		}
	})
	return s
}

// Database makes a plain login role (no superuser, no special right) and a database it owns, and
// returns the URL to connect with over TCP. The public schema belongs to the role.
func (s *Server) Database(t testing.TB, role, database string) string {
	t.Helper()
	password := rand.Text()
	s.Exec(t, "postgres", fmt.Sprintf("CREATE ROLE %s LOGIN PASSWORD '%s'", ident(role), password))
	s.Exec(t, "postgres", fmt.Sprintf("CREATE DATABASE %s OWNER %s", ident(database), ident(role)))
	s.Exec(t, database, fmt.Sprintf("ALTER SCHEMA public OWNER TO %s", ident(role)))
	return s.URL(role, password, database)
}

// Exec runs SQL, several statements if need be, as the superuser.
func (s *Server) Exec(t testing.TB, database, sql string) {
	t.Helper()
	conn, err := s.Connect(t.Context(), database)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.WithoutCancel(t.Context()))
	if _, err := conn.PgConn().Exec(t.Context(), sql).ReadAll(); err != nil {
		t.Fatalf("execute as superuser: %v", err)
	}
}

func ident(name string) string { return pgx.Identifier{name}.Sanitize() }
