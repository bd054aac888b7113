package activities

import (
	"context"
	"errors"
	"fmt"

	"go.temporal.io/sdk/temporal"

	"github.com/lifeboat-dr/lifeboat/internal/archive"
	"github.com/lifeboat-dr/lifeboat/internal/postgres"
	"github.com/lifeboat-dr/lifeboat/internal/store"
)

// The durable types of errors. They stand in histories, records and alerts; a golden test pins them.
const (
	TypeInvalidInput  = "InvalidInput"
	TypeNotAllowed    = "NotAllowed"
	TypeBusy          = "Busy"
	TypeForked        = "JournalForked"
	TypeNotFound      = "NotFound"
	TypeConfiguration = "Configuration"
	TypePermission    = "Permission"
	TypeVersion       = "UnsupportedVersion"
	TypeConflict      = "Conflict"
	TypeNotEmpty      = "TargetNotEmpty"
	TypeCorrupt       = "Corrupt"
	TypeUntrusted     = "Untrusted"
	TypeMismatch      = "Mismatch"
	TypePlanMismatch  = "PlanMismatch"
	TypeSmoke         = "SmokeFailed"
	TypeRowTooLarge   = "RowTooLarge"
	TypeStoreFull     = "StoreFull"
	TypeStoreDenied   = "StoreDenied"
	TypeOutOfHistory  = "OutsideHistory"
	TypeUnavailable   = "Unavailable"
	TypeLimit         = "LimitReached"
	TypeNeonOperation = "NeonOperationFailed"
	TypeNoSuchChunk   = "IncompleteBackup"
	TypeUnexpected    = "Unexpected"
	TypeDoorBusy      = "DoorBusy"
	TypeOvertaken     = "Overtaken"
)

// final makes an error that no retry can mend. What caused it is in the message; as a cause of its own it would
// stand in the Temporal UI and in a terminal a second time. The hint stands alone in the details, for
// records and alerts.
func final(kind, message, hint string) error {
	return temporal.NewApplicationErrorWithOptions(message, kind, temporal.ApplicationErrorOptions{NonRetryable: true, Details: []any{hint}})
}

// passing makes an error that is waited for.
func passing(message string) error {
	return temporal.NewApplicationErrorWithOptions(message, TypeUnavailable, temporal.ApplicationErrorOptions{})
}

// hinted makes an error that no retry can mend. The hint is part of the message.
func hinted(kind string, cause error, hint, format string, args ...any) error {
	message := fmt.Sprintf(format, args...)
	if cause != nil {
		message += ": " + cause.Error()
	}
	if hint != "" {
		message += " (" + hint + ")"
	}
	return final(kind, message, hint)
}

// hintedRetryable is hinted for what may be otherwise in a moment.
func hintedRetryable(kind string, cause error, hint, format string, args ...any) error {
	message := fmt.Sprintf(format, args...)
	if cause != nil {
		message += ": " + cause.Error()
	}
	return temporal.NewApplicationErrorWithOptions(message+" ("+hint+")", kind, temporal.ApplicationErrorOptions{Cause: cause, Details: []any{hint}})
}

// Final makes a failure of a collaborator one that no retry can mend, for packages that know the
// collaborator. The cause's text is taken as it is.
func Final(kind string, cause error, hint string) error {
	return final(kind, cause.Error(), hint)
}

// InvalidInput says that a request can never be right.
func InvalidInput(format string, args ...any) error {
	return hinted(TypeInvalidInput, nil, "", format, args...)
}

// NotAllowed says that the order does not cover the work.
func NotAllowed(cause error, action string) error {
	return hinted(TypeNotAllowed, cause, "an owner has to sign an order that covers it: lifeboat order sign", "%s is not allowed", action)
}

// Busy says that another live execution acts on the target.
func Busy(target, holder string) error {
	return hinted(TypeBusy, nil, "look at it: lifeboat executions; its hold is the workflow "+holder, "another live execution acts on %s", target)
}

// Forked says that somebody else writes the journal of the same execution.
func Forked(cause error) error {
	return hinted(TypeForked, cause, "find the other Temporal that runs this execution and stop one of them", "the journal is written by another engine, too")
}

// Overtaken says that a later failover has taken over. Nothing that was begun before it is done any more.
func Overtaken(cause error, what string) error {
	return hinted(TypeOvertaken, cause, "look at what the other execution did (lifeboat executions) and at the state of things; if something is still to be done, start it anew", "%s is not done any more", what)
}

// NotFound says that what was asked for is not there.
func NotFound(hint, format string, args ...any) error {
	return hinted(TypeNotFound, nil, hint, format, args...)
}

// Misconfigured says that the configuration names something that cannot work.
func Misconfigured(cause error, format string, args ...any) error {
	return hinted(TypeConfiguration, cause, "mend the configuration and try again: lifeboat config check", format, args...)
}

// Untrusted says that a signature does not hold.
func Untrusted(cause error, what string) error {
	return hinted(TypeUntrusted, cause, "do not restore from it; compare the signing keys with the roster, and look at who wrote the object", "%s is not trusted", what)
}

// Corrupt says that an object is not what the manifest says.
func Corrupt(cause error, object string) error {
	return hinted(TypeCorrupt, cause, "restore from another vault or an older backup, and keep the object for the investigation", "object %s is damaged", object)
}

// Mismatch says that what was restored differs from what was backed up.
func Mismatch(format string, args ...any) error {
	return hinted(TypeMismatch, nil, "this backup is not verified; use an older verified one and keep this one for the investigation", format, args...)
}

// PlanMismatch says that an execution is not what the plan it is bound to was of.
func PlanMismatch(format string, args ...any) error {
	return hinted(TypePlanMismatch, nil, "start it as it was planned, or make a new plan: lifeboat run --plan", format, args...)
}

// Incomplete says that a backup lacks a finished chunk.
func Incomplete(cause error, what string) error {
	return hinted(TypeNoSuchChunk, cause, "run the backup again", "%s is missing", what)
}

// fromStore gives a store's failure its type. What retrying mends is left retryable.
func fromStore(err error, doing string) error {
	var failed *store.Error
	if err == nil || !errors.As(err, &failed) {
		return err
	}
	kind := ""
	switch {
	case errors.Is(err, store.ErrDenied):
		kind = TypeStoreDenied
	case errors.Is(err, store.ErrFull):
		kind = TypeStoreFull
	case errors.Is(err, store.ErrNotFound):
		kind = TypeNotFound
	case errors.Is(err, store.ErrCorrupt):
		kind = TypeCorrupt
	case errors.Is(err, store.ErrExists):
		kind = TypeConflict
	case errors.Is(err, store.ErrInvalid):
		kind = TypeInvalidInput
	default:
		return passing(doing + ": " + err.Error())
	}
	return final(kind, doing+": "+err.Error(), failed.Hint)
}

// classify gives a collaborator's failure its type, and says what was being done. What retrying mends stays
// retryable, and so does what nobody knows; an error that has its type already is left alone.
func classify(err error, doing string) error {
	var typed *temporal.ApplicationError
	var stored *store.Error
	switch {
	case err == nil || errors.As(err, &typed) || errors.Is(err, context.Canceled):
		return err
	case errors.Is(err, archive.ErrNoKey):
		return hinted(TypeConfiguration, err, "the manifest lists the recipients of that time: add the identity of one of them to keys.identities, or use the escrow key", "%s", doing)
	case errors.Is(err, archive.ErrObject):
		return hinted(TypeCorrupt, err, "restore from another vault or an older backup, and keep the object for the investigation", "%s", doing)
	case errors.Is(err, archive.ErrForeign):
		return hinted(TypeConflict, err, "nothing was overwritten; run the backup again, and look at who wrote the object", "%s", doing)
	case errors.As(err, &stored):
		return fromStore(err, doing)
	case postgres.Retryable(err):
		return passing(doing + ": " + err.Error())
	}
	for sentinel, kind := range map[error]string{
		postgres.ErrPermission: TypePermission, postgres.ErrVersion: TypeVersion, postgres.ErrNotEmpty: TypeNotEmpty,
		postgres.ErrMismatch: TypeMismatch, postgres.ErrInvalid: TypeInvalidInput, postgres.ErrRowTooLarge: TypeRowTooLarge,
	} {
		if errors.Is(err, sentinel) {
			var known *postgres.Error
			hint := ""
			if errors.As(err, &known) {
				hint = known.Hint
			}
			return final(kind, doing+": "+err.Error(), hint)
		}
	}
	return fmt.Errorf("%s: %w", doing, err)
}

// typeOf is the type of an error of this package, empty where it has none.
func typeOf(err error) string {
	var typed *temporal.ApplicationError
	if errors.As(err, &typed) {
		return typed.Type()
	}
	return ""
}

// TypeOf is the durable type of an error of this package, empty where it has none.
func TypeOf(err error) string { return typeOf(err) }
