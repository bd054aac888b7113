package neon_test

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/lifeboat-dr/lifeboat/internal/devstack/neon"
)

const lockedMessage = "project already has running conflicting operations, scheduling of new ones is prohibited"

func TestOperationsAreSerial(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	p := s.project()
	s.close()
	s.cfg.Latency = 300 * time.Millisecond
	s.open()
	path := "/api/v2/projects/" + p.ProjectID + "/branches"
	started := time.Now()
	first := s.call(http.MethodPost, path, obj{"branch": obj{"name": "one"}, "endpoints": []obj{{"type": "read_only"}}})
	if status := first["operations"].([]any)[0].(obj)["status"]; status != "running" {
		t.Errorf("the answer came with a %v operation", status)
	}
	for method, to := range map[string]string{
		http.MethodPost: path, http.MethodDelete: s.branchPath(p, first["branch"].(obj)["id"].(string)),
		http.MethodPatch: s.endpointPath(p.ProjectID, p.EndpointID),
	} {
		var body any
		if method == http.MethodPatch {
			body = obj{"endpoint": obj{"disabled": true}}
		}
		if got := s.refused(method, to, body, http.StatusLocked); got != lockedMessage {
			t.Errorf("%s while operations run: %s", method, got)
		}
	}
	s.wait(first)
	if took := time.Since(started); took < 2*s.cfg.Latency {
		t.Errorf("two operations took %v, less than their latency", took)
	}
	second := s.call(http.MethodPost, path, obj{"branch": obj{"name": "two"}}) // the project is free at once
	s.wait(second)
}

func TestInjectedFaults(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	p := s.project()
	list := "/api/v2/projects/" + p.ProjectID + "/branches"
	inject := func(f neon.Fault) {
		t.Helper()
		b, err := json.Marshal(f)
		if err != nil {
			t.Fatal(err)
		}
		if status, raw, err := s.try(http.MethodPost, "/emulator/faults", json.RawMessage(b)); err != nil || status != http.StatusNoContent {
			t.Fatalf("inject: %d %s %v", status, raw, err)
		}
	}
	inject(neon.Fault{Kind: neon.Locked, Method: http.MethodPost, Path: "/projects/*/branches", Times: 2})
	for range 2 {
		if got := s.refused(http.MethodPost, list, nil, http.StatusLocked); got != lockedMessage {
			t.Errorf("locked: %s", got)
		}
	}
	s.call(http.MethodGet, list, nil)
	s.do(http.MethodPost, list, nil)

	inject(neon.Fault{Kind: neon.QuotaLocked, Times: -1})
	for range 5 {
		s.refused(http.MethodGet, list, nil, http.StatusLocked)
	}
	s.e.ClearFaults()
	inject(neon.Fault{Kind: neon.BranchNotReady})
	if got := s.refused(http.MethodPost, list, nil, http.StatusUnprocessableEntity); got != "branch not ready yet" {
		t.Errorf("not ready: %s", got)
	}
	inject(neon.Fault{Kind: neon.Unavailable})
	s.refused(http.MethodPost, list, nil, http.StatusServiceUnavailable)

	inject(neon.Fault{Kind: neon.Throttled, RetryAfter: 7})
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.server.URL+list, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+testKey)
	resp, err := s.client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusTooManyRequests || resp.Header.Get("Retry-After") != "7" {
		t.Errorf("throttled: %d, Retry-After %q", resp.StatusCode, resp.Header.Get("Retry-After"))
	}

	// Two ways to lose an answer to a write that happened.
	inject(neon.Fault{Kind: neon.TimedOut, Method: http.MethodPost})
	if status, raw, err := s.try(http.MethodPost, list, obj{"branch": obj{"name": "timed-out"}}); err != nil || status != 524 || !strings.HasPrefix(string(raw), "<!DOCTYPE html>") {
		t.Errorf("timed out: %d %v", status, err)
	}
	s.settled(p.ProjectID)
	inject(neon.Fault{Kind: neon.LostAnswer, Method: http.MethodPost})
	if _, _, err := s.try(http.MethodPost, list, obj{"branch": obj{"name": "lost"}}); err == nil {
		t.Error("the answer was not lost")
	}
	s.settled(p.ProjectID)
	for _, name := range []string{"timed-out", "lost"} {
		if n := s.call(http.MethodGet, list+"/count?search="+name, nil)["count"]; n != 1.0 {
			t.Errorf("%v branches are named %s", n, name)
		}
	}

	inject(neon.Fault{Kind: neon.HiddenBranch, Times: 2})
	id := s.call(http.MethodPost, list, nil)["branch"].(obj)["id"].(string)
	s.refused(http.MethodGet, s.branchPath(p, id), nil, http.StatusNotFound)
	s.refused(http.MethodGet, s.branchPath(p, id), nil, http.StatusNotFound)
	s.call(http.MethodGet, s.branchPath(p, id), nil)
	s.settled(p.ProjectID)

	inject(neon.Fault{Kind: neon.FailedOperation, Action: "create_branch", RetryAfter: 0.3})
	op := s.call(http.MethodPost, list, nil)["operations"].([]any)[0].(obj)
	seen := map[string]bool{}
	for deadline := time.Now().Add(30 * time.Second); !seen["finished"]; {
		now := s.call(http.MethodGet, "/api/v2/projects/"+p.ProjectID+"/operations/"+op["id"].(string), nil)["operation"].(obj)
		seen[now["status"].(string)] = true
		if now["status"] == "failed" && (now["retry_at"] == nil || now["error"] == nil) {
			t.Errorf("failed without a reason and a time: %v", now)
		}
		if now["status"] == "finished" && now["failures_count"] != 1.0 {
			t.Errorf("failures_count = %v", now["failures_count"])
		}
		if time.Now().After(deadline) {
			t.Fatal("it was not retried")
		}
		time.Sleep(5 * time.Millisecond)
	}
	if !seen["failed"] {
		t.Error("it was never seen to fail")
	}
	if err := s.e.Inject(neon.Fault{Kind: "sunspots"}); err == nil {
		t.Error("an unknown fault was armed")
	}
}

func TestTheKeyIsNeeded(t *testing.T) {
	t.Parallel()
	s := newSite(t, nil)
	for _, path := range []string{"/api/v2/projects", "/emulator/faults"} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.server.URL+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", "Bearer wrong")
		r.Header.Set("X-Request-ID", "r-1")
		resp, err := s.client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil || resp.StatusCode != http.StatusUnauthorized || !strings.Contains(string(body), `"request_id":"r-1"`) {
			t.Errorf("%s with a wrong key: %d %s", path, resp.StatusCode, body)
		}
	}
}
