package neon

import (
	"context"
	"fmt"
	"net/netip"

	"github.com/lifeboat-dr/lifeboat/internal/devstack/neon/timeline"
)

// startStep starts an endpoint's compute. The lock is held.
func (e *Emulator) startStep(p *project, ep *endpoint) step {
	if ep.State != stateActive {
		ep.Pending = stateActive
	}
	return step{action: "start_compute", branchID: ep.BranchID, endpoint: ep.ID, run: func(ctx context.Context) error {
		return e.startCompute(ctx, p, ep.ID)
	}}
}

// suspendStep drops an endpoint's sessions and stops its compute. The lock is held.
func (e *Emulator) suspendStep(p *project, ep *endpoint) step {
	if ep.State == stateActive {
		ep.Pending = stateIdle
	}
	return step{action: "suspend_compute", branchID: ep.BranchID, endpoint: ep.ID, run: func(ctx context.Context) error {
		return e.suspendCompute(ctx, p, ep.ID)
	}}
}

func (e *Emulator) startCompute(ctx context.Context, p *project, id string) error {
	e.mu.Lock()
	ep := p.Endpoints[id]
	if ep == nil || (ep.Disabled && !e.probing(ep)) {
		e.mu.Unlock()
		return nil
	}
	ep.wanted = true
	e.mu.Unlock()
	if err := e.settle(ctx, p, ep.BranchID); err != nil {
		return err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	now := e.now()
	if ep.State != stateActive {
		ep.Started = &now
	}
	ep.State, ep.Pending, ep.LastActive, ep.Updated = stateActive, "", &now, now
	e.save()
	return nil
}

func (e *Emulator) suspendCompute(ctx context.Context, p *project, id string) error {
	e.mu.Lock()
	ep := p.Endpoints[id]
	if ep == nil {
		e.mu.Unlock()
		return nil
	}
	ep.wanted = false
	// From here on a new connection waits for the turn of its wake-up.
	now := e.now()
	ep.State, ep.Pending, ep.Suspended, ep.Updated = stateIdle, "", &now, now
	if proxy := e.proxies[id]; proxy != nil {
		proxy.drop()
	}
	e.save()
	e.mu.Unlock()
	return e.settle(ctx, p, ep.BranchID)
}

// settle brings a branch's servers into the state that its endpoints ask for: a primary as soon as there is
// a read-write endpoint, with a streaming copy for each read-only one beside it; else a standby.
func (e *Emulator) settle(ctx context.Context, p *project, branchID string) error {
	e.mu.Lock()
	b := p.Branches[branchID]
	if b == nil {
		e.mu.Unlock()
		return nil
	}
	line := e.lines.Get(b.Timeline)
	writer, wanted := p.writer(branchID) != nil, false
	copies := map[string]bool{} // of read-only endpoints, and whether they are to run
	for _, ep := range p.endpointsOf(branchID) {
		wanted = wanted || ep.wanted
		if ep.Type == readOnly {
			copies[ep.ID] = ep.wanted && writer
		}
	}
	e.mu.Unlock()
	if line == nil {
		return fmt.Errorf("start compute of branch %s: it has no data", branchID)
	}
	mode := timeline.Stopped
	switch {
	case wanted && writer:
		mode = timeline.ReadWrite
	case wanted:
		mode = timeline.ReadOnly
	}
	if err := line.Set(ctx, mode); err != nil {
		return err
	}
	for _, id := range line.Replicas() {
		if !copies[id] {
			if err := line.StopReplica(id); err != nil {
				return err
			}
		}
	}
	for id, run := range copies {
		if run {
			if _, err := line.Replica(ctx, id); err != nil {
				return err
			}
		}
	}
	return nil
}

// backend is where an endpoint's server listens; invalid when it does not run. The lock is held.
func (e *Emulator) backend(p *project, ep *endpoint) netip.AddrPort {
	b := p.Branches[ep.BranchID]
	if b == nil || ep.State != stateActive {
		return netip.AddrPort{}
	}
	line := e.lines.Get(b.Timeline)
	switch {
	case line == nil:
		return netip.AddrPort{}
	case ep.Type == readOnly && p.writer(b.ID) != nil:
		return line.ReplicaAddr(ep.ID)
	case ep.Type == readWrite && line.Mode() != timeline.ReadWrite:
		return netip.AddrPort{}
	}
	return line.Addr()
}

// awakening is shared by all connections that wait for the same wake-up.
type awakening struct {
	done chan struct{}
}

// wake starts a suspended compute, as the first connection to it does, and waits for it. The operation is one like
// any other: while it runs, the API refuses conflicting ones.
func (e *Emulator) wake(ctx context.Context, p *project, ep *endpoint) error {
	e.mu.Lock()
	w := ep.waking
	if w == nil {
		w = &awakening{done: make(chan struct{})}
		ep.waking = w
		s := e.startStep(p, ep)
		run := s.run
		end := func() {
			e.mu.Lock()
			ep.waking = nil
			e.mu.Unlock()
			close(w.done)
		}
		s.run = func(ctx context.Context) error {
			defer end()
			return run(ctx)
		}
		e.schedule(p, []step{s}, nil)
	}
	e.mu.Unlock()
	select {
	case <-w.done:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// withPrimary runs fn on a branch's primary, started for it if need be, and then gives the branch back
// what its endpoints ask for.
func (e *Emulator) withPrimary(ctx context.Context, p *project, b *branch, fn func(line *timeline.Timeline) error) error {
	e.mu.Lock()
	line := e.lines.Get(b.Timeline)
	e.mu.Unlock()
	if line == nil {
		return fmt.Errorf("change branch %s: it has no data", b.ID)
	}
	if err := line.Set(ctx, timeline.ReadWrite); err != nil {
		return err
	}
	if err := fn(line); err != nil {
		return err
	}
	return e.settle(ctx, p, b.ID)
}
