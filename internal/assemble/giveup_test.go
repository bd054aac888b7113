package assemble

import (
	"errors"
	"fmt"
	"testing"

	"go.temporal.io/sdk/temporal"

	"github.com/lifeboat-dr/lifeboat/activities"
)

// TestATypeCountsBelowWhatIsWrappedAroundIt: a damaged object is final, however its error came up.
func TestATypeCountsBelowWhatIsWrappedAroundIt(t *testing.T) {
	final := activities.Corrupt(nil, "the object")
	for name, err := range map[string]error{
		"as it is": final, "wrapped": fmt.Errorf("while reading: %w", final), "joined": errors.Join(errors.New("other"), final),
	} {
		var typed *temporal.ApplicationError
		if !errors.As(err, &typed) {
			t.Fatal(name)
		}
		got, ok := outermost(err, typed).(*temporal.ApplicationError)
		var hint string
		if !ok || got.Type() != activities.TypeCorrupt || !got.NonRetryable() || got.Details(&hint) != nil || hint == "" || got.Message() == "" {
			t.Errorf("%s: %v (hint %q)", name, got, hint)
		}
	}
	if same := outermost(final, final.(*temporal.ApplicationError)); same != final {
		t.Error("an error that needs nothing was changed")
	}
}
