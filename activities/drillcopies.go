package activities

import (
	"context"
	"time"

	"go.temporal.io/sdk/activity"

	"github.com/lifeboat-dr/lifeboat/internal/plan"
	"github.com/lifeboat-dr/lifeboat/internal/roster"
	"github.com/lifeboat-dr/lifeboat/runbooks"
)

// Copier is a [Source] of which a drill gets a copy, to be changed in its place.
type Copier interface {
	// Copy is the source's database on a branch of our own name. It looks for nothing: a branch that is not there
	// is an error of type NotFound when it is used, and never leads to the source itself.
	Copy(branch string) Source
}

// copyName is the branch that takes the place of production in a drill.
func copyName(g plan.Guard) string { return ownBranch(g, runbooks.PurposeProduction) }

// copyOf binds a source to the drill's copy of it.
func copyOf(c *Component, g plan.Guard) (Source, error) {
	copier, ok := c.Source.(Copier)
	if !ok {
		return nil, Misconfigured(nil, "component %s is a plain PostgreSQL server, of which no drill copy can be made", c.Name)
	}
	return copier.Copy(copyName(g)), nil
}

// sourceOf is the table of targets: the database that a step means when it names a component. In a drill whose signed
// runbook makes a copy of the component (a step drill-copy) that is the copy, and never production: not before the
// copy is there, and not after it was removed. Whether a step only looks makes no difference.
func (s *Steps) sourceOf(g plan.Guard, component, site string) (Source, error) {
	c, err := s.Crew.Component(component)
	if err != nil {
		return nil, err
	}
	source, err := c.At(site)
	if err != nil || g.Mode != plan.ModeDrill || source != c.Source {
		return source, err
	}
	copied, err := s.Orders.copies(g, component)
	if err != nil || !copied {
		return source, err
	}
	return copyOf(c, g)
}

// changeable is sourceOf for a step that changes rows or a branch that is not of this execution: a drill never gets
// production, also where its runbook makes no copy.
//
// Where a failover has moved the component away from its source, nothing there is changed any more.
func (s *Steps) changeable(ctx context.Context, g plan.Guard, component string) (Source, error) {
	c, err := s.Crew.Component(component)
	if err != nil {
		return nil, err
	}
	if g.Mode != plan.ModeDrill {
		return c.Source, s.Orders.checkPrimary(ctx, c)
	}
	return copyOf(c, g)
}

// copies says whether the runbook that a guard's execution follows makes a copy of a component in a drill. It goes by
// the signed text, so that no state of things leads a drill to production.
func (o *Orders) copies(g plan.Guard, component string) (bool, error) {
	bench, err := o.bench()
	if err != nil {
		return false, err
	}
	permit, err := bench.CheckLook(g, o.now())
	if err != nil {
		return false, refused(err, "the drill")
	}
	return makesCopy(permit, component), nil
}

func makesCopy(permit roster.Permit, component string) bool {
	for _, step := range permit.Runbook.Steps {
		if step.Type != runbooks.TypeDrillCopy {
			continue
		}
		with, err := runbooks.Resolve(step.With, permit.Scope)
		if err != nil || with["component"] == component {
			return true // what cannot be read is taken for the careful answer
		}
	}
	return false
}

// MakeDrillCopy makes the branch that takes the place of a component's production in a drill, with a compute that
// writes, under a work order. It is safe to repeat. Outside of drills it is refused.
func (s *Steps) MakeDrillCopy(ctx context.Context, in StepInput) (StepDone, error) {
	var p struct {
		Component string `json:"component"`
		Keep      string `json:"keep"`
	}
	if err := in.read(&p); err != nil {
		return StepDone{}, err
	}
	keep, err := plan.ParseDuration(p.Keep)
	if err != nil {
		return StepDone{}, InvalidInput("keep: %v", err)
	}
	if err := s.Orders.CheckStep(ctx, in, plan.OwnBranches); err != nil {
		return StepDone{}, err
	}
	if in.Guard.Mode != plan.ModeDrill {
		return StepDone{}, drillOnly(runbooks.TypeDrillCopy)
	}
	source, err := s.brancher(p.Component)
	if err != nil {
		return StepDone{}, err
	}
	defer alive(ctx, &counter{})()
	began := time.Now()
	request := BranchRequest{
		Name: copyName(in.Guard), Compute: ComputeReadWrite, ExpiresAt: activity.GetInfo(ctx).ScheduledTime.Add(keep).UTC().Truncate(time.Second),
	}
	made, err := source.MakeBranch(ctx, request)
	if err != nil {
		return StepDone{}, classify(err, "make branch "+request.Name)
	}
	return s.done(in.Guard, map[string]any{
		"site": made.Site, "branch": request.Name, "database": made.Database, "lsn": made.LSN, "took": tookSince(began),
	})
}

// DropDrillCopy removes every branch of this very execution, the newest first, under a work order: the copy, what was
// made of it, and what was kept of it. It is safe to repeat. Outside of drills it is refused: there the branches of an execution are evidence.
func (s *Steps) DropDrillCopy(ctx context.Context, in StepInput) (StepDone, error) {
	var p struct {
		Component string `json:"component"`
	}
	if err := in.read(&p); err != nil {
		return StepDone{}, err
	}
	if err := s.Orders.CheckStep(ctx, in, plan.OwnBranches); err != nil {
		return StepDone{}, err
	}
	if in.Guard.Mode != plan.ModeDrill {
		return StepDone{}, drillOnly(runbooks.TypeDropDrillCopy)
	}
	source, err := s.brancher(p.Component)
	if err != nil {
		return StepDone{}, err
	}
	defer alive(ctx, &counter{})()
	began := time.Now()
	dropped, err := source.DropBranches(ctx, ownBranch(in.Guard, ""))
	if err != nil {
		return StepDone{}, classify(err, "remove the branches of the drill")
	}
	return s.done(in.Guard, map[string]any{"branches": float64(dropped), "took": tookSince(began)})
}

func drillOnly(kind string) error {
	return hinted(TypeNotAllowed, nil, "give the step when: {mode: drill}", "a step of type %s is for drills only", kind)
}
