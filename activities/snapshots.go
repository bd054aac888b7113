package activities

import (
	"context"
	"time"

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
	Finder *Finder
}

// OpenSnapshot freezes a component on a branch of our own name and waits until it can be read.
//
// It is safe to repeat: the branch is found by its name. A branch of another point of time is refused.
func (s *Snapshots) OpenSnapshot(ctx context.Context, in OpenSnapshotInput) (Snapshot, error) {
	if err := s.Orders.CheckFor(in.Guard, in.Component, plan.OwnBranches); err != nil {
		return Snapshot{}, err
	}
	c, err := s.Crew.Component(in.Component)
	if err != nil {
		return Snapshot{}, err
	}
	if !manifest.ValidBackupID(in.Backup) {
		return Snapshot{}, InvalidInput("%q is not a backup id", in.Backup)
	}
	if err := s.Orders.checkPrimary(ctx, c); err != nil {
		return Snapshot{}, err
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
	if frozen.LSN != "" {
		at.Point.LSN = frozen.LSN
	}
	point := at.Point
	if in.LSN == "" && !frozen.At.IsZero() || point.Time.IsZero() {
		point.Time = frozen.At
	}
	if point.Time.IsZero() {
		if point.Time, err = s.bound(ctx, c, at); err != nil {
			return Snapshot{}, err
		}
	}
	if point.Time.IsZero() {
		return Snapshot{}, hinted(TypeOutOfHistory, nil, "choose an LSN behind an earlier backup's, or back up the present", "nobody knows the time of LSN %s", in.LSN)
	}
	return Snapshot{ID: branchSnapshot, Branch: frozen.Branch, Point: point}, nil
}

// RemoveSnapshot removes the branches of a backup. It is safe to repeat, and right also when there is none.
func (s *Snapshots) RemoveSnapshot(ctx context.Context, in RemoveSnapshotInput) error {
	if err := s.Orders.CheckFor(in.Guard, in.Component, plan.OwnBranches); err != nil {
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

// bound is a time that is certainly not later than a position: that of the newest backup of the same branch
// that holds no more. It is zero when there is none.
func (s *Snapshots) bound(ctx context.Context, c *Component, at position) (time.Time, error) {
	wanted, ok := plan.ParseLSN(at.Point.LSN)
	if !ok {
		return time.Time{}, nil
	}
	identity, err := c.Source.Identity(ctx)
	if err != nil {
		return time.Time{}, classify(err, "ask what "+c.Name+" is")
	}
	var newest time.Time
	for b, err := range s.Finder.Backups(ctx, c, nil) {
		if err != nil {
			return newest, err
		}
		lsn, ok := plan.ParseLSN(b.Envelope.Point.LSN)
		if ok && lsn <= wanted && b.Envelope.Source.Branch == identity.Branch && b.Envelope.Source.System == at.System && b.Envelope.Point.Time.After(newest) {
			newest = b.Envelope.Point.Time
		}
	}
	return newest, nil
}
