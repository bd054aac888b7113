package database

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/lifeboat-dr/lifeboat/activities"
	"github.com/lifeboat-dr/lifeboat/internal/neon"
)

var (
	_ activities.Rewinder = (*Neon)(nil)
	_ activities.Copier   = (*Neon)(nil)
)

// Copy implements [activities.Copier].
func (n *Neon) Copy(branch string) activities.Source {
	copied := *n
	copied.Branch = branch
	return &copied
}

// isCopy says that the branch is one of our own: a drill's copy and never production.
func (n *Neon) isCopy() bool { return neon.Own(n.Branch) }

// Rewindable implements [activities.Rewinder].
func (n *Neon) Rewindable(ctx context.Context) error {
	b, err := n.branch(ctx)
	if err != nil || n.isCopy() || b.Parent == "" {
		return err
	}
	return activities.Final(activities.TypeConfiguration, fmt.Errorf("branch %s is a child of another branch, and Neon puts back root branches only", b.Name),
		"put rows back instead, or move the door to the branch of the point: docs/restore-to-a-minute.md")
}

// Rewind implements [activities.Rewinder]. Production keeps its branch, its computes, their hosts and its passwords. A
// drill's copy is a child branch, which Neon does not put back: there a new branch takes its name, and has another host.
func (n *Neon) Rewind(ctx context.Context, in activities.RewindRequest) (activities.Rewound, error) {
	point, err := n.Client.BranchByName(ctx, n.Project, in.Point)
	if err != nil {
		return activities.Rewound{}, explain(err)
	}
	if point.ParentLSN == "" {
		return activities.Rewound{}, activities.Final(activities.TypeMismatch, fmt.Errorf("neon does not tell which point branch %s holds", in.Point), "make another branch at a log position")
	}
	aside, err := n.lookFor(ctx, in.Aside)
	if err != nil {
		return activities.Rewound{}, err
	}
	if aside != nil {
		return activities.Rewound{}, activities.Final(activities.TypeConflict, errors.New("this execution was put back already, and that was taken back"), "start a new execution")
	}
	out := activities.Rewound{Site: n.Site, Database: n.Database, LSN: point.ParentLSN, Kept: in.Keep}
	if n.isCopy() {
		return out, n.replaceCopy(ctx, point, in.Keep)
	}
	production, err := n.branch(ctx)
	if err != nil {
		return out, err
	}
	// Names of an earlier try are looked for after its operations have ended.
	if err := explain(n.Client.Settle(ctx, n.Project, production.ID)); err != nil {
		return out, err
	}
	kept, err := n.lookFor(ctx, in.Keep)
	if err != nil {
		return out, err
	}
	if err := pointOf(point, production, kept); err != nil {
		return out, err
	}
	restored, err := n.Client.Restore(ctx, neon.RestoreSpec{
		Project: n.Project, Branch: production.ID, Point: neon.Point{LSN: point.ParentLSN}, PreserveAs: in.Keep,
	})
	if err != nil {
		return out, explain(err)
	}
	// What was given up has to be read: for the ledger, and to put it back.
	_, err = n.Client.EnsureEndpoint(ctx, n.Project, restored.Preserved.ID, neon.ReadOnly)
	return out, explain(err)
}

// pointOf refuses a point in the history of anything but the database that is put back. Children move to what is kept.
func pointOf(point, database neon.Branch, kept *neon.Branch) error {
	if point.Parent == database.ID || kept != nil && point.Parent == kept.ID {
		return nil
	}
	return activities.Final(activities.TypeConflict, fmt.Errorf("branch %s holds the past of another branch, not of %s", point.Name, database.Name),
		"make the branch of the point from the component that is put back")
}

// replaceCopy gives the copy's name to a branch of its past. It can be killed anywhere and repeated.
func (n *Neon) replaceCopy(ctx context.Context, point neon.Branch, keep string) error {
	kept, err := n.lookFor(ctx, keep)
	if err != nil {
		return err
	}
	if kept == nil {
		now, err := n.branch(ctx)
		if err != nil {
			return err
		}
		if err := pointOf(point, now, nil); err != nil {
			return err
		}
		renamed, err := n.Client.Rename(ctx, n.Project, now.ID, keep)
		if err != nil {
			return explain(err)
		}
		kept = &renamed
	}
	if err := pointOf(point, *kept, nil); err != nil {
		return err
	}
	_, err = n.Client.EnsureBranch(ctx, neon.BranchSpec{
		Project: n.Project, Name: n.Branch, Parent: kept.ID, Point: neon.Point{LSN: point.ParentLSN}, ExpiresAt: kept.ExpiresAt, Endpoint: neon.ReadWrite,
	})
	return explain(err)
}

// TakeBack implements [activities.Rewinder].
func (n *Neon) TakeBack(ctx context.Context, in activities.RewindRequest) (activities.Rewound, error) {
	out := activities.Rewound{Site: n.Site, Database: n.Database}
	if n.isCopy() {
		return n.returnCopy(ctx, in, out)
	}
	production, err := n.branch(ctx)
	if err != nil {
		return out, err
	}
	// A restore whose answer was lost may be under way: what it keeps shows when it has ended.
	if err := explain(n.Client.Settle(ctx, n.Project, production.ID)); err != nil {
		return out, err
	}
	kept, err := n.lookFor(ctx, in.Keep)
	if err != nil || kept == nil {
		return out, err
	}
	_, err = n.Client.Restore(ctx, neon.RestoreSpec{Project: n.Project, Branch: production.ID, Source: kept.ID, PreserveAs: in.Aside})
	out.Kept = in.Aside
	return out, explain(err)
}

// returnCopy gives the copy's name back to what was kept of it. It can be killed anywhere and repeated.
func (n *Neon) returnCopy(ctx context.Context, in activities.RewindRequest, out activities.Rewound) (activities.Rewound, error) {
	kept, err := n.lookFor(ctx, in.Keep)
	if err != nil {
		return out, err
	}
	aside, err := n.lookFor(ctx, in.Aside)
	if err != nil {
		return out, err
	}
	if kept == nil {
		if aside != nil {
			out.Kept = in.Aside
		}
		return out, nil
	}
	now, err := n.lookFor(ctx, n.Branch)
	if err != nil {
		return out, err
	}
	if now != nil {
		if _, err := n.Client.Rename(ctx, n.Project, now.ID, in.Aside); err != nil {
			return out, explain(err)
		}
		out.Kept = in.Aside
	} else if aside != nil {
		out.Kept = in.Aside
	}
	_, err = n.Client.Rename(ctx, n.Project, kept.ID, n.Branch)
	return out, explain(err)
}

// Named implements [activities.Brancher].
func (n *Neon) Named(ctx context.Context, name string) (string, error) {
	b, err := n.lookFor(ctx, name)
	if b == nil {
		return "", err
	}
	return b.ID, nil
}

// lookFor finds a branch by its name, nil when there is none.
func (n *Neon) lookFor(ctx context.Context, name string) (*neon.Branch, error) {
	b, err := n.Client.BranchByName(ctx, n.Project, name)
	if neon.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, explain(err)
	}
	return &b, nil
}

// DropBranches implements [activities.Brancher].
func (n *Neon) DropBranches(ctx context.Context, prefix string) (int, error) {
	if !neon.Own(prefix) || strings.Count(prefix, "/") < 2 || !strings.HasSuffix(prefix, "/") {
		return 0, fmt.Errorf("drop branches %q: %w", prefix, ErrNotOurs)
	}
	dropped := 0
	for {
		all, err := n.Client.Branches(ctx, n.Project)
		if err != nil {
			return dropped, explain(err)
		}
		parents := map[string]bool{}
		for _, b := range all {
			parents[b.Parent] = true
		}
		left, before := 0, dropped
		for _, b := range all {
			if !strings.HasPrefix(b.Name, prefix) {
				continue
			}
			if left++; parents[b.ID] {
				continue // its children first
			}
			if err := n.Client.DeleteBranch(ctx, n.Project, b.ID); err != nil {
				return dropped, explain(err)
			}
			dropped++
		}
		if left == dropped-before {
			return dropped, nil
		}
		if dropped == before {
			return dropped, activities.Final(activities.TypeConflict, fmt.Errorf("%d branches below %s have children of other names", left, prefix), "remove those first, in Neon's console")
		}
	}
}
