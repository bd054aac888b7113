package workflows

import (
	"errors"
	"testing"
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/workflow"
)

// fan runs fanOut in a workflow of its own.
func fan(t *testing.T, lanes, n int, work func(workflow.Context, int) error) error {
	t.Helper()
	var suite testsuite.WorkflowTestSuite
	env := suite.NewTestWorkflowEnvironment()
	var outcome error
	env.ExecuteWorkflow(func(ctx workflow.Context) error {
		outcome = fanOut(ctx, lanes, n, work)
		return nil
	})
	if err := env.GetWorkflowError(); err != nil {
		t.Fatal(err)
	}
	return outcome
}

func TestFanOutKeepsToItsLanes(t *testing.T) {
	for _, tc := range []struct{ lanes, n, want int }{{3, 10, 3}, {1, 4, 1}, {8, 2, 2}, {0, 3, 1}, {4, 0, 0}} {
		running, most := 0, 0
		done := make([]int, tc.n)
		err := fan(t, tc.lanes, tc.n, func(ctx workflow.Context, i int) error {
			running++
			most = max(most, running)
			err := workflow.Sleep(ctx, time.Second)
			running--
			done[i]++
			return err
		})
		if err != nil || most != tc.want {
			t.Errorf("%d lanes for %d: %d at a time, want %d: %v", tc.lanes, tc.n, most, tc.want, err)
		}
		for i, times := range done {
			if times != 1 {
				t.Errorf("%d lanes for %d: piece %d was done %d times", tc.lanes, tc.n, i, times)
			}
		}
	}
}

// TestFanOutStopsAtTheFirstFailure: what runs is canceled and waited for, what waits is not begun, and the
// failure is told, not the cancellations that it caused.
func TestFanOutStopsAtTheFirstFailure(t *testing.T) {
	failure := errors.New("the vault is full")
	began, canceled := 0, 0
	err := fan(t, 3, 100, func(ctx workflow.Context, i int) error {
		began++
		if i == 1 {
			if err := workflow.Sleep(ctx, time.Second); err != nil {
				return err
			}
			return failure
		}
		err := workflow.Sleep(ctx, time.Hour)
		if temporal.IsCanceledError(err) {
			canceled++
		}
		return err
	})
	if !errors.Is(err, failure) || began != 3 || canceled != 2 {
		t.Errorf("%v after %d began and %d were canceled; want the failure, 3 and 2", err, began, canceled)
	}
}
