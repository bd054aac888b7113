package activities

import (
	"context"
	"errors"
	"strconv"
	"time"

	"github.com/lifeboat-dr/lifeboat/internal/epoch"
	"github.com/lifeboat-dr/lifeboat/internal/manifest"
	"github.com/lifeboat-dr/lifeboat/internal/plan"
	"github.com/lifeboat-dr/lifeboat/runbooks"
)

// checkEpoch refuses what an execution would do that a failover has overtaken. The guard's epoch is proven already.
// A live execution also waits while so few vaults answer that a failover may be overlooked: the other side of a cut
// network may have taken over.
func (o *Orders) checkEpoch(ctx context.Context, g plan.Guard, action string) error {
	if o.Epochs == nil {
		return nil
	}
	seen, err := o.Epochs.Look(ctx)
	if err != nil {
		return epochError(err, action)
	}
	switch {
	case seen.Current.Number > g.Epoch && seen.Current.Execution != g.Execution:
		return Overtaken(overtakenBy(seen.Current, g.Epoch), action)
	case g.Epoch > seen.Highest && len(seen.Unreached) == 0:
		return refused(errors.New("no vault knows of the epoch that it was started in"), action)
	case g.Mode == plan.ModeLive && seen.Blind():
		return hintedRetryable(TypeUnavailable, errors.Join(seen.Unreached...), "bring back a vault, or the network to it: lifeboat status", "%s waits, for with so few vaults nobody knows whether another failover has taken over", action)
	}
	return nil
}

// checkBegun refuses at its start an execution that could not do anything, because a failover came between its being
// signed and its being started. Vaults that are away stop no start: each step asks again.
func (o *Orders) checkBegun(ctx context.Context, b plan.Brief, execution string) error {
	if o.Epochs == nil {
		return nil
	}
	err := o.checkEpoch(ctx, plan.Guard{Execution: execution, Mode: b.Mode, Epoch: b.Epoch}, "the execution")
	if typeOf(err) == TypeUnavailable {
		return nil
	}
	return err
}

func overtakenBy(r epoch.Record, believed int64) error {
	return errors.New(r.Execution + " took epoch " + strconv.FormatInt(r.Number, 10) + " at " + r.Taken.Format(time.RFC3339) + ", this is from epoch " + strconv.FormatInt(believed, 10))
}

// epochError gives a failure to read or take an epoch its type. Vaults that are away are waited for.
func epochError(err error, what string) error {
	switch {
	case errors.Is(err, epoch.ErrOvertaken):
		return Overtaken(err, what)
	case errors.Is(err, epoch.ErrAway):
		return hintedRetryable(TypeUnavailable, err, "bring back a vault, or the network to it: lifeboat status", "%s waits for the vaults", what)
	}
	return classify(err, what)
}

// checkPrimary refuses to copy from a site where a component does not live any more: what stands there is what a
// failover has given up, and would be taken for the newest backup.
func (o *Orders) checkPrimary(ctx context.Context, c *Component) error {
	if o.Epochs == nil {
		return nil
	}
	seen, err := o.Epochs.Look(ctx)
	if err != nil {
		return epochError(err, "working on "+c.Name)
	}
	if site := seen.Primary(c.Name, c.Site); site != c.Site {
		return hinted(TypeOvertaken, nil, "let source name the database at "+site+", and standby the one at "+c.Site+", in the configuration of every worker: docs/region-lost.md",
			"%s lives at %s since epoch %d, and its source is the old primary at %s", c.Name, site, seen.Current.Number, c.Site)
	}
	return nil
}

// TakeEpoch takes the next epoch, under a work order. It is safe to repeat by the same execution; another one that
// was begun in the same epoch gets an error of type Overtaken.
func (s *Steps) TakeEpoch(ctx context.Context, in StepInput) (StepDone, error) {
	var p struct {
		Component string `json:"component"`
		To        string `json:"to"`
	}
	if err := in.read(&p); err != nil {
		return StepDone{}, err
	}
	if in.Guard.Mode == plan.ModePlan {
		return s.planEpoch(ctx, in, p.Component)
	}
	if err := s.Orders.CheckStep(ctx, in, runbooks.ActionTakeEpoch); err != nil {
		return StepDone{}, err
	}
	c, err := s.Crew.Component(p.Component)
	if err != nil {
		return StepDone{}, err
	}
	if _, err := c.At(p.To); err != nil {
		return StepDone{}, err // it would live nowhere
	}
	ledger := s.Orders.Epochs
	if ledger == nil {
		return StepDone{}, Misconfigured(nil, "this worker has no vaults to take an epoch in")
	}
	defer alive(ctx, &counter{})()
	began := time.Now()
	before, err := ledger.LookNow(ctx)
	if err != nil {
		return StepDone{}, epochError(err, "taking an epoch")
	}
	claim := epoch.Claim{Believed: in.Guard.Epoch, Primaries: map[string]string{p.Component: p.To}, Execution: in.Guard.Execution, Brief: in.Guard.Order}
	if in.Guard.Mode == plan.ModeDrill {
		rehearsed, err := ledger.In(manifest.RehearsedEpochsPrefix(in.Guard.Execution+"/"+in.Guard.Step)).Take(ctx, claim)
		if err != nil {
			return StepDone{}, epochError(err, "rehearsing an epoch")
		}
		return s.tookEpoch(in, before.PrimaryIn(in.Guard.Epoch, c.Name, c.Site), in.Guard.Epoch, rehearsed.Taken, began)
	}
	record, err := ledger.Take(ctx, claim)
	if err != nil {
		return StepDone{}, epochError(err, "taking an epoch")
	}
	return s.tookEpoch(in, before.PrimaryIn(in.Guard.Epoch, c.Name, c.Site), record.Number, record.Taken, began)
}

func (s *Steps) tookEpoch(in StepInput, from string, number int64, taken, began time.Time) (StepDone, error) {
	return s.done(in.Guard, map[string]any{
		"epoch": float64(number), "taken": taken.UTC().Format(time.RFC3339Nano), "from": from, "took": tookSince(began),
	})
}

// planEpoch finds out whether an epoch could be taken now.
func (s *Steps) planEpoch(ctx context.Context, in StepInput, component string) (StepDone, error) {
	if err := s.Orders.CheckLook(in, "TakeEpoch"); err != nil {
		return StepDone{}, err
	}
	c, err := s.Crew.Component(component)
	if err != nil {
		return StepDone{}, err
	}
	to, _ := in.With["to"].(string)
	if _, err := c.At(to); err != nil {
		return StepDone{}, err
	}
	outputs := map[string]any{"epoch": float64(in.Guard.Epoch + 1), "taken": time.Now().UTC().Format(time.RFC3339Nano), "from": c.Site, "took": "0s"}
	if s.Orders.Epochs == nil {
		return intended(in.With, outputs), nil
	}
	seen, err := s.Orders.Epochs.LookNow(ctx)
	if err == nil {
		err = seen.Takeable()
	}
	if err != nil {
		return StepDone{}, epochError(err, "taking an epoch")
	}
	outputs["epoch"], outputs["from"] = float64(max(seen.Highest, in.Guard.Epoch)+1), seen.Primary(c.Name, c.Site)
	return intended(in.With, outputs), nil
}
