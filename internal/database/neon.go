package database

import (
	"context"
	"fmt"
	"time"

	"github.com/lifeboat-dr/lifeboat/activities"
	"github.com/lifeboat-dr/lifeboat/internal/manifest"
	"github.com/lifeboat-dr/lifeboat/internal/neon"
	"github.com/lifeboat-dr/lifeboat/internal/secret"
)

var (
	_ activities.Source = (*Neon)(nil)
	_ activities.Place  = (*NeonScratch)(nil)
)

// project is a Neon project with the role that Lifeboat logs in as.
type project struct {
	Client  *neon.Client
	Project string
	// Branch is the name of the branch meant; empty is the project's default branch.
	Branch string
	Role   string
}

// branch finds the branch by its name.
func (p project) branch(ctx context.Context) (neon.Branch, error) {
	if p.Branch == "" {
		b, err := p.Client.DefaultBranch(ctx, p.Project)
		return b, explain(err)
	}
	b, err := p.Client.BranchByName(ctx, p.Project, p.Branch)
	return b, explain(err)
}

// address is the way to a database of a branch, through its read-write compute or, where it has none,
// its read-only one. It is asked for each time: it holds a password.
func (p project) address(ctx context.Context, branch, database string) (secret.String, error) {
	endpoints, err := p.Client.Endpoints(ctx, p.Project, branch)
	if err != nil {
		return secret.String{}, explain(err)
	}
	spec := neon.ConnectionSpec{Project: p.Project, Branch: branch, Database: database, Role: p.Role}
	for _, e := range endpoints {
		if spec.Endpoint == "" || e.Type == neon.ReadWrite {
			spec.Endpoint = e.ID
		}
	}
	if spec.Endpoint == "" {
		return secret.String{}, fmt.Errorf("branch %s has no compute", branch)
	}
	address, err := p.Client.ConnectionURI(ctx, spec)
	return address, explain(err)
}

// maintenance is the way to some database of a branch other than avoid: databases are made and dropped
// from there.
func (p project) maintenance(ctx context.Context, branch, avoid string) (secret.String, error) {
	databases, err := p.Client.Databases(ctx, p.Project, branch)
	if err != nil {
		return secret.String{}, explain(err)
	}
	if len(databases) == 0 {
		return secret.String{}, fmt.Errorf("branch %s has no database to connect to", branch)
	}
	name := databases[0].Name
	address, err := p.address(ctx, branch, name)
	if err == nil && name == avoid {
		// Every server has it, and Neon's list leaves it out.
		return withDatabase(address, "postgres")
	}
	return address, err
}

// Neon is a source on a branch of a Neon project.
type Neon struct {
	Site     string
	Database string
	project
}

// NewNeon makes a source; an empty branch is the project's default branch.
func NewNeon(client *neon.Client, site, projectID, branch, database, role string) *Neon {
	return &Neon{Site: site, Database: database, project: project{client, projectID, branch, role}}
}

// Kind implements [activities.Source].
func (n *Neon) Kind() string { return "neon" }

// Identity implements [activities.Source].
func (n *Neon) Identity(ctx context.Context) (manifest.Source, error) {
	b, err := n.branch(ctx)
	if err != nil {
		return manifest.Source{}, err
	}
	return manifest.Source{Kind: n.Kind(), Site: n.Site, Project: n.Project, Branch: b.ID, Database: n.Database}, nil
}

// snapshotBranch is the name of the branch that a backup reads.
func snapshotBranch(backup string) string { return neon.OwnPrefix + backup + "/snapshot" }

// Freeze implements [activities.Source].
func (n *Neon) Freeze(ctx context.Context, in activities.Freeze) (activities.Frozen, error) {
	parent, err := n.branch(ctx)
	if err != nil {
		return activities.Frozen{}, err
	}
	made, err := n.Client.EnsureBranch(ctx, neon.BranchSpec{
		Project: n.Project, Name: snapshotBranch(in.Backup), Parent: parent.ID,
		Point: neon.Point{LSN: in.LSN}, ExpiresAt: in.ExpiresAt, Endpoint: neon.ReadOnly,
	})
	if err != nil {
		return activities.Frozen{}, explain(err)
	}
	return activities.Frozen{Branch: made.Branch.ID, LSN: made.Branch.ParentLSN, At: frozenAt(made.Branch, in)}, nil
}

// frozenAt is what Neon says of a branch's moment. The head of the parent was taken before the branch was
// there; at an LSN of the past only the parent's own time counts.
func frozenAt(b neon.Branch, in activities.Freeze) time.Time {
	at := b.ParentTime
	if in.LSN == "" && (at.IsZero() || b.CreatedAt.Before(at)) {
		at = b.CreatedAt
	}
	return at.UTC()
}

// Unfreeze implements [activities.Source].
func (n *Neon) Unfreeze(ctx context.Context, backup string) error {
	return explain(n.Client.DeleteBranchByName(ctx, n.Project, snapshotBranch(backup)))
}

// Address implements [activities.Source].
func (n *Neon) Address(ctx context.Context, branch string) (secret.String, error) {
	if branch == "" {
		b, err := n.branch(ctx)
		if err != nil {
			return secret.String{}, err
		}
		branch = b.ID
	}
	return n.address(ctx, branch, n.Database)
}

// NeonScratch makes scratch databases on a branch of a Neon project.
type NeonScratch struct{ project }

// NewNeonScratch makes a scratch place; an empty branch is the project's default branch.
func NewNeonScratch(client *neon.Client, projectID, branch, role string) *NeonScratch {
	return &NeonScratch{project{client, projectID, branch, role}}
}

// Open implements [activities.Place].
func (n *NeonScratch) Open(ctx context.Context, target activities.Target, like manifest.Catalog) (activities.Target, error) {
	address, err := n.server(ctx)
	if err != nil {
		return target, err
	}
	return target, openScratch(ctx, address, target.Database, like)
}

// Address implements [activities.Place].
func (n *NeonScratch) Address(ctx context.Context, target activities.Target) (secret.String, error) {
	address, err := n.server(ctx)
	if err != nil {
		return address, err
	}
	return withDatabase(address, target.Database)
}

// Drop implements [activities.Place].
func (n *NeonScratch) Drop(ctx context.Context, target activities.Target) error {
	address, err := n.server(ctx)
	if err != nil {
		return err
	}
	return closeScratch(ctx, address, target.Database)
}

func (n *NeonScratch) server(ctx context.Context) (secret.String, error) {
	b, err := n.branch(ctx)
	if err != nil {
		return secret.String{}, err
	}
	return n.maintenance(ctx, b.ID, "")
}
