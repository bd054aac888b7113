package neon_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/lifeboat-dr/lifeboat/internal/devstack/neon"
	"github.com/lifeboat-dr/lifeboat/internal/devstack/pgserver"
)

const testKey = "test-key"

// site is an emulator under test with a client whose every call is held against Neon's document.
type site struct {
	t      testing.TB
	e      *neon.Emulator
	cfg    neon.Config
	server *httptest.Server
	client *http.Client
}

// newSite starts an empty emulator in a folder that servers can reach.
func newSite(t *testing.T, change func(*neon.Config)) *site {
	t.Helper()
	dir := pgserver.TestDir(t)
	cfg := testConfig(t, filepath.Join(dir, "site"))
	if change != nil {
		change(&cfg)
	}
	s := &site{t: t, cfg: cfg, client: &http.Client{Transport: newContract(t)}}
	s.open()
	t.Cleanup(s.close)
	return s
}

func testConfig(t testing.TB, dir string) neon.Config {
	return neon.Config{
		Dir: dir, Region: "aws-us-east-2", Addresses: testRange(t), APIKey: testKey, NoSync: true,
		Log: slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelWarn})),
	}
}

// testRange keeps tests apart that run at the same time, in other processes, too: two bytes from the process
// and the name. Should they meet all the same, addresses in use are passed over.
func testRange(t testing.TB, site ...string) netip.Prefix {
	h := fnv.New32a()
	fmt.Fprint(h, os.Getpid(), t.Name(), site)
	n := h.Sum32()
	return netip.PrefixFrom(netip.AddrFrom4([4]byte{127, byte(100 + n%100), byte(n >> 8), 0}), 24)
}

func (s *site) open() {
	s.t.Helper()
	e, err := neon.New(s.cfg)
	if err != nil {
		s.t.Fatal(err)
	}
	s.e, s.server = e, httptest.NewServer(e.Handler())
}

func (s *site) close() {
	s.t.Helper()
	if s.e == nil {
		return
	}
	s.server.CloseClientConnections()
	s.server.Close()
	if err := s.e.Close(context.Background()); err != nil {
		s.t.Errorf("close: %v", err)
	}
	s.e = nil
}

// project makes a first project through the Go door.
func (s *site) project() neon.FirstProject {
	s.t.Helper()
	retention := int32(6 * 60 * 60)
	p, err := s.e.CreateProject(s.t.Context(), neon.NewProject{Name: "medlink", RetentionSeconds: &retention})
	if err != nil {
		s.t.Fatal(err)
	}
	return p
}

// send makes a request and returns the status and the decoded body.
func (s *site) send(method, path string, body any) (int, map[string]any) {
	s.t.Helper()
	status, raw, err := s.try(method, path, body)
	if err != nil {
		s.t.Fatal(err)
	}
	answer := map[string]any{}
	if len(raw) > 0 {
		if err := json.Unmarshal(raw, &answer); err != nil {
			s.t.Fatalf("%s %s: %v: %s", method, path, err, raw)
		}
	}
	return status, answer
}

func (s *site) try(method, path string, body any) (int, []byte, error) {
	var content io.Reader
	if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			return 0, nil, err
		}
		content = bytes.NewReader(b)
	}
	r, err := http.NewRequestWithContext(s.t.Context(), method, s.server.URL+path, content)
	if err != nil {
		return 0, nil, err
	}
	r.Header.Set("Authorization", "Bearer "+testKey)
	if body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	resp, err := s.client.Do(r)
	if err != nil {
		return 0, nil, err
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	return resp.StatusCode, raw, err
}

// call makes a request that must succeed.
func (s *site) call(method, path string, body any) map[string]any {
	s.t.Helper()
	status, answer := s.send(method, path, body)
	if status >= 300 {
		s.t.Fatalf("%s %s: %d %v", method, path, status, answer)
	}
	return answer
}

// refused makes a request that must fail, and returns the message.
func (s *site) refused(method, path string, body any, want int) string {
	s.t.Helper()
	status, answer := s.send(method, path, body)
	if status != want {
		s.t.Fatalf("%s %s: %d %v, want %d", method, path, status, answer, want)
	}
	message, _ := answer["message"].(string)
	return message
}

// do makes a request and waits until its operations have finished.
func (s *site) do(method, path string, body any) map[string]any {
	s.t.Helper()
	answer := s.call(method, path, body)
	s.wait(answer)
	return answer
}

func (s *site) wait(answer map[string]any) {
	s.t.Helper()
	for _, op := range answer["operations"].([]any) {
		op := op.(map[string]any)
		path := fmt.Sprintf("/api/v2/projects/%s/operations/%s", op["project_id"], op["id"])
		deadline := time.Now().Add(time.Minute)
		for {
			now := s.call(http.MethodGet, path, nil)["operation"].(map[string]any)
			if now["status"] == "finished" {
				break
			}
			if (now["status"] == "failed" && now["retry_at"] == nil) || now["status"] == "cancelled" || time.Now().After(deadline) {
				s.t.Fatalf("operation %v", now)
			}
			time.Sleep(10 * time.Millisecond)
		}
	}
}

type (
	obj        = map[string]any
	neonConfig = neon.Config
)

func (s *site) branchPath(p neon.FirstProject, branchID string) string {
	return fmt.Sprintf("/api/v2/projects/%s/branches/%s", p.ProjectID, branchID)
}

// branch makes a branch with a compute of a type and returns its id and connection string.
func (s *site) branch(p neon.FirstProject, spec obj, endpointType string) (id, uri string) {
	s.t.Helper()
	body := obj{"branch": spec}
	if endpointType != "" {
		body["endpoints"] = []obj{{"type": endpointType}}
	}
	answer := s.do(http.MethodPost, "/api/v2/projects/"+p.ProjectID+"/branches", body)
	id = answer["branch"].(obj)["id"].(string)
	if endpointType != "" {
		uri = answer["connection_uris"].([]any)[0].(obj)["connection_uri"].(string)
	}
	return id, uri
}

func connect(t testing.TB, uri string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), uri)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(context.Background()) })
	return conn
}

func execute(t testing.TB, uri, sql string) {
	t.Helper()
	conn := connect(t, uri)
	defer conn.Close(context.Background())
	if _, err := conn.Exec(t.Context(), sql); err != nil {
		t.Fatal(err)
	}
}

func query[T any](t testing.TB, uri, sql string) (v T) {
	t.Helper()
	conn := connect(t, uri)
	defer conn.Close(context.Background())
	if err := conn.QueryRow(t.Context(), sql).Scan(&v); err != nil {
		t.Fatal(err)
	}
	return v
}

func rows(t testing.TB, uri string) string {
	t.Helper()
	return query[string](t, uri, "SELECT coalesce(string_agg(n::text, ',' ORDER BY n), '') FROM claims")
}

func wantRows(t testing.TB, uri, want string) {
	t.Helper()
	if got := rows(t, uri); got != want {
		t.Errorf("the branch holds %q, want %q", got, want)
	}
}
