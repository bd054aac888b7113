package database

import (
	"context"
	"time"

	"github.com/lifeboat-dr/lifeboat/activities"
	"github.com/lifeboat-dr/lifeboat/internal/neon"
	"github.com/lifeboat-dr/lifeboat/internal/secret"
)

var _ activities.Brancher = (*Neon)(nil)

// History implements [activities.Brancher].
func (n *Neon) History(ctx context.Context) (time.Duration, error) {
	p, err := n.Client.Project(ctx, n.Project)
	return p.History(), explain(err)
}

// MakeBranch implements [activities.Brancher]. What the branch holds is read back from Neon; one that holds
// another point is left for people to see, and is no success.
func (n *Neon) MakeBranch(ctx context.Context, in activities.BranchRequest) (activities.Branched, error) {
	parent, err := n.branch(ctx)
	if err != nil {
		return activities.Branched{}, err
	}
	spec := neon.BranchSpec{
		Project: n.Project, Name: in.Name, Parent: parent.ID, Point: neon.Point{LSN: in.LSN, Time: in.At}, ExpiresAt: in.ExpiresAt,
	}
	switch in.Compute {
	case activities.ComputeReadOnly:
		spec.Endpoint = neon.ReadOnly
	case activities.ComputeReadWrite:
		spec.Endpoint = neon.ReadWrite
	}
	made, err := n.Client.EnsureBranch(ctx, spec)
	if err != nil {
		return activities.Branched{}, explain(err)
	}
	return activities.Branched{
		ID: made.Branch.ID, Site: n.Site, Database: n.Database, LSN: made.Branch.ParentLSN, ExpiresAt: made.Branch.ExpiresAt,
	}, nil
}

// BranchAddress implements [activities.Brancher].
func (n *Neon) BranchAddress(ctx context.Context, id string) (secret.String, error) {
	return n.address(ctx, id, n.Database)
}

// DropBranch implements [activities.Brancher].
func (n *Neon) DropBranch(ctx context.Context, name string) error {
	return explain(n.Client.DeleteBranchByName(ctx, n.Project, name))
}
