package activities

import (
	"context"
	"time"

	"github.com/lifeboat-dr/lifeboat/internal/plan"
	"github.com/lifeboat-dr/lifeboat/internal/postgres"
	"github.com/lifeboat-dr/lifeboat/runbooks"
)

// Rewinder is a [Source] whose database can be put back as a branch of its past holds it.
type Rewinder interface {
	// Rewindable says why the database cannot be put back, whatever the point; nil when it can.
	Rewindable(ctx context.Context) error
	// Rewind puts the database back to the very point that branch Point holds, and keeps what is there now under the
	// name Keep. Repeated, it finds what it did by that name.
	Rewind(ctx context.Context, in RewindRequest) (Rewound, error)
	// TakeBack puts back what Rewind kept under the name Keep, and keeps what was there in the meantime as Aside.
	// It is no error when Rewind did nothing.
	TakeBack(ctx context.Context, in RewindRequest) (Rewound, error)
}

// RewindRequest names branches of our own.
type RewindRequest struct {
	Point, Keep, Aside string
}

// Rewound is what a source looks like afterwards.
type Rewound struct {
	Site, Database string
	// LSN is the log position that the database was put back to; empty when there is none to tell.
	LSN string
	// Kept is the name of the branch with the state before; empty when there was nothing to do.
	Kept string
}

// SwitchBranch puts a component's database back as a branch of this execution holds it, under a work order, and proves
// it by asking the server. It is safe to repeat. In a drill it acts on the drill's copy.
func (s *Steps) SwitchBranch(ctx context.Context, in StepInput) (StepDone, error) {
	var p struct {
		Component string `json:"component"`
		Purpose   string `json:"purpose"`
		Newest    string `json:"newest"`
	}
	if err := in.read(&p); err != nil {
		return StepDone{}, err
	}
	if in.Guard.Mode == plan.ModePlan {
		return s.planSwitch(ctx, in, p.Component, p.Purpose)
	}
	if err := s.Orders.CheckStep(ctx, in, runbooks.ActionSwitchBranch); err != nil {
		return StepDone{}, err
	}
	source, rewinder, err := s.rewinder(ctx, in.Guard, p.Component)
	if err != nil {
		return StepDone{}, err
	}
	defer alive(ctx, &counter{})()
	began := time.Now()
	rewound, err := rewinder.Rewind(ctx, rewindOf(in.Guard, p.Purpose))
	if err != nil {
		return StepDone{}, classify(err, "put "+p.Component+" back")
	}
	seen, err := lookAt(ctx, source, p.Newest, rewound.LSN)
	if err != nil {
		return StepDone{}, err
	}
	return s.done(in.Guard, map[string]any{
		"site": rewound.Site, "kept": rewound.Kept, "database": rewound.Database, "lsn": rewound.LSN, "system": seen.system, "newest": seen.newest, "took": tookSince(began),
	})
}

// SwitchBack takes a switch of this execution back, under a work order: the state before it is there again, and what was
// written after it is kept beside. It is safe to repeat, and no error when the switch did nothing yet.
func (s *Steps) SwitchBack(ctx context.Context, in StepInput) (StepDone, error) {
	var p struct {
		Component string `json:"component"`
		Purpose   string `json:"purpose"`
	}
	if err := in.read(&p); err != nil {
		return StepDone{}, err
	}
	if in.Guard.Mode == plan.ModePlan {
		return intended(in.With, map[string]any{"kept": rewindOf(in.Guard, p.Purpose).Aside, "system": "", "took": "0s"}), nil
	}
	if err := s.Orders.CheckStep(ctx, in, runbooks.ActionSwitchBack); err != nil {
		return StepDone{}, err
	}
	source, rewinder, err := s.rewinder(ctx, in.Guard, p.Component)
	if err != nil {
		return StepDone{}, err
	}
	defer alive(ctx, &counter{})()
	began := time.Now()
	rewound, err := rewinder.TakeBack(ctx, rewindOf(in.Guard, p.Purpose))
	if err != nil {
		return StepDone{}, classify(err, "put "+p.Component+" back as it was before the switch")
	}
	seen, err := lookAt(ctx, source, "", "")
	if err != nil {
		return StepDone{}, err
	}
	return s.done(in.Guard, map[string]any{"kept": rewound.Kept, "system": seen.system, "took": tookSince(began)})
}

// rewindOf names what is kept after the branch that it made way for, so that another branch is never taken for what an
// earlier try did. No purpose has a dot, so that no step of type branch can make branches of these names.
func rewindOf(g plan.Guard, purpose string) RewindRequest {
	point := ownBranch(g, purpose)
	return RewindRequest{Point: point, Keep: point + ".before", Aside: point + ".undone"}
}

// planSwitch finds out whether the database could be put back at all.
func (s *Steps) planSwitch(ctx context.Context, in StepInput, component, purpose string) (StepDone, error) {
	if err := s.Orders.CheckLook(in, "SwitchBranch"); err != nil {
		return StepDone{}, err
	}
	_, rewinder, err := s.rewinder(ctx, in.Guard, component)
	if err != nil {
		return StepDone{}, err
	}
	defer alive(ctx, &counter{})()
	if err := rewinder.Rewindable(ctx); err != nil {
		return StepDone{}, classify(err, "look whether "+component+" can be put back")
	}
	return intended(in.With, map[string]any{
		"site": "", "kept": rewindOf(in.Guard, purpose).Keep, "database": "", "lsn": "", "system": "", "newest": "", "took": "0s",
	}), nil
}

func (s *Steps) rewinder(ctx context.Context, g plan.Guard, component string) (Source, Rewinder, error) {
	source, err := s.changeable(ctx, g, component)
	if err != nil {
		return nil, nil, err
	}
	if r, ok := source.(Rewinder); ok {
		return source, r, nil
	}
	return nil, nil, Misconfigured(nil, "component %s is a plain PostgreSQL server, which cannot be put back to a branch: restore a backup instead", component)
}

// seenState is what a server said of itself.
type seenState struct{ system, newest string }

// lookAt asks a database, through the way that applications take to it, whether it serves and where it stands. One that
// stands before the position that it was put back to is not what the service says it is.
func lookAt(ctx context.Context, source Source, query, lsn string) (seenState, error) {
	address, err := source.Address(ctx, "")
	if err != nil {
		return seenState{}, classify(err, "find the database")
	}
	conn, err := postgres.Connect(ctx, address, postgres.Options{ReadOnly: true, AppName: "lifeboat switch"})
	if err != nil {
		return seenState{}, classify(err, "connect to the database")
	}
	defer conn.Close(context.WithoutCancel(ctx))
	stands, err := postgres.Where(ctx, conn)
	if err != nil {
		return seenState{}, classify(err, "ask the database where it stands")
	}
	if stands.InRecovery {
		return seenState{}, hintedRetryable(TypeUnavailable, nil, "wait for it; look at the compute in Neon's console", "the database takes no writes yet")
	}
	now, told := plan.ParseLSN(stands.LSN)
	if want, known := plan.ParseLSN(lsn); known && told && now < want {
		return seenState{}, hinted(TypeMismatch, nil, "do not let applications in; compare it with the branch of the point",
			"the database stands at log position %s, before %s, which it was put back to", stands.LSN, lsn)
	}
	seen := seenState{system: stands.System}
	if query == "" {
		return seen, nil
	}
	newest, err := postgres.AskTime(ctx, conn, query)
	if err != nil {
		return seen, classify(err, "ask the database for its newest row")
	}
	if !newest.IsZero() {
		seen.newest = newest.Format(time.RFC3339Nano)
	}
	return seen, nil
}
