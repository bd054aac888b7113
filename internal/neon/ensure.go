package neon

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"
)

// creates is how often a creation is sent when its answers are lost and nothing of the name appears.
const creates = 3

// BranchSpec is the branch that EnsureBranch makes or finds.
type BranchSpec struct {
	Project string
	// Name identifies the branch and must be one of our own, see [Own].
	Name string
	// Parent is the id of the branch to copy; empty is the project's default branch.
	Parent string
	// Point is what of the parent it holds.
	Point Point
	// ExpiresAt is when Neon deletes it, to the second; zero means never.
	ExpiresAt time.Time
	// Endpoint is the compute it needs; empty is none.
	Endpoint EndpointType
}

// Ensured is a branch that is there and holds what was asked for.
type Ensured struct {
	Branch Branch
	// Endpoint is nil when none was asked for.
	Endpoint *Endpoint
	// Adopted says that the branch was there before, or that the answer to its creation was lost.
	Adopted bool
}

// EnsureBranch makes a branch, or adopts the one of this very name after checking that it holds the same
// point of the same parent. A head has no point known in advance: there, the branch that an earlier try
// made is taken as it is, and Branch.ParentLSN tells what it holds.
//
// It is safe to repeat, also when an answer was lost on the way. It returns when all operations are done
// and the point was read back; a branch of another point is ErrWrongPoint and is left for people to see.
func (c *Client) EnsureBranch(ctx context.Context, spec BranchSpec) (Ensured, error) {
	const op = "ensure branch"
	if err := spec.check(op); err != nil {
		return Ensured{}, err
	}
	if spec.Parent == "" {
		parent, err := c.DefaultBranch(ctx, spec.Project)
		if err != nil {
			return Ensured{}, err
		}
		spec.Parent = parent.ID
	}

	id, adopted, fresh, err := c.makeBranch(ctx, op, spec)
	if err != nil {
		return Ensured{}, err
	}
	branch, err := c.rest(ctx, op, spec.Project, id, fresh)
	if adopted && IsNotFound(err) {
		return Ensured{}, &Error{Op: op, Kind: ErrBusy, Message: fmt.Sprintf("branch %s was just being deleted", id), Hint: "try again"}
	}
	if err != nil {
		return Ensured{}, err
	}
	if err := spec.matches(op, branch); err != nil {
		return Ensured{}, err
	}
	if adopted || !spec.ExpiresAt.IsZero() && branch.ExpiresAt.IsZero() {
		// A repeated try has a later expiry than the first had, and the work needs the later one.
		if branch, err = c.expire(ctx, op, branch, spec.ExpiresAt); err != nil {
			return Ensured{}, err
		}
		if !spec.ExpiresAt.IsZero() && branch.ExpiresAt.IsZero() {
			c.log.WarnContext(ctx, "neon did not take the expiry of a branch: it stays until it is deleted",
				slog.String("project", spec.Project), slog.String("branch", branch.ID))
		}
	}
	out := Ensured{Branch: branch, Adopted: adopted}
	if spec.Endpoint == "" {
		return out, nil
	}
	endpoint, err := c.EnsureEndpoint(ctx, spec.Project, branch.ID, spec.Endpoint)
	if err != nil {
		return Ensured{}, err
	}
	out.Endpoint = &endpoint
	return out, nil
}

func (s BranchSpec) check(op string) error {
	if err := checkIDs(op, "project", s.Project); err != nil {
		return err
	}
	if s.Parent != "" {
		if err := checkIDs(op, "branch", s.Parent); err != nil {
			return err
		}
	}
	if err := checkName(op, s.Name); err != nil {
		return err
	}
	if !Own(s.Name) {
		return &Error{Op: op, Kind: ErrNotOwn, Message: fmt.Sprintf("%q does not start with %q", s.Name, OwnPrefix),
			Hint: "branches of other names could never be cleaned up"}
	}
	if s.Endpoint != "" && !s.Endpoint.known() {
		return invalid(op, "%q is not a type of compute", s.Endpoint)
	}
	return s.Point.check(op)
}

func (s BranchSpec) matches(op string, b Branch) error {
	if b.Name != s.Name {
		return &Error{Op: op, Kind: ErrConflict, Message: fmt.Sprintf("branch %s is named %q, not %q: somebody renamed it", b.ID, b.Name, s.Name)}
	}
	if b.Parent != s.Parent {
		return &Error{Op: op, Kind: ErrConflict, Message: fmt.Sprintf("branch %s is a copy of %q, not of %s", b.ID, b.Parent, s.Parent),
			Hint: "delete it, or use another name"}
	}
	return s.Point.held(op, b)
}

// makeBranch looks, creates, and looks again when the answer does not say whether it was created. Adopted
// is what was found rather than created, fresh is what was not there at the first look.
func (c *Client) makeBranch(ctx context.Context, op string, spec BranchSpec) (id string, adopted, fresh bool, err error) {
	found, err := c.find(ctx, op, spec.Project, spec.Name)
	for try := 1; err == nil && found == nil; try++ {
		fresh = true
		id, err = c.create(ctx, spec)
		switch {
		case err == nil:
			return id, false, true, nil
		case ctx.Err() != nil || !unknownOutcome(err) && !isConflict(err):
			return "", false, false, err
		}
		// The answer was lost, or the name is taken: by an earlier try, or by another worker a moment ago.
		c.log.InfoContext(ctx, "looking for a branch that may have been created", slog.String("project", spec.Project),
			slog.String("branch", spec.Name), slog.String("error", err.Error()))
		var failed error
		if found, failed = c.lookAgain(ctx, op, spec.Project, spec.Name); failed != nil || found == nil && (try == creates || isConflict(err)) {
			return "", false, false, errors.Join(err, failed)
		}
		err = nil
	}
	if err != nil {
		return "", false, false, err
	}
	return found.ID, true, fresh, c.settle(ctx, op, spec.Project, found.ID)
}

// lookAgain gives a creation that is still under way a little time to show.
func (c *Client) lookAgain(ctx context.Context, op, project, name string) (*Branch, error) {
	for range 3 {
		if found, err := c.find(ctx, op, project, name); err != nil || found != nil {
			return found, err
		}
		if err := c.pause(ctx); err != nil {
			return nil, err
		}
	}
	return c.find(ctx, op, project, name)
}

func (c *Client) create(ctx context.Context, spec BranchSpec) (string, error) {
	const op = "create branch"
	branch := map[string]any{"name": spec.Name, "parent_id": spec.Parent}
	if spec.Point.LSN != "" {
		branch["parent_lsn"] = spec.Point.LSN
	}
	if !spec.Point.Time.IsZero() {
		branch["parent_timestamp"] = stamp(spec.Point.Time, time.Millisecond)
	}
	if !spec.ExpiresAt.IsZero() {
		branch["expires_at"] = stamp(spec.ExpiresAt, time.Second)
	}
	body := map[string]any{"branch": branch}
	if spec.Endpoint != "" {
		body["endpoints"] = []any{map[string]any{"type": spec.Endpoint}}
	}
	// The answer may hold connection strings with passwords; they are not even decoded.
	var out struct {
		Branch Branch `json:"branch"`
		operations
	}
	in := call{op: op, method: http.MethodPost, path: []string{"projects", spec.Project, "branches"}, body: body, single: true}
	if _, err := c.do(ctx, in, &out); err != nil {
		return "", err
	}
	if out.Branch.Name != spec.Name {
		return "", &Error{Op: op, Kind: ErrUnavailable, Message: "the answer is about another branch", Unknown: true}
	}
	return out.Branch.ID, c.wait(ctx, op, out.Operations)
}
