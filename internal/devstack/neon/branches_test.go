package neon_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"
)

func TestProjectIsUsableWhenItsOperationsHaveFinished(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	answer := s.do(http.MethodPost, "/api/v2/projects", obj{"project": obj{"name": "claims"}})
	uri := answer["connection_uris"].([]any)[0].(obj)["connection_uri"].(string)
	if !strings.HasPrefix(uri, "postgresql://neondb_owner:") || !strings.HasSuffix(uri, "/neondb?sslmode=require") {
		t.Error("the connection string is not shaped as Neon's")
	}
	execute(t, uri, "CREATE TABLE claims (n int); CREATE ROLE reader")
	execute(t, uri, "CREATE DATABASE more")
	row := query[string](t, uri, `SELECT concat_ws(' ', rolsuper, rolcreatedb, rolcreaterole, rolbypassrls,
		pg_has_role('neon_superuser', 'member'), pg_has_role('pg_read_all_data', 'usage'), current_setting('data_checksums'),
		(SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()))
		FROM pg_roles WHERE rolname = current_user`)
	if row != "f t t t t t on t" {
		t.Errorf("superuser, createdb, createrole, bypassrls, neon_superuser, read_all, checksums, ssl = %s", row)
	}
	id := answer["project"].(obj)["id"].(string)
	databases := s.call(http.MethodGet, "/api/v2/projects/"+id+"/branches/"+answer["branch"].(obj)["id"].(string)+"/databases", nil)
	if n := len(databases["databases"].([]any)); n != 2 {
		t.Errorf("%d databases are listed, want the first and the one made by SQL", n)
	}
	list := s.call(http.MethodGet, "/api/v2/projects?search=claims", nil)["projects"].([]any)
	if len(list) != 1 || list[0].(obj)["id"] != id {
		t.Errorf("list of projects: %v", list)
	}
	s.call(http.MethodGet, "/api/v2/projects/"+id, nil)
	s.call(http.MethodGet, "/api/v2/regions", nil)
	s.call(http.MethodDelete, "/api/v2/projects/"+id, nil)
	s.refused(http.MethodGet, "/api/v2/projects/"+id, nil, http.StatusNotFound)
}

func TestBranchesAtPointsInTime(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	p := s.project()
	execute(t, p.URI, "CREATE TABLE claims (n int); INSERT INTO claims VALUES (1)")
	at := query[time.Time](t, p.URI, "SELECT clock_timestamp()")
	lsn := query[string](t, p.URI, "SELECT pg_current_wal_lsn()::text")
	execute(t, p.URI, "INSERT INTO claims VALUES (2)")

	child, head := s.branch(p, obj{"name": "head"}, "read_write")
	wantRows(t, head, "1,2")
	execute(t, head, "INSERT INTO claims VALUES (10)")
	execute(t, p.URI, "INSERT INTO claims VALUES (3)")
	wantRows(t, head, "1,2,10")
	wantRows(t, p.URI, "1,2,3")

	byTime, uri := s.branch(p, obj{"name": "by-time", "parent_timestamp": at}, "read_only")
	wantRows(t, uri, "1")
	got := s.call(http.MethodGet, s.branchPath(p, byTime), nil)["branch"].(obj)
	if back, err := time.Parse(time.RFC3339, got["parent_timestamp"].(string)); err != nil || !back.Equal(at) || got["parent_lsn"] == nil {
		t.Errorf("read back: timestamp %v (%v), lsn %v", got["parent_timestamp"], err, got["parent_lsn"])
	}
	byLSN, uri := s.branch(p, obj{"name": "by-lsn", "parent_lsn": lsn}, "read_only")
	wantRows(t, uri, "1")
	if got := s.call(http.MethodGet, s.branchPath(p, byLSN), nil)["branch"].(obj); got["parent_lsn"] != lsn || got["parent_timestamp"] != nil {
		t.Errorf("read back: %v", got)
	}
	_, uri = s.branch(p, obj{"name": "grandchild", "parent_id": child}, "read_write")
	wantRows(t, uri, "1,2,10")
	_, uri = s.branch(p, obj{"name": "child-of-a-read-only-branch", "parent_id": byTime}, "read_write")
	wantRows(t, uri, "1")
	_, uri = s.branch(p, obj{"name": "before-its-parent-was-made", "parent_id": child, "parent_timestamp": at}, "read_only")
	wantRows(t, uri, "1")
}

func TestPointsThatCannotBe(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	p := s.project()
	path := "/api/v2/projects/" + p.ProjectID + "/branches"
	post := func(spec obj, want int) string { return s.refused(http.MethodPost, path, obj{"branch": spec}, want) }
	old := time.Now().Add(-7 * time.Hour).UTC().Truncate(time.Second)
	want := fmt.Sprintf(`timestamp is before retention window; timestamp:%q, retention_window:"6h0m0s"`, old.Format(time.RFC3339))
	if got := post(obj{"parent_timestamp": old}, http.StatusBadRequest); got != want {
		t.Errorf("outside the window: %s, want %s", got, want)
	}
	if got := post(obj{"parent_timestamp": time.Now().Add(-time.Hour)}, http.StatusBadRequest); !strings.HasPrefix(got, "timestamp is before retention window") {
		t.Errorf("before the project was made: %s", got)
	}
	post(obj{"parent_timestamp": time.Now().Add(time.Hour)}, http.StatusBadRequest)
	post(obj{"parent_lsn": "FFFF/0"}, http.StatusBadRequest)
	post(obj{"parent_lsn": "0/1"}, http.StatusBadRequest)
	post(obj{"parent_lsn": "soon"}, http.StatusBadRequest)
	post(obj{"parent_lsn": "0/5000000", "parent_timestamp": time.Now()}, http.StatusBadRequest)
	post(obj{"parent_id": "br-none"}, http.StatusNotFound)
	if n := s.call(http.MethodGet, path+"/count", nil)["count"]; n != 1.0 {
		t.Errorf("refused requests left %v branches", n)
	}
}

func TestGuards(t *testing.T) {
	t.Parallel()
	s := newSite(t, func(c *neonConfig) { c.BranchLimit = 3 })
	p := s.project()
	main := s.branchPath(p, p.BranchID)
	s.refused(http.MethodDelete, main, nil, http.StatusUnprocessableEntity)
	child, _ := s.branch(p, obj{"name": "child"}, "")
	grandchild, _ := s.branch(p, obj{"name": "grandchild", "parent_id": child}, "")
	if got := s.refused(http.MethodPost, "/api/v2/projects/"+p.ProjectID+"/branches", nil, http.StatusUnprocessableEntity); !strings.Contains(got, "limit") {
		t.Errorf("over the limit: %s", got)
	}
	if got := s.refused(http.MethodPatch, s.branchPath(p, child), obj{"branch": obj{"name": "main"}}, http.StatusConflict); got != `branch already exists; branch_name:"main"` {
		t.Errorf("a taken name: %s", got)
	}
	s.refused(http.MethodDelete, s.branchPath(p, child), nil, http.StatusUnprocessableEntity) // has a child
	s.call(http.MethodPatch, s.branchPath(p, grandchild), obj{"branch": obj{"protected": true}})
	s.refused(http.MethodDelete, s.branchPath(p, grandchild), nil, http.StatusUnprocessableEntity)
	s.call(http.MethodPatch, s.branchPath(p, grandchild), obj{"branch": obj{"protected": false, "name": "renamed"}})
	s.call(http.MethodPost, s.branchPath(p, grandchild)+"/set_as_default", nil)
	s.refused(http.MethodDelete, s.branchPath(p, grandchild), nil, http.StatusUnprocessableEntity)
	s.call(http.MethodPost, main+"/set_as_default", nil)
	if got := s.do(http.MethodDelete, s.branchPath(p, grandchild), nil)["branch"].(obj)["name"]; got != "renamed" {
		t.Errorf("deleted %v", got)
	}
	for range 2 {
		if status, _ := s.send(http.MethodDelete, s.branchPath(p, grandchild), nil); status != http.StatusNoContent {
			t.Errorf("a repeated delete: %d", status)
		}
	}
	s.refused(http.MethodGet, s.branchPath(p, grandchild), nil, http.StatusNotFound)
	s.do(http.MethodDelete, s.branchPath(p, child), nil)
}

func TestExpiry(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	p := s.project()
	s.refused(http.MethodPost, "/api/v2/projects/"+p.ProjectID+"/branches", obj{"branch": obj{"expires_at": time.Now().Add(-time.Second)}}, http.StatusBadRequest)
	s.refused(http.MethodPatch, s.branchPath(p, p.BranchID), obj{"branch": obj{"expires_at": time.Now().Add(time.Hour)}}, http.StatusUnprocessableEntity)
	kept, _ := s.branch(p, obj{"name": "kept", "expires_at": time.Now().Add(time.Hour)}, "")
	if got := s.call(http.MethodPatch, s.branchPath(p, kept), obj{"branch": obj{"expires_at": nil}})["branch"].(obj); got["expires_at"] != nil {
		t.Errorf("an expiry that was taken back: %v", got["expires_at"])
	}
	gone, _ := s.branch(p, obj{"name": "gone"}, "read_only")
	at := time.Now().Add(time.Second).UTC().Truncate(time.Millisecond)
	got := s.call(http.MethodPatch, s.branchPath(p, gone), obj{"branch": obj{"expires_at": at}})["branch"].(obj)
	if back, err := time.Parse(time.RFC3339, got["expires_at"].(string)); err != nil || !back.Equal(at) {
		t.Errorf("read back: %v (%v), want %v", got["expires_at"], err, at)
	}
	deadline := time.Now().Add(30 * time.Second)
	for {
		status, _ := s.send(http.MethodGet, s.branchPath(p, gone), nil)
		if status == http.StatusNotFound {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the branch outlived its expiry")
		}
		time.Sleep(50 * time.Millisecond)
	}
	if time.Now().Before(at) {
		t.Error("the branch went before its time")
	}
	s.call(http.MethodGet, s.branchPath(p, kept), nil)
}

func TestPagination(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	p := s.project()
	s.branch(p, obj{"name": "b"}, "")
	s.branch(p, obj{"name": "a"}, "")
	var names []string
	next := ""
	for page := range 5 {
		answer := s.call(http.MethodGet, "/api/v2/projects/"+p.ProjectID+"/branches?sort_by=name&sort_order=asc&limit=2&cursor="+next, nil)
		for _, b := range answer["branches"].([]any) {
			names = append(names, b.(obj)["name"].(string))
		}
		next, _ = answer["pagination"].(obj)["next"].(string)
		if next == "" {
			break
		}
		if page == 4 {
			t.Fatal("pages without end")
		}
	}
	if got := strings.Join(names, " "); got != "a b main" {
		t.Errorf("branches in pages: %s", got)
	}
	seen := 0
	cursor := ""
	for {
		answer := s.call(http.MethodGet, "/api/v2/projects/"+p.ProjectID+"/operations?limit=1&cursor="+cursor, nil)
		seen += len(answer["operations"].([]any))
		page, more := answer["pagination"].(obj)
		if !more {
			break
		}
		cursor = page["cursor"].(string)
	}
	if seen != 4 {
		t.Errorf("%d operations in pages, want create_timeline, start_compute and two create_branch", seen)
	}
}
