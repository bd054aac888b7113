package neon

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/lifeboat-dr/lifeboat/internal/devstack/neon/timeline"
)

type newBranch struct {
	ParentID        string     `json:"parent_id"`
	Name            string     `json:"name"`
	ParentLSN       string     `json:"parent_lsn"`
	ParentTimestamp *time.Time `json:"parent_timestamp"`
	Protected       bool       `json:"protected"`
	Archived        bool       `json:"archived"`
	InitSource      string     `json:"init_source"`
	Expires         *time.Time `json:"expires_at"`
}

func (e *Emulator) createBranch(r *http.Request) (int, any, error) {
	var in struct {
		Branch    newBranch     `json:"branch"`
		Endpoints []newEndpoint `json:"endpoints"`
	}
	if err := decode(r, true, &in); err != nil {
		return 0, nil, err
	}
	parent, line, err := e.checkNewBranch(r.PathValue("project_id"), in.Branch, in.Endpoints)
	if err != nil {
		return 0, nil, err
	}
	target, err := e.target(r.Context(), parent.retention, line, in.Branch.ParentLSN, in.Branch.ParentTimestamp)
	if err != nil {
		return 0, nil, err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	// What was checked before the point was looked at may have changed since.
	p, err := e.findProject(r.PathValue("project_id"))
	if err != nil {
		return 0, nil, err
	}
	if p.jobs > 0 {
		return 0, nil, errLocked
	}
	source := p.Branches[parent.id]
	if source == nil {
		return 0, nil, notFound("branch", parent.id)
	}
	b := e.describeBranch(in.Branch, source, target)
	if err := p.checkBranchName(b.Name); err != nil {
		return 0, nil, err
	}
	p.Branches[b.ID] = b
	steps := []step{e.createBranchStep(p, b)}
	var endpoints []*endpoint
	for _, wanted := range in.Endpoints {
		ep, err := e.addEndpoint(p, b.ID, wanted)
		if err != nil {
			for _, made := range endpoints {
				e.dropEndpoint(p, made.ID)
			}
			delete(p.Branches, b.ID)
			return 0, nil, err
		}
		endpoints = append(endpoints, ep)
		steps = append(steps, e.startStep(p, ep))
	}
	ops := e.schedule(p, steps, func() { e.dropBranch(p, b.ID) })
	e.faults.created(b.ID)
	answer := fields{
		"branch": e.branchView(p, b), "operations": ops,
		"endpoints": views(endpoints, func(ep *endpoint) fields { return e.endpointView(p, ep) }),
		"roles":     views(b.Roles, func(r role) fields { return e.roleView(b, r, false) }),
		"databases": views(b.Databases, func(d database) fields { return e.databaseView(b, d) }),
	}
	if uris := e.allConnectionDetails(p, b, endpoints); len(uris) > 0 {
		answer["connection_uris"] = uris
	}
	return http.StatusCreated, answer, nil
}

// parentInfo is what stays true of a parent while the lock is let go.
type parentInfo struct {
	id        string
	retention time.Duration
}

// checkNewBranch refuses what needs no look at the data.
func (e *Emulator) checkNewBranch(projectID string, in newBranch, endpoints []newEndpoint) (parentInfo, *timeline.Timeline, error) {
	fail := func(err error) (parentInfo, *timeline.Timeline, error) { return parentInfo{}, nil, err }
	e.mu.Lock()
	defer e.mu.Unlock()
	p, err := e.findProject(projectID)
	if err != nil {
		return fail(err)
	}
	if p.jobs > 0 {
		return fail(errLocked)
	}
	parent := p.defaultBranch()
	if in.ParentID != "" {
		parent = p.Branches[in.ParentID]
	}
	if parent == nil {
		return fail(notFound("branch", in.ParentID))
	}
	if parent.State != stateReady || parent.Deleting {
		return fail(errNotReady)
	}
	if in.InitSource != "" && in.InitSource != "parent-data" {
		return fail(unprocessable("this emulator knows init_source parent-data only"))
	}
	if in.Archived {
		return fail(unprocessable("this emulator archives no branches"))
	}
	if len(p.Branches) >= e.cfg.BranchLimit {
		return fail(&apiError{status: http.StatusUnprocessableEntity, code: "BRANCHES_LIMIT_EXCEEDED", message: "branches limit exceeded"})
	}
	if in.Name != "" {
		if err := p.checkBranchName(in.Name); err != nil {
			return fail(err)
		}
	}
	if in.Expires != nil {
		if in.Protected {
			return fail(unprocessable("a branch that expires cannot be protected"))
		}
		if err := e.checkExpiry(nil, *in.Expires); err != nil {
			return fail(err)
		}
	}
	writers := 0
	for _, ep := range endpoints {
		if err := ep.check(); err != nil {
			return fail(err)
		}
		if ep.Type == readWrite {
			writers++
		}
	}
	if writers > 1 {
		return fail(conflict("read-write endpoint already exists"))
	}
	line := e.lines.Get(parent.Timeline)
	if line == nil {
		return fail(errNotReady)
	}
	return parentInfo{id: parent.ID, retention: time.Duration(p.RetentionSeconds) * time.Second}, line, nil
}

// target checks a point against the window and the kept history. The head becomes the LSN that it has now.
func (e *Emulator) target(ctx context.Context, window time.Duration, line *timeline.Timeline, lsn string, at *time.Time) (timeline.Target, error) {
	var target timeline.Target
	switch now := e.now(); {
	case lsn != "" && at != nil:
		return target, badRequest("give an LSN or a timestamp, not both")
	case lsn != "":
		parsed, err := timeline.ParseLSN(lsn)
		if err != nil || parsed == 0 {
			return target, badRequest("cannot read LSN %q: want the form 16/B3733C50", lsn)
		}
		target.LSN = parsed
	case at != nil:
		if at.After(now) {
			return target, badRequest("timestamp is in the future; timestamp:%q", stamp(*at))
		}
		if now.Sub(*at) > window {
			return target, beforeWindow(*at, window)
		}
		target.Time = *at
	default:
		head, err := line.Position(ctx)
		if err != nil {
			return target, err
		}
		return timeline.Target{LSN: head}, nil
	}
	switch err := line.Check(ctx, target); {
	case errors.Is(err, timeline.ErrBeforeHistory) && at != nil:
		return target, beforeWindow(*at, window)
	case errors.Is(err, timeline.ErrBeforeHistory):
		return target, badRequest("LSN is before retention window; lsn:%q, retention_window:%q", lsn, window.String())
	case errors.Is(err, timeline.ErrAfterHead):
		return target, badRequest("LSN is ahead of the branch's last record; lsn:%q", lsn)
	case err != nil:
		return target, err
	}
	return target, nil
}

// describeBranch makes the record of a branch yet to be made; the lock is held.
func (e *Emulator) describeBranch(in newBranch, source *branch, target timeline.Target) *branch {
	now := e.now()
	b := &branch{
		ID: newID("br-"), ParentID: source.ID, ParentTimestamp: in.ParentTimestamp, Protected: in.Protected,
		State: stateInit, Pending: stateReady, Created: now, Updated: now, StateChanged: now, Expires: in.Expires,
		Source: source.Timeline, FreshPasswords: source.Protected,
		Roles: slices.Clone(source.Roles), Databases: slices.Clone(source.Databases),
	}
	b.Timeline = newTimelineID(b.ID)
	b.Name = orDefault(in.Name, b.ID)
	if target.LSN != 0 {
		b.ParentLSN, b.SourceLSN = target.LSN.String(), target.LSN.String()
	}
	if b.Expires != nil {
		b.TTL = ttlSeconds(now, *b.Expires)
	}
	if b.FreshPasswords {
		for i := range b.Roles {
			if b.Roles[i].Password != "" {
				b.Roles[i].Password, b.Roles[i].Updated = newPassword(), now
			}
		}
	}
	return b
}

func (e *Emulator) createBranchStep(p *project, b *branch) step {
	return step{action: "create_branch", branchID: b.ID, run: func(ctx context.Context) error { return e.fork(ctx, p, b) }}
}

// fork makes the data of a branch from its record, and is what a restarted emulator repeats.
func (e *Emulator) fork(ctx context.Context, p *project, b *branch) error {
	e.mu.Lock()
	source, lsn, at, id := b.Source, b.SourceLSN, b.ParentTimestamp, b.Timeline
	e.mu.Unlock()
	line := e.lines.Get(id)
	if line == nil {
		parent := e.lines.Get(source)
		if parent == nil {
			return notFound("timeline", source)
		}
		var target timeline.Target
		var err error
		if lsn != "" {
			if target.LSN, err = timeline.ParseLSN(lsn); err != nil {
				return err
			}
		} else if at != nil {
			target.Time = *at
		}
		if line, err = e.lines.Fork(ctx, id, parent, target); err != nil {
			return err
		}
	}
	if err := line.Set(ctx, timeline.ReadWrite); err != nil {
		return err
	}
	// A point in the past has the roles and databases of then, with the passwords of then.
	if err := e.adopt(ctx, p, line, b); err != nil {
		return err
	}
	e.mu.Lock()
	if b.ParentLSN == "" {
		b.ParentLSN = line.ForkLSN().String()
	}
	e.mu.Unlock()
	// The next step starts what the endpoints ask for.
	if err := line.Set(ctx, timeline.Stopped); err != nil {
		return err
	}
	e.setReady(b)
	return nil
}
