package database

import (
	"errors"
	"strings"

	"github.com/lifeboat-dr/lifeboat/activities"
	"github.com/lifeboat-dr/lifeboat/internal/neon"
)

// explain gives what Neon's client says the type that workflows and people know. What may pass is left
// to be retried.
func explain(err error) error {
	var failed *neon.Error
	if err == nil || !errors.As(err, &failed) || neon.Retryable(err) {
		return err
	}
	kind := activities.TypeInvalidInput
	switch {
	case neon.OutsideHistory(err):
		kind = activities.TypeOutOfHistory
	case errors.Is(err, neon.ErrDenied):
		kind = activities.TypePermission
	case neon.IsNotFound(err):
		kind = activities.TypeNotFound
	case errors.Is(err, neon.ErrConflict), errors.Is(err, neon.ErrWrongPoint), errors.Is(err, neon.ErrNotOwn):
		kind = activities.TypeConflict
	case errors.Is(err, neon.ErrLimit):
		kind = activities.TypeLimit
	case errors.Is(err, neon.ErrOperation):
		kind = activities.TypeNeonOperation
	}
	// The client's text ends in its hint already.
	return activities.Final(kind, err, failed.Hint)
}

// isOurs says whether a name is one that Lifeboat gives to databases it may drop.
func isOurs(name string) bool { return strings.HasPrefix(name, scratchPrefix) }
