package neon

import (
	"context"
	"fmt"
	"net/http"
)

// DeleteBranch deletes a branch of our own with its computes and databases. The branch is looked up
// first: a name that does not start with [OwnPrefix], a default and a protected branch are refused
// without asking Neon to delete anything. A branch that is gone already is no error; safe to repeat.
//
// Where the account has Neon's branch recovery, the branch can be brought back in Neon's console for
// seven days.
func (c *Client) DeleteBranch(ctx context.Context, project, branch string) error {
	const op = "delete branch"
	b, err := c.branch(ctx, op, project, branch, false)
	if IsNotFound(err) {
		return nil
	}
	if err != nil {
		return err
	}
	return c.delete(ctx, op, project, b)
}

// DeleteBranchByName is DeleteBranch by name; a name that is not ours is refused before any call.
func (c *Client) DeleteBranchByName(ctx context.Context, project, name string) error {
	const op = "delete branch"
	if !Own(name) {
		return notOwn(op, fmt.Sprintf("%q does not start with %q", name, OwnPrefix))
	}
	b, err := c.find(ctx, op, project, name)
	if err != nil || b == nil {
		return err
	}
	return c.delete(ctx, op, project, *b)
}

func (c *Client) delete(ctx context.Context, op, project string, b Branch) error {
	if err := deletable(op, b); err != nil {
		return err
	}
	if err := checkIDs(op, "project", project, "branch", b.ID); err != nil {
		return err
	}
	var out operations
	_, err := c.do(ctx, call{op: op, method: http.MethodDelete, path: branchPath(project, b.ID)}, &out)
	if IsNotFound(err) {
		return nil
	}
	if err != nil {
		return err
	}
	if err := c.wait(ctx, op, out.Operations); err != nil && !IsNotFound(err) {
		return err
	}
	// A repeated call is answered 204 while the operations of the first, lost one still run.
	if len(out.Operations) == 0 {
		if err := c.settle(ctx, op, project, b.ID); err != nil {
			return err
		}
	}
	return c.gone(ctx, op, project, b)
}

// gone waits until the branch is no longer listed. It is not asked for by id, where an account with
// branch recovery may still see it.
func (c *Client) gone(ctx context.Context, op, project string, b Branch) error {
	bounded, cancel := c.bound(ctx)
	defer cancel()
	for {
		left, err := c.find(bounded, op, project, b.Name)
		if err == nil && (left == nil || left.ID != b.ID) {
			return nil
		}
		if err == nil {
			err = c.pause(bounded)
		}
		if err != nil {
			return c.tooSlow(bounded, err, op, fmt.Sprintf("branch %s is still listed", b.ID))
		}
	}
}

// deletable is the border that nothing foreign is deleted across.
func deletable(op string, b Branch) error {
	switch {
	case !Own(b.Name):
		return notOwn(op, fmt.Sprintf("branch %s is named %q, which does not start with %q", b.ID, b.Name, OwnPrefix))
	case b.Default:
		return notOwn(op, fmt.Sprintf("branch %s (%s) is the default branch", b.ID, b.Name))
	case b.Protected:
		return notOwn(op, fmt.Sprintf("branch %s (%s) is protected", b.ID, b.Name))
	}
	return nil
}

func notOwn(op, message string) error {
	return &Error{Op: op, Kind: ErrNotOwn, Message: message, Hint: "delete it in Neon's console if it really is to go"}
}
