package stack_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/lifeboat-dr/lifeboat/internal/devstack/medlink"
	"github.com/lifeboat-dr/lifeboat/internal/devstack/pgserver"
	"github.com/lifeboat-dr/lifeboat/internal/devstack/stack"
	"github.com/lifeboat-dr/lifeboat/internal/neon"
	"github.com/lifeboat-dr/lifeboat/internal/secret"
	"github.com/lifeboat-dr/lifeboat/internal/traffic"
)

// TestMain doubles as the children of the stack.
func TestMain(m *testing.M) {
	if ran, err := stack.MaybeRun(); ran {
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// TestTheApplicationMovesAndLosesNothing: while it writes claims all the time, its door is held for three
// seconds, moved to a branch and opened. It sees no error, and every claim that was acknowledged is where it
// has to be. Then the door's process is killed while it is held, and comes back held.
func TestTheApplicationMovesAndLosesNothing(t *testing.T) {
	s, err := stack.Start(t.Context(), stack.Options{Dir: pgserver.TestDir(t), Bytes: 1 << 20, Rate: 40, NoSync: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Stop)
	site := s.Sites[0]
	door, err := site.Door(s, "medlink")
	if err != nil {
		t.Fatal(err)
	}
	acknowledged(t, s, 20)

	hold(t, door)
	before := acknowledged(t, s, 0)
	address := branch(t, site)
	time.Sleep(3 * time.Second) // how long it is held is what is tested
	if n := len(acknowledged(t, s, 0)); n != len(before) {
		t.Errorf("%d claims were acknowledged through a held door", n-len(before))
	}
	if _, err := door.Move(t.Context(), traffic.MoveRequest{Address: address}); err != nil {
		t.Fatal(err)
	}
	if _, err := door.Open(t.Context(), traffic.OpenRequest{}); err != nil {
		t.Fatal(err)
	}
	all := acknowledged(t, s, len(before)+20)
	if said := applicationLog(t, s); len(said) > 0 {
		t.Errorf("the application saw errors:\n%s", said)
	}
	missing(t, "the new branch", address, all, 0)
	oldConn, err := site.Connect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer oldConn.Close(context.Background())
	if lost, err := medlink.Missing(t.Context(), oldConn, all); err != nil || len(lost) != len(all)-len(before) {
		t.Errorf("the old branch lacks %d of %d claims, want %d: %v", len(lost), len(all), len(all)-len(before), err)
	}

	hold(t, door)
	s.KillDoor(site)
	if err := s.RestartDoor(t.Context(), site); err != nil {
		t.Fatal(err)
	}
	if report, err := door.State(t.Context()); err != nil || report.State != traffic.Held || !report.Settled() {
		t.Fatalf("after a crash: %+v, %v", report, err)
	}
	stood := len(acknowledged(t, s, 0))
	time.Sleep(time.Second) // as above
	if n := len(acknowledged(t, s, 0)); n != stood {
		t.Errorf("%d claims were acknowledged through a door that came up held", n-stood)
	}
	if _, err := door.Open(t.Context(), traffic.OpenRequest{}); err != nil {
		t.Fatal(err)
	}
	missing(t, "the new branch", address, acknowledged(t, s, stood+5), 0)
	if len(applicationLog(t, s)) == 0 {
		t.Error("a crash of the door left no trace with the application: it is not where errors are looked for")
	}
}

func hold(t *testing.T, door traffic.Door) {
	t.Helper()
	if _, err := door.Hold(t.Context(), traffic.HoldRequest{Drain: 10 * time.Second}); err != nil {
		t.Fatal(err)
	}
}

// acknowledged waits until so many claims were acknowledged, and returns all of them.
func acknowledged(t *testing.T, s *stack.Stack, least int) []medlink.Entry {
	t.Helper()
	deadline := time.Now().Add(time.Minute)
	for {
		entries, err := medlink.Acknowledged(s.Ledger)
		if err != nil && !errors.Is(err, fs.ErrNotExist) { // the application has just been started
			t.Fatal(err)
		}
		if len(entries) >= least {
			return entries
		}
		if time.Now().After(deadline) {
			t.Fatalf("only %d claims were acknowledged, want %d; the application said:\n%s", len(entries), least, applicationLog(t, s))
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// branch makes a branch of production as it is now, with a compute, and returns the way to it.
func branch(t *testing.T, site *stack.Site) secret.String {
	t.Helper()
	client, err := site.Neon()
	if err != nil {
		t.Fatal(err)
	}
	made, err := client.EnsureBranch(t.Context(), neon.BranchSpec{Project: site.Project, Name: "lifeboat/door-test/move", Endpoint: neon.ReadWrite})
	if err != nil {
		t.Fatal(err)
	}
	address, err := client.ConnectionURI(t.Context(), neon.ConnectionSpec{Project: site.Project, Branch: made.Branch.ID, Database: "medlink", Role: "medlink_owner"})
	if err != nil {
		t.Fatal(err)
	}
	return address
}

func missing(t *testing.T, where string, address secret.String, entries []medlink.Entry, want int) {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), address.Reveal())
	if err != nil {
		t.Fatal("the branch does not answer")
	}
	defer conn.Close(context.Background())
	if lost, err := medlink.Missing(t.Context(), conn, entries); err != nil || len(lost) != want {
		t.Errorf("%s lacks %d of %d acknowledged claims: %v", where, len(lost), len(entries), err)
	}
}

func applicationLog(t *testing.T, s *stack.Stack) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(s.Dir, "application.log"))
	if err != nil {
		t.Fatal(err)
	}
	return bytes.TrimSpace(text)
}
