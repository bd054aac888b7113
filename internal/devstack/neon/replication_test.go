package neon_test

import (
	"fmt"
	"net/http"
	"testing"
	"time"
)

func TestLogicalReplicationBetweenSites(t *testing.T) {
	t.Parallel()
	east := newSite(t, nil)
	west := newSite(t, func(c *neonConfig) { // a range of its own
		c.Region = "aws-us-west-2"
		c.Addresses = testRange(t, "west")
	})
	from, to := east.project(), west.project()
	execute(t, from.URI, "CREATE TABLE claims (n int PRIMARY KEY)")
	execute(t, from.URI, "CREATE PUBLICATION claims FOR TABLE claims")
	execute(t, to.URI, "CREATE TABLE claims (n int PRIMARY KEY)")
	execute(t, to.URI, fmt.Sprintf("CREATE SUBSCRIPTION claims CONNECTION '%s' PUBLICATION claims", from.URI))
	if query[bool](t, to.URI, "SELECT bool_or(rolsuper) FROM pg_roles WHERE rolname = current_user") {
		t.Error("the role that made a subscription is a superuser now")
	}
	arrive := func(want string) {
		t.Helper()
		for deadline := time.Now().Add(30 * time.Second); rows(t, to.URI) != want; {
			if time.Now().After(deadline) {
				t.Fatalf("%q did not arrive", want)
			}
			time.Sleep(20 * time.Millisecond)
		}
	}
	execute(t, from.URI, "INSERT INTO claims VALUES (1)")
	arrive("1")

	// A branch of the subscriber must not take the original's place at the publisher.
	id, uri := west.branch(to, obj{"name": "rehearsal"}, "read_write")
	if n := query[int](t, uri, "SELECT count(*)::int FROM pg_subscription"); n != 0 {
		t.Errorf("the branch has %d subscriptions", n)
	}
	execute(t, from.URI, "INSERT INTO claims VALUES (2)")
	arrive("1,2")
	wantRows(t, uri, "1")

	// But it can have one of its own.
	super, err := west.e.SuperuserURL(to.ProjectID, id, "neondb")
	if err != nil {
		t.Fatal(err)
	}
	if workers := query[string](t, super, "SHOW max_logical_replication_workers"); workers == "0" {
		t.Error("the branch cannot apply subscriptions")
	}
	// Neither has a branch of the publisher the slot.
	_, uri = east.branch(from, obj{"name": "copy"}, "read_write")
	if n := query[int](t, uri, "SELECT count(*)::int FROM pg_replication_slots"); n != 0 {
		t.Errorf("the publisher's branch has %d slots", n)
	}
	east.do(http.MethodPost, east.endpointPath(from.ProjectID, from.EndpointID)+"/restart", nil)
	execute(t, from.URI, "INSERT INTO claims VALUES (3)")
	arrive("1,2,3")
}
