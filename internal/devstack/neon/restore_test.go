package neon_test

import (
	"net/http"
	"testing"
	"time"
)

func TestInstantRestore(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	p := s.project()
	main := s.branchPath(p, p.BranchID)
	execute(t, p.URI, "CREATE TABLE claims (n int); INSERT INTO claims VALUES (1)")
	at := query[time.Time](t, p.URI, "SELECT clock_timestamp()")
	execute(t, p.URI, "INSERT INTO claims VALUES (2)")
	child, childURI := s.branch(p, obj{"name": "child"}, "read_write")
	session := connect(t, p.URI)

	self := obj{"source_branch_id": p.BranchID, "source_timestamp": at}
	s.refused(http.MethodPost, main+"/restore", self, http.StatusBadRequest) // without a name for the old state
	s.refused(http.MethodPost, main+"/restore", obj{"source_branch_id": p.BranchID, "preserve_under_name": "x"}, http.StatusBadRequest)
	self["preserve_under_name"] = "main_old"
	restored := s.do(http.MethodPost, main+"/restore", self)["branch"].(obj)
	if restored["id"] != p.BranchID {
		t.Errorf("the restored branch is %v", restored["id"])
	}
	if err := session.Ping(t.Context()); err == nil {
		t.Error("a session survived the restore")
	}
	wantRows(t, p.URI, "1") // the same host and password

	list := s.call(http.MethodGet, "/api/v2/projects/"+p.ProjectID+"/branches?search=main_old", nil)["branches"].([]any)
	if len(list) != 1 {
		t.Fatalf("%d branches keep the old state", len(list))
	}
	old := list[0].(obj)["id"].(string)
	if got := s.call(http.MethodGet, s.branchPath(p, child), nil)["branch"].(obj)["parent_id"]; got != old {
		t.Errorf("the child's parent is %v, want the old state %s", got, old)
	}
	if n := len(s.call(http.MethodGet, s.branchPath(p, old)+"/endpoints", nil)["endpoints"].([]any)); n != 0 {
		t.Errorf("the old state has %d computes", n)
	}
	_, uri := s.branch(p, obj{"name": "look-at-it", "parent_id": old}, "read_only")
	wantRows(t, uri, "1,2")
	wantRows(t, childURI, "1,2")

	execute(t, p.URI, "INSERT INTO claims VALUES (3)")
	_, uri = s.branch(p, obj{"name": "after"}, "read_only")
	wantRows(t, uri, "1,3")
	_, uri = s.branch(p, obj{"name": "before", "parent_timestamp": at}, "read_only")
	wantRows(t, uri, "1")

	// A child can only be reset to its parent's head.
	s.refused(http.MethodPost, s.branchPath(p, child)+"/restore", obj{"source_branch_id": p.BranchID}, http.StatusUnprocessableEntity)
	execute(t, childURI, "INSERT INTO claims VALUES (10)")
	s.do(http.MethodPost, s.branchPath(p, child)+"/restore", obj{"source_branch_id": old})
	wantRows(t, childURI, "1,2")
}
