package neon

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
)

// newEndpoint is what a client asks for, alone or within a branch.
type newEndpoint struct {
	BranchID       string            `json:"branch_id"`
	Type           string            `json:"type"`
	Name           string            `json:"name"`
	RegionID       string            `json:"region_id"`
	Disabled       bool              `json:"disabled"`
	MinCU          float64           `json:"autoscaling_limit_min_cu"`
	MaxCU          float64           `json:"autoscaling_limit_max_cu"`
	SuspendTimeout *int64            `json:"suspend_timeout_seconds"`
	Settings       *endpointSettings `json:"settings"`
}

func (in newEndpoint) check() error {
	if in.Type != readWrite && in.Type != readOnly {
		return badRequest("endpoint type must be %s or %s", readWrite, readOnly)
	}
	return checkSuspendTimeout(in.SuspendTimeout)
}

// maxSuspend is in seconds; -1 means never, 0 the default.
const maxSuspend = 604800

func checkSuspendTimeout(seconds *int64) error {
	if seconds != nil && (*seconds < -1 || *seconds > maxSuspend) {
		return badRequest("suspend_timeout_seconds must be between -1 and %d", maxSuspend)
	}
	return nil
}

// addEndpoint makes the record of an endpoint and opens its address; the lock is held.
func (e *Emulator) addEndpoint(p *project, branchID string, in newEndpoint) (*endpoint, error) {
	if err := in.check(); err != nil {
		return nil, err
	}
	if in.Type == readWrite && p.writer(branchID) != nil {
		return nil, conflict("read-write endpoint already exists; branch_id:%q", branchID)
	}
	now := e.now()
	ep := &endpoint{
		ID: newID("ep-"), Name: in.Name, BranchID: branchID, Type: in.Type, Settings: p.EndpointDefaults,
		State: stateInit, Pending: stateActive, Disabled: in.Disabled, Created: now, Updated: now,
	}
	if in.Disabled {
		ep.State, ep.Pending = stateIdle, ""
	}
	if in.Settings != nil {
		ep.PgSettings = in.Settings.PgSettings
	}
	ep.Settings.PgSettings = nil
	if in.MinCU > 0 {
		ep.Settings.MinCU = in.MinCU
	}
	if in.MaxCU > 0 {
		ep.Settings.MaxCU = in.MaxCU
	}
	ep.Settings.MinCU = max(ep.Settings.MinCU, 0.25)
	ep.Settings.MaxCU = max(ep.Settings.MaxCU, ep.Settings.MinCU)
	if in.SuspendTimeout != nil {
		ep.Settings.SuspendTimeout = in.SuspendTimeout
	}
	if ep.Settings.SuspendTimeout == nil {
		ep.Settings.SuspendTimeout = new(int64)
	}
	if err := e.openProxy(p, ep); err != nil {
		return nil, err
	}
	p.Endpoints[ep.ID] = ep
	return ep, nil
}

// dropEndpoint forgets an endpoint and closes its address; the lock is held.
func (e *Emulator) dropEndpoint(p *project, id string) {
	e.closeProxy(id)
	delete(p.Endpoints, id)
}

// writer is the branch's read-write endpoint, nil when it has none.
func (p *project) writer(branchID string) *endpoint {
	for _, ep := range p.Endpoints {
		if ep.BranchID == branchID && ep.Type == readWrite {
			return ep
		}
	}
	return nil
}

// endpointOf finds the endpoint of a request; the lock is held.
func (e *Emulator) endpointOf(r *http.Request) (*project, *endpoint, error) {
	p, err := e.findProject(r.PathValue("project_id"))
	if err != nil {
		return nil, nil, err
	}
	id := r.PathValue("endpoint_id")
	if ep := p.Endpoints[id]; ep != nil {
		return p, ep, nil
	}
	return p, nil, notFound("endpoint", id)
}

func (e *Emulator) listEndpoints(r *http.Request) (int, any, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	p, err := e.findProject(r.PathValue("project_id"))
	if err != nil {
		return 0, nil, err
	}
	var list []*endpoint
	for _, ep := range p.Endpoints {
		list = append(list, ep)
	}
	slices.SortFunc(list, func(a, b *endpoint) int { return strings.Compare(a.ID, b.ID) })
	return http.StatusOK, fields{"endpoints": views(list, func(ep *endpoint) fields { return e.endpointView(p, ep) })}, nil
}

func (e *Emulator) listBranchEndpoints(r *http.Request) (int, any, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	p, b, err := e.branchOf(r)
	if err != nil {
		return 0, nil, err
	}
	return http.StatusOK, fields{"endpoints": views(p.endpointsOf(b.ID), func(ep *endpoint) fields { return e.endpointView(p, ep) })}, nil
}

func (e *Emulator) getEndpoint(r *http.Request) (int, any, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	p, ep, err := e.endpointOf(r)
	if err != nil {
		return 0, nil, err
	}
	return http.StatusOK, fields{"endpoint": e.endpointView(p, ep)}, nil
}

func (e *Emulator) createEndpoint(r *http.Request) (int, any, error) {
	var in struct {
		Endpoint newEndpoint `json:"endpoint"`
	}
	if err := decode(r, false, &in); err != nil {
		return 0, nil, err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	p, b, err := e.findBranch(r.PathValue("project_id"), in.Endpoint.BranchID)
	if err != nil {
		return 0, nil, err
	}
	if p.jobs > 0 {
		return 0, nil, errLocked
	}
	if b.State != stateReady {
		return 0, nil, errNotReady
	}
	if in.Endpoint.RegionID != "" && in.Endpoint.RegionID != e.cfg.Region {
		return 0, nil, unprocessable("the endpoint's region must be the project's, %s", e.cfg.Region)
	}
	ep, err := e.addEndpoint(p, b.ID, in.Endpoint)
	if err != nil {
		return 0, nil, err
	}
	var steps []step
	if !ep.Disabled {
		steps = append(steps, e.startStep(p, ep))
	}
	ops := e.schedule(p, steps, nil)
	e.save()
	return http.StatusCreated, fields{"endpoint": e.endpointView(p, ep), "operations": ops}, nil
}

func (e *Emulator) updateEndpoint(r *http.Request) (int, any, error) {
	var in struct {
		Endpoint struct {
			Name           *string  `json:"name"`
			Disabled       *bool    `json:"disabled"`
			MinCU          *float64 `json:"autoscaling_limit_min_cu"`
			MaxCU          *float64 `json:"autoscaling_limit_max_cu"`
			SuspendTimeout *int64   `json:"suspend_timeout_seconds"`
			Settings       *struct {
				PgSettings json.RawMessage `json:"pg_settings"`
			} `json:"settings"`
		} `json:"endpoint"`
	}
	if err := decode(r, false, &in); err != nil {
		return 0, nil, err
	}
	change := in.Endpoint
	if err := checkSuspendTimeout(change.SuspendTimeout); err != nil {
		return 0, nil, err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	p, ep, err := e.endpointOf(r)
	if err != nil {
		return 0, nil, err
	}
	if p.jobs > 0 {
		return 0, nil, errLocked
	}
	var steps []step
	if change.Disabled != nil && *change.Disabled != ep.Disabled {
		ep.Disabled = *change.Disabled
		if ep.Disabled && ep.State == stateActive {
			steps = append(steps, e.suspendStep(p, ep))
		}
	}
	if change.Name != nil {
		ep.Name = *change.Name
	}
	if change.MinCU != nil {
		ep.Settings.MinCU = *change.MinCU
	}
	if change.MaxCU != nil {
		ep.Settings.MaxCU = *change.MaxCU
	}
	if change.SuspendTimeout != nil {
		ep.Settings.SuspendTimeout = change.SuspendTimeout
	}
	if change.Settings != nil && change.Settings.PgSettings != nil {
		ep.PgSettings = change.Settings.PgSettings
	}
	ep.Updated = e.now()
	if len(steps) == 0 {
		steps = append(steps, step{action: "apply_config", branchID: ep.BranchID, endpoint: ep.ID, run: func(context.Context) error { return nil }})
	}
	ops := e.schedule(p, steps, nil)
	return http.StatusOK, fields{"endpoint": e.endpointView(p, ep), "operations": ops}, nil
}

func (e *Emulator) deleteEndpoint(r *http.Request) (int, any, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	p, err := e.findProject(r.PathValue("project_id"))
	if err != nil {
		return 0, nil, err
	}
	ep := p.Endpoints[r.PathValue("endpoint_id")]
	if ep == nil {
		return http.StatusNoContent, nil, nil
	}
	if p.jobs > 0 {
		return 0, nil, errLocked
	}
	view := e.endpointView(p, ep)
	e.dropEndpoint(p, ep.ID)
	ops := e.schedule(p, []step{{action: "suspend_compute", branchID: ep.BranchID, endpoint: ep.ID, run: func(ctx context.Context) error {
		return e.settle(ctx, p, ep.BranchID)
	}}}, nil)
	return http.StatusOK, fields{"endpoint": view, "operations": ops}, nil
}

func (e *Emulator) startEndpoint(r *http.Request) (int, any, error) {
	return e.actOnEndpoint(r, func(p *project, ep *endpoint) ([]step, error) {
		if ep.Disabled {
			return nil, unprocessable("endpoint %s is disabled", ep.ID)
		}
		return []step{e.startStep(p, ep)}, nil
	})
}

func (e *Emulator) suspendEndpoint(r *http.Request) (int, any, error) {
	return e.actOnEndpoint(r, func(p *project, ep *endpoint) ([]step, error) { return []step{e.suspendStep(p, ep)}, nil })
}

func (e *Emulator) restartEndpoint(r *http.Request) (int, any, error) {
	return e.actOnEndpoint(r, func(p *project, ep *endpoint) ([]step, error) {
		if ep.Disabled {
			return nil, unprocessable("endpoint %s is disabled", ep.ID)
		}
		return []step{e.suspendStep(p, ep), e.startStep(p, ep)}, nil
	})
}

func (e *Emulator) actOnEndpoint(r *http.Request, plan func(p *project, ep *endpoint) ([]step, error)) (int, any, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	p, ep, err := e.endpointOf(r)
	if err != nil {
		return 0, nil, err
	}
	if p.jobs > 0 {
		return 0, nil, errLocked
	}
	steps, err := plan(p, ep)
	if err != nil {
		return 0, nil, err
	}
	ops := e.schedule(p, steps, nil)
	return http.StatusOK, fields{"endpoint": e.endpointView(p, ep), "operations": ops}, nil
}
