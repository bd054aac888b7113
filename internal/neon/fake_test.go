package neon

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lifeboat-dr/lifeboat/internal/secret"
)

const (
	testKey      = "napi_t0psecretkey"
	testPassword = "npg_hunter2hunter2"
	project      = "calm-river-123456"
	mainBranch   = "br-main-000001"
)

// fake is as much of Neon as the client's rules need. What it answers first is decided by faults.
type fake struct {
	t   *testing.T
	mu  sync.Mutex
	log bytes.Buffer

	branches  []Branch
	endpoints []Endpoint
	databases []Database
	ops       []*fakeOp
	faults    []*fault
	calls     []string
	keys      []string
	pageSize  int
	// lsn is what a branch is said to hold when none is asked for.
	lsn string
}

// fakeOp goes through its statuses, one for each look at it.
type fakeOp struct {
	Operation
	statuses []Status
}

// fault answers calls instead of the fake, times often. Drop lets the fake do its work and then loses
// the answer.
type fault struct {
	call   string // "POST branches", matched by method and the end of the path
	times  int
	status int
	body   string
	header map[string]string
	drop   bool
	before func()
}

func newFake(t *testing.T) (*fake, *Client) {
	t.Helper()
	f := &fake{t: t, lsn: "0/1A2B3C0", branches: []Branch{{ID: mainBranch, Project: project, Name: "main", Default: true, State: "ready"}}}
	server := httptest.NewServer(f)
	t.Cleanup(server.Close)
	client, err := New(Config{
		BaseURL: server.URL + "/api/v2", Key: func() (secret.String, error) { return secret.New(testKey), nil },
		Log:          slog.New(slog.NewJSONHandler(&lockedWriter{f: f}, &slog.HandlerOptions{Level: slog.LevelDebug})),
		PollInterval: 2 * time.Millisecond, RetryBudget: 2 * time.Second, OperationTimeout: 2 * time.Second,
		FailedGrace: 30 * time.Millisecond, RequestTimeout: time.Second,
	})
	if err != nil {
		t.Fatal(err)
	}
	client.freshFor = 200 * time.Millisecond
	t.Cleanup(func() { f.noSecrets("log", f.logged()) })
	return f, client
}

type lockedWriter struct{ f *fake }

func (w *lockedWriter) Write(p []byte) (int, error) {
	w.f.mu.Lock()
	defer w.f.mu.Unlock()
	return w.f.log.Write(p)
}

func (f *fake) logged() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.log.String()
}

func (f *fake) noSecrets(what, text string) {
	f.t.Helper()
	for _, s := range []string{testKey, testPassword, "postgres://", "postgresql://"} {
		if strings.Contains(text, s) {
			f.t.Errorf("%s shows %q: %s", what, s, text)
		}
	}
}

func (f *fake) fail(faults ...*fault) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.faults = append(f.faults, faults...)
}

// count is how often a call was made.
func (f *fake) count(call string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := 0
	for _, c := range f.calls {
		if matches(call, c) {
			n++
		}
	}
	return n
}

func matches(call, made string) bool {
	method, end, _ := strings.Cut(call, " ")
	return strings.HasPrefix(made, method+" ") && strings.HasSuffix(made, end)
}

func (f *fake) fault(made string) *fault {
	for _, x := range f.faults {
		if x.times != 0 && matches(x.call, made) {
			x.times--
			return x
		}
	}
	return nil
}

func (f *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	path, ok := strings.CutPrefix(r.URL.EscapedPath(), "/api/v2/projects/"+project)
	if !ok {
		http.NotFound(w, r)
		return
	}
	made := r.Method + " " + path
	f.calls = append(f.calls, made)
	f.keys = append(f.keys, r.Header.Get("Authorization"))
	x := f.fault(made)
	if x != nil && x.before != nil {
		x.before()
	}
	if x != nil && x.status != 0 && !x.drop {
		for k, v := range x.header {
			w.Header().Set(k, v)
		}
		w.WriteHeader(x.status)
		_, _ = w.Write([]byte(x.body))
		return
	}
	rec := httptest.NewRecorder()
	if x == nil || x.drop {
		f.serve(rec, r, strings.Split(strings.Trim(path, "/"), "/"))
	}
	if x != nil && x.status == 0 {
		conn, _, err := w.(http.Hijacker).Hijack()
		if err == nil {
			_ = conn.Close()
		}
		return
	}
	if x != nil {
		w.WriteHeader(x.status)
		_, _ = w.Write([]byte(x.body))
		return
	}
	w.WriteHeader(rec.Code)
	_, _ = w.Write(rec.Body.Bytes())
}

func (f *fake) reply(w http.ResponseWriter, status int, v any) {
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v)
}

func (f *fake) op(action, branch string) *fakeOp {
	o := &fakeOp{Operation: Operation{ID: fmt.Sprintf("00000000-0000-4000-8000-%012d", len(f.ops)), Project: project, Branch: branch,
		Action: action, Status: "scheduling", CreatedAt: time.Now()}, statuses: []Status{"running", StatusFinished}}
	f.ops = append(f.ops, o)
	return o
}

func (f *fake) serve(w http.ResponseWriter, r *http.Request, p []string) {
	switch {
	case p[0] == "operations" && len(p) == 2:
		for _, o := range f.ops {
			if o.ID == p[1] {
				f.advance(o)
				f.reply(w, 200, map[string]any{"operation": o.Operation})
				return
			}
		}
		f.reply(w, 404, map[string]any{"code": "", "message": "operation not found"})
	case p[0] == "operations":
		var all []Operation
		for i := len(f.ops) - 1; i >= 0; i-- {
			all = append(all, f.ops[i].Operation)
		}
		f.reply(w, 200, map[string]any{"operations": all})
	case p[0] == "branches" && len(p) == 1:
		f.serveBranches(w, r)
	case p[0] == "branches":
		f.serveBranch(w, r, p)
	case p[0] == "endpoints" && len(p) == 1:
		var in struct{ Endpoint Endpoint }
		_ = json.NewDecoder(r.Body).Decode(&in)
		e := f.addEndpoint(in.Endpoint.Branch, in.Endpoint.Type)
		f.reply(w, 201, map[string]any{"endpoint": e, "operations": []Operation{f.op("start_compute", e.Branch).Operation}})
	case p[0] == "endpoints":
		for _, e := range f.endpoints {
			if e.ID == p[1] {
				out := map[string]any{"endpoint": e}
				if r.Method != http.MethodGet {
					out["operations"] = []Operation{f.op("apply_config", e.Branch).Operation}
				}
				f.reply(w, 200, out)
				return
			}
		}
		f.reply(w, 404, map[string]any{"message": "endpoint not found"})
	default:
		f.reply(w, 404, map[string]any{"message": "no such route"})
	}
}

func (f *fake) advance(o *fakeOp) {
	if len(o.statuses) > 0 {
		o.Status, o.statuses = o.statuses[0], o.statuses[1:]
		if o.Status == StatusFailed {
			o.FailuresCount++
		}
	}
	if o.Status.Done() && o.Action == "create_branch" {
		for i := range f.branches {
			if f.branches[i].ID == o.Branch {
				f.branches[i].State = "ready"
			}
		}
	}
}

func (f *fake) addEndpoint(branch string, kind EndpointType) Endpoint {
	e := Endpoint{ID: fmt.Sprintf("ep-test-%06d", len(f.endpoints)), Project: project, Branch: branch, Type: kind, Host: "ep.example.test", State: "active"}
	f.endpoints = append(f.endpoints, e)
	return e
}

func (f *fake) serveBranches(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodGet {
		f.listBranches(w, r)
		return
	}
	var in struct {
		Branch    Branch
		Endpoints []Endpoint
	}
	_ = json.NewDecoder(r.Body).Decode(&in)
	for _, b := range f.branches {
		if b.Name == in.Branch.Name {
			f.reply(w, 409, map[string]any{"code": "BRANCH_ALREADY_EXISTS", "message": "branch already exists"})
			return
		}
	}
	b := in.Branch
	b.ID, b.Project, b.State = fmt.Sprintf("br-test-%06d", len(f.branches)), project, "init"
	if b.ParentLSN == "" {
		b.ParentLSN = f.lsn
	}
	f.branches = append(f.branches, b)
	out := map[string]any{"branch": b, "operations": []Operation{f.op("create_branch", b.ID).Operation},
		"connection_uris": []any{map[string]any{"connection_uri": "postgres://o:" + testPassword + "@h/db"}}}
	for _, e := range in.Endpoints {
		f.addEndpoint(b.ID, e.Type)
		out["operations"] = append(out["operations"].([]Operation), f.op("start_compute", b.ID).Operation)
	}
	f.reply(w, 201, out)
}

func (f *fake) listBranches(w http.ResponseWriter, r *http.Request) {
	var all []Branch
	for _, b := range f.branches {
		if strings.Contains(b.Name, r.URL.Query().Get("search")) {
			all = append(all, b)
		}
	}
	from := 0
	_, _ = fmt.Sscanf(r.URL.Query().Get("cursor"), "at-%d", &from)
	pagination := map[string]any{}
	if f.pageSize > 0 {
		to := min(from+f.pageSize, len(all))
		all = all[from:to]
		pagination["next"] = fmt.Sprintf("at-%d", to)
	}
	f.reply(w, 200, map[string]any{"branches": all, "pagination": pagination})
}

func (f *fake) serveBranch(w http.ResponseWriter, r *http.Request, p []string) {
	at := -1
	for i := range f.branches {
		if f.branches[i].ID == p[1] {
			at = i
		}
	}
	switch {
	case at < 0 && r.Method == http.MethodDelete:
		w.WriteHeader(204)
	case at < 0:
		f.reply(w, 404, map[string]any{"message": "branch not found"})
	case len(p) == 2 && r.Method == http.MethodDelete:
		f.branches = append(f.branches[:at], f.branches[at+1:]...)
		f.reply(w, 200, map[string]any{"operations": []Operation{f.op("delete_timeline", p[1]).Operation}})
	case len(p) == 2 && r.Method == http.MethodPatch:
		var in struct {
			Branch struct {
				ExpiresAt *time.Time `json:"expires_at"`
				Protected *bool      `json:"protected"`
				Name      string     `json:"name"`
			}
		}
		_ = json.NewDecoder(r.Body).Decode(&in)
		if in.Branch.Name != "" {
			f.branches[at].Name = in.Branch.Name
		} else if in.Branch.Protected != nil {
			f.branches[at].Protected = *in.Branch.Protected
		} else if f.branches[at].ExpiresAt = (time.Time{}); in.Branch.ExpiresAt != nil {
			f.branches[at].ExpiresAt = *in.Branch.ExpiresAt
		}
		f.reply(w, 200, map[string]any{"branch": f.branches[at], "operations": []Operation{}})
	case len(p) == 2:
		f.reply(w, 200, map[string]any{"branch": f.branches[at]})
	case p[2] == "endpoints":
		var all []Endpoint
		for _, e := range f.endpoints {
			if e.Branch == p[1] {
				all = append(all, e)
			}
		}
		f.reply(w, 200, map[string]any{"endpoints": all})
	case p[2] == "databases":
		f.serveDatabases(w, r, p[1])
	case p[2] == "restore":
		f.serveRestore(w, r, at)
	default:
		f.reply(w, 404, map[string]any{"message": "no such route"})
	}
}

func (f *fake) serveDatabases(w http.ResponseWriter, r *http.Request, branch string) {
	if r.Method == http.MethodGet {
		f.reply(w, 200, map[string]any{"databases": f.databases})
		return
	}
	var in struct{ Database Database }
	_ = json.NewDecoder(r.Body).Decode(&in)
	in.Database.Branch = branch
	f.databases = append(f.databases, in.Database)
	f.reply(w, 201, map[string]any{"database": in.Database, "operations": []Operation{f.op("apply_config", branch).Operation}})
}

func (f *fake) serveRestore(w http.ResponseWriter, r *http.Request, at int) {
	var in struct {
		LSN        string    `json:"source_lsn"`
		Time       time.Time `json:"source_timestamp"`
		PreserveAs string    `json:"preserve_under_name"`
	}
	_ = json.NewDecoder(r.Body).Decode(&in)
	b := &f.branches[at]
	b.ParentLSN, b.ParentTime = in.LSN, in.Time
	kept := Branch{ID: fmt.Sprintf("br-kept-%06d", len(f.branches)), Project: project, Name: in.PreserveAs, State: "ready"}
	id := b.ID
	f.branches = append(f.branches, kept)
	f.reply(w, 200, map[string]any{"branch": f.branches[at], "operations": []Operation{f.op("restore", id).Operation}})
}
