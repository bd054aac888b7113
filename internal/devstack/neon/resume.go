package neon

import (
	"maps"
	"slices"
)

// newTimelineID names the data of a branch; a branch that is restored gets new data.
func newTimelineID(branchID string) string { return branchID + "-" + newOperationID()[:8] }

// resume takes up what an earlier emulator left: it opens the endpoints' addresses, finishes branches that were
// being made or deleted, and gives up other operations that were cut short.
func (e *Emulator) resume() error {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, p := range e.state.Projects {
		now := e.now()
		for _, op := range p.Operations {
			if !op.done() {
				// What it was to do is either done anew below or was lost: nobody must wait for it.
				op.RetryAt = nil
				e.note(op, statusFailed, "the emulator was stopped")
			}
		}
		if p.Deleting {
			e.schedule(p, []step{{action: "delete_timeline", run: e.removalOf(p)}}, nil)
			continue
		}
		for _, ep := range p.Endpoints {
			if err := e.openProxy(p, ep); err != nil {
				return err
			}
			if ep.State != stateIdle {
				ep.State, ep.Suspended = stateIdle, &now
			}
			ep.Pending = ""
		}
		for _, b := range slices.Collect(maps.Values(p.Branches)) {
			switch {
			case b.Deleting:
				e.removeBranch(p, b)
			case b.State == stateInit && b.Source == "":
				e.schedule(p, e.bootstrapSteps(p, b, p.writer(b.ID)), nil)
			case b.State == stateInit:
				steps := []step{e.createBranchStep(p, b)}
				for _, ep := range p.endpointsOf(b.ID) {
					steps = append(steps, e.startStep(p, ep))
				}
				e.schedule(p, steps, func() { e.dropBranch(p, b.ID) })
			case b.State == stateResetting:
				// The swap had not happened: the branch is what it was.
				b.State, b.Pending = stateReady, ""
			}
		}
	}
	e.save()
	return nil
}
