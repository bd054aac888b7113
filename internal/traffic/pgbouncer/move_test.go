package pgbouncer_test

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/lifeboat-dr/lifeboat/internal/secret"
	"github.com/lifeboat-dr/lifeboat/internal/traffic"
	"github.com/lifeboat-dr/lifeboat/internal/traffic/pgbouncer"
)

// moves needs a door that lets nobody through, and leaves no second way in.
func moves(t *testing.T, s servers) {
	r := newRig(t, s, nil)
	r.open()
	if _, err := r.door.Move(t.Context(), traffic.MoveRequest{Address: r.new}); !errors.Is(err, traffic.ErrState) {
		t.Errorf("an open door was moved: %v", err)
	}
	r.hold()
	r.must(r.door.Move(t.Context(), traffic.MoveRequest{Address: r.new}))
	if _, err := r.door.Open(t.Context(), traffic.OpenRequest{Back: true}); !errors.Is(err, traffic.ErrState) {
		t.Errorf("taking back a hold opened the door to the new server: %v", err)
	}
	r.expect(traffic.Held)
	// Again, as a worker does that did not get to say so; then back, and open where it was.
	r.must(r.door.Move(t.Context(), traffic.MoveRequest{Address: r.new}))
	r.must(r.door.Move(t.Context(), traffic.MoveRequest{Address: r.old}))
	r.must(r.door.Open(t.Context(), traffic.OpenRequest{Back: true}))
	if port, err := r.port(t.Context(), r.connect()); err != nil || port != int(s[0].Addr().Port()) {
		t.Errorf("port %d, %v", port, err)
	}
	text, err := os.ReadFile(r.file)
	if err != nil || strings.Contains(string(text), "lifeboat_") {
		t.Errorf("the entry by which the destination was looked at is still there: %v", err)
	}
}

// wrongDestinations leave the door as it was.
func wrongDestinations(t *testing.T, s servers) {
	r := newRig(t, s, nil)
	r.open()
	r.hold()
	before, err := os.ReadFile(r.file)
	if err != nil {
		t.Fatal(err)
	}
	good := r.new.Reveal()
	for _, one := range []struct {
		name, address string
		kind          error
	}{
		{"nonsense", "postgres://[", traffic.ErrInvalid},
		{"no server", "postgres://u:sesame@127.0.0.1:1/claims", traffic.ErrUnavailable},
		{"wrong password", strings.Replace(good, "@", "sesame@", 1), traffic.ErrDenied},
		{"no such database", strings.Replace(good, "?", "_sesame?", 1), traffic.ErrInvalid},
	} {
		_, err := r.door.Move(t.Context(), traffic.MoveRequest{Address: secret.New(one.address)})
		if !errors.Is(err, one.kind) {
			t.Errorf("%s: %v", one.name, err)
		}
		if err != nil && one.name != "no such database" && strings.Contains(err.Error(), "sesame") {
			t.Errorf("%s: the error tells too much: %v", one.name, err)
		}
	}
	// The address reaches the server, but PgBouncer does not: the proof goes through it.
	other := r.doorWith(func(c *pgbouncer.Config) { c.Login = pgbouncer.LoginClient })
	if _, err := other.Move(t.Context(), traffic.MoveRequest{Address: r.new}); err == nil {
		t.Error("a server that PgBouncer cannot log in to was taken")
	}
	report := r.expect(traffic.Held)
	if !strings.Contains(r.old.Reveal(), report.To.Server()) {
		t.Errorf("it leads to %s now", report.To.Server())
	}
	var after []byte
	if after, err = os.ReadFile(r.file); err != nil || string(after) != string(before) {
		t.Errorf("its file changed: %v", err)
	}
	r.must(r.door.Open(t.Context(), traffic.OpenRequest{Back: true}))
}

// exchanged is a server that is another one when the door opens than when it was moved.
func exchanged(t *testing.T, s servers) {
	r := newRig(t, s, nil)
	r.open()
	r.hold()
	r.must(r.door.Move(t.Context(), traffic.MoveRequest{Address: r.new}))
	// Between move and open somebody exchanged what is behind it.
	text, err := os.ReadFile(r.file)
	if err != nil {
		t.Fatal(err)
	}
	system := r.must(r.door.State(t.Context())).System
	r.overwrite([]byte(strings.ReplaceAll(string(text), `"system":"`+system+`"`, `"system":"7000000000000000001"`)))
	if _, err := r.door.Open(t.Context(), traffic.OpenRequest{}); !errors.Is(err, traffic.ErrWrongServer) {
		t.Errorf("%v", err)
	}
}

// unfit are configurations of PgBouncer that a door notices.
func unfit(t *testing.T, s servers) {
	t.Run("a fallback entry lets everybody in", func(t *testing.T) {
		r := newRig(t, s, nil)
		r.open()
		to, err := traffic.ParseDestination(r.old)
		if err != nil {
			t.Fatal(err)
		}
		r.include(fmt.Sprintf("[databases]\n* = host=%s port=%d dbname=%s user=%s password=%s\n", to.Host, to.Port, to.Database, to.User, to.Password.Reveal()))
		if _, err := r.door.Close(t.Context(), traffic.Change{}); !errors.Is(err, traffic.ErrUnfit) {
			t.Errorf("a door with a way around it counts as closed: %v", err)
		}
	})
	t.Run("the file is not included", func(t *testing.T) {
		r := newRig(t, s, nil)
		other := r.doorWith(func(c *pgbouncer.Config) { c.File += ".other" })
		text := []byte(`;lifeboat {"format":1,"database":"claims","state":"closed","by":"","since":"2026-11-25T00:00:00Z","epoch":0,"serial":1}`)
		if err := os.WriteFile(r.file+".other", text, 0o640); err != nil {
			t.Fatal(err)
		}
		_, err := other.Move(t.Context(), traffic.MoveRequest{Address: r.new})
		if !errors.Is(err, traffic.ErrUnfit) || !strings.Contains(err.Error(), "includes the door's file") {
			t.Errorf("%v", err)
		}
	})
	t.Run("a pool in session mode", func(t *testing.T) {
		r := newRig(t, s, map[string]string{"pool_mode": "session"})
		r.open()
		conn := r.connect()
		if _, err := r.port(t.Context(), conn); err != nil {
			t.Fatal(err)
		}
		_, err := r.door.Hold(t.Context(), traffic.HoldRequest{Drain: 200 * time.Millisecond})
		if !errors.Is(err, traffic.ErrBusy) || !strings.Contains(err.Error(), "session mode") {
			t.Errorf("%v", err)
		}
	})
	t.Run("clients are not let wait", func(t *testing.T) {
		r := newRig(t, s, map[string]string{"query_wait_timeout": "120", "client_login_timeout": "60"})
		if report := r.expect(traffic.Closed); report.Patience != time.Minute {
			t.Errorf("patience is %s", report.Patience)
		}
		r = newRig(t, s, map[string]string{"query_wait_timeout": "0", "client_login_timeout": "0"})
		if report := r.expect(traffic.Closed); report.Patience != 0 {
			t.Errorf("patience is %s", report.Patience)
		}
	})
	t.Run("all of it is paused", func(t *testing.T) {
		r := newRig(t, s, nil)
		r.open()
		r.console("PAUSE")
		if _, err := r.door.Hold(t.Context(), traffic.HoldRequest{Drain: time.Second}); !errors.Is(err, traffic.ErrState) {
			t.Errorf("%v", err)
		}
		r.console("RESUME")
		r.hold()
	})
}

// include adds to what PgBouncer's configuration includes.
func (r *rig) include(text string) {
	r.t.Helper()
	ini := strings.Replace(r.file, "claims.ini", "pgbouncer.ini", 1)
	f, err := os.OpenFile(ini, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		r.t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteString(text); err != nil {
		r.t.Fatal(err)
	}
	r.console("RELOAD")
}

// asClients is a door that logs in as each client: the role has the same password everywhere.
func asClients(t *testing.T, s servers) {
	r := newRig(t, s, nil)
	for i, address := range []*secret.String{&r.old, &r.new} {
		name := pathOf(t, *address)
		s[i].Exec(t, name, `DO $$ BEGIN IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'app') THEN CREATE ROLE app LOGIN PASSWORD 'app''s password'; END IF; END $$`)
	}
	r.door = r.doorWith(func(c *pgbouncer.Config) { c.Login = pgbouncer.LoginClient })
	r.open()
	conn := r.connect()
	for _, want := range []int{0, 1} {
		var user string
		var port int
		if err := conn.QueryRow(t.Context(), "SELECT current_user, inet_server_port()").Scan(&user, &port); err != nil || user != "app" || port != int(s[want].Addr().Port()) {
			t.Errorf("user %q, port %d, %v", user, port, err)
		}
		r.hold()
		r.must(r.door.Move(t.Context(), traffic.MoveRequest{Address: r.new}))
		r.must(r.door.Open(t.Context(), traffic.OpenRequest{}))
	}
	text, err := os.ReadFile(r.file)
	if err != nil || strings.Contains(string(text), "password") {
		t.Errorf("its file holds a password that it does not need: %v", err)
	}
}

func pathOf(t *testing.T, address secret.String) string {
	t.Helper()
	cfg, err := pgx.ParseConfig(address.Reveal())
	if err != nil {
		t.Fatal(err)
	}
	return cfg.Database
}
