package neon

import (
	"context"
	"fmt"
	"net/http"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/lifeboat-dr/lifeboat/internal/devstack/neon/timeline"
)

// adopt takes over which roles and databases a new branch really has, gives the roles that the control plane
// knows their present passwords, and drops what Neon does not carry over: subscriptions.
func (e *Emulator) adopt(ctx context.Context, p *project, line *timeline.Timeline, b *branch) error {
	if err := e.readCatalog(ctx, p, line, b, func() bool { return true }); err != nil {
		return err
	}
	e.mu.Lock()
	roles, databases := slices.Clone(b.Roles), slices.Clone(b.Databases)
	e.mu.Unlock()
	for _, d := range databases {
		if err := e.dropSubscriptions(ctx, line, d.Name); err != nil {
			return err
		}
	}
	for _, r := range roles {
		if r.Password == "" {
			continue
		}
		if err := e.putRole(ctx, line, r); err != nil {
			return err
		}
	}
	return nil
}

// refresh updates the record of a request's branch from its server, if it runs: SQL makes roles and databases,
// too. A branch at rest has changed nothing.
func (e *Emulator) refresh(r *http.Request) error {
	e.mu.Lock()
	p, b, err := e.branchOf(r)
	if err != nil {
		e.mu.Unlock()
		return err
	}
	line := e.lines.Get(b.Timeline)
	settled, generation := b.State == stateReady && p.jobs == 0, p.generation
	e.mu.Unlock()
	if line == nil || !settled || line.Mode() == timeline.Stopped {
		return nil
	}
	// What an operation scheduled meanwhile has put into the record must not be overwritten.
	return e.readCatalog(r.Context(), p, line, b, func() bool { return p.generation == generation })
}

// readCatalog merges the server's catalog into the record, if that is still valid in the end.
func (e *Emulator) readCatalog(ctx context.Context, p *project, line *timeline.Timeline, b *branch, valid func() bool) error {
	conn, err := line.Connect(ctx, systemDatabase)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	rows, err := conn.Query(ctx, `SELECT rolname, NOT rolcanlogin FROM pg_roles
		WHERE rolname NOT LIKE 'pg\_%' AND rolname NOT IN ($1, $2) ORDER BY oid`, timeline.Superuser, groupRole)
	if err != nil {
		return fmt.Errorf("list roles of branch: %w", err)
	}
	roles, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (r role, err error) {
		return r, row.Scan(&r.Name, &r.NoLogin)
	})
	if err != nil {
		return fmt.Errorf("list roles of branch: %w", err)
	}
	rows, err = conn.Query(ctx, `SELECT datname, pg_get_userbyid(datdba), pg_database_size(oid) FROM pg_database
		WHERE NOT datistemplate AND datname <> $1 ORDER BY oid`, systemDatabase)
	if err != nil {
		return fmt.Errorf("list databases of branch: %w", err)
	}
	var total int64
	databases, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (d database, err error) {
		var size int64
		err = row.Scan(&d.Name, &d.Owner, &size)
		total += size
		return d, err
	})
	if err != nil {
		return fmt.Errorf("list databases of branch: %w", err)
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if !valid() {
		return nil
	}
	now := e.now()
	for i := range roles {
		if known := b.role(roles[i].Name); known != nil {
			roles[i] = *known
		} else {
			roles[i].Created, roles[i].Updated = now, now
		}
	}
	for i := range databases {
		d := &databases[i]
		if known := b.database(d.Name); known != nil {
			d.ID, d.Created, d.Updated = known.ID, known.Created, known.Updated
		} else {
			p.LastDatabaseID++
			d.ID, d.Created, d.Updated = p.LastDatabaseID, now, now
		}
	}
	b.Roles, b.Databases, b.LogicalSize = roles, databases, total
	e.save()
	return nil
}
