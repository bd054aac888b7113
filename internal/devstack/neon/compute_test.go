package neon_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

func (s *site) endpointPath(projectID, endpointID string) string {
	return "/api/v2/projects/" + projectID + "/endpoints/" + endpointID
}

func (s *site) endpointState(projectID, endpointID string) any {
	s.t.Helper()
	return s.call(http.MethodGet, s.endpointPath(projectID, endpointID), nil)["endpoint"].(obj)["current_state"]
}

// dropped says whether the server's side of a session is gone. It asks the socket, not the driver: a driver
// that finds out sends a request to cancel, inside TLS, which no proxy can tell from a new session and which
// therefore wakes the compute.
func dropped(session *pgx.Conn) bool {
	conn := session.PgConn().Conn()
	_ = conn.SetReadDeadline(time.Now().Add(10 * time.Second))
	_, err := io.Copy(io.Discard, conn) // whatever it says before it ends
	var timeout net.Error
	return !errors.As(err, &timeout) || !timeout.Timeout()
}

func TestSuspendedComputesWakeAtTheNextConnection(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	p := s.project()
	execute(t, p.URI, "CREATE TABLE claims (n int); INSERT INTO claims VALUES (1)")
	path := s.endpointPath(p.ProjectID, p.EndpointID)
	session := connect(t, p.URI)
	s.do(http.MethodPost, path+"/suspend", nil)
	if !dropped(session) {
		t.Error("a session survived the suspension of its compute")
	}
	if got := s.endpointState(p.ProjectID, p.EndpointID); got != "idle" {
		t.Errorf("suspended: %v", got)
	}
	wantRows(t, p.URI, "1")
	if got := s.endpointState(p.ProjectID, p.EndpointID); got != "active" {
		t.Errorf("woken: %v", got)
	}
	session = connect(t, p.URI)
	s.do(http.MethodPost, path+"/restart", nil)
	if !dropped(session) {
		t.Error("a session survived a restart")
	}
	s.do(http.MethodPost, path+"/suspend", nil)
	s.do(http.MethodPost, path+"/start", nil)
	wantRows(t, p.URI, "1")

	s.do(http.MethodPatch, path, obj{"endpoint": obj{"suspend_timeout_seconds": 1}})
	deadline := time.Now().Add(30 * time.Second)
	for s.endpointState(p.ProjectID, p.EndpointID) != "idle" {
		if time.Now().After(deadline) {
			t.Fatal("an idle compute was not suspended")
		}
		time.Sleep(50 * time.Millisecond)
	}
}

func TestDisabledEndpointsRefuseInPostgresWords(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	p := s.project()
	s.do(http.MethodPatch, s.endpointPath(p.ProjectID, p.EndpointID), obj{"endpoint": obj{"disabled": true}})
	var refused *pgconn.PgError
	if _, err := pgx.Connect(t.Context(), p.URI); !errors.As(err, &refused) || !strings.Contains(refused.Message, "disabled") {
		t.Errorf("connecting to a disabled endpoint: %v", err)
	}
	s.refused(http.MethodPost, s.endpointPath(p.ProjectID, p.EndpointID)+"/start", nil, http.StatusUnprocessableEntity)

	// Neon opens it now and then all the same.
	if err := s.e.CheckAvailability(p.ProjectID, p.EndpointID, 2*time.Second); err != nil {
		t.Fatal(err)
	}
	execute(t, p.URI, "SELECT 1")
	deadline := time.Now().Add(30 * time.Second)
	for {
		if _, err := pgx.Connect(t.Context(), p.URI); errors.As(err, &refused) {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("it stayed open")
		}
		time.Sleep(50 * time.Millisecond)
	}
	s.settled(p.ProjectID)
	s.do(http.MethodPatch, s.endpointPath(p.ProjectID, p.EndpointID), obj{"endpoint": obj{"disabled": false}})
	execute(t, p.URI, "SELECT 1")
}

// settled waits until a project has no unfinished operation.
func (s *site) settled(projectID string) {
	s.t.Helper()
	deadline := time.Now().Add(30 * time.Second)
	for {
		busy := false
		for _, op := range s.call(http.MethodGet, "/api/v2/projects/"+projectID+"/operations", nil)["operations"].([]any) {
			status := op.(obj)["status"]
			busy = busy || status == "running" || status == "scheduling"
		}
		if !busy {
			return
		}
		if time.Now().After(deadline) {
			s.t.Fatal("operations without end")
		}
		time.Sleep(20 * time.Millisecond)
	}
}

func TestReadOnlyEndpoints(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	p := s.project()
	execute(t, p.URI, "CREATE TABLE claims (n int); INSERT INTO claims VALUES (1)")
	id, frozen := s.branch(p, obj{"name": "frozen"}, "read_only")
	wantReadOnly(t, frozen)
	wantRows(t, frozen, "1")

	// With a read-write endpoint beside it, it follows.
	add := func(branchID, kind string) obj {
		return s.do(http.MethodPost, "/api/v2/projects/"+p.ProjectID+"/endpoints", obj{"endpoint": obj{"branch_id": branchID, "type": kind}})["endpoint"].(obj)
	}
	writer := add(id, "read_write")
	s.refused(http.MethodPost, "/api/v2/projects/"+p.ProjectID+"/endpoints", obj{"endpoint": obj{"branch_id": id, "type": "read_write"}}, http.StatusConflict)
	uri := s.call(http.MethodGet, "/api/v2/projects/"+p.ProjectID+"/connection_uri?database_name=neondb&role_name=neondb_owner&branch_id="+id, nil)["uri"].(string)
	if !strings.Contains(uri, writer["host"].(string)) {
		t.Error("the connection string is not the read-write endpoint's")
	}
	execute(t, uri, "INSERT INTO claims VALUES (2)")
	deadline := time.Now().Add(30 * time.Second)
	for rows(t, frozen) != "1,2" {
		if time.Now().After(deadline) {
			t.Fatal("the read-only endpoint does not follow")
		}
		time.Sleep(20 * time.Millisecond)
	}
	wantReadOnly(t, frozen)

	// Without it, it stands still again.
	for _, want := range []int{http.StatusOK, http.StatusNoContent} {
		status, answer := s.send(http.MethodDelete, s.endpointPath(p.ProjectID, writer["id"].(string)), nil)
		if status != want {
			t.Fatalf("delete endpoint: %d, want %d", status, want)
		}
		if status == http.StatusOK {
			s.wait(answer)
		}
	}
	wantRows(t, frozen, "1,2")
	wantReadOnly(t, frozen)
}

func wantReadOnly(t *testing.T, uri string) {
	t.Helper()
	conn := connect(t, uri)
	defer conn.Close(context.Background())
	_, err := conn.PgConn().Exec(t.Context(), "SET default_transaction_read_only = off; INSERT INTO claims VALUES (99)").ReadAll()
	var refused *pgconn.PgError
	if !errors.As(err, &refused) || refused.Code != "25006" {
		t.Errorf("a write through a read-only endpoint: %v", err)
	}
}

func TestRolesAndPasswords(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	p := s.project()
	main := s.branchPath(p, p.BranchID)
	made := s.do(http.MethodPost, main+"/roles", obj{"role": obj{"name": `app "x"`}})["role"].(obj)
	s.refused(http.MethodPost, main+"/roles", obj{"role": obj{"name": "cloud_admin"}}, http.StatusUnprocessableEntity)
	s.do(http.MethodPost, main+"/databases", obj{"database": obj{"name": "shop", "owner_name": made["name"]}})
	s.refused(http.MethodPost, main+"/databases", obj{"database": obj{"name": "shop", "owner_name": made["name"]}}, http.StatusConflict)

	uri := func(role string) string {
		return s.call(http.MethodGet, "/api/v2/projects/"+p.ProjectID+"/connection_uri?database_name=shop&role_name="+role, nil)["uri"].(string)
	}
	before := uri("app%20%22x%22")
	execute(t, before, "CREATE TABLE t (a int)")
	role := main + "/roles/app%20%22x%22"
	if got := s.call(http.MethodGet, role+"/reveal_password", nil)["password"]; got != made["password"] {
		t.Error("the revealed password is not the one that was made")
	}
	session := connect(t, before)
	reset := s.do(http.MethodPost, role+"/reset_password", nil)["role"].(obj)
	if reset["password"] == made["password"] {
		t.Error("the password is the old one")
	}
	if !dropped(session) {
		t.Error("a session survived the reset of its password")
	}
	var refused *pgconn.PgError
	if _, err := pgx.Connect(t.Context(), before); !errors.As(err, &refused) || refused.Code != "28P01" {
		t.Errorf("the old password: %v", err)
	}
	execute(t, uri("app%20%22x%22"), "SELECT 1")
	s.refused(http.MethodDelete, role, nil, http.StatusUnprocessableEntity) // owns a database
	s.do(http.MethodPatch, main+"/databases/shop", obj{"database": obj{"name": "store", "owner_name": "neondb_owner"}})
	s.do(http.MethodDelete, main+"/databases/store", nil)
	if status, _ := s.send(http.MethodDelete, main+"/databases/store", nil); status != http.StatusNoContent {
		t.Errorf("a repeated delete of a database: %d", status)
	}
	s.do(http.MethodDelete, role, nil)
	s.refused(http.MethodGet, role, nil, http.StatusNotFound)

	// The superuser comes in by the Unix socket, and by nothing else.
	super, err := s.e.SuperuserURL(p.ProjectID, p.BranchID, "neondb")
	if err != nil {
		t.Fatal(err)
	}
	execute(t, super, "SELECT 1")
	if _, err := pgx.Connect(t.Context(), strings.Replace(p.URI, "neondb_owner", "cloud_admin", 1)); !errors.As(err, &refused) || refused.Code != "28000" {
		t.Errorf("the superuser over TCP: %v", err)
	}
	if _, err := pgx.Connect(t.Context(), strings.Replace(p.URI, "sslmode=require", "sslmode=disable", 1)); !errors.As(err, &refused) || refused.Code != "28000" {
		t.Errorf("without encryption: %v", err)
	}
}

func TestChildrenOfProtectedBranchesGetPasswordsOfTheirOwn(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	p := s.project()
	execute(t, p.URI, "CREATE TABLE claims (n int)")
	s.call(http.MethodPatch, s.branchPath(p, p.BranchID), obj{"branch": obj{"protected": true}})
	id, uri := s.branch(p, obj{"name": "child"}, "read_only")
	reveal := "/roles/neondb_owner/reveal_password"
	if s.call(http.MethodGet, s.branchPath(p, id)+reveal, nil)["password"] == s.call(http.MethodGet, s.branchPath(p, p.BranchID)+reveal, nil)["password"] {
		t.Error("the child has its parent's password")
	}
	wantRows(t, uri, "")
}

func TestWhatIsNoSessionWakesNothing(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	p := s.project()
	config, err := pgx.ParseConfig(p.URI)
	if err != nil {
		t.Fatal(err)
	}
	s.do(http.MethodPost, s.endpointPath(p.ProjectID, p.EndpointID)+"/suspend", nil)
	cancel := []byte{0, 0, 0, 16, 4, 210, 22, 46, 0, 0, 0, 1, 0, 0, 0, 2} // plain, of query 2 of process 1
	for name, first := range map[string][]byte{"a request to cancel": cancel, "a probe of the port": nil} {
		conn, err := net.Dial("tcp", net.JoinHostPort(config.Host, fmt.Sprint(config.Port)))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := conn.Write(first); err != nil {
			t.Fatal(err)
		}
		if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, conn) // until the proxy has made up its mind
		conn.Close()
		if got := s.endpointState(p.ProjectID, p.EndpointID); got != "idle" {
			t.Errorf("after %s the compute is %v", name, got)
		}
	}
	s.settled(p.ProjectID)
	if got := s.endpointState(p.ProjectID, p.EndpointID); got != "idle" {
		t.Errorf("the compute was woken after all: %v", got)
	}
}
