package neon

import (
	"context"
	"fmt"
	"net/http"
)

// EndpointType is what a compute may do.
type EndpointType string

// The types of computes; a branch has at most one that writes.
const (
	ReadWrite EndpointType = "read_write"
	ReadOnly  EndpointType = "read_only"
)

func (t EndpointType) known() bool { return t == ReadWrite || t == ReadOnly }

// Endpoint is a compute. A suspended one wakes at the next connection. A disabled one refuses, but Neon
// enables it now and then to check it: neither is a fence.
type Endpoint struct {
	ID      string       `json:"id"`
	Project string       `json:"project_id"`
	Branch  string       `json:"branch_id"`
	Type    EndpointType `json:"type"`
	// Host is what connections go to; never made up from a region.
	Host string `json:"host"`
	// State is "init", "active", "idle", or a later invention of Neon's.
	State        string `json:"current_state"`
	PendingState string `json:"pending_state"`
	Disabled     bool   `json:"disabled"`
}

// Endpoint reads a compute.
func (c *Client) Endpoint(ctx context.Context, project, endpoint string) (Endpoint, error) {
	return c.endpoint(ctx, "read compute", project, endpoint, false)
}

func (c *Client) endpoint(ctx context.Context, op, project, endpoint string, fresh bool) (Endpoint, error) {
	if err := checkIDs(op, "project", project, "compute", endpoint); err != nil {
		return Endpoint{}, err
	}
	var out struct {
		Endpoint Endpoint `json:"endpoint"`
	}
	in := call{op: op, method: http.MethodGet, path: []string{"projects", project, "endpoints", endpoint}, fresh: fresh}
	if _, err := c.do(ctx, in, &out); err != nil {
		return Endpoint{}, err
	}
	return out.Endpoint, sameID(op, "compute", endpoint, out.Endpoint.ID)
}

// Endpoints lists the computes of a branch.
func (c *Client) Endpoints(ctx context.Context, project, branch string) ([]Endpoint, error) {
	return c.endpoints(ctx, "list computes", project, branch)
}

func (c *Client) endpoints(ctx context.Context, op, project, branch string) ([]Endpoint, error) {
	if err := checkIDs(op, "project", project, "branch", branch); err != nil {
		return nil, err
	}
	var out struct {
		Endpoints []Endpoint `json:"endpoints"`
	}
	_, err := c.do(ctx, call{op: op, method: http.MethodGet, path: branchPath(project, branch, "endpoints")}, &out)
	return out.Endpoints, err
}

// EnsureEndpoint makes sure that a branch has a compute of a type. It is safe to repeat.
func (c *Client) EnsureEndpoint(ctx context.Context, project, branch string, kind EndpointType) (Endpoint, error) {
	const op = "ensure compute"
	if !kind.known() {
		return Endpoint{}, invalid(op, "%q is not a type of compute", kind)
	}
	var lost error
	for range creates {
		all, err := c.endpoints(ctx, op, project, branch)
		if err != nil {
			return Endpoint{}, err
		}
		for _, e := range all {
			if e.Type == kind && e.Branch == branch {
				if lost != nil {
					err = c.settle(ctx, op, project, branch)
				}
				return e, err
			}
		}
		var out struct {
			Endpoint Endpoint `json:"endpoint"`
			operations
		}
		in := call{op: "create compute", method: http.MethodPost, path: []string{"projects", project, "endpoints"}, single: true,
			body: map[string]any{"endpoint": map[string]any{"branch_id": branch, "type": kind}}}
		if _, err = c.do(ctx, in, &out); err == nil {
			if err := c.wait(ctx, op, out.Operations); err != nil {
				return Endpoint{}, err
			}
			return c.endpoint(ctx, op, project, out.Endpoint.ID, true)
		}
		if !unknownOutcome(err) && !isConflict(err) {
			return Endpoint{}, err
		}
		lost = err
		if err := c.pause(ctx); err != nil {
			return Endpoint{}, fmt.Errorf("%w: %w", lost, err)
		}
	}
	return Endpoint{}, lost
}

// StartEndpoint wakes a compute, SuspendEndpoint lets it sleep, RestartEndpoint does both. All drop or
// delay connections and none changes data; each is safe to repeat.
func (c *Client) StartEndpoint(ctx context.Context, project, endpoint string) (Endpoint, error) {
	return c.steer(ctx, "start compute", project, endpoint, "start")
}

// SuspendEndpoint lets a compute sleep until the next connection.
func (c *Client) SuspendEndpoint(ctx context.Context, project, endpoint string) (Endpoint, error) {
	return c.steer(ctx, "suspend compute", project, endpoint, "suspend")
}

// RestartEndpoint drops all connections of a compute.
func (c *Client) RestartEndpoint(ctx context.Context, project, endpoint string) (Endpoint, error) {
	return c.steer(ctx, "restart compute", project, endpoint, "restart")
}

// DisableEndpoint makes a compute refuse connections, or take them again. It helps, but is no fence: see
// [Endpoint].
func (c *Client) DisableEndpoint(ctx context.Context, project, endpoint string, disabled bool) (Endpoint, error) {
	in := call{op: "disable compute", method: http.MethodPatch, body: map[string]any{"endpoint": map[string]any{"disabled": disabled}}}
	if !disabled {
		in.op = "enable compute"
	}
	return c.change(ctx, in, project, endpoint)
}

func (c *Client) steer(ctx context.Context, op, project, endpoint, verb string) (Endpoint, error) {
	return c.change(ctx, call{op: op, method: http.MethodPost}, project, endpoint, verb)
}

func (c *Client) change(ctx context.Context, in call, project, endpoint string, verb ...string) (Endpoint, error) {
	if err := checkIDs(in.op, "project", project, "compute", endpoint); err != nil {
		return Endpoint{}, err
	}
	in.path = append([]string{"projects", project, "endpoints", endpoint}, verb...)
	var out operations
	if _, err := c.do(ctx, in, &out); err != nil {
		return Endpoint{}, err
	}
	if err := c.wait(ctx, in.op, out.Operations); err != nil {
		return Endpoint{}, err
	}
	return c.endpoint(ctx, in.op, project, endpoint, false)
}
