package traffic

import (
	"errors"
	"fmt"
	"strings"
)

// What an [Error] can be; ask with [errors.Is].
var (
	// ErrUnavailable: the door does not answer, or the server behind it does not. It is worth another try.
	ErrUnavailable = errors.New("door unavailable")
	// ErrBusy: transactions did not end in time. The door is as it was before.
	ErrBusy = errors.New("transactions are still running")
	// ErrState: the door is not in the state that the verb needs; nothing was changed.
	ErrState = errors.New("wrong state")
	// ErrOvertaken: the door was changed in a later epoch, or by somebody else in the meantime.
	ErrOvertaken = errors.New("overtaken")
	// ErrWrongServer: the door does not lead to the server that it was asked to lead to.
	ErrWrongServer = errors.New("the door leads to another server")
	// ErrUnfit: the door's own settings do not let it do what was asked for.
	ErrUnfit = errors.New("the door's settings do not fit")
	// ErrDenied: the door's administration, or the server, refuses the credentials.
	ErrDenied = errors.New("access denied")
	// ErrInvalid: the request, or what the door keeps its state in, cannot be right.
	ErrInvalid = errors.New("invalid")
)

// Error is a failure at a door. It holds no password, no connection string and no address.
type Error struct {
	// Op is what was tried, for example "hold door".
	Op string
	// Kind is one of the sentinels above.
	Kind error
	// Message says what was seen; empty leaves the kind to speak.
	Message string
	// Hint tells a person what to do.
	Hint string
}

func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.Op + ": ")
	if e.Message != "" {
		b.WriteString(e.Message)
	} else {
		b.WriteString(e.Kind.Error())
	}
	if e.Hint != "" {
		b.WriteString(" (" + e.Hint + ")")
	}
	return b.String()
}

// Unwrap makes the kind visible to errors.Is.
func (e *Error) Unwrap() error { return e.Kind }

// Fail makes an error of a door.
func Fail(op string, kind error, hint, format string, args ...any) *Error {
	return &Error{Op: op, Kind: kind, Hint: hint, Message: fmt.Sprintf(format, args...)}
}
