// Package standby keeps a second database that follows a first one by PostgreSQL's own logical replication, and
// makes it the primary. It knows two connection strings and nothing of sites, workflows or orders.
//
// [Establish] copies the schema into an empty database, then the rows, and lets it follow. [Look] says how far behind
// it is and what differs. [Drain] proves, by log positions, that it has all that the primary committed. [Promote] cuts
// it off, advances its sequences and checks its constraints. [Remove] takes the replication away. Each may be
// repeated, also by another process after this one was killed: what is done is read from the two servers.
//
// What it makes has names of its own: the publication lifeboat_COMPONENT, the slot and subscription
// lifeboat_COMPONENT_GENERATION, and in the standby the schema lifeboat_standby, which no backup holds. Nothing of
// another name is ever changed or dropped.
//
// Until it is promoted, nothing in PostgreSQL keeps a standby from being written to: a subscription needs a database
// that can write. What protects it is that no door leads there and that nobody else has credentials. A row that
// somebody wrote there shows as a conflict that stops the subscription, or in a comparison.
//
// Errors are those of package postgres: they hold names, never rows, passwords or connection strings. The server of
// the standby keeps the primary's connection string, with its password, in pg_subscription.subconninfo, which
// superusers can read.
package standby

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/lifeboat-dr/lifeboat/internal/postgres"
	"github.com/lifeboat-dr/lifeboat/internal/secret"
)

// What an error of this package can be besides those of package postgres; ask with [errors.Is].
var (
	// ErrUnfit: one of the two databases cannot do it as it is. Everything that is wrong is told at once.
	ErrUnfit = errors.New("not fit for replication")
	// ErrState: the standby is in another state than is needed, such as not there, not whole, or promoted already.
	ErrState = errors.New("the standby is not in a state for this")
	// ErrBroken: replication has stopped and does not go on by itself.
	ErrBroken = errors.New("replication has stopped")
	// ErrBehind: the standby did not get there in time.
	ErrBehind = errors.New("the standby is behind")
	// ErrBusy: the primary is still written to, so that nothing can be drained.
	ErrBusy = errors.New("the primary is still written to")
	// ErrDiffers: the data of the two is not the same.
	ErrDiffers = errors.New("the standby differs from the primary")
)

// Link names one replication.
type Link struct {
	// Component is the component's name in the configuration, Generation what tells this replication from earlier
	// ones, such as e7 for epoch 7: lower-case letters and digits, 12 at most.
	Component, Generation string
}

var (
	componentName  = regexp.MustCompile(`^[a-z][a-z0-9-]{0,39}$`)
	generationName = regexp.MustCompile(`^[a-z0-9]{1,12}$`)
)

func (l Link) check() error {
	if !componentName.MatchString(l.Component) || !generationName.MatchString(l.Generation) {
		return &postgres.Error{Op: "name replication", Kind: postgres.ErrInvalid, Err: errors.New("component or generation is no name")}
	}
	return nil
}

// Publication is the name of the publication on the primary.
func (l Link) Publication() string { return "lifeboat_" + strings.ReplaceAll(l.Component, "-", "_") }

// Slot is the name of the slot on the primary and of the subscription on the standby.
func (l Link) Slot() string { return l.Publication() + "_" + l.Generation }

// session opens a session on one of the two databases.
func session(ctx context.Context, address secret.String) (*pgx.Conn, error) {
	return postgres.Connect(ctx, address, postgres.Options{AppName: "lifeboat standby"})
}

func shut(ctx context.Context, conn *pgx.Conn) {
	if conn != nil {
		_ = conn.Close(context.WithoutCancel(ctx))
	}
}

// pair are sessions on both databases.
type pair struct{ primary, standby *pgx.Conn }

func open(ctx context.Context, primary, standby secret.String) (*pair, error) {
	a, err := session(ctx, primary)
	if err != nil {
		return nil, fmt.Errorf("primary: %w", err)
	}
	b, err := session(ctx, standby)
	if err != nil {
		shut(ctx, a)
		return nil, fmt.Errorf("standby: %w", err)
	}
	return &pair{a, b}, nil
}

func (p *pair) close(ctx context.Context) {
	shut(ctx, p.primary)
	shut(ctx, p.standby)
}

// run executes statements that take no parameters.
func run(ctx context.Context, conn *pgx.Conn, op string, statements ...string) error {
	for _, sql := range statements {
		if _, err := conn.Exec(ctx, sql, pgx.QueryExecModeSimpleProtocol); err != nil {
			return postgres.Fail(op, "", err)
		}
	}
	return nil
}

// runSecretly is run for statements that hold a connection string. The server's library repeats what it cannot read of
// one, so its words are not passed on where it complains about that.
func runSecretly(ctx context.Context, conn *pgx.Conn, op string, statements ...string) error {
	err := run(ctx, conn, op, statements...)
	var told *postgres.Error
	if errors.As(err, &told) && told.Code == syntaxError {
		return &postgres.Error{Op: op, Code: told.Code, Err: errors.New("the standby's server cannot read the primary's connection string"),
			Hint: "write it as libpq reads it: special characters of a password as %XX, and no settings that only other drivers know"}
	}
	return err
}

// syntaxError is PostgreSQL's code (SQLSTATE) for statements, and connection strings in them, that it cannot read.
const syntaxError = "42601"

// texts reads the only column of a query.
func texts(ctx context.Context, conn *pgx.Conn, op, sql string, args ...any) ([]string, error) {
	rows, err := conn.Query(ctx, sql, args...)
	if err != nil {
		return nil, postgres.Fail(op, "", err)
	}
	all, err := pgx.CollectRows(rows, pgx.RowTo[string])
	return all, postgres.Fail(op, "", err)
}

func ident(name string) string { return pgx.Identifier{name}.Sanitize() }

func literal(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }

// failure is an error of this package.
func failure(kind error, op, hint, format string, args ...any) error {
	return &postgres.Error{Op: op, Kind: kind, Err: fmt.Errorf(format, args...), Hint: hint}
}
