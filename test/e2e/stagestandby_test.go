package e2e

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/lifeboat-dr/lifeboat/internal/secret"
	"github.com/lifeboat-dr/lifeboat/internal/standby"
)

// followedComponent is a small database of its own with its standby: the application writes to the other one all the time.
const followedComponent = `  followed:
    tier: 4
    owner: tests
    rpo: 4h
    rto: 24h
    vault: us-east-1
    source: {postgres: {site: us-east-1, url: {file: keys/followed-us-east-1.url}}}
    standby: {postgres: {site: us-west-2, url: {file: keys/followed-us-west-2.url}}, keep: hot}
    verify: {after_backup: false}
`

// writeFollowed makes the primary.
func (s *stage) writeFollowed() {
	s.t.Helper()
	conn, err := s.stack.Sites[0].Connect(s.t.Context())
	if err != nil {
		s.t.Fatal(err)
	}
	defer conn.Close(context.Background())
	if _, err := conn.Exec(s.t.Context(), "CREATE DATABASE followed"); err != nil {
		s.t.Fatal(err)
	}
	s.noteFollowed()
	primary, err := pgx.Connect(s.t.Context(), followedAt(s.t, conn).String())
	if err != nil {
		s.t.Fatal(err)
	}
	defer primary.Close(context.Background())
	if _, err := primary.Exec(s.t.Context(), "CREATE TABLE claims (id bigserial PRIMARY KEY, body text); INSERT INTO claims (body) SELECT 'x' FROM generate_series(1, 1000)"); err != nil {
		s.t.Fatal(err)
	}
}

// noteFollowed lets workers know where both are: whoever fenced a primary has changed its passwords.
func (s *stage) noteFollowed() {
	s.t.Helper()
	for _, site := range s.stack.Sites {
		conn, err := site.Connect(s.t.Context())
		if err != nil {
			s.t.Fatal(err)
		}
		address := followedAt(s.t, conn).String()
		_ = conn.Close(s.t.Context())
		if err := os.WriteFile(filepath.Join(s.stack.Dir, "keys", "followed-"+site.Name+".url"), []byte(address), 0o600); err != nil {
			s.t.Fatal(err)
		}
	}
}

// followedAt is the way to the small database on the server of a session.
func followedAt(t *testing.T, conn *pgx.Conn) *url.URL {
	t.Helper()
	u, err := url.Parse(conn.Config().ConnString())
	if err != nil {
		t.Fatal("the address cannot be read")
	}
	u.Path = "/followed"
	return u
}

// places are both databases of the stage's component.
func (s *stage) places(t *testing.T) (primary, follower secret.String) {
	t.Helper()
	c, err := s.engine.Crew.Component("followed")
	if err != nil {
		t.Fatal(err)
	}
	if primary, err = c.Source.Address(t.Context(), ""); err != nil {
		t.Fatal(err)
	}
	if follower, err = c.Standby.Address(t.Context(), ""); err != nil {
		t.Fatal(err)
	}
	return primary, follower
}

// emptyStandby gives an execution a standby that nothing was ever done with.
func (s *stage) emptyStandby(t *testing.T) {
	t.Helper()
	s.noteFollowed()
	primary, follower := s.places(t)
	if known, err := standby.Ask(t.Context(), follower, "followed"); err == nil {
		if _, err := standby.Remove(t.Context(), &primary, follower, known.Link); err != nil {
			t.Fatal(err)
		}
	}
	conn, err := s.standby().Connect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	for _, sql := range []string{"DROP DATABASE IF EXISTS followed WITH (FORCE)", "CREATE DATABASE followed"} {
		if _, err := conn.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
}

// standbyOf says what became of the standby, and of the primary's log that is kept for it.
func (s *stage) standbyOf(t *testing.T) string {
	t.Helper()
	_, follower := s.places(t)
	conn, err := s.stack.Sites[0].Connect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	var slots int
	if err := conn.QueryRow(t.Context(), "SELECT count(*)::int FROM pg_replication_slots").Scan(&slots); err != nil {
		t.Fatal(err)
	}
	state := "no standby"
	if known, err := standby.Ask(t.Context(), follower, "followed"); err == nil && !known.Promoted.IsZero() {
		state = "promoted"
	} else if err == nil {
		state = fmt.Sprintf("following with %d of %d tables", known.Ready, known.Tables)
	}
	if slots > 0 {
		state += fmt.Sprintf(", %d slots", slots)
	}
	return state
}
