package neon

import (
	"context"
	"net/http"
)

func (e *Emulator) deleteBranch(r *http.Request) (int, any, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	p, err := e.findProject(r.PathValue("project_id"))
	if err != nil {
		return 0, nil, err
	}
	b := p.Branches[r.PathValue("branch_id")]
	if b == nil {
		return http.StatusNoContent, nil, nil
	}
	if p.jobs > 0 {
		return 0, nil, errLocked
	}
	if err := p.checkDeletion(b); err != nil {
		return 0, nil, err
	}
	ops := e.removeBranch(p, b)
	return http.StatusOK, fields{"branch": e.branchView(p, b), "operations": ops}, nil
}

func (p *project) checkDeletion(b *branch) error {
	switch {
	case b.Default:
		return unprocessable("cannot delete the default branch %s", b.ID)
	case b.Protected:
		return unprocessable("cannot delete the protected branch %s", b.ID)
	case p.children(b.ID) > 0:
		return unprocessable("cannot delete branch %s: it has children", b.ID)
	case b.ParentID == "":
		return unprocessable("cannot delete the root branch %s", b.ID)
	}
	return nil
}

// removeBranch schedules the deletion; the lock is held.
func (e *Emulator) removeBranch(p *project, b *branch) []*operation {
	b.Deleting, b.Updated = true, e.now()
	var steps []step
	for _, ep := range p.endpointsOf(b.ID) {
		e.closeProxy(ep.ID)
		if ep.State == stateActive {
			steps = append(steps, e.suspendStep(p, ep))
		}
	}
	steps = append(steps, step{action: "delete_timeline", branchID: b.ID, run: func(context.Context) error {
		e.mu.Lock()
		e.dropBranch(p, b.ID)
		e.save()
		e.mu.Unlock()
		return e.collect()
	}})
	return e.schedule(p, steps, nil)
}

// dropBranch forgets a branch and its endpoints; the lock is held.
func (e *Emulator) dropBranch(p *project, id string) {
	for _, ep := range p.endpointsOf(id) {
		e.dropEndpoint(p, ep.ID)
	}
	delete(p.Branches, id)
}

// collect deletes the data that no branch needs any more.
func (e *Emulator) collect() error {
	e.mu.Lock()
	needed := map[string]bool{}
	for _, p := range e.state.Projects {
		for _, b := range p.Branches {
			needed[b.Timeline] = true
			if b.Source != "" {
				needed[b.Source] = true
			}
		}
	}
	e.mu.Unlock()
	return e.lines.Collect(needed)
}
