package neon

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// pageSize is how many branches are asked for at a time.
const pageSize = 500

// Branch is a copy-on-write copy of a project's data. Times and the LSN are zero where Neon does not tell.
type Branch struct {
	ID      string `json:"id"`
	Project string `json:"project_id"`
	Name    string `json:"name"`
	// Parent is the id of the branch it was made from; empty for a root.
	Parent string `json:"parent_id"`
	// ParentLSN and ParentTime are the point of the parent it holds.
	ParentLSN  string    `json:"parent_lsn"`
	ParentTime time.Time `json:"parent_timestamp"`
	// State is "init", "resetting", "ready", "archived", or a later invention of Neon's.
	State string `json:"current_state"`
	// PendingState is where it is going; empty when it rests.
	PendingState string `json:"pending_state"`
	Default      bool   `json:"default"`
	Protected    bool   `json:"protected"`
	// LogicalSize is in bytes; 0 where unknown.
	LogicalSize int64     `json:"logical_size"`
	CreatedAt   time.Time `json:"created_at"`
	UpdatedAt   time.Time `json:"updated_at"`
	// ExpiresAt is when Neon deletes it; zero means never.
	ExpiresAt time.Time `json:"expires_at"`
}

// settled says that the branch can be used as it is.
func (b Branch) settled() bool {
	return b.PendingState == "" && (b.State == "ready" || b.State == "archived")
}

func branchPath(project, branch string, more ...string) []string {
	return append([]string{"projects", project, "branches", branch}, more...)
}

// Branch reads a branch by its id.
func (c *Client) Branch(ctx context.Context, project, branch string) (Branch, error) {
	return c.branch(ctx, "read branch", project, branch, false)
}

func (c *Client) branch(ctx context.Context, op, project, branch string, fresh bool) (Branch, error) {
	if err := checkIDs(op, "project", project, "branch", branch); err != nil {
		return Branch{}, err
	}
	var out struct {
		Branch Branch `json:"branch"`
	}
	if _, err := c.do(ctx, call{op: op, method: http.MethodGet, path: branchPath(project, branch), fresh: fresh}, &out); err != nil {
		return Branch{}, err
	}
	return out.Branch, sameID(op, "branch", branch, out.Branch.ID)
}

// Branches lists all branches of a project, of which Neon keeps up to some thousands.
func (c *Client) Branches(ctx context.Context, project string) ([]Branch, error) {
	return c.branches(ctx, "list branches", project, "")
}

func (c *Client) branches(ctx context.Context, op, project, search string) ([]Branch, error) {
	if err := checkIDs(op, "project", project); err != nil {
		return nil, err
	}
	// Sorted by creation, so that a branch that changes while pages are read is not missed.
	query := url.Values{"limit": {strconv.Itoa(pageSize)}, "sort_by": {"created_at"}, "sort_order": {"asc"}}
	if search != "" {
		query.Set("search", search)
	}
	var all []Branch
	seen := map[string]bool{}
	for {
		var out struct {
			Branches   []Branch `json:"branches"`
			Pagination struct {
				Next string `json:"next"`
			} `json:"pagination"`
		}
		if _, err := c.do(ctx, call{op: op, method: http.MethodGet, path: []string{"projects", project, "branches"}, query: query}, &out); err != nil {
			return nil, err
		}
		fresh := 0
		for _, b := range out.Branches {
			if !seen[b.ID] {
				seen[b.ID] = true
				fresh++
				all = append(all, b)
			}
		}
		// A page without anything new ends the list too: a cursor that goes nowhere must not hang us.
		if out.Pagination.Next == "" || fresh == 0 {
			return all, nil
		}
		query.Set("cursor", out.Pagination.Next)
	}
}

// BranchByName finds a branch by its exact name; the error is ErrNotFound when there is none.
func (c *Client) BranchByName(ctx context.Context, project, name string) (Branch, error) {
	const op = "find branch"
	found, err := c.find(ctx, op, project, name)
	if err != nil {
		return Branch{}, err
	}
	if found == nil {
		return Branch{}, &Error{Op: op, Kind: ErrNotFound, Message: fmt.Sprintf("project %s has no branch named %q", project, name)}
	}
	return *found, nil
}

// DefaultBranch finds the project's default branch.
func (c *Client) DefaultBranch(ctx context.Context, project string) (Branch, error) {
	const op = "find default branch"
	all, err := c.branches(ctx, op, project, "")
	if err != nil {
		return Branch{}, err
	}
	for _, b := range all {
		if b.Default {
			return b, nil
		}
	}
	return Branch{}, &Error{Op: op, Kind: ErrNotFound, Message: fmt.Sprintf("project %s has no default branch", project)}
}

// find is nil where there is no branch of this very name. Neon's search matches parts of names and ids.
func (c *Client) find(ctx context.Context, op, project, name string) (*Branch, error) {
	if err := checkName(op, name); err != nil {
		return nil, err
	}
	matches, err := c.branches(ctx, op, project, name)
	if err != nil {
		return nil, err
	}
	var found *Branch
	for i, b := range matches {
		if b.Name != name {
			continue
		}
		if found != nil {
			return nil, &Error{Op: op, Kind: ErrConflict, Message: fmt.Sprintf("branches %s and %s are both named %q", found.ID, b.ID, name),
				Hint: "rename one of them in Neon's console"}
		}
		found = &matches[i]
	}
	return found, nil
}

func checkName(op, name string) error {
	if name == "" || len(name) > maxName {
		return invalid(op, "a branch name has 1 to %d bytes, not %d", maxName, len(name))
	}
	return nil
}

// rest waits until a branch is ready. One that is fresh may not be known everywhere yet.
func (c *Client) rest(ctx context.Context, op, project, branch string, fresh bool) (Branch, error) {
	bounded, cancel := c.bound(ctx)
	defer cancel()
	for {
		b, err := c.branch(bounded, op, project, branch, fresh)
		if err == nil && b.settled() {
			return b, nil
		}
		if err == nil {
			err = c.pause(bounded)
		}
		if err != nil {
			return b, c.tooSlow(bounded, err, op, fmt.Sprintf("branch %s is %s", branch, scrub(b.State)))
		}
	}
}

// Protect sets or clears a branch's protection, which keeps it from being deleted by anybody.
func (c *Client) Protect(ctx context.Context, project, branch string, protected bool) (Branch, error) {
	return c.patch(ctx, "protect branch", project, branch, map[string]any{"protected": protected})
}

// Expire sets when Neon deletes a branch of our own, to the second; the zero time means never. Others
// are refused: making a branch expire is deleting it.
func (c *Client) Expire(ctx context.Context, project, branch string, at time.Time) (Branch, error) {
	const op = "set expiry of branch"
	b, err := c.Branch(ctx, project, branch)
	if err != nil {
		return b, err
	}
	if err := deletable(op, b); err != nil {
		return b, err
	}
	return c.expire(ctx, op, b, at)
}

func (c *Client) expire(ctx context.Context, op string, b Branch, at time.Time) (Branch, error) {
	if b.ExpiresAt.Truncate(time.Second).Equal(at.Truncate(time.Second)) {
		return b, nil
	}
	var value any
	if !at.IsZero() {
		value = stamp(at, time.Second)
	}
	return c.patch(ctx, op, b.Project, b.ID, map[string]any{"expires_at": value})
}

func (c *Client) patch(ctx context.Context, op, project, branch string, change map[string]any) (Branch, error) {
	if err := checkIDs(op, "project", project, "branch", branch); err != nil {
		return Branch{}, err
	}
	var out operations
	in := call{op: op, method: http.MethodPatch, path: branchPath(project, branch), body: map[string]any{"branch": change}}
	if _, err := c.do(ctx, in, &out); err != nil {
		return Branch{}, err
	}
	if err := c.wait(ctx, op, out.Operations); err != nil {
		return Branch{}, err
	}
	return c.branch(ctx, op, project, branch, false)
}

// stamp writes a time as Neon reads it, cut to a unit.
func stamp(t time.Time, unit time.Duration) string {
	return t.Truncate(unit).UTC().Format(time.RFC3339Nano)
}
