package neon

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"path"
	"strconv"
	"strings"
	"sync"
	"time"
)

// FaultKind is a way to fail, as Neon fails.
type FaultKind string

const (
	// Locked answers 423: conflicting operations are running.
	Locked FaultKind = "locked"
	// QuotaLocked answers 423 for good: a compute quota is used up. The message is the fault's.
	QuotaLocked FaultKind = "quota_locked"
	// BranchNotReady answers 422.
	BranchNotReady FaultKind = "branch_not_ready"
	// Throttled answers 429 with Retry-After.
	Throttled FaultKind = "throttled"
	// Unavailable answers 503 without having done anything.
	Unavailable FaultKind = "unavailable"
	// TimedOut answers 524 with a page of HTML, like the proxy before Neon's API, although the request was carried out.
	TimedOut FaultKind = "timed_out"
	// LostAnswer carries the request out and drops the connection.
	LostAnswer FaultKind = "lost_answer"
	// HiddenBranch answers 404 to reads of a branch that was just made, Times times each, for the next branch made.
	HiddenBranch FaultKind = "hidden_branch"
	// FailedOperation lets an operation fail, wait for RetryAfter, and then succeed. Action chooses it.
	FailedOperation FaultKind = "failed_operation"
)

// Fault is armed by [Emulator.Inject] or POST /emulator/faults and strikes requests, or operations, that it fits.
type Fault struct {
	Kind FaultKind `json:"kind"`
	// Method and Path choose requests; empty means any. Path is a pattern as of path.Match on what follows
	// /api/v2, for example "/projects/*/branches".
	Method string `json:"method,omitempty"`
	Path   string `json:"path,omitempty"`
	// Action chooses operations, for example "create_branch"; empty means any.
	Action string `json:"action,omitempty"`
	// Times is how often it strikes: 0 means once, below 0 for ever.
	Times int `json:"times,omitempty"`
	// RetryAfter is in seconds: the header's value, or how long a failed operation waits.
	RetryAfter float64 `json:"retry_after,omitempty"`
	// Message replaces the usual one.
	Message string `json:"message,omitempty"`
}

func (f Fault) delay() time.Duration { return time.Duration(f.RetryAfter * float64(time.Second)) }

// faults are the armed ones.
type faults struct {
	mu    sync.Mutex
	armed []*Fault
	// unseen counts how often a new branch is still denied.
	unseen map[string]int
}

func (fs *faults) add(f Fault) error {
	switch f.Kind {
	case Locked, QuotaLocked, BranchNotReady, Throttled, Unavailable, TimedOut, LostAnswer, HiddenBranch, FailedOperation:
	default:
		return fmt.Errorf("inject fault: unknown kind %q", f.Kind)
	}
	if _, err := path.Match(f.Path, ""); err != nil {
		return fmt.Errorf("inject fault: bad path pattern %q: %w", f.Path, err)
	}
	if f.Times == 0 {
		f.Times = 1
	}
	fs.mu.Lock()
	defer fs.mu.Unlock()
	fs.armed = append(fs.armed, &f)
	return nil
}

func (fs *faults) clear() {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	fs.armed, fs.unseen = nil, nil
}

func (fs *faults) list() []Fault {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	list := []Fault{}
	for _, f := range fs.armed {
		list = append(list, *f)
	}
	return list
}

// take uses up one strike of the first armed fault that fits.
func (fs *faults) take(fits func(f *Fault) bool) (Fault, bool) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	for i, f := range fs.armed {
		if !fits(f) {
			continue
		}
		taken := *f
		if f.Times > 0 {
			f.Times--
		}
		if f.Times == 0 {
			fs.armed = append(fs.armed[:i:i], fs.armed[i+1:]...)
		}
		return taken, true
	}
	return Fault{}, false
}

func (fs *faults) operation(action string) (Fault, bool) {
	return fs.take(func(f *Fault) bool { return f.Kind == FailedOperation && (f.Action == "" || f.Action == action) })
}

// created is told of each new branch: the next armed HiddenBranch, with all its strikes, is for it.
func (fs *faults) created(branchID string) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	for i, f := range fs.armed {
		if f.Kind == HiddenBranch {
			if fs.unseen == nil {
				fs.unseen = map[string]int{}
			}
			fs.unseen[branchID] = f.Times
			fs.armed = append(fs.armed[:i:i], fs.armed[i+1:]...)
			return
		}
	}
}

func (fs *faults) hidden(branchID string) bool {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	n := fs.unseen[branchID]
	if n > 0 {
		fs.unseen[branchID]--
	}
	return n != 0
}

// wrap lets armed faults strike requests of the API.
func (fs *faults) wrap(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		route, isAPI := strings.CutPrefix(r.URL.Path, "/api/v2")
		f, ok := fs.take(func(f *Fault) bool {
			if !isAPI || f.Kind == HiddenBranch || f.Kind == FailedOperation {
				return false
			}
			matches, _ := path.Match(f.Path, route) // checked when it was armed
			return (f.Method == "" || f.Method == r.Method) && (f.Path == "" || matches)
		})
		if !ok {
			next.ServeHTTP(w, r)
			return
		}
		f.strike(w, r, next)
	})
}

// htmlTimeout is what a browser would see.
const htmlTimeout = "<!DOCTYPE html>\n<html><head><title>524: A timeout occurred</title></head><body><h1>A timeout occurred</h1></body></html>\n"

func (f Fault) strike(w http.ResponseWriter, r *http.Request, next http.Handler) {
	answer := func(status int, message string) {
		writeError(w, r, &apiError{status: status, message: orDefault(f.Message, message)})
	}
	switch f.Kind {
	case Locked:
		answer(http.StatusLocked, errLocked.message)
	case QuotaLocked:
		answer(http.StatusLocked, "compute time quota exceeded for this billing period")
	case BranchNotReady:
		answer(http.StatusUnprocessableEntity, errNotReady.message)
	case Throttled:
		w.Header().Set("Retry-After", strconv.Itoa(int(f.RetryAfter)))
		answer(http.StatusTooManyRequests, "too many requests")
	case Unavailable:
		answer(http.StatusServiceUnavailable, "service unavailable")
	case TimedOut:
		next.ServeHTTP(httptest.NewRecorder(), r)
		w.Header().Set("Content-Type", "text/html; charset=UTF-8")
		w.WriteHeader(524)
		_, _ = w.Write([]byte(htmlTimeout)) // the client may have gone
	case LostAnswer:
		next.ServeHTTP(httptest.NewRecorder(), r)
		panic(http.ErrAbortHandler) // net/http's way to drop a connection
	}
}
