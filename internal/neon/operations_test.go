package neon

import (
	"errors"
	"strings"
	"testing"
	"time"
)

func TestWaitsForEveryOperation(t *testing.T) {
	for _, tc := range []struct {
		name     string
		statuses []Status
		kind     error
		says     string
	}{
		{"finished", []Status{"scheduling", "running", StatusFinished}, nil, ""},
		{"skipped", []Status{StatusSkipped}, nil, ""},
		{"unheard-of status", []Status{"pondering", StatusFinished}, nil, ""},
		{"failed, retried, finished", []Status{StatusFailed, StatusFailed, "running", StatusFinished}, nil, ""},
		{"failed for good", []Status{StatusFailed}, ErrOperation, "ended as failed"},
		{"error", []Status{"running", StatusError}, ErrOperation, "ended as error"},
		{"cancelled", []Status{"cancelling", StatusCancelled}, ErrOperation, "ended as cancelled"},
		{"never done", []Status{"running"}, ErrSlow, "(tidy_attic) is running after"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			f, c := newFake(t)
			if tc.kind == ErrSlow {
				c.cfg.OperationTimeout = 60 * time.Millisecond
			}
			first, last := f.op("create_branch", mainBranch), f.op("tidy_attic", mainBranch)
			last.statuses = tc.statuses
			last.Error = "role exists; password=" + testPassword
			err := c.wait(t.Context(), "test", []Operation{first.Operation, last.Operation})
			if tc.kind == nil {
				if err != nil || !first.Status.Done() || !last.Status.Done() {
					t.Fatalf("%v, statuses %s and %s", err, first.Status, last.Status)
				}
				return
			}
			if !errors.Is(err, tc.kind) || !strings.Contains(err.Error(), tc.says) || !strings.Contains(err.Error(), last.ID) {
				t.Fatalf("got %v", err)
			}
			if Retryable(err) != (tc.kind == ErrSlow) {
				t.Errorf("retryable: %v", Retryable(err))
			}
			f.noSecrets("error", err.Error())
		})
	}
}

// A failed operation whose retry is announced for later is not given up before that.
func TestFailedWaitsForTheAnnouncedRetry(t *testing.T) {
	f, c := newFake(t)
	o := f.op("start_compute", mainBranch)
	o.Status, o.statuses, o.RetryAt = StatusFailed, nil, time.Now().Add(250*time.Millisecond)
	start := time.Now()
	err := c.wait(t.Context(), "test", []Operation{o.Operation})
	if !errors.Is(err, ErrOperation) || time.Since(start) < 250*time.Millisecond {
		t.Fatalf("%v after %s", err, time.Since(start))
	}
}

func TestCreationIsNotDoneBeforeItsOperations(t *testing.T) {
	f, c := newFake(t)
	if _, err := c.EnsureBranch(t.Context(), spec()); err != nil {
		t.Fatal(err)
	}
	for _, o := range f.ops {
		if !o.Status.Done() {
			t.Errorf("operation %s is %s", o.Action, o.Status)
		}
	}
	if len(f.ops) != 2 {
		t.Errorf("%d operations, want one of the branch and one of its compute", len(f.ops))
	}
}

// When the answer is lost the operations are known from the project's list only.
func TestAdoptedBranchIsWaitedFor(t *testing.T) {
	f, c := newFake(t)
	f.fail(&fault{call: "POST branches", times: 1, status: 524, drop: true})
	old := f.op("check_availability", "br-test-000001")
	old.Status, old.statuses = StatusFailed, nil
	old.UpdatedAt = time.Now().Add(-time.Hour)
	if _, err := c.EnsureBranch(t.Context(), spec()); err != nil {
		t.Fatal(err)
	}
	for _, o := range f.ops[1:] {
		if !o.Status.Done() {
			t.Errorf("operation %s is %s", o.Action, o.Status)
		}
	}
}
