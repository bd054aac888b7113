package database

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/lifeboat-dr/lifeboat/activities"
	"github.com/lifeboat-dr/lifeboat/internal/neon"
	"github.com/lifeboat-dr/lifeboat/internal/secret"
)

var _ activities.Fencer = (*Neon)(nil)

// loginTimeout bounds one try to log in with a password that must not open any more.
const loginTimeout = 15 * time.Second

// held is a way into the database that has to be shut: a role with the password it had before the fence.
type held struct {
	role string
	// ways are the direct one and the pooler's, which keeps passwords of its own for a while. The password in
	// them is made up where Neon does not store the role's.
	ways   []secret.String
	stored bool
}

// Fence implements [activities.Fencer]. The passwords are rotated while the compute still takes connections, so that the
// server itself refuses the old ones, and the compute is disabled then: Neon enables a disabled one now and then to
// check it, and a password alone leaves open sessions as they are.
func (n *Neon) Fence(ctx context.Context, branch string) (activities.Fenced, error) {
	branch, err := n.branchID(ctx, branch)
	if err != nil {
		return activities.Fenced{}, err
	}
	roles, err := n.Client.Roles(ctx, n.Project, branch)
	if err != nil {
		return activities.Fenced{}, explain(err)
	}
	computes, err := n.writers(ctx, branch)
	if err != nil {
		return activities.Fenced{}, err
	}
	var all []held
	for _, role := range roles {
		h, err := n.waysOf(ctx, branch, role.Name)
		if err != nil {
			return activities.Fenced{}, err
		}
		all = append(all, h)
		err = n.Client.ResetPassword(ctx, n.Project, branch, role.Name)
		if err != nil && (h.stored || !errors.Is(err, neon.ErrInvalid)) { // one without a password cannot be given a new one
			return activities.Fenced{}, explain(err)
		}
	}
	for _, compute := range computes {
		now, err := n.Client.DisableEndpoint(ctx, n.Project, compute.ID, true)
		if err == nil && now.State != "idle" {
			now, err = n.Client.SuspendEndpoint(ctx, n.Project, compute.ID) // what is open ends
		}
		if err != nil {
			return activities.Fenced{}, explain(err)
		}
		if !now.Disabled {
			return activities.Fenced{}, fmt.Errorf("disable compute %s: Neon says that it is enabled", compute.ID)
		}
	}
	fenced := activities.Fenced{Computes: len(computes)}
	for _, h := range all {
		how, err := h.refused(ctx)
		if err != nil {
			return fenced, fmt.Errorf("role %s: %w", h.role, err)
		}
		fenced.Roles = append(fenced.Roles, activities.RoleFenced{Role: h.role, How: how})
	}
	return fenced, nil
}

// Unfence implements [activities.Fencer]: the compute takes connections again. The passwords stay the new ones.
func (n *Neon) Unfence(ctx context.Context, branch string) error {
	branch, err := n.branchID(ctx, branch)
	if err != nil {
		return err
	}
	computes, err := n.writers(ctx, branch)
	if err != nil {
		return err
	}
	for _, compute := range computes {
		now, err := n.Client.DisableEndpoint(ctx, n.Project, compute.ID, false)
		if err != nil {
			return explain(err)
		}
		if now.Disabled {
			return fmt.Errorf("enable compute %s: Neon says that it is disabled", compute.ID)
		}
	}
	return nil
}

// Condition implements [activities.Fencer].
func (n *Neon) Condition(ctx context.Context) (string, error) {
	branch, err := n.branchID(ctx, "")
	if err != nil {
		return "", err
	}
	computes, err := n.writers(ctx, branch)
	if err != nil {
		return "", err
	}
	for _, c := range computes {
		if c.Disabled {
			return "its compute is disabled", nil
		}
	}
	return "its compute is " + computes[0].State, nil
}

func (n *Neon) branchID(ctx context.Context, branch string) (string, error) {
	if branch != "" {
		return branch, nil
	}
	b, err := n.branch(ctx)
	return b.ID, err
}

// writers are the computes of a branch that can write; there is one at least.
func (n *Neon) writers(ctx context.Context, branch string) (writers []neon.Endpoint, err error) {
	all, err := n.Client.Endpoints(ctx, n.Project, branch)
	if err != nil {
		return nil, explain(err)
	}
	for _, e := range all {
		if e.Type == neon.ReadWrite {
			writers = append(writers, e)
		}
	}
	if len(writers) == 0 {
		return nil, activities.Final(activities.TypeNotFound, fmt.Errorf("branch %s has no compute that writes", branch), "look at the project in Neon's console: was it another branch?")
	}
	return writers, nil
}

// waysOf reads how a role gets in now, before its password is taken away.
func (n *Neon) waysOf(ctx context.Context, branch, role string) (held, error) {
	h := held{role: role, stored: true}
	for _, pooled := range []bool{false, true} {
		way, err := n.Client.ConnectionURI(ctx, neon.ConnectionSpec{Project: n.Project, Branch: branch, Database: n.Database, Role: role, Pooled: pooled})
		if errors.Is(err, neon.ErrNotFound) || isStatus(err, 412) || err == nil && !hasPassword(way) {
			h.stored = false
			way, err = n.inventedWay(ctx, branch, role)
		}
		if err != nil {
			return h, explain(err)
		}
		h.ways = append(h.ways, way)
	}
	return h, nil
}

// inventedWay is the way of a role whose password nobody knows: what it is answered says whether the compute takes
// connections at all.
func (n *Neon) inventedWay(ctx context.Context, branch, role string) (secret.String, error) {
	computes, err := n.writers(ctx, branch)
	if err != nil {
		return secret.String{}, err
	}
	return secret.New(fmt.Sprintf("postgresql://%s:%s@%s/%s?sslmode=require", role, rand.Text(), computes[0].Host, n.Database)), nil
}

func hasPassword(way secret.String) bool {
	u, err := url.Parse(way.Reveal())
	if err != nil {
		return false
	}
	password, _ := u.User.Password()
	return password != ""
}

func isStatus(err error, status int) bool {
	var failed *neon.Error
	return errors.As(err, &failed) && failed.Status == status
}

// refused proves that no way of a role leads in any more, by what the server or Neon's proxy answers. No answer
// proves nothing and is an error, as is a login that still succeeds.
func (h held) refused(ctx context.Context) (how string, err error) {
	for _, way := range h.ways {
		if how, err = refusal(ctx, way, h.stored); err != nil {
			return "", err
		}
	}
	return how, nil
}

// refusal tries to log in, and says in the server's words why it was not let in.
func refusal(ctx context.Context, way secret.String, stored bool) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, loginTimeout)
	defer cancel()
	cfg, err := pgx.ParseConfig(way.Reveal())
	if err != nil {
		return "", errors.New("the connection string cannot be parsed")
	}
	conn, err := pgx.ConnectConfig(ctx, cfg)
	if err == nil {
		_ = conn.Close(context.WithoutCancel(ctx))
		return "", activities.ErrStillIn
	}
	var told *pgconn.PgError
	if !errors.As(err, &told) {
		return "", errors.New("the server gave no answer, which proves nothing")
	}
	switch {
	case strings.Contains(told.Message, "endpoint is disabled"):
		return "Neon's proxy: the compute is disabled (SQLSTATE " + told.Code + ")", nil
	case stored && (told.Code == "28P01" || told.Code == "28000"):
		return "the server refuses its old password (SQLSTATE " + told.Code + ")", nil
	}
	return "", fmt.Errorf("it was refused for another reason, which proves nothing: SQLSTATE %s", told.Code)
}
