package standby_test

import (
	"context"
	"fmt"
	"hash/fnv"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/lifeboat-dr/lifeboat/internal/devstack/neon"
	"github.com/lifeboat-dr/lifeboat/internal/devstack/pgserver"
	"github.com/lifeboat-dr/lifeboat/internal/secret"
)

// site is one region: an emulated Neon with a project.
type site struct {
	t       testing.TB
	e       *neon.Emulator
	api     *httptest.Server
	project neon.FirstProject
	// address is the way to the project's database as its owner, who is no superuser.
	address secret.String
}

func newSite(t *testing.T, region string) *site {
	t.Helper()
	h := fnv.New32a()
	fmt.Fprint(h, os.Getpid(), t.Name(), region)
	n := h.Sum32()
	e, err := neon.New(neon.Config{
		Dir: filepath.Join(pgserver.TestDir(t), "site"), Region: region, APIKey: "key", NoSync: true,
		Addresses: netip.PrefixFrom(netip.AddrFrom4([4]byte{127, byte(100 + n%100), byte(n >> 8), 0}), 24),
		Log:       slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelError})),
	})
	if err != nil {
		t.Fatal(err)
	}
	s := &site{t: t, e: e, api: httptest.NewServer(e.Handler())}
	t.Cleanup(s.die)
	in := neon.NewProject{Name: "medlink"}
	in.Branch.Role, in.Branch.Database = "medlink_owner", "medlink"
	if s.project, err = e.CreateProject(t.Context(), in); err != nil {
		t.Fatal(err)
	}
	s.address = secret.New(s.project.URI)
	return s
}

// die ends everything of the site.
func (s *site) die() {
	if s.e == nil {
		return
	}
	s.api.Close()
	if err := s.e.Close(context.Background()); err != nil {
		s.t.Errorf("close: %v", err)
	}
	s.e = nil
}

// restart restarts the compute, which drops every connection.
func (s *site) restart() {
	s.t.Helper()
	url := fmt.Sprintf("%s/api/v2/projects/%s/endpoints/%s/restart", s.api.URL, s.project.ProjectID, s.project.EndpointID)
	req, err := http.NewRequestWithContext(s.t.Context(), http.MethodPost, url, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer key")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		s.t.Fatalf("restart: %s", resp.Status)
	}
}

func (s *site) connect() *pgx.Conn {
	s.t.Helper()
	conn, err := pgx.Connect(s.t.Context(), s.address.Reveal())
	if err != nil {
		s.t.Fatal(err)
	}
	return conn
}

func (s *site) exec(statements ...string) {
	s.t.Helper()
	conn := s.connect()
	defer conn.Close(context.Background())
	for _, sql := range statements {
		if _, err := conn.Exec(s.t.Context(), sql); err != nil {
			s.t.Fatalf("%s: %v", sql, err)
		}
	}
}

func value[T any](s *site, sql string, args ...any) (v T) {
	s.t.Helper()
	conn := s.connect()
	defer conn.Close(context.Background())
	if err := conn.QueryRow(s.t.Context(), sql, args...).Scan(&v); err != nil {
		s.t.Fatalf("%s: %v", sql, err)
	}
	return v
}

// eventually waits for what a server does by itself.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for limit := time.Now().Add(60 * time.Second); !holds(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(limit) {
			t.Fatalf("%s: it never came to it", what)
		}
	}
}

// discreet fails when an error or a report shows a password.
func discreet(t *testing.T, sites []*site, shown ...any) {
	t.Helper()
	for _, s := range sites {
		cfg, err := pgx.ParseConfig(s.address.Reveal())
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(fmt.Sprint(shown...), cfg.Password) {
			t.Error("a password is shown")
		}
	}
}
