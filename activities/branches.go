package activities

import (
	"context"
	"time"

	"go.temporal.io/sdk/activity"

	"github.com/lifeboat-dr/lifeboat/internal/plan"
	"github.com/lifeboat-dr/lifeboat/internal/postgres"
	"github.com/lifeboat-dr/lifeboat/internal/secret"
	"github.com/lifeboat-dr/lifeboat/runbooks"
)

// The computes of [BranchRequest], as the catalogue names them.
const (
	ComputeReadOnly  = runbooks.ComputeReadOnly
	ComputeReadWrite = runbooks.ComputeReadWrite
)

// Brancher is a [Source] that can be looked at as it was.
type Brancher interface {
	// History is how far back branches reach; zero means not at all.
	History(ctx context.Context) (time.Duration, error)
	// MakeBranch makes a branch of our own name, or finds the one an earlier try made, and reads back what it
	// holds. A point that the service does not have any more is of type OutsideHistory, in its own words.
	MakeBranch(ctx context.Context, in BranchRequest) (Branched, error)
	// Named is the id of a branch by its name; empty when there is none.
	Named(ctx context.Context, name string) (id string, err error)
	// BranchAddress is the connection string of the source's database on a branch that has a compute.
	BranchAddress(ctx context.Context, id string) (secret.String, error)
	// DropBranch removes a branch of our own name; it is no error when there is none.
	DropBranch(ctx context.Context, name string) error
	// DropBranches removes every branch whose name begins with a prefix of our own that ends in a slash, and says how many.
	DropBranches(ctx context.Context, prefix string) (int, error)
}

// BranchRequest asks for a branch of a source.
type BranchRequest struct {
	Name string
	// At and LSN are the point; both are zero for the newest state.
	At  time.Time
	LSN string
	// ExpiresAt is when the service removes it.
	ExpiresAt time.Time
	// Compute is what reaches it; empty is nothing.
	Compute string
}

// Branched is a branch that was made, as the service describes it.
type Branched struct {
	ID, Site, Database string
	// LSN is the position of the source up to which the branch holds everything.
	LSN       string
	ExpiresAt time.Time
}

// ownBranch is the name of a branch that a step of an execution makes. No parameter can lead to a branch of
// another execution.
func ownBranch(g plan.Guard, purpose string) string { return "lifeboat/" + g.Execution + "/" + purpose }

// MakeBranch makes a branch of a component's database as it was at a point, under a work order, and reads back
// what it holds. It is safe to repeat: the branch of this name is found again, and has to hold the same point.
// Production is not touched. In a drill that has a copy the branch is one of the copy; in a plan it looks whether the point
// can be reached.
func (s *Steps) MakeBranch(ctx context.Context, in StepInput) (StepDone, error) {
	var p struct {
		Component string `json:"component"`
		Purpose   string `json:"purpose"`
		At        string `json:"at"`
		LSN       string `json:"lsn"`
		Compute   string `json:"compute"`
		Keep      string `json:"keep"`
		Newest    string `json:"newest"`
	}
	if err := in.read(&p); err != nil {
		return StepDone{}, err
	}
	request := BranchRequest{Name: ownBranch(in.Guard, p.Purpose), LSN: p.LSN, Compute: p.Compute}
	if p.Compute == runbooks.ComputeNone {
		request.Compute = ""
	}
	keep, err := plan.ParseDuration(p.Keep)
	switch {
	case err != nil:
		return StepDone{}, InvalidInput("keep: %v", err)
	case p.Purpose == runbooks.PurposeProduction:
		return StepDone{}, takenPurpose()
	case p.At != "" && p.LSN != "":
		return StepDone{}, InvalidInput("both at and lsn are given: choose one")
	case p.Newest != "" && request.Compute == "":
		return StepDone{}, InvalidInput("newest cannot be asked of a branch without a compute: choose compute read-only")
	}
	if request.At, err = pointOf(p.At); err != nil {
		return StepDone{}, err
	}
	if in.Guard.Mode == plan.ModePlan {
		return s.planBranch(ctx, in, p.Component, request)
	}
	if err := s.Orders.CheckStep(ctx, in, plan.OwnBranches); err != nil {
		return StepDone{}, err
	}
	source, err := s.branchable(in.Guard, p.Component)
	if err != nil {
		return StepDone{}, err
	}
	defer alive(ctx, &counter{})()
	began := time.Now()
	// Counted from when the step was asked for, so that a repeated try asks for the same.
	request.ExpiresAt = activity.GetInfo(ctx).ScheduledTime.Add(keep).UTC().Truncate(time.Second)
	made, err := source.MakeBranch(ctx, request)
	if err != nil {
		return StepDone{}, classify(err, "make branch "+request.Name)
	}
	newest, err := newestOf(ctx, source, made, p.Newest, request.At)
	if err != nil {
		return StepDone{}, err
	}
	expires := made.ExpiresAt
	if expires.IsZero() {
		expires = request.ExpiresAt // Neon did not say; it is what was asked for
	}
	return s.done(in.Guard, map[string]any{
		"site": made.Site, "branch": request.Name, "database": made.Database, "lsn": made.LSN, "newest": newest,
		"expires": expires.UTC().Format(time.RFC3339), "took": tookSince(began),
	})
}

// pointOf reads a time that the service can keep. It keeps milliseconds: a finer time would be cut, and what
// committed within the rest would not be there, although it committed before the point.
func pointOf(text string) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return at, InvalidInput("at: this is no time: write RFC 3339 with an offset, for example 2026-11-23T14:05:00-05:00")
	}
	if at != at.Truncate(time.Millisecond) {
		return at, InvalidInput("at: points are kept to the millisecond: write three digits of a second at most, rounded up to include it and down to leave it out")
	}
	return at.UTC(), nil
}

// planBranch looks whether there is a way back to the point, and changes nothing.
func (s *Steps) planBranch(ctx context.Context, in StepInput, component string, r BranchRequest) (StepDone, error) {
	if err := s.Orders.CheckLook(in, "MakeBranch"); err != nil {
		return StepDone{}, err
	}
	source, err := s.brancher(component)
	if err != nil {
		return StepDone{}, err
	}
	defer alive(ctx, &counter{})()
	history, err := source.History(ctx)
	if err != nil {
		return StepDone{}, classify(err, "ask how far back "+component+" reaches")
	}
	now := time.Now()
	switch {
	case r.At.IsZero():
	case r.At.After(now):
		return StepDone{}, InvalidInput("at: %s has not come yet", r.At.Format(time.RFC3339Nano))
	case r.At.Before(now.Add(-history)):
		return StepDone{}, hinted(TypeOutOfHistory, nil, "restore a backup instead: lifeboat backups "+component,
			"%s is before the history that Neon keeps, which reaches back %s", r.At.Format(time.RFC3339Nano), history)
	}
	return intended(in.With, map[string]any{"site": "", "branch": r.Name, "database": "", "lsn": "", "newest": "", "expires": "", "took": "0s"}), nil
}

// newestOf asks the branch itself for the time of its newest row. A branch at a time that holds a later row is the
// wrong one, whatever the service says of it.
func newestOf(ctx context.Context, source Brancher, made Branched, query string, at time.Time) (string, error) {
	if query == "" {
		return "", nil
	}
	address, err := source.BranchAddress(ctx, made.ID)
	if err != nil {
		return "", classify(err, "find the way to the branch")
	}
	conn, err := postgres.Connect(ctx, address, postgres.Options{ReadOnly: true, AppName: "lifeboat branch"})
	if err != nil {
		return "", classify(err, "connect to the branch")
	}
	defer conn.Close(context.WithoutCancel(ctx))
	newest, err := postgres.AskTime(ctx, conn, query)
	if err != nil {
		return "", classify(err, "ask the branch for its newest row")
	}
	if newest.IsZero() {
		return "", nil
	}
	if !at.IsZero() && newest.After(at) {
		return "", hinted(TypeMismatch, nil, "do not use this branch; make another one at a log position, and compare it",
			"the newest row of the branch is of %s, after the point %s", newest.Format(time.RFC3339Nano), at.Format(time.RFC3339Nano))
	}
	return newest.Format(time.RFC3339Nano), nil
}

// DropBranch removes a branch that a step of this very execution made, under a work order. It is safe to repeat.
func (s *Steps) DropBranch(ctx context.Context, in StepInput) (StepDone, error) {
	var p struct {
		Component string `json:"component"`
		Purpose   string `json:"purpose"`
	}
	if err := in.read(&p); err != nil {
		return StepDone{}, err
	}
	if p.Purpose == runbooks.PurposeProduction {
		return StepDone{}, takenPurpose()
	}
	name := ownBranch(in.Guard, p.Purpose)
	if in.Guard.Mode == plan.ModePlan {
		return intended(in.With, map[string]any{"branch": name, "took": "0s"}), nil
	}
	if err := s.Orders.CheckStep(ctx, in, plan.OwnBranches); err != nil {
		return StepDone{}, err
	}
	source, err := s.brancher(p.Component)
	if err != nil {
		return StepDone{}, err
	}
	defer alive(ctx, &counter{})()
	began := time.Now()
	if err := source.DropBranch(ctx, name); err != nil {
		return StepDone{}, classify(err, "remove branch "+name)
	}
	return s.done(in.Guard, map[string]any{"branch": name, "took": tookSince(began)})
}

// takenPurpose refuses the name of a drill's copy, which steps of other types work with.
func takenPurpose() error {
	return InvalidInput("purpose: %s is the name of the copy in a drill: choose another word", runbooks.PurposeProduction)
}

// branchable is what a step makes a branch of: in a drill of the copy, so that it holds what happened there.
func (s *Steps) branchable(g plan.Guard, component string) (Brancher, error) {
	if _, err := s.brancher(component); err != nil {
		return nil, err
	}
	source, err := s.sourceOf(g, component, "")
	if err != nil {
		return nil, err
	}
	return source.(Brancher), nil
}

// brancher finds a component whose database can be looked at as it was.
func (s *Steps) brancher(component string) (Brancher, error) {
	c, err := s.Crew.Component(component)
	if err != nil {
		return nil, err
	}
	if source, ok := c.Source.(Brancher); ok {
		return source, nil
	}
	return nil, Misconfigured(nil, "component %s is a plain PostgreSQL server, which has no branches: restore a backup instead", component)
}
