package activities

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/lifeboat-dr/lifeboat/internal/plan"
	"github.com/lifeboat-dr/lifeboat/runbooks"
)

// ErrStillIn says that a role got in with a password that must not open any more.
var ErrStillIn = errors.New("the old password still opens")

// Fencer is a [Source] that can be shut against every application, and that proves it.
type Fencer interface {
	// Fence shuts a database for every role that can log in: passwords are rotated, sessions end, the compute is
	// disabled. It proves it role by role, by what the server or the service's proxy answers to the old password;
	// ErrStillIn and no answer are errors. An empty branch is the source's own. It is safe to repeat.
	Fence(ctx context.Context, branch string) (Fenced, error)
	// Unfence lets connections in again, with the new passwords. It is safe to repeat.
	Unfence(ctx context.Context, branch string) error
	// Condition is what the service says of the compute, in words.
	Condition(ctx context.Context) (string, error)
}

// Fenced says how a database was shut.
type Fenced struct {
	// Computes is how many were disabled.
	Computes int
	// Roles are those that were refused.
	Roles []RoleFenced
}

// RoleFenced is one role that does not get in any more, and who refused it. No password is in it.
type RoleFenced struct{ Role, How string }

func (f Fenced) words() string {
	texts := make([]string, len(f.Roles))
	for i, r := range f.Roles {
		texts[i] = r.Role + ": " + r.How
	}
	return strings.Join(texts, "; ")
}

const (
	// fencePause is how long nothing is done between two tries to fence or to reach what does not answer.
	fencePause = 2 * time.Second
	// fencedBranch is the purpose of the branch that a drill fences.
	fencedBranch = "fence"
)

// FencePrimary shuts the database of a component at a site, under a work order, and proves it. When nothing answers in
// time it completes with confirmed false: then no single primary is claimed, and people decide. A drill fences a
// branch of its own and removes it. It is safe to repeat.
func (s *Steps) FencePrimary(ctx context.Context, in StepInput) (StepDone, error) {
	p, within, err := readFence(in)
	if err != nil {
		return StepDone{}, err
	}
	if in.Guard.Mode == plan.ModePlan {
		return s.planFence(ctx, in, "FencePrimary", p)
	}
	if err := s.Orders.CheckStep(ctx, in, runbooks.ActionFence); err != nil {
		return StepDone{}, err
	}
	source, fencer, err := s.fencer(p.Component, p.At)
	if err != nil {
		return StepDone{}, err
	}
	defer alive(ctx, &counter{})()
	began := time.Now()
	patient, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	fenced, err := s.fenceWithin(patient, in.Guard, source, fencer)
	if ctx.Err() != nil {
		return StepDone{}, ctx.Err() // it is to stop, or this worker is
	}
	outputs := map[string]any{"confirmed": err == nil, "how": fenced.words(), "roles": float64(len(fenced.Roles)), "unconfirmed": "", "took": tookSince(began)}
	if err != nil {
		if kind := typeOf(err); kind != "" && kind != TypeUnavailable {
			return StepDone{}, err // waiting mends nothing
		}
		outputs["unconfirmed"] = "fenceUnconfirmed: " + err.Error()
	}
	return s.done(in.Guard, outputs)
}

type fenceParams struct {
	Component string `json:"component"`
	At        string `json:"at"`
	By        string `json:"by"`
	Within    string `json:"within"`
}

func readFence(in StepInput) (p fenceParams, within time.Duration, err error) {
	if err := in.read(&p); err != nil {
		return p, 0, err
	}
	if p.Within == "" {
		return p, time.Minute, nil
	}
	if within, err = plan.ParseDuration(p.Within); err != nil {
		err = InvalidInput("within: %v", err)
	}
	return p, within, err
}

// fencer finds the database of a component at a site, which has to be one that can be fenced.
func (s *Steps) fencer(component, at string) (Source, Fencer, error) {
	c, err := s.Crew.Component(component)
	if err != nil {
		return nil, nil, err
	}
	source, err := c.At(at)
	if err != nil {
		return nil, nil, err
	}
	fencer, ok := source.(Fencer)
	if !ok {
		return nil, nil, Misconfigured(nil, "Lifeboat cannot fence the database of %s at %s, a source of kind %s: let the step be done by a program or by hand", component, at, source.Kind())
	}
	return source, fencer, nil
}

// fenceWithin tries until it is proven, cannot be, or the time is over; the last error says why not.
func (s *Steps) fenceWithin(ctx context.Context, g plan.Guard, source Source, fencer Fencer) (Fenced, error) {
	var last error
	for {
		fenced, err := s.fenceOnce(ctx, g, source, fencer)
		if err == nil {
			return fenced, nil
		}
		if kind := typeOf(err); kind != "" && kind != TypeUnavailable {
			return fenced, err
		}
		if last == nil || ctx.Err() == nil {
			last = err // what was cut off says less than what came before it
		}
		if pause(ctx, fencePause) != nil {
			return fenced, last
		}
	}
}

func (s *Steps) fenceOnce(ctx context.Context, g plan.Guard, source Source, fencer Fencer) (Fenced, error) {
	if g.Mode != plan.ModeDrill {
		return fencer.Fence(ctx, "")
	}
	brancher, ok := source.(Brancher)
	if !ok {
		return Fenced{}, Misconfigured(nil, "a drill fences a branch, and this source has none")
	}
	name := ownBranch(g, fencedBranch)
	copied, err := brancher.MakeBranch(ctx, BranchRequest{Name: name, Compute: ComputeReadWrite, ExpiresAt: time.Now().Add(24 * time.Hour)})
	if err != nil {
		return Fenced{}, err
	}
	fenced, err := fencer.Fence(ctx, copied.ID)
	return fenced, errors.Join(err, brancher.DropBranch(ctx, name))
}

// UnfencePrimary lets connections into the database of a component at a site again, under a work order. The door does
// not lead there by that. In a drill there is nothing left to open. It is safe to repeat.
func (s *Steps) UnfencePrimary(ctx context.Context, in StepInput) (StepDone, error) {
	p, within, err := readFence(in)
	if err != nil {
		return StepDone{}, err
	}
	if in.Guard.Mode == plan.ModePlan {
		return s.planFence(ctx, in, "UnfencePrimary", p)
	}
	if err := s.Orders.CheckStep(ctx, in, runbooks.ActionUnfence); err != nil {
		return StepDone{}, err
	}
	_, fencer, err := s.fencer(p.Component, p.At)
	if err != nil {
		return StepDone{}, err
	}
	defer alive(ctx, &counter{})()
	began := time.Now()
	if in.Guard.Mode != plan.ModeDrill {
		patient, cancel := context.WithTimeout(ctx, within)
		defer cancel()
		if err := fencer.Unfence(patient, ""); err != nil {
			return StepDone{}, classify(err, fmt.Sprintf("let connections into %s at %s again", p.Component, p.At))
		}
	}
	return s.done(in.Guard, map[string]any{"took": tookSince(began)})
}

// planFence finds out whether there is something that can be fenced; that it does not answer now is no reason to fail.
func (s *Steps) planFence(ctx context.Context, in StepInput, activity string, p fenceParams) (StepDone, error) {
	if err := s.Orders.CheckLook(in, activity); err != nil {
		return StepDone{}, err
	}
	_, fencer, err := s.fencer(p.Component, p.At)
	if err != nil {
		return StepDone{}, err
	}
	defer alive(ctx, &counter{})()
	outputs := map[string]any{"confirmed": true, "how": "", "roles": 0.0, "unconfirmed": "", "took": "0s"}
	if _, err := fencer.Condition(ctx); err != nil {
		outputs["confirmed"], outputs["unconfirmed"] = false, "it does not answer now"
	}
	return intended(in.With, outputs), nil
}

// pause waits, or says that the context ended.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
