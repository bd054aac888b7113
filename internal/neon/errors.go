package neon

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
)

// The kinds of failure a caller acts upon. An [*Error] is one of these under errors.Is.
var (
	// ErrNotFound: the project, branch, compute, role or database is not there.
	ErrNotFound = errors.New("not found")
	// ErrDenied: the key is missing, wrong, or may not do this. Retrying does not help.
	ErrDenied = errors.New("access denied")
	// ErrInvalid: the request cannot be right.
	ErrInvalid = errors.New("invalid request")
	// ErrOutsideHistory: the point in time or LSN is no longer kept. Retrying does not help.
	ErrOutsideHistory = errors.New("outside the history window")
	// ErrLimit: the plan's number of branches or its quota is used up. Retrying does not help until somebody
	// makes room or a new period begins.
	ErrLimit = errors.New("limit reached")
	// ErrBusy: other operations of the project were still running when the budget was used up.
	ErrBusy = errors.New("project is busy")
	// ErrUnavailable: throttled, unreachable or broken on Neon's side.
	ErrUnavailable = errors.New("API is unavailable")
	// ErrConflict: something of that name is there and is not what was asked for.
	ErrConflict = errors.New("conflict")
	// ErrWrongPoint: a branch holds another point in time than asked for, or its point could not be verified.
	ErrWrongPoint = errors.New("wrong point in time")
	// ErrNotOwn: the branch is not Lifeboat's, or is one that must stay. Nothing was changed.
	ErrNotOwn = errors.New("not Lifeboat's to change")
	// ErrOperation: Neon accepted the call and its operation then failed.
	ErrOperation = errors.New("operation failed")
	// ErrSlow: an operation was not done in time. It may still succeed.
	ErrSlow = errors.New("operation is not done")
)

// Error is what every call returns: what was tried, what Neon said, what a person can do. It carries no
// password and no connection string.
type Error struct {
	// Op is what was tried, for example "create branch".
	Op   string
	Kind error // one of the Err… above
	// Status is the HTTP status; 0 where there was no answer.
	Status int
	// Code and Message are Neon's, scrubbed. Code is often empty.
	Code, Message string
	// RequestID is what Neon's support asks for. Where there was no answer it is the one that was sent.
	RequestID string
	// Hint is what to do, in one sentence; may be empty.
	Hint string
	// Unknown says that the write may have happened although it failed: look before repeating it.
	Unknown bool
	// Err is the cause where there was no answer; may be nil.
	Err error
}

func (e *Error) Error() string {
	var s strings.Builder
	fmt.Fprintf(&s, "%s: %v", e.Op, e.Kind)
	if e.Message != "" {
		s.WriteString(": " + e.Message)
	}
	if e.Err != nil {
		s.WriteString(": " + e.Err.Error())
	}
	var facts []string
	if e.Status != 0 {
		facts = append(facts, fmt.Sprintf("status %d", e.Status))
	}
	if e.Code != "" {
		facts = append(facts, e.Code)
	}
	if e.RequestID != "" {
		facts = append(facts, "request "+e.RequestID)
	}
	if len(facts) > 0 {
		s.WriteString(" [" + strings.Join(facts, ", ") + "]")
	}
	if e.Hint != "" {
		s.WriteString(" (" + e.Hint + ")")
	}
	return s.String()
}

// Unwrap makes the kind and the cause visible to errors.Is and errors.As.
func (e *Error) Unwrap() []error {
	if e.Err == nil {
		return []error{e.Kind}
	}
	return []error{e.Kind, e.Err}
}

// Retryable says whether the same call may succeed later without anybody doing anything. Every method
// is safe to call again.
func Retryable(err error) bool {
	return errors.Is(err, ErrUnavailable) || errors.Is(err, ErrBusy) || errors.Is(err, ErrSlow)
}

// IsNotFound says that what was asked for is not there.
func IsNotFound(err error) bool { return errors.Is(err, ErrNotFound) }

// OutsideHistory says that the point asked for is older than what Neon keeps.
func OutsideHistory(err error) bool { return errors.Is(err, ErrOutsideHistory) }

// unknownOutcome says that a write may have happened.
func unknownOutcome(err error) bool {
	var e *Error
	return errors.As(err, &e) && e.Unknown
}

// isConflict says that the name is taken.
func isConflict(err error) bool { return errors.Is(err, ErrConflict) }

func invalid(op, format string, args ...any) *Error {
	return &Error{Op: op, Kind: ErrInvalid, Message: fmt.Sprintf(format, args...)}
}

// action is what the client does about an answer.
type action int

const (
	final   action = iota
	again          // safe to repeat, read or write
	look           // a write may have happened; reads are repeated
	capped         // worth a few tries, hopeless after them
	missing        // repeated only where the object was made a moment ago
)

// answer is a class of answers: the kind people see, what to do, and what to tell them.
type answer struct {
	kind error
	do   action
	hint string
}

// classify reads an answer. Neon's codes are often empty: the status decides, then the message.
func classify(status int, code, message string) answer {
	text := strings.ToLower(message)
	switch status {
	case http.StatusLocked:
		if strings.Contains(text, "conflicting operations") {
			return answer{ErrBusy, again, "another operation of this project is running: look at the project's operations, and try again when they are done"}
		}
		return answer{ErrLimit, capped, "a quota of the plan seems used up: look at the project's usage in Neon's console, or raise the plan"}
	case http.StatusTooManyRequests:
		return answer{ErrUnavailable, again, "too many requests with this key: wait a minute"}
	case http.StatusServiceUnavailable:
		return answer{ErrUnavailable, again, "look at neonstatus.com"}
	case http.StatusUnprocessableEntity:
		switch {
		case strings.Contains(text, "not ready"):
			return answer{ErrBusy, again, "the branch is still being prepared: try again in a minute"}
		case code == "BRANCHES_LIMIT_EXCEEDED":
			return answer{ErrLimit, final, "delete branches that are no longer needed, or raise the plan"}
		}
		return outsideOr(text, answer{ErrInvalid, final, ""})
	case http.StatusUnauthorized:
		return answer{ErrDenied, final, "the API key is wrong or revoked: make a new one in Neon's console and put it where the configuration says"}
	case http.StatusForbidden:
		return answer{ErrDenied, final, "the API key may not do this: use a key of the project's organisation or with access to this project"}
	case http.StatusNotFound:
		return answer{ErrNotFound, missing, ""}
	case http.StatusConflict:
		return answer{ErrConflict, final, ""}
	}
	switch {
	case status >= 500:
		return answer{ErrUnavailable, look, "look at neonstatus.com"}
	case status >= 400:
		return outsideOr(text, answer{ErrInvalid, final, ""})
	}
	return answer{ErrUnavailable, final, "the base URL does not seem to be Neon's API"}
}

func outsideOr(text string, otherwise answer) answer {
	if strings.Contains(text, "retention window") || strings.Contains(text, "history window") {
		return answer{ErrOutsideHistory, final, "choose a later point, or restore a backup; the project's history retention decides how far back Neon reaches"}
	}
	return otherwise
}
