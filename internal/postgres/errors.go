package postgres

import (
	"context"
	"errors"
	"io"
	"net"
	"regexp"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
)

// What an [Error] can be; ask with [errors.Is].
var (
	// ErrUnavailable: the server cannot be reached, is starting or stopping, or is out of connections or
	// room. It is worth another try.
	ErrUnavailable = errors.New("server unavailable")
	// ErrConflict: another session was in the way. It is worth another try.
	ErrConflict = errors.New("another session is in the way")
	// ErrPermission: the role may not log in or not do what is needed.
	ErrPermission = errors.New("permission denied")
	// ErrVersion: pg_dump or pg_restore is missing or older than the server.
	ErrVersion = errors.New("unsupported version")
	// ErrSnapshotGone: the session that exported the snapshot has ended. A new snapshot is needed.
	ErrSnapshotGone = errors.New("snapshot is gone")
	// ErrNotEmpty: the target holds objects that this restore did not make.
	ErrNotEmpty = errors.New("target is not empty")
	// ErrMismatch: data is not what the manifest says. Nothing of it was committed.
	ErrMismatch = errors.New("data does not match the manifest")
	// ErrInvalid: the request cannot be right, for example a chunk that the catalog does not know.
	ErrInvalid = errors.New("invalid request")
)

// Error is a failure of this package. It never holds a password, a connection string or a value of the data.
type Error struct {
	// Op is what was tried, for example "copy table".
	Op string
	// Object names what it was tried on; it may be empty.
	Object string
	// Hint tells a person what to do; it may be empty.
	Hint string
	// Kind is one of the sentinels above, or nil.
	Kind error
	// Code is the server's SQLSTATE; it may be empty.
	Code string
	// Err is the scrubbed cause.
	Err error
}

func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.Op)
	if e.Object != "" {
		b.WriteString(" " + e.Object)
	}
	if e.Err != nil {
		b.WriteString(": " + e.Err.Error())
	} else if e.Kind != nil {
		b.WriteString(": " + e.Kind.Error())
	}
	if e.Hint != "" {
		b.WriteString(" (" + e.Hint + ")")
	}
	return b.String()
}

// Unwrap gives the kind and the cause.
func (e *Error) Unwrap() []error {
	var all []error
	for _, err := range []error{e.Kind, e.Err} {
		if err != nil {
			all = append(all, err)
		}
	}
	return all
}

// Retryable says whether the same call may well succeed later.
func Retryable(err error) bool {
	return errors.Is(err, ErrUnavailable) || errors.Is(err, ErrConflict)
}

// Fail wraps what a server said to another package, as this one does: scrubbed, and with what is known of it.
func Fail(op, object string, err error) error { return fail(op, object, err) }

// fail wraps a cause with what is known of it. An Error stays what it is; nil stays nil.
func fail(op, object string, err error) error {
	if err == nil {
		return nil
	}
	var known *Error
	if errors.As(err, &known) {
		return err
	}
	e := &Error{Op: op, Object: object}
	var pg *pgconn.PgError
	switch {
	case errors.As(err, &pg):
		e.Code, e.Kind, e.Hint = pg.Code, kindOf(pg), hintFor(pg)
		e.Err = errors.New(describe(pg))
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		e.Err = contextCause(err)
	case isNetwork(err):
		e.Kind, e.Err = ErrUnavailable, errors.New("the connection to the server was lost or could not be made")
	default:
		e.Err = err
	}
	return e
}

func contextCause(err error) error {
	if errors.Is(err, context.Canceled) {
		return context.Canceled
	}
	return context.DeadlineExceeded
}

func isNetwork(err error) bool {
	var network net.Error
	var connect *pgconn.ConnectError
	return errors.As(err, &network) || errors.As(err, &connect) || errors.Is(err, io.EOF) ||
		errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, pgconn.ErrConnClosed) || errors.Is(err, net.ErrClosed)
}

func kindOf(pg *pgconn.PgError) error {
	switch class := pg.Code[:min(2, len(pg.Code))]; {
	case pg.Code == "40001", pg.Code == "40P01", pg.Code == "55P03":
		return ErrConflict
	case pg.Code == "42501", class == "28":
		return ErrPermission
	case pg.Code == "57014": // a cancel that was not ours: statement_timeout is off
		return ErrUnavailable
	case class == "08", class == "53", class == "57":
		return ErrUnavailable
	}
	return nil
}

func hintFor(pg *pgconn.PgError) string {
	switch pg.Code {
	case "53100":
		return "the server's disk is full: make room"
	case "53200":
		return "the server ran out of memory; if it says shared memory, raise max_locks_per_transaction"
	case "53300":
		return "the server has no free connection: use fewer, or raise max_connections"
	case "55P03":
		return "a migration waits for a table that is being read: begin again with a new snapshot once it has run"
	case "28P01", "28000":
		return "check the role and the password of the connection string"
	}
	return ""
}

var quoted = regexp.MustCompile(`"[^"]*"|“[^”]*”|'[^']*'`)

// describe keeps of a server's error what cannot be a value of the data: the code, the names that the
// server reports as names, and the message, without quotes where messages quote values.
func describe(pg *pgconn.PgError) string {
	message := pg.Message
	switch pg.Code[:min(2, len(pg.Code))] {
	case "08", "0A", "25", "28", "3D", "3F", "40", "42", "53", "55", "57", "58":
		// These messages quote names, not values.
	case "22":
		message, _, _ = strings.Cut(quoted.ReplaceAllString(message, "…"), ":")
	case "P0", "38", "39":
		message = "a function or trigger of the database raised an error"
	default:
		message = quoted.ReplaceAllString(message, "…")
	}
	for _, name := range []struct{ label, value string }{
		{"schema", pg.SchemaName}, {"table", pg.TableName}, {"column", pg.ColumnName}, {"constraint", pg.ConstraintName},
	} {
		if name.value != "" {
			message += ", " + name.label + " " + name.value
		}
	}
	return message + " (SQLSTATE " + pg.Code + ")"
}
