package activities

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.temporal.io/sdk/activity"

	"github.com/lifeboat-dr/lifeboat/internal/plan"
	"github.com/lifeboat-dr/lifeboat/internal/postgres"
	"github.com/lifeboat-dr/lifeboat/internal/secret"
	"github.com/lifeboat-dr/lifeboat/runbooks"
)

// WriteSynthetic writes a component's synthetic rows, reads them on another connection and removes them, under a work
// order. What is written stands in the configuration. It is safe to repeat, and refuses a range that holds rows of
// somebody else. In a drill it acts on the drill's copy.
func (s *Steps) WriteSynthetic(ctx context.Context, in StepInput) (StepDone, error) {
	var p struct {
		Component string `json:"component"`
	}
	if err := in.read(&p); err != nil {
		return StepDone{}, err
	}
	if in.Guard.Mode != plan.ModePlan {
		if err := s.Orders.CheckStep(ctx, in, runbooks.ActionWriteSynthetic); err != nil {
			return StepDone{}, err
		}
	}
	c, err := s.Crew.Component(p.Component)
	if err != nil {
		return StepDone{}, err
	}
	if c.Synthetic == nil {
		return StepDone{}, Misconfigured(nil, "component %s has nothing under synthetic", p.Component)
	}
	if in.Guard.Mode == plan.ModePlan {
		return intended(in.With, map[string]any{"written": 0.0, "reads": 0.0, "took": "0s"}), nil
	}
	source, err := s.changeable(ctx, in.Guard, p.Component)
	if err != nil {
		return StepDone{}, err
	}
	defer alive(ctx, &counter{})()
	began := time.Now()
	address, err := source.Address(ctx, "")
	if err != nil {
		return StepDone{}, classify(err, "find the database of "+p.Component)
	}
	conn, err := postgres.Connect(ctx, address, postgres.Options{AppName: "lifeboat synthetic"})
	if err != nil {
		return StepDone{}, classify(err, "connect to the database")
	}
	defer conn.Close(context.WithoutCancel(ctx))
	done, err := postgres.RunSynthetic(ctx, conn, postgres.Synthetic{
		// A person's retry is another try, Temporal's is the same one.
		Mark: fmt.Sprintf("%s/%s/%d", in.Guard.Execution, in.Guard.Step, activity.GetInfo(ctx).ScheduledTime.UnixNano()),
		Left: c.Synthetic.Left, Write: c.Synthetic.Write, Clean: c.Synthetic.Clean,
		Read: func(ctx context.Context) error { return readSynthetic(ctx, address, c.Synthetic.Read) },
	})
	switch {
	case errors.Is(err, postgres.ErrReserved):
		return StepDone{}, hinted(TypeConflict, err, "", "write to %s", p.Component)
	case errors.Is(err, postgres.ErrUnread):
		return StepDone{}, hinted(TypeSmoke, err, "the rows were written and removed again; do not let applications in", "read what was written to %s", p.Component)
	case err != nil:
		return StepDone{}, classify(err, "try "+p.Component)
	}
	return s.done(in.Guard, map[string]any{"written": float64(done.Written), "reads": float64(len(c.Synthetic.Read)), "took": tookSince(began)})
}

// readSynthetic asks the queries on a connection of their own. Its error names the query and quotes no answer.
func readSynthetic(ctx context.Context, address secret.String, queries []Smoke) error {
	conn, err := postgres.Connect(ctx, address, postgres.Options{ReadOnly: true, AppName: "lifeboat synthetic"})
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	for _, q := range queries {
		rows, value, err := postgres.Ask(ctx, conn, q.SQL)
		if err == nil {
			err = q.Check(rows, value)
		}
		if err != nil {
			return fmt.Errorf("query %q: %w", q.Name, err)
		}
	}
	return nil
}
