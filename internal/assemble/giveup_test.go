package assemble

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/worker"

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

// TestWhatWasStoppedIsTriedAgain: a program that was killed with its worker's context says that it cannot be run, which
// is final; nothing is known of it, and so it is not.
func TestWhatWasStoppedIsTriedAgain(t *testing.T) {
	fails := func(context.Context) error {
		return activities.Final(activities.TypeUnavailable, errors.New("run program: killed"), "look at it")
	}
	for stopped, final := range map[bool]bool{false: true, true: false} {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		if stopped {
			cancel()
		}
		var suite testsuite.WorkflowTestSuite
		env := suite.NewTestActivityEnvironment()
		env.SetWorkerOptions(worker.Options{BackgroundActivityContext: ctx, Interceptors: interceptors()})
		env.RegisterActivityWithOptions(fails, activity.RegisterOptions{Name: "fails"})
		_, err := env.ExecuteActivity("fails")
		var typed *temporal.ApplicationError
		if !errors.As(err, &typed) || typed.Type() != activities.TypeUnavailable || typed.NonRetryable() != final {
			t.Errorf("stopped %t: %v", stopped, err)
		}
	}
}
