package neon

import (
	"context"
	"fmt"
)

// Rename gives a branch of our own another name of our own; its data, computes and children stay. It is safe to
// repeat: a branch that has the name already is left as it is. A name that another branch has is ErrConflict.
func (c *Client) Rename(ctx context.Context, project, branch, name string) (Branch, error) {
	const op = "rename branch"
	if err := checkName(op, name); err != nil {
		return Branch{}, err
	}
	b, err := c.Branch(ctx, project, branch)
	if err != nil {
		return b, err
	}
	if err := deletable(op, b); err != nil {
		return b, err // whoever is not ours keeps its name
	}
	if !Own(name) {
		return b, notOwn(op, fmt.Sprintf("%q does not start with %q", name, OwnPrefix))
	}
	if b.Name == name {
		return b, nil
	}
	taken, err := c.find(ctx, op, project, name)
	if err != nil {
		return b, err
	}
	if taken != nil {
		return b, &Error{Op: op, Kind: ErrConflict, Message: fmt.Sprintf("branch %s is named %q already", taken.ID, name)}
	}
	if b, err = c.patch(ctx, op, project, branch, map[string]any{"name": name}); err == nil && b.Name != name {
		err = &Error{Op: op, Kind: ErrOperation, Message: fmt.Sprintf("branch %s is still named %q", branch, b.Name), Hint: "look at it in Neon's console"}
	}
	return b, err
}

// Settle waits until a branch has no operation under way, such as one whose answer was lost. It changes nothing.
func (c *Client) Settle(ctx context.Context, project, branch string) error {
	return c.settle(ctx, "wait for branch", project, branch)
}
