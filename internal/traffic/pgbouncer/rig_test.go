package pgbouncer_test

import (
	"context"
	"crypto/rand"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	bouncer "github.com/lifeboat-dr/lifeboat/internal/devstack/pgbouncer"
	"github.com/lifeboat-dr/lifeboat/internal/devstack/pgserver"
	"github.com/lifeboat-dr/lifeboat/internal/secret"
	"github.com/lifeboat-dr/lifeboat/internal/traffic"
	"github.com/lifeboat-dr/lifeboat/internal/traffic/pgbouncer"
)

// rig is a PgBouncer with one door, and two databases on servers of their own that it may lead to.
type rig struct {
	t        *testing.T
	pooler   *bouncer.Pooler
	door     *pgbouncer.Door
	file     string
	old, new secret.String
	servers  servers
}

// servers are shared by the tests of TestDoor; each test has databases of its own on them.
type servers [2]*pgserver.Server

// TestDoor runs every test against a real PgBouncer.
func TestDoor(t *testing.T) {
	var s servers
	for i := range s {
		s[i] = pgserver.New(t, pgserver.TestOptions{})
	}
	for _, test := range []struct {
		name string
		run  func(*testing.T, servers)
	}{
		{"a door never used is closed", neverUsed},
		{"who asks waits and nothing fails", waits},
		{"running transactions end first", drains},
		{"who stands in the way is named", inTheWay},
		{"a closed door refuses", refuses},
		{"a crash while held comes up held", comesUpHeld},
		{"a reload and a resume by hand open nothing", staysHeld},
		{"an interrupted operation is seen and repeated", interrupted},
		{"who was overtaken changes nothing", overtaken},
		{"files that are not the door's are refused", files},
		{"a move needs a held door", moves},
		{"a destination that is not proven is not taken", wrongDestinations},
		{"an exchanged server is noticed", exchanged},
		{"an impostor is not taken for the destination", impostor},
		{"settings that do not fit are noticed", unfit},
		{"a door can log in as each client", asClients},
	} {
		t.Run(test.name, func(t *testing.T) { test.run(t, s) })
	}
}

// newRig makes a closed door that leads nowhere.
func newRig(t *testing.T, s servers, settings map[string]string) *rig {
	t.Helper()
	name := "claims_" + strings.ToLower(rand.Text())
	r := &rig{t: t, servers: s}
	for i, address := range []*secret.String{&r.old, &r.new} {
		*address = secret.New(s[i].Database(t, name, name))
	}
	dir, err := os.MkdirTemp("", "lbdoor")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	r.file = filepath.Join(dir, "claims.ini")
	if err := os.WriteFile(r.file, nil, 0o640); err != nil {
		t.Fatal(err)
	}
	if err := pgserver.Own(dir, r.file); err != nil {
		t.Fatal(err)
	}
	r.pooler, err = bouncer.Start(t.Context(), bouncer.Options{
		Dir: dir, Listen: netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), 0),
		Users: map[string]string{"lifeboat": "console password", "app": "app's password"}, Admin: "lifeboat",
		Includes: []string{r.file}, Settings: settings,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.pooler.Stop(); err != nil {
			t.Error(err)
		}
	})
	r.door = r.doorWith(nil)
	return r
}

func (r *rig) doorWith(change func(*pgbouncer.Config)) *pgbouncer.Door {
	r.t.Helper()
	cfg := pgbouncer.Config{
		Database: "claims", File: r.file, Login: pgbouncer.LoginTarget, Timeout: 10 * time.Second,
		Admin: func() (secret.String, error) { return secret.New(r.pooler.AdminURL()), nil },
		Probe: func() (secret.String, error) { return secret.New(r.pooler.URL("app", "claims")), nil },
	}
	if change != nil {
		change(&cfg)
	}
	door, err := pgbouncer.New(cfg)
	if err != nil {
		r.t.Fatal(err)
	}
	return door
}

// open makes the door lead to the old server, open.
func (r *rig) open() {
	r.t.Helper()
	r.must(r.door.Move(r.t.Context(), traffic.MoveRequest{Address: r.old}))
	r.must(r.door.Open(r.t.Context(), traffic.OpenRequest{}))
}

func (r *rig) must(report traffic.Report, err error) traffic.Report {
	r.t.Helper()
	if err != nil {
		r.t.Fatal(err)
	}
	return report
}

func (r *rig) hold() traffic.Report {
	r.t.Helper()
	return r.must(r.door.Hold(r.t.Context(), traffic.HoldRequest{Drain: 5 * time.Second}))
}

// expect looks at the door and fails unless it is in a state, now and after a crash.
func (r *rig) expect(state traffic.State) traffic.Report {
	r.t.Helper()
	report := r.must(r.door.State(r.t.Context()))
	if report.State != state || !report.Settled() {
		r.t.Fatalf("the door is %s, recorded as %s (%s), want %s", report.State, report.Recorded, report.Note, state)
	}
	return report
}

// connect opens an application's session through the door.
func (r *rig) connect() *pgx.Conn {
	r.t.Helper()
	conn, err := pgx.Connect(r.t.Context(), r.pooler.URL("app", "claims"))
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

// port is where a session's query ends: it tells the servers apart.
func (r *rig) port(ctx context.Context, conn *pgx.Conn) (port int, err error) {
	err = conn.QueryRow(ctx, "SELECT inet_server_port()").Scan(&port)
	return port, err
}
