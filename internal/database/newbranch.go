package database

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/lifeboat-dr/lifeboat/activities"
	"github.com/lifeboat-dr/lifeboat/internal/manifest"
	"github.com/lifeboat-dr/lifeboat/internal/neon"
	"github.com/lifeboat-dr/lifeboat/internal/secret"
)

var _ activities.Place = (*NewBranch)(nil)

// NewBranch is a place on a new branch of a Neon project. The branch is a copy of the project's default
// branch; in it, the database of the component's name is replaced by an empty one. The project's other
// branches are not touched.
type NewBranch struct{ project }

// NewNewBranch makes a place in a project.
func NewNewBranch(client *neon.Client, projectID, role string) *NewBranch {
	return &NewBranch{project{client, projectID, "", role}}
}

// Open implements [activities.Place].
func (n *NewBranch) Open(ctx context.Context, target activities.Target, like manifest.Catalog) (activities.Target, error) {
	if !neon.Own(target.Branch) {
		return target, fmt.Errorf("branch %q: %w", target.Branch, ErrNotOurs)
	}
	parent, err := n.branch(ctx)
	if err != nil {
		return target, err
	}
	made, err := n.Client.EnsureBranch(ctx, neon.BranchSpec{
		Project: n.Project, Name: target.Branch, Parent: parent.ID, Endpoint: neon.ReadWrite,
	})
	if err != nil {
		return target, explain(err)
	}
	target.Database = like.Database
	address, err := n.maintenance(ctx, made.Branch.ID, target.Database)
	if err != nil {
		return target, err
	}
	conn, err := connect(ctx, address)
	if err != nil {
		return target, err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	return target, replaceDatabase(ctx, conn, target.Database, "restore into "+target.Branch, like)
}

// Address implements [activities.Place].
func (n *NewBranch) Address(ctx context.Context, target activities.Target) (secret.String, error) {
	b, err := n.Client.BranchByName(ctx, n.Project, target.Branch)
	if err != nil {
		return secret.String{}, explain(err)
	}
	address, err := n.maintenance(ctx, b.ID, target.Database)
	if err != nil {
		return address, err
	}
	return withDatabase(address, target.Database)
}

// Drop implements [activities.Place] by refusing: what was restored stays until people remove it.
func (n *NewBranch) Drop(_ context.Context, target activities.Target) error {
	return fmt.Errorf("drop branch %q: a restored branch is removed by people", target.Branch)
}

// replaceDatabase puts an empty database in the place of the one the branch inherited. It can be killed
// anywhere and repeated: the new database gets its mark before it gets its name, so a database of that
// name with the mark is the new one, whatever it already holds, and is never replaced again.
func replaceDatabase(ctx context.Context, conn *pgx.Conn, name, mark string, like manifest.Catalog) error {
	const next = "lifeboat_next"
	found, err := databaseMark(ctx, conn, name)
	if err != nil || found == mark {
		return err
	}
	if err := createDatabase(ctx, conn, next, like); err != nil {
		return err
	}
	quoted := func(s string) string { return pgx.Identifier{s}.Sanitize() }
	for _, sql := range []string{
		"COMMENT ON DATABASE " + next + " IS " + quoteLiteral(mark),
		"DROP DATABASE IF EXISTS " + quoted(name) + " WITH (FORCE)",
		"ALTER DATABASE " + next + " RENAME TO " + quoted(name),
	} {
		if _, err := conn.Exec(ctx, sql); err != nil {
			return fmt.Errorf("replace database %s: %w", name, plain(err))
		}
	}
	return nil
}

func databaseMark(ctx context.Context, conn *pgx.Conn, name string) (mark string, err error) {
	err = conn.QueryRow(ctx, `SELECT coalesce(pg_catalog.shobj_description(oid, 'pg_database'), '')
		FROM pg_catalog.pg_database WHERE datname = $1`, name).Scan(&mark)
	if errors.Is(err, pgx.ErrNoRows) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("look at database %s: %w", name, plain(err))
	}
	return mark, nil
}
