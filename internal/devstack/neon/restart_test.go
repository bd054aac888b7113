package neon_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/lifeboat-dr/lifeboat/internal/devstack/neon"
)

// TestMain doubles as the emulator that is killed in TestKilledEmulator.
func TestMain(m *testing.M) {
	if dir := os.Getenv("NEON_TEST_OWNER"); dir != "" {
		if err := own(dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	os.Exit(m.Run())
}

// own runs an emulator with a project, says so, and never returns.
func own(dir string) error {
	e, err := neon.New(neon.Config{
		Dir: dir, Region: "aws-us-east-2", APIKey: testKey, NoSync: true, Log: slog.New(slog.DiscardHandler),
		Addresses: netip.MustParsePrefix(os.Getenv("NEON_TEST_RANGE")),
	})
	if err != nil {
		return err
	}
	var b strings.Builder
	p, err := e.CreateProject(context.Background(), neon.NewProject{})
	if err != nil {
		return err
	}
	if err := json.NewEncoder(&b).Encode(p); err != nil {
		return err
	}
	fmt.Print(b.String())
	select {}
}

func TestStoppedAndStartedAgain(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	p := s.project()
	execute(t, p.URI, "CREATE TABLE claims (n int); INSERT INTO claims VALUES (1)")
	id, uri := s.branch(p, obj{"name": "child"}, "read_write")
	execute(t, uri, "INSERT INTO claims VALUES (10)")
	s.close()
	if n := postgresBelow(t, s.cfg.Dir); n != 0 {
		t.Errorf("%d servers survived Close", n)
	}
	s.open()
	wantRows(t, p.URI, "1")
	wantRows(t, uri, "1,10")
	if got := s.call(http.MethodGet, s.branchPath(p, id), nil)["branch"].(obj)["name"]; got != "child" {
		t.Errorf("the branch is %v", got)
	}
	s.settled(p.ProjectID)
	_, uri = s.branch(p, obj{"name": "grandchild", "parent_id": id}, "read_only")
	wantRows(t, uri, "1,10")
}

func TestBranchesCutShortAreFinishedByTheNextStart(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	p := s.project()
	execute(t, p.URI, "CREATE TABLE claims (n int); INSERT INTO claims VALUES (1)")
	s.close()
	s.cfg.Latency = 500 * time.Millisecond
	s.open()
	list := "/api/v2/projects/" + p.ProjectID + "/branches"
	answer := s.call(http.MethodPost, list, obj{"branch": obj{"name": "half"}, "endpoints": []obj{{"type": "read_only"}}})
	s.close()
	s.cfg.Latency = 0
	s.open()
	s.settled(p.ProjectID)
	id := answer["branch"].(obj)["id"].(string)
	if got := s.call(http.MethodGet, s.branchPath(p, id), nil)["branch"].(obj)["current_state"]; got != "ready" {
		t.Errorf("the branch is %v", got)
	}
	wantRows(t, answer["connection_uris"].([]any)[0].(obj)["connection_uri"].(string), "1")
}

func TestKilledEmulator(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	s.close()
	if err := os.RemoveAll(s.cfg.Dir); err != nil {
		t.Fatal(err)
	}
	owner := exec.Command(os.Args[0])
	owner.Env = append(os.Environ(), "NEON_TEST_OWNER="+s.cfg.Dir, "NEON_TEST_RANGE="+s.cfg.Addresses.String())
	owner.Stderr = os.Stderr
	out, err := owner.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := owner.Start(); err != nil {
		t.Fatal(err)
	}
	var p neon.FirstProject
	line, err := bufio.NewReader(out).ReadBytes('\n')
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(line, &p); err != nil {
		t.Fatal(err)
	}
	execute(t, p.URI, "CREATE TABLE claims (n int); INSERT INTO claims VALUES (1)")
	if n := postgresBelow(t, s.cfg.Dir); n == 0 {
		t.Fatal("no server found: the check below would prove nothing")
	}
	if err := owner.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = owner.Wait()
	for deadline := time.Now().Add(20 * time.Second); postgresBelow(t, s.cfg.Dir) > 0; {
		if time.Now().After(deadline) {
			t.Fatal("servers outlived the killed emulator")
		}
		time.Sleep(20 * time.Millisecond)
	}
	s.open()
	wantRows(t, p.URI, "1")
	s.settled(p.ProjectID)
	_, uri := s.branch(p, obj{"name": "after"}, "read_only")
	wantRows(t, uri, "1")
}

// postgresBelow counts the postmasters with a data directory below dir.
func postgresBelow(t *testing.T, dir string) (n int) {
	t.Helper()
	lines, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range lines {
		if b, err := os.ReadFile(path); err == nil && strings.Contains(string(b), "\x00-D\x00"+dir+"/") {
			n++
		}
	}
	return n
}
