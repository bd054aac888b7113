package neon

import (
	"fmt"
	"net/http"
	"time"
)

// apiError is an answer that is not a success, as Neon words it where its words are known.
type apiError struct {
	status  int
	code    string // often empty at Neon, too
	message string
}

func (e *apiError) Error() string { return fmt.Sprintf("%d: %s", e.status, e.message) }

var (
	errLocked = &apiError{status: http.StatusLocked,
		message: "project already has running conflicting operations, scheduling of new ones is prohibited"}
	errNotReady   = &apiError{status: http.StatusUnprocessableEntity, message: "branch not ready yet"}
	errNotAllowed = &apiError{status: http.StatusUnauthorized, message: "supplied credentials do not pass authentication"}
)

func notFound(what, id string) *apiError {
	return &apiError{status: http.StatusNotFound, message: fmt.Sprintf("%s %s not found", what, id)}
}

func badRequest(format string, args ...any) *apiError {
	return &apiError{status: http.StatusBadRequest, message: fmt.Sprintf(format, args...)}
}

func unprocessable(format string, args ...any) *apiError {
	return &apiError{status: http.StatusUnprocessableEntity, message: fmt.Sprintf(format, args...)}
}

func conflict(format string, args ...any) *apiError {
	return &apiError{status: http.StatusConflict, message: fmt.Sprintf(format, args...)}
}

func beforeWindow(at time.Time, window time.Duration) *apiError {
	return badRequest("timestamp is before retention window; timestamp:%q, retention_window:%q",
		at.UTC().Format(time.RFC3339Nano), window.String())
}
