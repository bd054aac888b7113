package traffic

import (
	"context"
	"errors"

	"github.com/jackc/pgx/v5/pgconn"
)

// FromServer gives a failed connection or query its kind. What servers and poolers say is kept, for it names
// databases and roles; what drivers say is not, for it names addresses. A failure that has its kind stays as it is.
func FromServer(op, hint string, err error) error {
	if err == nil {
		return nil
	}
	var known *Error
	if errors.As(err, &known) {
		return err
	}
	var said *pgconn.PgError
	if errors.As(err, &said) {
		kind := ErrUnavailable
		switch said.Code[:min(2, len(said.Code))] {
		case "28":
			kind = ErrDenied
		case "3D", "42", "22":
			kind = ErrInvalid
		}
		return Fail(op, kind, hint, "%s (SQLSTATE %s)", said.Message, said.Code)
	}
	switch {
	case errors.Is(err, context.Canceled):
		return context.Canceled
	case errors.Is(err, context.DeadlineExceeded), pgconn.Timeout(err):
		return Fail(op, ErrUnavailable, hint, "no answer in time")
	}
	return Fail(op, ErrUnavailable, hint, "the connection could not be made, or was lost")
}

// Refused says that the other side answered, and let nobody in: the proof that a door is closed.
func Refused(err error) bool {
	var said *pgconn.PgError
	return errors.As(err, &said) && said.Severity == "FATAL"
}
