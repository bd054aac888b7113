package activities

import (
	"context"

	"github.com/lifeboat-dr/lifeboat/internal/manifest"
	"github.com/lifeboat-dr/lifeboat/internal/plan"
	"github.com/lifeboat-dr/lifeboat/internal/postgres"
)

// branchSnapshot is the snapshot id of a frozen branch: it never changes, so every attempt reads the same.
const branchSnapshot = "s1"

// Snapshots freezes sources.
type Snapshots struct {
	Crew   *Crew
	Orders *Orders
}

// OpenSnapshot freezes a component on a branch of our own name and waits until it can be read.
//
// It is safe to repeat: the branch is found by its name. A branch of another point of time is refused.
func (s *Snapshots) OpenSnapshot(ctx context.Context, in OpenSnapshotInput) (Snapshot, error) {
	if err := s.Orders.Check(in.Guard, plan.OwnBranches); err != nil {
		return Snapshot{}, err
	}
	c, err := s.Crew.Component(in.Component)
	if err != nil {
		return Snapshot{}, err
	}
	if !manifest.ValidBackupID(in.Backup) {
		return Snapshot{}, InvalidInput("%q is not a backup id", in.Backup)
	}
	defer alive(ctx, &counter{})()
	frozen, err := c.Source.Freeze(ctx, Freeze{Backup: in.Backup, LSN: in.LSN, ExpiresAt: in.ExpiresAt})
	if err != nil {
		return Snapshot{}, classify(err, "freeze "+c.Name)
	}
	at, err := whereIs(ctx, c, frozen.Branch)
	if err != nil {
		return Snapshot{}, err
	}
	point := at.Point
	if in.LSN == "" && !frozen.At.IsZero() || point.Time.IsZero() {
		point.Time = frozen.At
	}
	if point.Time.IsZero() {
		return Snapshot{}, hinted(TypeOutOfHistory, nil, "choose an LSN after a commit, or back up the present", "nobody knows the time of LSN %s", in.LSN)
	}
	return Snapshot{ID: branchSnapshot, Branch: frozen.Branch, Point: point}, nil
}

// RemoveSnapshot removes the branches of a backup. It is safe to repeat, and right also when there is none.
func (s *Snapshots) RemoveSnapshot(ctx context.Context, in RemoveSnapshotInput) error {
	if err := s.Orders.Check(in.Guard, plan.OwnBranches); err != nil {
		return err
	}
	c, err := s.Crew.Component(in.Component)
	if err != nil {
		return err
	}
	defer alive(ctx, &counter{})()
	return classify(c.Source.Unfreeze(ctx, in.Backup), "remove the branch of "+in.Backup)
}

// whereIs asks a branch's own server where it stands.
func whereIs(ctx context.Context, c *Component, branch string) (position, error) {
	address, err := c.Source.Address(ctx, branch)
	if err != nil {
		return position{}, classify(err, "find the branch of "+c.Name)
	}
	conn, err := postgres.Connect(ctx, address, postgres.Options{ReadOnly: true})
	if err != nil {
		return position{}, classify(err, "connect to the branch of "+c.Name)
	}
	defer conn.Close(context.WithoutCancel(ctx))
	at, err := postgres.Where(ctx, conn)
	if err != nil {
		return position{}, classify(err, "ask the branch of "+c.Name+" where it stands")
	}
	return positionOf(at), nil
}

func positionOf(at postgres.Position) position {
	return position{Point: manifest.Point{Time: at.Time, LSN: at.LSN}, System: at.System, ServerVersion: at.ServerVersion}
}
