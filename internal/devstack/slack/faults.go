package slack

import (
	"net/http"
	"strconv"
	"time"
)

// Kind is a way to misbehave.
type Kind string

// The kinds of faults.
const (
	// RateLimit answers 429 with a Retry-After.
	RateLimit Kind = "ratelimit"
	// Delay does it, later.
	Delay Kind = "delay"
	// Drop does it, and closes the connection without an answer.
	Drop Kind = "drop"
	// Refuse closes the connection and does nothing.
	Refuse Kind = "refuse"
	// ServerError answers 500 and does nothing.
	ServerError Kind = "error"
	// LateError does it, and answers 500.
	LateError Kind = "late-error"
)

// Fault is one thing that goes wrong.
type Fault struct {
	// Method is the method of the API, "*" for all of them.
	Method string `json:"method"`
	Kind   Kind   `json:"kind"`
	// Times is how often; 0 is until faults are set anew.
	Times int `json:"times"`
	// Seconds is how long a delay takes, or what Retry-After says.
	Seconds float64 `json:"seconds,omitempty"`
}

// SetFaults replaces what goes wrong from now on. While everything is refused, connections of Socket Mode are closed,
// as when Slack is down.
func (s *Server) SetFaults(faults ...Fault) {
	s.mu.Lock()
	s.faults = append([]Fault(nil), faults...)
	down := s.down()
	s.mu.Unlock()
	if down {
		s.closeSockets("")
	}
}

// down says that nothing is to be reached. The caller holds the lock.
func (s *Server) down() bool {
	for _, f := range s.faults {
		if f.Method == "*" && f.Times == 0 && (f.Kind == Refuse || f.Kind == ServerError) {
			return true
		}
	}
	return false
}

// fault takes the next fault of a method.
func (s *Server) fault(method string) (f Fault, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, f := range s.faults {
		if f.Method != "*" && f.Method != method {
			continue
		}
		if f.Times == 1 {
			s.faults = append(s.faults[:i:i], s.faults[i+1:]...)
		} else if f.Times > 1 {
			s.faults[i].Times--
		}
		return f, true
	}
	return Fault{}, false
}

// broken wraps a method in what goes wrong with it.
func (s *Server) broken(method string, next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		f, ok := s.fault(method)
		if !ok {
			next(w, r)
			return
		}
		switch f.Kind {
		case RateLimit:
			w.Header().Set("Retry-After", strconv.Itoa(int(max(1, f.Seconds))))
			http.Error(w, `{"ok":false,"error":"ratelimited"}`, http.StatusTooManyRequests)
		case Delay:
			time.Sleep(time.Duration(f.Seconds * float64(time.Second)))
			next(w, r)
		case Drop:
			next(discard{}, r)
			panic(http.ErrAbortHandler) // closes the connection
		case Refuse:
			panic(http.ErrAbortHandler)
		case LateError:
			next(discard{}, r)
			http.Error(w, "internal error", http.StatusInternalServerError)
		default:
			http.Error(w, "internal error", http.StatusInternalServerError)
		}
	}
}

// discard takes an answer that nobody gets.
type discard struct{}

func (discard) Header() http.Header         { return http.Header{} }
func (discard) Write(b []byte) (int, error) { return len(b), nil }
func (discard) WriteHeader(int)             {}
