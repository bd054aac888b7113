package neon

import (
	"context"
	"net/http"
	"slices"

	"github.com/lifeboat-dr/lifeboat/internal/devstack/neon/timeline"
)

// databaseOf finds the database of a request; the lock is held.
func (e *Emulator) databaseOf(r *http.Request) (*project, *branch, *database, error) {
	p, b, err := e.branchOf(r)
	if err != nil {
		return nil, nil, nil, err
	}
	name := r.PathValue("database_name")
	if found := b.database(name); found != nil {
		return p, b, found, nil
	}
	return p, b, nil, notFound("database", name)
}

func (e *Emulator) listDatabases(r *http.Request) (int, any, error) {
	if err := e.refresh(r); err != nil {
		return 0, nil, err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	_, b, err := e.branchOf(r)
	if err != nil {
		return 0, nil, err
	}
	return http.StatusOK, fields{"databases": views(b.Databases, func(d database) fields { return e.databaseView(b, d) })}, nil
}

func (e *Emulator) getDatabase(r *http.Request) (int, any, error) {
	if err := e.refresh(r); err != nil {
		return 0, nil, err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	_, b, d, err := e.databaseOf(r)
	if err != nil {
		return 0, nil, err
	}
	return http.StatusOK, fields{"database": e.databaseView(b, *d)}, nil
}

func (e *Emulator) createDatabase(r *http.Request) (int, any, error) {
	var in struct {
		Database struct {
			Name  string `json:"name"`
			Owner string `json:"owner_name"`
		} `json:"database"`
	}
	if err := decode(r, false, &in); err != nil {
		return 0, nil, err
	}
	if err := checkName("database", in.Database.Name); err != nil {
		return 0, nil, err
	}
	if err := e.refresh(r); err != nil {
		return 0, nil, err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	p, b, err := e.readyBranch(r)
	if err != nil {
		return 0, nil, err
	}
	if b.database(in.Database.Name) != nil {
		return 0, nil, conflict("database already exists; database_name:%q", in.Database.Name)
	}
	if b.role(in.Database.Owner) == nil {
		return 0, nil, notFound("role", in.Database.Owner)
	}
	now := e.now()
	p.LastDatabaseID++
	made := database{ID: p.LastDatabaseID, Name: in.Database.Name, Owner: in.Database.Owner, Created: now, Updated: now}
	b.Databases = append(b.Databases, made)
	drop := func() {
		b.Databases = slices.DeleteFunc(b.Databases, func(d database) bool { return d.ID == made.ID })
	}
	ops := e.configure(p, b, drop, func(ctx context.Context, line *timeline.Timeline) error {
		return e.putDatabase(ctx, line, made)
	})
	return http.StatusCreated, fields{"database": e.databaseView(b, made), "operations": ops}, nil
}

func (e *Emulator) updateDatabase(r *http.Request) (int, any, error) {
	var in struct {
		Database struct {
			Name  string `json:"name"`
			Owner string `json:"owner_name"`
		} `json:"database"`
	}
	if err := decode(r, false, &in); err != nil {
		return 0, nil, err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	p, b, found, err := e.databaseOf(r)
	if err != nil {
		return 0, nil, err
	}
	if _, _, err := e.readyBranch(r); err != nil {
		return 0, nil, err
	}
	before, after := *found, *found
	after.Name, after.Owner = orDefault(in.Database.Name, before.Name), orDefault(in.Database.Owner, before.Owner)
	if err := checkName("database", after.Name); err != nil {
		return 0, nil, err
	}
	if after.Name != before.Name && b.database(after.Name) != nil {
		return 0, nil, conflict("database already exists; database_name:%q", after.Name)
	}
	if b.role(after.Owner) == nil {
		return 0, nil, notFound("role", after.Owner)
	}
	after.Updated = e.now()
	*found = after
	ops := e.configure(p, b, func() {
		if d := b.database(after.Name); d != nil {
			*d = before
		}
	}, func(ctx context.Context, line *timeline.Timeline) error {
		return e.alterDatabase(ctx, line, before, after)
	})
	return http.StatusOK, fields{"database": e.databaseView(b, after), "operations": ops}, nil
}

func (e *Emulator) deleteDatabase(r *http.Request) (int, any, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	p, b, found, err := e.databaseOf(r)
	if found == nil && b != nil {
		return http.StatusNoContent, nil, nil
	}
	if err != nil {
		return 0, nil, err
	}
	if _, _, err := e.readyBranch(r); err != nil {
		return 0, nil, err
	}
	gone := *found
	ops := e.configure(p, b, nil, func(ctx context.Context, line *timeline.Timeline) error {
		if err := e.dropDatabase(ctx, line, gone.Name); err != nil {
			return err
		}
		e.mu.Lock()
		defer e.mu.Unlock()
		b.Databases = slices.DeleteFunc(b.Databases, func(d database) bool { return d.ID == gone.ID })
		return nil
	})
	return http.StatusOK, fields{"database": e.databaseView(b, gone), "operations": ops}, nil
}
