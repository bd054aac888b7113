package pgserver_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/lifeboat-dr/lifeboat/internal/devstack/pgserver"
)

// TestMain doubles as the owner that is killed in TestNothingOutlivesAKilledOwner.
func TestMain(m *testing.M) {
	if dir := os.Getenv("PGSERVER_TEST_OWNER"); dir != "" {
		s, err := pgserver.Start(context.Background(), pgserver.Options{Dir: dir, SocketDir: dir + ".s", NoSync: true})
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		fmt.Println(s.PID())
		select {}
	}
	os.Exit(m.Run())
}

func TestOwnerRoleIsPlain(t *testing.T) {
	s := pgserver.New(t, pgserver.TestOptions{Settings: map[string]string{"wal_level": "logical"}})
	conn, err := pgx.Connect(t.Context(), s.Database(t, `odd "role"`, "shop"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	var super bool
	var checksums, level string
	err = conn.QueryRow(t.Context(), `SELECT rolsuper, current_setting('data_checksums'), current_setting('wal_level')
		FROM pg_roles WHERE rolname = current_user`).Scan(&super, &checksums, &level)
	if err != nil {
		t.Fatal(err)
	}
	if super || checksums != "on" || level != "logical" {
		t.Errorf("superuser %v, checksums %s, wal_level %s", super, checksums, level)
	}
	if _, err := conn.Exec(t.Context(), "CREATE TABLE public.t (a int)"); err != nil {
		t.Errorf("the owner cannot create a table: %v", err)
	}
	var refused *pgconn.PgError
	if _, err := conn.Exec(t.Context(), "CREATE ROLE boss SUPERUSER"); !errors.As(err, &refused) || refused.Code != "42501" {
		t.Errorf("creating a superuser: %v, want permission denied", err)
	}
}

func TestPasswordIsNeededOverTCP(t *testing.T) {
	s := pgserver.New(t, pgserver.TestOptions{})
	s.Database(t, "shop", "shop")
	for _, role := range []string{"shop", pgserver.Superuser} {
		var refused *pgconn.PgError
		if _, err := pgx.Connect(t.Context(), s.URL(role, "wrong", "shop")); !errors.As(err, &refused) || refused.Code != "28P01" {
			t.Errorf("%s with a wrong password: %v", role, err)
		}
	}
}

func TestStopAndStartAgain(t *testing.T) {
	s := pgserver.New(t, pgserver.TestOptions{})
	s.Exec(t, "postgres", "CREATE TABLE kept AS SELECT 42 AS a")
	for _, mode := range []pgserver.Mode{pgserver.Fast, pgserver.Immediate} {
		again, err := pgserver.Start(t.Context(), pgserver.Options{Dir: s.Dir(), NoSync: true})
		if err == nil {
			t.Fatal("two servers on one data directory")
		}
		if err := s.Stop(mode); err != nil {
			t.Fatal(err)
		}
		again, err = pgserver.Start(t.Context(), pgserver.Options{Dir: s.Dir(), NoSync: true})
		if err != nil {
			t.Fatal(err)
		}
		again.Exec(t, "postgres", "SELECT 1/count(*) FROM kept")
		if again.Addr().IsValid() {
			t.Error("listens though it was not asked to")
		}
		t.Cleanup(func() { _ = again.Stop(pgserver.Immediate) })
		s = again
	}
}

func TestStartSaysWhy(t *testing.T) {
	s := pgserver.New(t, pgserver.TestOptions{})
	if err := s.Stop(pgserver.Fast); err != nil {
		t.Fatal(err)
	}
	_, err := pgserver.Start(t.Context(), pgserver.Options{Dir: s.Dir(), Settings: map[string]string{"shared_buffers": "many"}})
	if err == nil || !strings.Contains(err.Error(), "shared_buffers") {
		t.Errorf("err = %v, want the server's own words", err)
	}
}

func TestBinSaysWhatToInstall(t *testing.T) {
	t.Setenv(pgserver.BinEnv, t.TempDir())
	_, err := pgserver.Bin("initdb")
	if !errors.Is(err, pgserver.ErrNoPostgres) || !strings.Contains(err.Error(), "postgresql-15") {
		t.Errorf("err = %v", err)
	}
}

func TestNothingOutlivesAKilledOwner(t *testing.T) {
	s := pgserver.New(t, pgserver.TestOptions{})
	if err := s.Stop(pgserver.Fast); err != nil {
		t.Fatal(err)
	}
	owner := exec.Command(os.Args[0])
	owner.Env = append(os.Environ(), "PGSERVER_TEST_OWNER="+s.Dir())
	owner.Stderr = os.Stderr
	stdout, err := owner.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := owner.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(line))
	if err != nil {
		t.Fatal(err)
	}
	// A backend that never looks at its postmaster is what SIGKILL would leave behind.
	url := fmt.Sprintf("postgres://%s@/postgres?host=%s.s&port=5432", pgserver.Superuser, s.Dir())
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	busy := make(chan error, 1)
	go func() {
		_, err := conn.Exec(t.Context(), "SELECT count(*) FROM generate_series(1, 100000000000) n")
		busy <- err
	}()
	time.Sleep(100 * time.Millisecond) // let it become busy; too early only makes the test weaker
	if err := owner.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = owner.Wait()
	if err := <-busy; err == nil {
		t.Error("the busy backend finished?")
	}
	deadline := time.Now().Add(10 * time.Second)
	for syscall.Kill(pid, 0) == nil {
		if time.Now().After(deadline) {
			t.Fatal("the postmaster outlived its owner")
		}
		time.Sleep(10 * time.Millisecond)
	}
}
