package activities

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"go.temporal.io/sdk/temporal"

	"github.com/lifeboat-dr/lifeboat/internal/store"
)

// Every kind of a store's failure has a type of its own, is waited for only when waiting helps, brings its
// hint along for records and alerts, and says what happened once.
func TestStoresFailures(t *testing.T) {
	for kind, want := range map[error]string{
		store.ErrExists: TypeConflict, store.ErrNotFound: TypeNotFound, store.ErrCorrupt: TypeCorrupt, store.ErrDenied: TypeStoreDenied,
		store.ErrFull: TypeStoreFull, store.ErrInvalid: TypeInvalidInput, store.ErrUnavailable: TypeUnavailable,
	} {
		cause := &store.Error{Op: "create", Key: "v1/x", Kind: kind, Hint: "do this", Err: errors.New("the server's words")}
		for name, err := range map[string]error{
			"fromStore": fromStore(cause, "store chunk"), "classify": classify(fmt.Errorf("archive: %w", cause), "store chunk"),
		} {
			var typed *temporal.ApplicationError
			if !errors.As(err, &typed) || typed.Type() != want || typed.NonRetryable() == store.Retryable(cause) {
				t.Errorf("%s of %v: %v, want type %s", name, kind, err, want)
				continue
			}
			var hint string
			if typed.HasDetails() {
				if err := typed.Details(&hint); err != nil {
					t.Error(err)
				}
			}
			if typed.NonRetryable() && hint != "do this" {
				t.Errorf("%s of %v: the hint is %q", name, kind, hint)
			}
			for _, once := range []string{"store chunk", "v1/x", "the server's words", "do this"} {
				if n := strings.Count(err.Error(), once); n != 1 {
					t.Errorf("%s of %v says %q %d times: %v", name, kind, once, n, err)
				}
			}
		}
	}
	if fromStore(nil, "x") != nil || classify(nil, "x") != nil {
		t.Error("no failure became one")
	}
}
