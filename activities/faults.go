package activities

import (
	"context"
	"errors"
	"time"

	"github.com/lifeboat-dr/lifeboat/internal/plan"
	"github.com/lifeboat-dr/lifeboat/internal/postgres"
	"github.com/lifeboat-dr/lifeboat/runbooks"
)

// Fault is a statement of the configuration that damages a component's copy in a drill.
type Fault struct{ Component, SQL string }

// CauseFault damages the drill's copy of a component, under a work order, and tells the time just before. It knows no
// way to production: it takes the copy by its name and nothing else, and in a live execution it is refused. It is safe to
// repeat: what it did is written down in the copy, in the same transaction.
func (s *Steps) CauseFault(ctx context.Context, in StepInput) (StepDone, error) {
	var p struct {
		Component string `json:"component"`
		Fault     string `json:"fault"`
	}
	if err := in.read(&p); err != nil {
		return StepDone{}, err
	}
	if err := s.Orders.CheckStep(ctx, in, runbooks.ActionCauseFault); err != nil {
		return StepDone{}, err
	}
	if in.Guard.Mode != plan.ModeDrill {
		return StepDone{}, drillOnly(runbooks.TypeFault)
	}
	fault, known := s.Faults[p.Fault]
	if !known || fault.Component != p.Component {
		return StepDone{}, NotFound("name it under drills.faults", "component %s has no fault %q in the configuration of this worker", p.Component, p.Fault)
	}
	c, err := s.Crew.Component(p.Component)
	if err != nil {
		return StepDone{}, err
	}
	source, err := copyOf(c, in.Guard)
	if err != nil {
		return StepDone{}, err
	}
	defer alive(ctx, &counter{})()
	began := time.Now()
	address, err := source.Address(ctx, "")
	if err != nil {
		return StepDone{}, classify(err, "find the copy of "+p.Component)
	}
	conn, err := postgres.Connect(ctx, address, postgres.Options{AppName: "lifeboat drill"})
	if err != nil {
		return StepDone{}, classify(err, "connect to the copy")
	}
	defer conn.Close(context.WithoutCancel(ctx))
	done, err := postgres.ChangeOnce(ctx, conn, in.Guard.Execution+"/"+in.Guard.Step, fault.SQL)
	if errors.Is(err, postgres.ErrNoChange) {
		return StepDone{}, hinted(TypeUnexpected, nil, "correct drills.faults."+p.Fault+": a drill that damages nothing proves nothing", "fault %s changed no row", p.Fault)
	}
	if err != nil {
		return StepDone{}, classify(err, "cause fault "+p.Fault)
	}
	return s.done(in.Guard, map[string]any{"before": done.Before.Format(time.RFC3339Nano), "rows": float64(done.Rows), "took": tookSince(began)})
}
