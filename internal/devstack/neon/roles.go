package neon

import (
	"context"
	"net/http"
	"slices"
	"strings"

	"github.com/lifeboat-dr/lifeboat/internal/devstack/neon/timeline"
)

const (
	groupRole   = "neon_superuser"
	maxNameSize = 63 // bytes
)

// checkName refuses names that Neon or PostgreSQL keep for themselves.
func checkName(what, name string) error {
	switch {
	case name == "" || len(name) > maxNameSize || strings.ContainsRune(name, 0):
		return badRequest("%s name must have 1 to %d bytes", what, maxNameSize)
	case strings.HasPrefix(name, "pg_"), slices.Contains([]string{timeline.Superuser, groupRole, "postgres", "template0", "template1", "public", "none"}, name):
		return unprocessable("%s name %q is reserved", what, name)
	}
	return nil
}

// roleOf finds the role of a request; the lock is held.
func (e *Emulator) roleOf(r *http.Request) (*project, *branch, *role, error) {
	p, b, err := e.branchOf(r)
	if err != nil {
		return nil, nil, nil, err
	}
	name := r.PathValue("role_name")
	if found := b.role(name); found != nil {
		return p, b, found, nil
	}
	return p, b, nil, notFound("role", name)
}

func (e *Emulator) listRoles(r *http.Request) (int, any, error) {
	if err := e.refresh(r); err != nil {
		return 0, nil, err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	_, b, err := e.branchOf(r)
	if err != nil {
		return 0, nil, err
	}
	return http.StatusOK, fields{"roles": views(b.Roles, func(r role) fields { return e.roleView(b, r, false) })}, nil
}

func (e *Emulator) getRole(r *http.Request) (int, any, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	_, b, role, err := e.roleOf(r)
	if err != nil {
		return 0, nil, err
	}
	return http.StatusOK, fields{"role": e.roleView(b, *role, false)}, nil
}

func (e *Emulator) createRole(r *http.Request) (int, any, error) {
	var in struct {
		Role struct {
			Name    string `json:"name"`
			NoLogin bool   `json:"no_login"`
		} `json:"role"`
	}
	if err := decode(r, false, &in); err != nil {
		return 0, nil, err
	}
	if err := checkName("role", in.Role.Name); err != nil {
		return 0, nil, err
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	p, b, err := e.readyBranch(r)
	if err != nil {
		return 0, nil, err
	}
	if b.role(in.Role.Name) != nil {
		return 0, nil, conflict("role already exists; role_name:%q", in.Role.Name)
	}
	now := e.now()
	made := role{Name: in.Role.Name, NoLogin: in.Role.NoLogin, Created: now, Updated: now}
	if !made.NoLogin {
		made.Password = newPassword()
	}
	b.Roles = append(b.Roles, made)
	ops := e.configure(p, b, func() { b.Roles = slices.DeleteFunc(b.Roles, func(r role) bool { return r.Name == made.Name }) },
		func(ctx context.Context, line *timeline.Timeline) error { return e.putRole(ctx, line, made) })
	return http.StatusCreated, fields{"role": e.roleView(b, made, true), "operations": ops}, nil
}

func (e *Emulator) deleteRole(r *http.Request) (int, any, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	p, b, found, err := e.roleOf(r)
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
	for _, d := range b.Databases {
		if d.Owner == gone.Name {
			return 0, nil, unprocessable("cannot delete role %s: it owns database %s", gone.Name, d.Name)
		}
	}
	ops := e.configure(p, b, nil, func(ctx context.Context, line *timeline.Timeline) error {
		if err := e.removeRole(ctx, line, b, gone.Name); err != nil {
			return err
		}
		e.mu.Lock()
		defer e.mu.Unlock()
		b.Roles = slices.DeleteFunc(b.Roles, func(r role) bool { return r.Name == gone.Name })
		return nil
	})
	return http.StatusOK, fields{"role": e.roleView(b, gone, false), "operations": ops}, nil
}

func (e *Emulator) revealPassword(r *http.Request) (int, any, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	p, _, role, err := e.roleOf(r)
	if err != nil {
		return 0, nil, err
	}
	if !p.StorePasswords {
		return 0, nil, &apiError{status: http.StatusPreconditionFailed, message: "passwords are not stored in this project"}
	}
	if role.Password == "" {
		return 0, nil, notFound("password of role", role.Name)
	}
	return http.StatusOK, fields{"password": role.Password}, nil
}

// resetPassword answers with the new password; the old one works until the operation ends, which also drops
// the role's sessions.
func (e *Emulator) resetPassword(r *http.Request) (int, any, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	p, b, found, err := e.roleOf(r)
	if err != nil {
		return 0, nil, err
	}
	if _, _, err := e.readyBranch(r); err != nil {
		return 0, nil, err
	}
	if found.NoLogin {
		return 0, nil, unprocessable("role %s cannot log in", found.Name)
	}
	before := *found
	found.Password, found.Updated = newPassword(), e.now()
	after := *found
	ops := e.configure(p, b, func() {
		if r := b.role(before.Name); r != nil {
			*r = before
		}
	}, func(ctx context.Context, line *timeline.Timeline) error {
		if err := e.putRole(ctx, line, after); err != nil {
			return err
		}
		return e.endSessions(ctx, line, after.Name)
	})
	return http.StatusOK, fields{"role": e.roleView(b, after, true), "operations": ops}, nil
}

// readyBranch is the branch of a request that changes what is in it; the lock is held.
func (e *Emulator) readyBranch(r *http.Request) (*project, *branch, error) {
	p, b, err := e.branchOf(r)
	switch {
	case err != nil:
		return nil, nil, err
	case p.jobs > 0:
		return nil, nil, errLocked
	case b.State != stateReady:
		return nil, nil, errNotReady
	}
	return p, b, nil
}

// configure schedules a change within a branch's server; the lock is held. A failure undoes the record.
func (e *Emulator) configure(p *project, b *branch, undo func(), change func(ctx context.Context, line *timeline.Timeline) error) []*operation {
	s := step{action: "apply_config", branchID: b.ID, run: func(ctx context.Context) error {
		return e.withPrimary(ctx, p, b, func(line *timeline.Timeline) error { return change(ctx, line) })
	}}
	if ep := p.writer(b.ID); ep != nil {
		s.endpoint = ep.ID
	}
	return e.schedule(p, []step{s}, undo)
}
