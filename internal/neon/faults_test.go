package neon

import (
	"context"
	"errors"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/lifeboat-dr/lifeboat/internal/secret"
)

const (
	lockedBody = `{"request_id":"r-1","code":"","message":"project already has running conflicting operations, scheduling of new ones is prohibited"}`
	name       = "lifeboat/20261123T020000Z-k3v7qa/snapshot"
)

func spec() BranchSpec { return BranchSpec{Project: project, Name: name, Endpoint: ReadOnly} }

// Each row is an answer that Neon gives; the client must get past it, with one branch in the end.
func TestGetsPast(t *testing.T) {
	for _, tc := range []struct {
		name  string
		fault fault
		// posts is how often the creation is sent, made is whether it was made by a lost answer.
		posts   int
		adopted bool
	}{
		{"conflicting operations", fault{call: "POST branches", times: 6, status: 423, body: lockedBody}, 7, false},
		{"a quota that passes", fault{call: "POST branches", times: 2, status: 423, body: `{"message":"too many starts"}`}, 3, false},
		{"branch not ready", fault{call: "POST branches", times: 2, status: 422, body: `{"code":"","message":"branch not ready yet"}`}, 3, false},
		{"too many requests", fault{call: "POST branches", times: 1, status: 429, body: `{"message":"slow down"}`}, 2, false},
		{"503 on a write", fault{call: "POST branches", times: 1, status: 503, body: "<html>"}, 2, false},
		{"524 on a write that happened", fault{call: "POST branches", times: 1, status: 524, body: "<html>", drop: true}, 1, true},
		{"524 on a write that did not", fault{call: "POST branches", times: 1, status: 524, body: "<html>"}, 2, false},
		{"reset after a write that happened", fault{call: "POST branches", times: 1, drop: true}, 1, true},
		{"reset before a write", fault{call: "POST branches", times: 1}, 2, false},
		{"a cut answer", fault{call: "POST branches", times: 1, status: 201, body: `{"branch":{"id":`, drop: true}, 1, true},
		{"524 on a read", fault{call: "GET branches", times: 1, status: 524, body: "<html>"}, 1, false},
		{"reset on a read", fault{call: "GET branches", times: 2}, 1, false},
		{"404 right after create", fault{call: "GET br-test-000001", times: 2, status: 404, body: `{"message":"branch not found"}`}, 1, false},
		{"503 while waiting", fault{call: "GET 000000000000", times: 2, status: 503}, 1, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			f, c := newFake(t)
			fault := tc.fault
			f.fail(&fault)
			got, err := c.EnsureBranch(t.Context(), spec())
			if err != nil {
				t.Fatal(err)
			}
			if got.Branch.Name != name || got.Branch.State != "ready" || got.Endpoint == nil || got.Endpoint.Type != ReadOnly || got.Adopted != tc.adopted {
				t.Errorf("got %+v", got)
			}
			if n := f.count("POST branches"); n != tc.posts {
				t.Errorf("the creation was sent %d times, want %d", n, tc.posts)
			}
			if fault.times != 0 {
				t.Errorf("the fault was met %d times less than it should", fault.times)
			}
			if len(f.branches) != 2 {
				t.Errorf("there are %d branches, want 2", len(f.branches))
			}
		})
	}
}

// Each row is an answer that the client must hand to people.
func TestGivesUp(t *testing.T) {
	for _, tc := range []struct {
		name  string
		fault fault
		kind  error
		says  string
		retry bool
		posts int
	}{
		{"quota", fault{call: "POST branches", times: -1, status: 423, body: `{"message":"You have exceeded the limit of compute time"}`}, ErrLimit, "limit of compute time", false, 3},
		{"branch limit", fault{call: "POST branches", times: -1, status: 422, body: `{"code":"BRANCHES_LIMIT_EXCEEDED","message":"branches limit exceeded"}`}, ErrLimit, "BRANCHES_LIMIT_EXCEEDED", false, 1},
		{"outside history", fault{call: "POST branches", times: -1, status: 400, body: `{"code":"","message":"timestamp is before retention window; timestamp:\"2026-01-01T00:00:00Z\", retention_window:\"6h0m0s\""}`}, ErrOutsideHistory, "6h0m0s", false, 1},
		{"wrong key", fault{call: "GET branches", times: -1, status: 401, body: `{"message":"bad key ` + testKey + `"}`}, ErrDenied, "make a new one", false, 0},
		{"not allowed", fault{call: "POST branches", times: -1, status: 403, body: `{"message":"no"}`}, ErrDenied, "status 403", false, 1},
		{"bad request", fault{call: "POST branches", times: -1, status: 400, body: `{"message":"no"}`}, ErrInvalid, "status 400", false, 1},
		{"parent gone", fault{call: "POST branches", times: -1, status: 404, body: `{"message":"parent not found"}`}, ErrNotFound, "parent not found", false, 1},
		{"taken by nobody", fault{call: "POST branches", times: -1, status: 409, body: `{"message":"conflict"}`}, ErrConflict, "conflict", false, 1},
		{"redirect", fault{call: "GET branches", times: -1, status: 302, header: map[string]string{"Location": "http://127.0.0.1:1/"}}, ErrUnavailable, "does not seem to be Neon's API", true, 0},
		{"Retry-After beyond the budget", fault{call: "POST branches", times: -1, status: 429, header: map[string]string{"Retry-After": "90"}, body: `{"message":"m"}`}, ErrUnavailable, "wait a minute", true, 1},
		{"answers lost for ever", fault{call: "POST branches", times: -1, status: 524}, ErrUnavailable, "status 524", true, creates},
		{"passwords in a message", fault{call: "POST branches", times: -1, status: 400, body: `{"message":"cannot use postgres://u:` + testPassword + `@h/d, password=\"` + testPassword + `\""}`}, ErrInvalid, "[redacted]", false, 1},
	} {
		t.Run(tc.name, func(t *testing.T) {
			f, c := newFake(t)
			f.fail(&tc.fault)
			_, err := c.EnsureBranch(t.Context(), spec())
			var e *Error
			if !errors.As(err, &e) || !errors.Is(err, tc.kind) || !strings.Contains(err.Error(), tc.says) {
				t.Fatalf("got %v, want %v saying %q", err, tc.kind, tc.says)
			}
			if Retryable(err) != tc.retry || OutsideHistory(err) != (tc.kind == ErrOutsideHistory) || IsNotFound(err) != (tc.kind == ErrNotFound) {
				t.Errorf("classified wrongly: %v", err)
			}
			if n := f.count("POST branches"); n != tc.posts {
				t.Errorf("the creation was sent %d times, want %d", n, tc.posts)
			}
			if e.RequestID == "" {
				t.Error("no request id")
			}
			f.noSecrets("error", err.Error())
		})
	}
}

func TestLockedForEverEndsWithTheBudget(t *testing.T) {
	f, c := newFake(t)
	c.cfg.RetryBudget = 50 * time.Millisecond
	f.fail(&fault{call: "POST branches", times: -1, status: 423, body: lockedBody})
	_, err := c.EnsureBranch(t.Context(), spec())
	if !errors.Is(err, ErrBusy) || !Retryable(err) || !strings.Contains(err.Error(), "r-1") {
		t.Fatal(err)
	}
}

func TestRetryAfterIsHonoured(t *testing.T) {
	f, c := newFake(t)
	f.fail(&fault{call: "POST branches", times: 1, status: 429, header: map[string]string{"Retry-After": "1"}})
	start := time.Now()
	if _, err := c.EnsureBranch(t.Context(), spec()); err != nil {
		t.Fatal(err)
	}
	if waited := time.Since(start); waited < time.Second {
		t.Errorf("waited %s only", waited)
	}
	now := time.Date(2026, 11, 25, 4, 0, 0, 0, time.UTC)
	for header, want := range map[string]time.Duration{
		"": 0, "x": 0, "-5": 0, "7": 7 * time.Second, "9999999": time.Hour, "Wed, 25 Nov 2026 04:00:30 GMT": 30 * time.Second,
		"Wed, 25 Nov 2026 03:00:00 GMT": 0,
	} {
		if got := retryAfter(header, now); got != want {
			t.Errorf("Retry-After %q is %s, want %s", header, got, want)
		}
	}
}

func TestNothingListens(t *testing.T) {
	_, c := newFake(t)
	c.base.Host = "127.0.0.1:1"
	c.cfg.RetryBudget = 30 * time.Millisecond
	_, err := c.EnsureBranch(t.Context(), spec())
	if !errors.Is(err, ErrUnavailable) || unknownOutcome(err) || !strings.Contains(err.Error(), "connection refused") {
		t.Fatal(err)
	}
}

func TestCancelledWhileLocked(t *testing.T) {
	f, c := newFake(t)
	ctx, cancel := context.WithTimeoutCause(t.Context(), 40*time.Millisecond, errors.New("the operator cancelled"))
	defer cancel()
	f.fail(&fault{call: "POST branches", times: -1, status: 423, body: lockedBody})
	_, err := c.EnsureBranch(ctx, spec())
	if err == nil || !strings.Contains(err.Error(), "the operator cancelled") {
		t.Fatal(err)
	}
}

// dialFails refuses the first connection of a write.
type dialFails struct {
	http.RoundTripper
	times int
}

func (d *dialFails) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Method == http.MethodPost && d.times > 0 {
		d.times--
		return nil, &net.OpError{Op: "dial", Net: "tcp", Err: errors.New("connection refused")}
	}
	return d.RoundTripper.RoundTrip(r)
}

// What was never sent needs no looking for.
func TestAWriteThatWasNeverSentIsRepeated(t *testing.T) {
	f, c := newFake(t)
	c.http.Transport = &dialFails{http.DefaultTransport, 2}
	if _, err := c.EnsureBranch(t.Context(), BranchSpec{Project: project, Name: name, Parent: mainBranch}); err != nil {
		t.Fatal(err)
	}
	if looks := f.count("GET /branches"); looks != 1 || f.count("POST branches") != 1 {
		t.Errorf("looked %d times, created %d times", looks, f.count("POST branches"))
	}
}

func TestAnEchoedKeyIsNotShown(t *testing.T) {
	f, c := newFake(t)
	c.cfg.Key = func() (secret.String, error) { return secret.New("plain-key-without-prefix"), nil }
	f.fail(&fault{call: "GET branches", times: -1, status: 401, body: `{"code":"plain-key-without-prefix","message":"no such key: plain-key-without-prefix"}`})
	if _, err := c.Branches(t.Context(), project); err == nil || strings.Contains(err.Error(), "plain-key") {
		t.Error(err)
	}
}
