package store

import (
	"errors"
	"fmt"
)

// The kinds of failure a caller acts upon. An [*Error] is one of these under errors.Is.
var (
	// ErrExists: the key is taken. Look at its metadata before calling it a conflict.
	ErrExists = errors.New("object exists")
	// ErrNotFound: no such object or version, or only a delete marker.
	ErrNotFound = errors.New("object not found")
	// ErrCorrupt: the bytes read are not the bytes the store says it holds.
	ErrCorrupt = errors.New("object is corrupt")
	// ErrDenied: the credentials do not allow it, or the bucket is not there. Retrying does not help.
	ErrDenied = errors.New("access denied")
	// ErrFull: no room, or a quota. Retrying does not help until somebody makes room.
	ErrFull = errors.New("store is full")
	// ErrUnavailable: throttled, unreachable, answered 5xx, or the answer was lost. Retrying helps.
	ErrUnavailable = errors.New("store is unavailable")
	// ErrInvalid: the request cannot be right: a bad key, a body over MaxBody, a bad setting.
	ErrInvalid = errors.New("invalid request")
)

// Error is what every store returns: what was tried, on which object, of which kind, and what a person
// can do about it. It carries no credentials.
type Error struct {
	Op   string // "create", "open", …
	Key  string
	Kind error  // one of the Err… above
	Hint string // what to do, in one sentence; may be empty
	Err  error  // what the client said; may be nil
}

func (e *Error) Error() string {
	s := fmt.Sprintf("%s object %q: %v", e.Op, e.Key, e.Kind)
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	if e.Hint != "" {
		s += " (" + e.Hint + ")"
	}
	return s
}

// Unwrap makes the kind and the cause visible to errors.Is and errors.As.
func (e *Error) Unwrap() []error {
	if e.Err == nil {
		return []error{e.Kind}
	}
	return []error{e.Kind, e.Err}
}

// Retryable says whether the same call may succeed later without anybody doing anything.
func Retryable(err error) bool { return errors.Is(err, ErrUnavailable) }
