package neon

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/lifeboat-dr/lifeboat/internal/secret"
)

// Role is a PostgreSQL role of a branch. Its password is never kept with it.
type Role struct {
	Name      string    `json:"name"`
	Branch    string    `json:"branch_id"`
	Protected bool      `json:"protected"`
	CreatedAt time.Time `json:"created_at"`
}

// Database is a database of a branch.
type Database struct {
	Name      string    `json:"name"`
	Branch    string    `json:"branch_id"`
	Owner     string    `json:"owner_name"`
	CreatedAt time.Time `json:"created_at"`
}

// Roles lists the roles of a branch.
func (c *Client) Roles(ctx context.Context, project, branch string) ([]Role, error) {
	const op = "list roles"
	if err := checkIDs(op, "project", project, "branch", branch); err != nil {
		return nil, err
	}
	var out struct {
		Roles []Role `json:"roles"`
	}
	_, err := c.do(ctx, call{op: op, method: http.MethodGet, path: branchPath(project, branch, "roles")}, &out)
	return out.Roles, err
}

// Databases lists the databases of a branch.
func (c *Client) Databases(ctx context.Context, project, branch string) ([]Database, error) {
	return c.databases(ctx, "list databases", project, branch)
}

func (c *Client) databases(ctx context.Context, op, project, branch string) ([]Database, error) {
	if err := checkIDs(op, "project", project, "branch", branch); err != nil {
		return nil, err
	}
	var out struct {
		Databases []Database `json:"databases"`
	}
	_, err := c.do(ctx, call{op: op, method: http.MethodGet, path: branchPath(project, branch, "databases")}, &out)
	return out.Databases, err
}

// EnsureDatabase makes an empty database, or finds the one of this name; one of another owner is
// ErrConflict. It is safe to repeat.
func (c *Client) EnsureDatabase(ctx context.Context, project, branch, name, owner string) (Database, error) {
	const op = "ensure database"
	if name == "" || owner == "" {
		return Database{}, invalid(op, "a database needs a name and an owner")
	}
	var lost error
	for range creates {
		all, err := c.databases(ctx, op, project, branch)
		if err != nil {
			return Database{}, err
		}
		for _, d := range all {
			if d.Name != name {
				continue
			}
			if d.Owner != owner {
				return d, &Error{Op: op, Kind: ErrConflict, Message: fmt.Sprintf("database %q belongs to %q, not to %q", name, d.Owner, owner)}
			}
			if lost != nil {
				err = c.settle(ctx, op, project, branch)
			}
			return d, err
		}
		var out struct {
			Database Database `json:"database"`
			operations
		}
		in := call{op: "create database", method: http.MethodPost, path: branchPath(project, branch, "databases"), single: true,
			body: map[string]any{"database": map[string]any{"name": name, "owner_name": owner}}}
		if _, err = c.do(ctx, in, &out); err == nil {
			return out.Database, c.wait(ctx, op, out.Operations)
		}
		if !unknownOutcome(err) && !isConflict(err) {
			return Database{}, err
		}
		lost = err
		if err := c.pause(ctx); err != nil {
			return Database{}, fmt.Errorf("%w: %w", lost, err)
		}
	}
	return Database{}, lost
}

// RevealPassword reads a role's password. Where the project does not store passwords the error's hint
// says so.
func (c *Client) RevealPassword(ctx context.Context, project, branch, role string) (secret.String, error) {
	const op = "reveal password"
	if err := checkIDs(op, "project", project, "branch", branch); err != nil {
		return secret.String{}, err
	}
	if role == "" || role == "." || role == ".." {
		return secret.String{}, invalid(op, "%q is not the name of a role", role)
	}
	var out struct {
		Password string `json:"password"`
	}
	in := call{op: op, method: http.MethodGet, path: branchPath(project, branch, "roles", role, "reveal_password")}
	if _, err := c.do(ctx, in, &out); err != nil {
		return secret.String{}, hintStored(err)
	}
	if out.Password == "" {
		return secret.String{}, &Error{Op: op, Kind: ErrNotFound, Message: "Neon keeps no password for this role"}
	}
	return secret.New(out.Password), nil
}

// hintStored explains 412.
func hintStored(err error) error {
	var e *Error
	if errors.As(err, &e) && e.Status == http.StatusPreconditionFailed {
		e.Hint = "the project does not store passwords: turn that on in Neon's console, or give the connection string in the configuration"
	}
	return err
}

// ConnectionSpec says what to connect to.
type ConnectionSpec struct {
	Project string
	// Branch is the id of a branch.
	Branch string
	// Endpoint is the id of a compute; empty is the branch's read-write one. A branch that has only a read-only
	// compute needs it.
	Endpoint string
	Database string
	Role     string
	// Pooled goes through PgBouncer in transaction mode. Dumps, COPY and replication need the direct way.
	Pooled bool
}

// ConnectionURI asks for a connection string. It holds a password.
func (c *Client) ConnectionURI(ctx context.Context, spec ConnectionSpec) (secret.String, error) {
	const op = "read connection string"
	if err := checkIDs(op, "project", spec.Project, "branch", spec.Branch); err != nil {
		return secret.String{}, err
	}
	if spec.Database == "" || spec.Role == "" {
		return secret.String{}, invalid(op, "a connection needs a database and a role")
	}
	query := url.Values{"branch_id": {spec.Branch}, "database_name": {spec.Database}, "role_name": {spec.Role}}
	if spec.Endpoint != "" {
		if err := checkIDs(op, "compute", spec.Endpoint); err != nil {
			return secret.String{}, err
		}
		query.Set("endpoint_id", spec.Endpoint)
	}
	if spec.Pooled {
		query.Set("pooled", "true")
	}
	var out struct {
		URI string `json:"uri"`
	}
	in := call{op: op, method: http.MethodGet, path: []string{"projects", spec.Project, "connection_uri"}, query: query}
	if _, err := c.do(ctx, in, &out); err != nil {
		return secret.String{}, hintStored(err)
	}
	// What is wrong with it is said without it.
	uri, err := url.Parse(out.URI)
	switch {
	case err != nil || uri.Scheme != "postgres" && uri.Scheme != "postgresql" || uri.Hostname() == "":
		return secret.String{}, &Error{Op: op, Kind: ErrUnavailable, Message: "the answer holds no connection string"}
	case !spec.Pooled && strings.Contains(strings.SplitN(uri.Hostname(), ".", 2)[0], "-pooler"):
		return secret.String{}, &Error{Op: op, Kind: ErrUnavailable, Message: "the answer leads to the pooler although the direct way was asked for"}
	}
	return secret.New(out.URI), nil
}

// ResetPassword gives a role a new password, which Neon keeps, and waits until the old one is worth nothing: until
// then it still opens. The role's sessions are dropped. Repeating it gives another new password.
func (c *Client) ResetPassword(ctx context.Context, project, branch, role string) error {
	const op = "reset password"
	if err := checkIDs(op, "project", project, "branch", branch); err != nil {
		return err
	}
	if role == "" || role == "." || role == ".." {
		return invalid(op, "%q is not the name of a role", role)
	}
	var out operations // the new password in the answer is left unread
	in := call{op: op, method: http.MethodPost, path: branchPath(project, branch, "roles", role, "reset_password")}
	if _, err := c.do(ctx, in, &out); err != nil {
		return err
	}
	return c.wait(ctx, op, out.Operations)
}
