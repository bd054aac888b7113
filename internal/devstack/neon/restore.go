package neon

import (
	"context"
	"net/http"
	"slices"
	"time"

	"github.com/lifeboat-dr/lifeboat/internal/devstack/neon/timeline"
)

type restoreRequest struct {
	SourceID  string     `json:"source_branch_id"`
	LSN       string     `json:"source_lsn"`
	Timestamp *time.Time `json:"source_timestamp"`
	Preserve  string     `json:"preserve_under_name"`
}

// restoreBranch overwrites a branch with a point of itself or of another one. Its id, endpoints, hosts and
// passwords stay, its sessions are dropped; the old state lives on as a branch without compute when a name for
// it is given, and takes the children along.
func (e *Emulator) restoreBranch(r *http.Request) (int, any, error) {
	var in restoreRequest
	if err := decode(r, false, &in); err != nil {
		return 0, nil, err
	}
	line, window, err := e.checkRestore(r, in)
	if err != nil {
		return 0, nil, err
	}
	target, err := e.target(r.Context(), window, line, in.LSN, in.Timestamp)
	if err != nil {
		return 0, nil, err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	p, b, err := e.readyBranch(r)
	if err != nil {
		return 0, nil, err
	}
	if in.Preserve != "" {
		if err := p.checkBranchName(in.Preserve); err != nil {
			return 0, nil, err
		}
	}
	now := e.now()
	b.State, b.Pending, b.StateChanged, b.Updated = stateResetting, stateReady, now, now
	var steps []step
	endpoints := p.endpointsOf(b.ID)
	for _, ep := range endpoints {
		steps = append(steps, e.suspendStep(p, ep))
	}
	steps = append(steps, step{action: "create_timeline", branchID: b.ID, run: func(ctx context.Context) error {
		return e.restore(ctx, p, b, line, target, in)
	}})
	for _, ep := range endpoints {
		steps = append(steps, e.startStep(p, ep))
	}
	ops := e.schedule(p, steps, func() { b.State, b.Pending = stateReady, "" })
	return http.StatusOK, fields{"branch": e.branchView(p, b), "operations": ops}, nil
}

// checkRestore refuses what needs no look at the data, and finds the line to restore from.
func (e *Emulator) checkRestore(r *http.Request, in restoreRequest) (*timeline.Timeline, time.Duration, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	p, b, err := e.readyBranch(r)
	if err != nil {
		return nil, 0, err
	}
	source := p.Branches[in.SourceID]
	if source == nil {
		return nil, 0, notFound("branch", in.SourceID)
	}
	atHead := in.LSN == "" && in.Timestamp == nil
	switch {
	case source.State != stateReady:
		return nil, 0, errNotReady
	case source == b && atHead:
		return nil, 0, badRequest("restoring a branch to itself needs source_lsn or source_timestamp")
	case source == b && in.Preserve == "":
		return nil, 0, badRequest("restoring a branch to itself needs preserve_under_name")
	case p.children(b.ID) > 0 && in.Preserve == "":
		return nil, 0, badRequest("restoring a branch with children needs preserve_under_name")
	case b.ParentID != "" && (source.ID != b.ParentID || !atHead):
		return nil, 0, unprocessable("only root branches can be restored; branch %s can be reset to the head of its parent", b.ID)
	}
	line := e.lines.Get(source.Timeline)
	if line == nil {
		return nil, 0, errNotReady
	}
	return line, time.Duration(p.RetentionSeconds) * time.Second, nil
}

// restore makes the new data and swaps it in. Until the swap a failure leaves the branch as it was.
func (e *Emulator) restore(ctx context.Context, p *project, b *branch, from *timeline.Timeline, target timeline.Target, in restoreRequest) error {
	fresh := newTimelineID(b.ID)
	line, err := e.lines.Fork(ctx, fresh, from, target)
	if err != nil {
		return err
	}
	e.mu.Lock()
	restored := &branch{ID: b.ID, Roles: slices.Clone(b.Roles), Databases: slices.Clone(b.Databases)}
	e.mu.Unlock()
	if err := e.adopt(ctx, p, line, restored); err != nil {
		return err
	}
	if err := line.Set(ctx, timeline.Stopped); err != nil { // the next steps start what is asked for
		return err
	}
	e.mu.Lock()
	now := e.now()
	if in.Preserve != "" {
		old := &branch{
			ID: newID("br-"), Name: in.Preserve, ParentID: b.ParentID, ParentLSN: b.ParentLSN, ParentTimestamp: b.ParentTimestamp,
			State: stateReady, Created: now, Updated: now, StateChanged: now, Timeline: b.Timeline,
			Roles: slices.Clone(b.Roles), Databases: slices.Clone(b.Databases), LogicalSize: b.LogicalSize,
		}
		for _, child := range p.Branches {
			if child.ParentID == b.ID {
				child.ParentID, child.Updated = old.ID, now
			}
		}
		p.Branches[old.ID] = old
		b.RestoredAs = old.ID
	}
	b.Timeline, b.Roles, b.Databases, b.LogicalSize = fresh, restored.Roles, restored.Databases, restored.LogicalSize
	b.RestoredFrom, b.LastReset = in.SourceID, &now
	e.save()
	e.mu.Unlock()
	e.setReady(b)
	return e.collect()
}
