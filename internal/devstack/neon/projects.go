package neon

import (
	"context"
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/lifeboat-dr/lifeboat/internal/devstack/neon/timeline"
)

const (
	defaultRetention = 24 * 60 * 60 // seconds; the paid default
	maxRetention     = 30 * 24 * 60 * 60
	defaultDatabase  = "neondb"
	defaultSuspend   = int64(300) // seconds
)

// NewProject is the body of a request for a project. The zero value asks for Neon's defaults.
type NewProject struct {
	Name             string           `json:"name,omitempty"`
	RegionID         string           `json:"region_id,omitempty"`
	PgVersion        int              `json:"pg_version,omitempty"`
	OrgID            string           `json:"org_id,omitempty"`
	RetentionSeconds *int32           `json:"history_retention_seconds,omitempty"`
	StorePasswords   *bool            `json:"store_passwords,omitempty"`
	Settings         json.RawMessage  `json:"settings,omitempty"`
	EndpointDefaults *json.RawMessage `json:"default_endpoint_settings,omitempty"`
	Branch           struct {
		Name     string `json:"name,omitempty"`
		Role     string `json:"role_name,omitempty"`
		Database string `json:"database_name,omitempty"`
	} `json:"branch"`
}

// FirstProject is a project with what is needed to use it.
type FirstProject struct {
	ProjectID, BranchID, EndpointID string
	// URI connects as the owner; it is a secret.
	URI string
}

// CreateProject makes a project as the API does and waits until it can be connected to.
func (e *Emulator) CreateProject(ctx context.Context, in NewProject) (FirstProject, error) {
	e.mu.Lock()
	p, b, ep, ops, err := e.addProject(in)
	var first FirstProject
	if err == nil {
		first = FirstProject{ProjectID: p.ID, BranchID: b.ID, EndpointID: ep.ID, URI: e.uri(ep, b.Roles[0], b.Databases[0].Name)}
	}
	e.mu.Unlock()
	if err != nil {
		return FirstProject{}, err
	}
	return first, e.await(ctx, p.ID, ops)
}

func (e *Emulator) createProject(r *http.Request) (int, any, error) {
	var in struct {
		Project *NewProject `json:"project"`
	}
	if err := decode(r, false, &in); err != nil {
		return 0, nil, err
	}
	if in.Project == nil {
		return 0, nil, badRequest("the request's body lacks the project")
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	p, b, ep, ops, err := e.addProject(*in.Project)
	if err != nil {
		return 0, nil, err
	}
	return http.StatusCreated, fields{
		"project": e.projectView(p, false), "branch": e.branchView(p, b), "operations": ops,
		"endpoints":       []fields{e.endpointView(p, ep)},
		"roles":           []fields{e.roleView(b, b.Roles[0], true)},
		"databases":       []fields{e.databaseView(b, b.Databases[0])},
		"connection_uris": []fields{e.connectionDetails(ep, b.Roles[0], b.Databases[0].Name)},
	}, nil
}

// addProject checks the request and schedules the making; the lock is held.
func (e *Emulator) addProject(in NewProject) (*project, *branch, *endpoint, []*operation, error) {
	fail := func(err error) (*project, *branch, *endpoint, []*operation, error) { return nil, nil, nil, nil, err }
	if in.RegionID != "" && in.RegionID != e.cfg.Region {
		return fail(unprocessable("this emulator serves region %s only, not %s", e.cfg.Region, in.RegionID))
	}
	if in.PgVersion != 0 && in.PgVersion != e.major {
		return fail(unprocessable("this emulator runs PostgreSQL %d only, not %d", e.major, in.PgVersion))
	}
	now := e.now()
	p := &project{
		ID: newID(""), OrgID: in.OrgID, RetentionSeconds: defaultRetention, StorePasswords: true, Settings: in.Settings,
		Created: now, Updated: now, Branches: map[string]*branch{}, Endpoints: map[string]*endpoint{}, LastDatabaseID: 1,
		turn: make(chan struct{}, 1),
	}
	p.Name = orDefault(in.Name, p.ID)
	if in.RetentionSeconds != nil {
		p.RetentionSeconds = *in.RetentionSeconds
	}
	if p.RetentionSeconds < 0 || p.RetentionSeconds > maxRetention {
		return fail(badRequest("history_retention_seconds must be between 0 and %d", maxRetention))
	}
	if in.StorePasswords != nil {
		p.StorePasswords = *in.StorePasswords
	}
	if in.EndpointDefaults != nil {
		if err := json.Unmarshal(*in.EndpointDefaults, &p.EndpointDefaults); err != nil {
			return fail(badRequest("cannot decode default_endpoint_settings: %v", err))
		}
	}
	name := orDefault(in.Branch.Database, defaultDatabase)
	owner := orDefault(in.Branch.Role, name+"_owner")
	if err := checkName("database", name); err != nil {
		return fail(err)
	}
	if err := checkName("role", owner); err != nil {
		return fail(err)
	}
	b := &branch{
		ID: newID("br-"), Name: orDefault(in.Branch.Name, "main"), State: stateInit, Pending: stateReady, Default: true,
		Created: now, Updated: now, StateChanged: now,
		Roles:     []role{{Name: owner, Password: newPassword(), Created: now, Updated: now}},
		Databases: []database{{ID: p.LastDatabaseID, Name: name, Owner: owner, Created: now, Updated: now}},
	}
	b.Timeline = newTimelineID(b.ID)
	ep, err := e.addEndpoint(p, b.ID, newEndpoint{Type: readWrite})
	if err != nil {
		return fail(err)
	}
	p.Branches[b.ID] = b
	e.state.Projects[p.ID] = p
	return p, b, ep, e.schedule(p, e.bootstrapSteps(p, b, ep), nil), nil
}

// bootstrapSteps make a root branch and start its compute.
func (e *Emulator) bootstrapSteps(p *project, b *branch, ep *endpoint) []step {
	return []step{
		{action: "create_timeline", branchID: b.ID, run: func(ctx context.Context) error { return e.bootstrap(ctx, p, b) }},
		{action: "start_compute", branchID: b.ID, endpoint: ep.ID, run: func(ctx context.Context) error { return e.startCompute(ctx, p, ep.ID) }},
	}
}

// bootstrap makes the data of a root branch and the base backup that its history begins with.
func (e *Emulator) bootstrap(ctx context.Context, p *project, b *branch) error {
	line := e.lines.Get(b.Timeline)
	if line == nil {
		var err error
		if line, err = e.lines.Create(ctx, b.Timeline); err != nil {
			return err
		}
	}
	if err := line.Set(ctx, timeline.ReadWrite); err != nil {
		return err
	}
	if err := e.makeGroup(ctx, line); err != nil {
		return err
	}
	if err := e.lendSubscriptions(ctx, line); err != nil {
		return err
	}
	if err := e.applyRolesAndDatabases(ctx, line, b); err != nil {
		return err
	}
	if err := line.Backup(ctx); err != nil {
		return err
	}
	e.setReady(b)
	return nil
}

func (e *Emulator) setReady(b *branch) {
	e.mu.Lock()
	defer e.mu.Unlock()
	now := e.now()
	b.State, b.Pending, b.StateChanged, b.Updated = stateReady, "", now, now
	b.Source, b.SourceLSN, b.FreshPasswords = "", "", false
	e.save()
}

func (e *Emulator) findProject(id string) (*project, error) {
	p := e.state.Projects[id]
	if p == nil || p.Deleting {
		return nil, notFound("project", id)
	}
	return p, nil
}

func (e *Emulator) listProjects(r *http.Request) (int, any, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	q := r.URL.Query()
	var list []*project
	for p := range maps.Values(e.state.Projects) {
		if !p.Deleting && strings.Contains(p.Name+" "+p.ID, q.Get("search")) && (q.Get("org_id") == "" || q.Get("org_id") == p.OrgID) {
			list = append(list, p)
		}
	}
	slices.SortFunc(list, func(a, b *project) int { return b.Updated.Compare(a.Updated) })
	page, next, err := paginate(r, list, func(p *project) string { return p.ID }, 10, 400)
	if err != nil {
		return 0, nil, err
	}
	return http.StatusOK, fields{
		"projects":     views(page, func(p *project) fields { return e.projectView(p, true) }),
		"applications": fields{}, "integrations": fields{}, "pagination": next.asCursor(),
	}, nil
}

func (e *Emulator) getProject(r *http.Request) (int, any, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	p, err := e.findProject(r.PathValue("project_id"))
	if err != nil {
		return 0, nil, err
	}
	return http.StatusOK, fields{"project": e.projectView(p, false)}, nil
}

func (e *Emulator) updateProject(r *http.Request) (int, any, error) {
	var in struct {
		Project struct {
			Name             *string         `json:"name"`
			RetentionSeconds *int32          `json:"history_retention_seconds"`
			Settings         json.RawMessage `json:"settings"`
		} `json:"project"`
	}
	if err := decode(r, false, &in); err != nil {
		return 0, nil, err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	p, err := e.findProject(r.PathValue("project_id"))
	if err != nil {
		return 0, nil, err
	}
	if n := in.Project.RetentionSeconds; n != nil && (*n < 0 || *n > maxRetention) {
		return 0, nil, badRequest("history_retention_seconds must be between 0 and %d", maxRetention)
	}
	var steps []step
	if turnsOnReplication(p.Settings, in.Project.Settings) {
		if p.jobs > 0 {
			return 0, nil, errLocked
		}
		// Servers have wal_level=logical from the start; what clients notice is that computes restart.
		for _, ep := range p.Endpoints {
			if ep.State == stateActive {
				steps = append(steps, e.suspendStep(p, ep))
			}
		}
	}
	if in.Project.Name != nil {
		p.Name = *in.Project.Name
	}
	if in.Project.RetentionSeconds != nil {
		p.RetentionSeconds = *in.Project.RetentionSeconds
	}
	if in.Project.Settings != nil {
		if p.Settings, err = mergeObjects(p.Settings, in.Project.Settings); err != nil {
			return 0, nil, badRequest("cannot decode settings: %v", err)
		}
	}
	p.Updated = e.now()
	ops := e.schedule(p, steps, nil)
	e.save()
	return http.StatusOK, fields{"project": e.projectView(p, false), "operations": ops}, nil
}

// turnsOnReplication says whether logical replication is off before and on after a change. It cannot be
// turned off again.
func turnsOnReplication(before, change json.RawMessage) bool {
	on := func(b json.RawMessage) bool {
		var s struct {
			On bool `json:"enable_logical_replication"`
		}
		return json.Unmarshal(b, &s) == nil && s.On
	}
	return !on(before) && on(change)
}

func mergeObjects(objects ...json.RawMessage) (json.RawMessage, error) {
	merged := map[string]json.RawMessage{}
	for _, o := range objects {
		if o == nil {
			continue
		}
		if err := json.Unmarshal(o, &merged); err != nil {
			return nil, err
		}
	}
	return json.Marshal(merged)
}

func (e *Emulator) deleteProject(r *http.Request) (int, any, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	p, err := e.findProject(r.PathValue("project_id"))
	if err != nil {
		return 0, nil, err
	}
	if p.jobs > 0 {
		return 0, nil, errLocked
	}
	for _, b := range p.Branches {
		if b.Protected {
			return 0, nil, unprocessable("project %s has a protected branch: %s", p.ID, b.ID)
		}
	}
	view := e.projectView(p, false)
	p.Deleting = true
	for _, ep := range p.Endpoints {
		e.closeProxy(ep.ID)
	}
	e.schedule(p, []step{{action: "delete_timeline", run: e.removalOf(p)}}, nil)
	return http.StatusOK, fields{"project": view}, nil
}

// removalOf forgets a project and deletes its data.
func (e *Emulator) removalOf(p *project) func(context.Context) error {
	return func(context.Context) error {
		e.mu.Lock()
		delete(e.state.Projects, p.ID)
		e.save()
		e.mu.Unlock()
		return e.collect()
	}
}

// await waits until operations are done; for [Emulator.CreateProject].
func (e *Emulator) await(ctx context.Context, projectID string, ops []*operation) error {
	for {
		e.mu.Lock()
		p := e.state.Projects[projectID]
		busy := false
		var failed *operation
		for _, op := range ops {
			for _, now := range p.Operations {
				if now.ID == op.ID {
					busy = busy || !now.done()
					if now.done() && now.Status != statusFinished && failed == nil {
						failed = now
					}
				}
			}
		}
		e.mu.Unlock()
		if failed != nil {
			return unprocessable("operation %s ended as %s: %s", failed.Action, failed.Status, failed.Error)
		}
		if !busy {
			return nil
		}
		if err := sleep(ctx, 10*time.Millisecond); err != nil {
			return err
		}
	}
}

func orDefault(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}
