package neon

import (
	"context"
	"net/http"
	"slices"
	"time"
)

// operation is a piece of asynchronous work as clients see it.
type operation struct {
	ID         string     `json:"id"`
	ProjectID  string     `json:"project_id"`
	BranchID   string     `json:"branch_id,omitempty"`
	EndpointID string     `json:"endpoint_id,omitempty"`
	Action     string     `json:"action"`
	Status     string     `json:"status"`
	Error      string     `json:"error,omitempty"`
	Failures   int32      `json:"failures_count"`
	RetryAt    *time.Time `json:"retry_at,omitempty"`
	Created    time.Time  `json:"created_at"`
	Updated    time.Time  `json:"updated_at"`
	DurationMS int32      `json:"total_duration_ms"`
}

const (
	statusScheduling = "scheduling"
	statusRunning    = "running"
	statusFinished   = "finished"
	statusFailed     = "failed"
	statusCancelled  = "cancelled"
)

// keptOperations bounds the list of past operations of a project.
const keptOperations = 2000

// step is an operation and what it does. It runs without the emulator's lock.
type step struct {
	action             string
	branchID, endpoint string
	run                func(ctx context.Context) error
}

// schedule makes operations of steps and runs them one after the other, once the project's earlier ones are done.
// The emulator's lock is held. When one fails, the rest is cancelled and onFailure called with the lock held.
func (e *Emulator) schedule(p *project, steps []step, onFailure func()) []*operation {
	if len(steps) == 0 {
		return []*operation{}
	}
	now := e.now()
	ops := make([]*operation, len(steps))
	for i, s := range steps {
		ops[i] = &operation{
			ID: newOperationID(), ProjectID: p.ID, BranchID: s.branchID, EndpointID: s.endpoint,
			Action: s.action, Status: statusScheduling, Created: now, Updated: now,
		}
	}
	ops[0].Status = statusRunning
	p.Operations = append(p.Operations, ops...)
	if extra := len(p.Operations) - keptOperations; extra > 0 {
		p.Operations = slices.Delete(p.Operations, 0, extra)
	}
	p.jobs++
	p.generation++
	e.save()
	if e.ctx.Err() == nil { // else the next start finishes it
		e.work.Go(func() { e.runJob(p, steps, ops, onFailure) })
	}
	return copies(ops)
}

// copies are what an answer may hold: the originals change.
func copies(ops []*operation) []*operation {
	list := make([]*operation, len(ops))
	for i, op := range ops {
		c := *op
		list[i] = &c
	}
	return list
}

func (e *Emulator) runJob(p *project, steps []step, ops []*operation, onFailure func()) {
	select {
	case p.turn <- struct{}{}:
	case <-e.ctx.Done():
		return // the state still says that it is unfinished: the next start finishes it
	}
	defer func() { <-p.turn }()
	failed := false
	for i, s := range steps {
		if failed {
			e.finish(ops[i], statusCancelled, "")
			continue
		}
		err := e.runStep(ops[i], s)
		if e.ctx.Err() != nil {
			return
		}
		if err != nil {
			e.log.Error("operation of Neon emulator failed", "action", s.action, "branch", s.branchID, "error", err)
			e.finish(ops[i], statusFailed, err.Error())
			failed = true
		}
		if !failed && i < len(steps)-1 {
			e.finish(ops[i], statusFinished, "")
		}
	}
	// The project is free in the same moment as its last operation is seen as done.
	e.mu.Lock()
	defer e.mu.Unlock()
	if failed && onFailure != nil {
		onFailure()
	}
	if !failed {
		e.note(ops[len(ops)-1], statusFinished, "")
	}
	p.jobs--
	e.save()
}

func (e *Emulator) runStep(op *operation, s step) error {
	e.finish(op, statusRunning, "")
	if err := sleep(e.ctx, e.cfg.Latency); err != nil {
		return err
	}
	if f, ok := e.faults.operation(s.action); ok {
		// Neon itself tries again; who gives up at the first "failed" gives up too early.
		at := e.now().Add(f.delay())
		e.mu.Lock()
		op.Failures++
		op.RetryAt = &at
		e.note(op, statusFailed, "injected failure")
		e.mu.Unlock()
		if err := sleep(e.ctx, f.delay()); err != nil {
			return err
		}
		e.mu.Lock()
		op.RetryAt = nil
		e.note(op, statusRunning, "")
		e.mu.Unlock()
		if err := sleep(e.ctx, e.cfg.Latency); err != nil {
			return err
		}
	}
	return s.run(e.ctx)
}

func (e *Emulator) finish(op *operation, status, message string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.note(op, status, message)
}

// note changes an operation; the lock is held.
func (e *Emulator) note(op *operation, status, message string) {
	op.Status, op.Error, op.Updated = status, message, e.now()
	op.DurationMS = int32(op.Updated.Sub(op.Created).Milliseconds())
	e.save()
}

func (op *operation) done() bool {
	return op.Status == statusFinished || op.Status == statusCancelled || (op.Status == statusFailed && op.RetryAt == nil)
}

// now is in UTC without the monotonic clock and, like Neon's, to the second where it is only shown; points in
// time must be exact, so microseconds stay.
func (e *Emulator) now() time.Time { return time.Now().UTC().Round(time.Microsecond) }

func sleep(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (e *Emulator) listOperations(r *http.Request) (int, any, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	p, err := e.findProject(r.PathValue("project_id"))
	if err != nil {
		return 0, nil, err
	}
	ops := copies(p.Operations)
	slices.Reverse(ops) // the newest first
	page, next, err := paginate(r, ops, func(op *operation) string { return op.ID }, 100, 1000)
	if err != nil {
		return 0, nil, err
	}
	return http.StatusOK, fields{"operations": page, "pagination": next.asCursor()}, nil
}

func (e *Emulator) getOperation(r *http.Request) (int, any, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	p, err := e.findProject(r.PathValue("project_id"))
	if err != nil {
		return 0, nil, err
	}
	id := r.PathValue("operation_id")
	for _, op := range p.Operations {
		if op.ID == id {
			c := *op
			return http.StatusOK, fields{"operation": &c}, nil
		}
	}
	return 0, nil, notFound("operation", id)
}
