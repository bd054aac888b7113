package activities

import (
	"context"
	"errors"
	"time"

	"github.com/lifeboat-dr/lifeboat/internal/plan"
	"github.com/lifeboat-dr/lifeboat/internal/traffic"
	"github.com/lifeboat-dr/lifeboat/runbooks"
)

// HoldDoor makes applications wait at a door, under a work order. It is safe to repeat. When transactions do
// not end in time the door is as it was before, and the error is of type DoorBusy and names who was in the way.
func (s *Steps) HoldDoor(ctx context.Context, in StepInput) (StepDone, error) {
	var p struct {
		Door  string `json:"door"`
		Drain string `json:"drain"`
		Busy  string `json:"busy"`
		Lasts string `json:"lasts"`
	}
	if err := in.read(&p); err != nil {
		return StepDone{}, err
	}
	drain, err := plan.ParseDuration(p.Drain)
	if err != nil {
		return StepDone{}, InvalidInput("drain: %v", err)
	}
	lasts, err := plan.ParseDuration(p.Lasts)
	if err != nil {
		return StepDone{}, InvalidInput("lasts: %v", err)
	}
	if in.Guard.Mode == plan.ModePlan {
		return s.planHold(ctx, in, p.Door, lasts)
	}
	door, err := s.doorFor(ctx, in, p.Door, runbooks.ActionHoldDoor)
	if err != nil {
		return StepDone{}, err
	}
	defer alive(ctx, &counter{})()
	began := time.Now()
	report, err := door.Hold(ctx, traffic.HoldRequest{Change: changeBy(in.Guard), Drain: drain, Kill: p.Busy == runbooks.BusyKill})
	if err != nil {
		return StepDone{}, doorError(err)
	}
	return s.done(in.Guard, map[string]any{
		"waiting": float64(report.Waiting), "cut": float64(report.Cut), "patience": report.Patience.String(), "took": tookSince(began),
	})
}

// planHold finds out whether a hold could last as long as it is meant to.
func (s *Steps) planHold(ctx context.Context, in StepInput, name string, lasts time.Duration) (StepDone, error) {
	report, err := s.lookAtDoor(ctx, in, "HoldDoor", name)
	if err != nil {
		return StepDone{}, err
	}
	if report.Patience > 0 && report.Patience < lasts {
		return StepDone{}, hinted(TypeConfiguration, nil, "raise query_wait_timeout and client_login_timeout in the door's own settings, or hold it for less: docs/door.md",
			"door %s ends waiting clients after %s, and is to be held for %s", name, report.Patience, lasts)
	}
	return intended(in.With, map[string]any{"waiting": 0.0, "cut": 0.0, "patience": report.Patience.String(), "took": "0s"}), nil
}

// MoveDoor makes a door that lets nobody through lead to another database, under a work order, and proves
// where it leads. It is safe to repeat; when the proof fails, the door leads where it led.
func (s *Steps) MoveDoor(ctx context.Context, in StepInput) (StepDone, error) {
	var p struct {
		Door string     `json:"door"`
		To   onDatabase `json:"to"`
	}
	if err := in.read(&p); err != nil {
		return StepDone{}, err
	}
	if in.Guard.Mode == plan.ModePlan {
		if _, err := s.lookAtDoor(ctx, in, "MoveDoor", p.Door); err != nil {
			return StepDone{}, err
		}
		return intended(in.With, map[string]any{"system": "", "database": "", "took": "0s"}), nil
	}
	door, err := s.doorFor(ctx, in, p.Door, runbooks.ActionMoveDoor)
	if err != nil {
		return StepDone{}, err
	}
	defer alive(ctx, &counter{})()
	began := time.Now()
	address, err := s.addressOf(ctx, in.Guard, p.To)
	if err != nil {
		return StepDone{}, err
	}
	report, err := door.Move(ctx, traffic.MoveRequest{Change: changeBy(in.Guard), Address: address})
	if err != nil {
		return StepDone{}, doorError(err)
	}
	return s.done(in.Guard, map[string]any{"system": report.System, "database": report.To.Database, "took": tookSince(began)})
}

// OpenDoor lets applications through, under a work order, and proves it by a query. It is safe to repeat. As
// the undo of a step it opens a door only where it led before.
func (s *Steps) OpenDoor(ctx context.Context, in StepInput) (StepDone, error) {
	var p struct {
		Door string `json:"door"`
	}
	if err := in.read(&p); err != nil {
		return StepDone{}, err
	}
	if in.Guard.Mode == plan.ModePlan {
		if _, err := s.lookAtDoor(ctx, in, "OpenDoor", p.Door); err != nil {
			return StepDone{}, err
		}
		return intended(in.With, map[string]any{"system": "", "shut": "0s", "took": "0s"}), nil
	}
	door, err := s.doorFor(ctx, in, p.Door, runbooks.ActionOpenDoor)
	if err != nil {
		return StepDone{}, err
	}
	defer alive(ctx, &counter{})()
	began := time.Now()
	before, err := door.State(ctx)
	if err != nil {
		return StepDone{}, doorError(err)
	}
	report, err := door.Open(ctx, traffic.OpenRequest{Change: changeBy(in.Guard), Back: in.Guard.Work.Undo})
	if err != nil {
		return StepDone{}, doorError(err)
	}
	shut := time.Duration(0)
	if before.Recorded != traffic.Open && report.Since.After(before.Since) {
		shut = report.Since.Sub(before.Since).Round(time.Millisecond)
	}
	return s.done(in.Guard, map[string]any{"system": report.System, "shut": shut.String(), "took": tookSince(began)})
}

// CloseDoor cuts applications off and refuses them, under a work order, and proves it. It is safe to repeat.
func (s *Steps) CloseDoor(ctx context.Context, in StepInput) (StepDone, error) {
	var p struct {
		Door string `json:"door"`
	}
	if err := in.read(&p); err != nil {
		return StepDone{}, err
	}
	if in.Guard.Mode == plan.ModePlan {
		// It is for what may be gone: that it does not answer now is no reason to fail.
		return intended(in.With, map[string]any{"cut": 0.0, "took": "0s"}), nil
	}
	door, err := s.doorFor(ctx, in, p.Door, runbooks.ActionCloseDoor)
	if err != nil {
		return StepDone{}, err
	}
	defer alive(ctx, &counter{})()
	began := time.Now()
	report, err := door.Close(ctx, changeBy(in.Guard))
	if err != nil {
		return StepDone{}, doorError(err)
	}
	return s.done(in.Guard, map[string]any{"cut": float64(report.Cut), "took": tookSince(began)})
}

// doorFor checks the work order and finds the door that the mode allows: production's only when it is live.
func (s *Steps) doorFor(ctx context.Context, in StepInput, name string, action plan.Action) (traffic.Door, error) {
	if err := s.Orders.CheckStep(ctx, in, action); err != nil {
		return nil, err
	}
	live, known := s.Doors[name]
	if !known {
		return nil, NotFound("name it under doors", "door %q is not in the configuration of this worker", name)
	}
	if in.Guard.Mode != plan.ModeDrill {
		return live, nil
	}
	if drill, ok := s.DrillDoors[name]; ok {
		return drill, nil
	}
	return nil, notInDrill("door", "doors", name)
}

// lookAtDoor is what a plan does: it looks at production's door and changes nothing.
func (s *Steps) lookAtDoor(ctx context.Context, in StepInput, activity, name string) (traffic.Report, error) {
	if err := s.Orders.CheckLook(in, activity); err != nil {
		return traffic.Report{}, err
	}
	door, known := s.Doors[name]
	if !known {
		return traffic.Report{}, NotFound("name it under doors", "door %q is not in the configuration of this worker", name)
	}
	defer alive(ctx, &counter{})()
	report, err := door.State(ctx)
	return report, doorError(err)
}

// changeBy is who changes a door, as the door keeps it.
func changeBy(g plan.Guard) traffic.Change {
	by := g.Execution + "/" + g.Step
	if g.Work != nil && g.Work.Undo {
		by += "/undo"
	}
	return traffic.Change{By: by, Epoch: g.Epoch}
}

// doorError gives a failure at a door its type. A door that does not answer is waited for; everything else
// is for people.
func doorError(err error) error {
	var known *traffic.Error
	if err == nil || !errors.As(err, &known) || errors.Is(err, context.Canceled) {
		return err
	}
	for kind, name := range map[error]string{
		traffic.ErrBusy: TypeDoorBusy, traffic.ErrState: TypeConflict, traffic.ErrOvertaken: TypeConflict, traffic.ErrWrongServer: TypeMismatch,
		traffic.ErrUnfit: TypeConfiguration, traffic.ErrDenied: TypePermission, traffic.ErrInvalid: TypeInvalidInput,
	} {
		if errors.Is(known, kind) {
			return final(name, err.Error(), known.Hint)
		}
	}
	return passing(err.Error())
}
