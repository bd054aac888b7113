package neon

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"
)

// Status is how far an operation is.
type Status string

// The statuses that decide something; the others are on their way.
const (
	StatusFinished  Status = "finished"
	StatusSkipped   Status = "skipped"
	StatusFailed    Status = "failed" // Neon may try again
	StatusError     Status = "error"
	StatusCancelled Status = "cancelled"
)

// Done says that the operation reached what it was for.
func (s Status) Done() bool { return s == StatusFinished || s == StatusSkipped }

// over says that nothing more will happen.
func (s Status) over() bool { return s.Done() || s == StatusError || s == StatusCancelled }

// Operation is work that Neon does after it accepted a call. Actions are an open list: an unknown one is
// waited for like any other.
type Operation struct {
	ID            string    `json:"id"`
	Project       string    `json:"project_id"`
	Branch        string    `json:"branch_id"`
	Endpoint      string    `json:"endpoint_id"`
	Action        string    `json:"action"`
	Status        Status    `json:"status"`
	Error         string    `json:"error"`
	FailuresCount int       `json:"failures_count"`
	RetryAt       time.Time `json:"retry_at"`
	CreatedAt     time.Time `json:"created_at"`
	UpdatedAt     time.Time `json:"updated_at"`
}

// abandoned says that it failed long ago and that Neon has not come back to it.
func (o Operation) abandoned(grace time.Duration) bool {
	return o.Status == StatusFailed && time.Since(o.UpdatedAt) > grace && time.Since(o.RetryAt) > grace
}

// operations is embedded in the answers that start some.
type operations struct {
	Operations []Operation `json:"operations"`
}

// errTooSlow is the cause of the context that bounds waiting.
var errTooSlow = errors.New("the time for operations is used up")

// bound limits waiting to OperationTimeout.
func (c *Client) bound(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeoutCause(ctx, c.cfg.OperationTimeout, errTooSlow)
}

// tooSlow turns the end of a bounded wait into the error people see; other errors pass.
func (c *Client) tooSlow(bounded context.Context, err error, op, what string) error {
	if err == nil || !errors.Is(context.Cause(bounded), errTooSlow) {
		return err
	}
	return &Error{Op: op, Kind: ErrSlow, Message: fmt.Sprintf("%s after %s", what, c.cfg.OperationTimeout),
		Hint: "look at the project's operations in Neon's console; calling again goes on waiting"}
}

// pause waits for one poll interval.
func (c *Client) pause(ctx context.Context) error {
	t := time.NewTimer(c.cfg.PollInterval)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// wait waits until every operation is done. Those of one project run one after the other, so asking for
// one at a time loses nothing and keeps below the rate limit.
func (c *Client) wait(ctx context.Context, op string, ops []Operation) error {
	bounded, cancel := c.bound(ctx)
	defer cancel()
	for _, o := range ops {
		last, err := c.waitOne(bounded, op, o)
		if err != nil {
			what := fmt.Sprintf("operation %s (%s) is %s", last.ID, scrub(last.Action), scrub(string(last.Status)))
			return c.tooSlow(bounded, err, op, what)
		}
	}
	return nil
}

func (c *Client) waitOne(ctx context.Context, op string, o Operation) (Operation, error) {
	if err := checkIDs(op, "project", o.Project, "operation", o.ID); err != nil {
		return o, err
	}
	var failedSince time.Time
	failures := 0
	for {
		switch {
		case o.Status.Done():
			return o, nil
		case o.Status.over():
			return o, operationFailed(op, o)
		case o.Status == StatusFailed:
			// Each retry of Neon's that fails again begins a new grace.
			if failedSince.IsZero() || o.FailuresCount != failures {
				failedSince, failures = time.Now(), o.FailuresCount
			}
			if time.Since(failedSince) > c.cfg.FailedGrace && time.Since(o.RetryAt) > c.cfg.FailedGrace {
				return o, operationFailed(op, o)
			}
		default:
			failedSince = time.Time{}
		}
		if err := c.pause(ctx); err != nil {
			return o, err
		}
		next, err := c.operation(ctx, o.Project, o.ID)
		if err != nil {
			return o, err
		}
		if next.Project == "" {
			next.Project = o.Project
		}
		o = next
	}
}

func operationFailed(op string, o Operation) error {
	message := fmt.Sprintf("operation %s (%s) ended as %s", o.ID, scrub(o.Action), o.Status)
	if o.Error != "" {
		message += ": " + scrub(o.Error)
	}
	return &Error{Op: op, Kind: ErrOperation, Message: message, Hint: "look at the operation in Neon's console, or ask Neon's support about it"}
}

func (c *Client) operation(ctx context.Context, project, id string) (Operation, error) {
	var out struct {
		Operation Operation `json:"operation"`
	}
	_, err := c.do(ctx, call{op: "look at operation", method: http.MethodGet, path: []string{"projects", project, "operations", id}, fresh: true}, &out)
	if err == nil && out.Operation.ID != id {
		err = &Error{Op: "look at operation", Kind: ErrUnavailable, Message: "the answer is about another operation"}
	}
	return out.Operation, err
}

// settle waits for the operations of a branch that an earlier call started and whose answer was lost.
// The list is from the newest to the oldest, and operations of a project run in order: the first page
// without an open one ends it.
func (c *Client) settle(ctx context.Context, op, project, branch string) error {
	cursor := ""
	for range 10 {
		var out struct {
			operations
			Pagination struct {
				Cursor string `json:"cursor"`
			} `json:"pagination"`
		}
		query := url.Values{"limit": {"100"}}
		if cursor != "" {
			query.Set("cursor", cursor)
		}
		if _, err := c.do(ctx, call{op: op, method: http.MethodGet, path: []string{"projects", project, "operations"}, query: query}, &out); err != nil {
			return err
		}
		var open []Operation
		for _, o := range out.Operations {
			if o.Branch == branch && !o.Status.over() && !o.abandoned(c.cfg.FailedGrace) {
				open = append(open, o)
			}
		}
		if len(open) == 0 {
			return nil
		}
		if err := c.wait(ctx, op, open); err != nil {
			return err
		}
		if out.Pagination.Cursor == "" || out.Pagination.Cursor == cursor {
			return nil
		}
		cursor = out.Pagination.Cursor
	}
	return nil
}
