package standby

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/lifeboat-dr/lifeboat/internal/postgres"
	"github.com/lifeboat-dr/lifeboat/internal/secret"
)

const linkTable, sequenceTable = postgres.StandbySchema + ".link", postgres.StandbySchema + ".sequences"

// record is what a standby says of itself, in the standby.
type record struct {
	// slot is the replication it belongs to.
	slot string
	// promoted is when it became a primary, zero before. Reached is the last position of the primary that it has.
	promoted time.Time
	reached  string
	exact    bool
}

// readRecord is nil when the database says nothing of itself.
func readRecord(ctx context.Context, conn *pgx.Conn) (*record, error) {
	var there bool
	if err := conn.QueryRow(ctx, "SELECT pg_catalog.to_regclass('"+linkTable+"') IS NOT NULL").Scan(&there); err != nil {
		return nil, postgres.Fail("look at the standby", "", err)
	}
	if !there {
		return nil, nil
	}
	var r record
	var promoted *time.Time
	err := conn.QueryRow(ctx, "SELECT slot, promoted, coalesce(reached, ''), exact FROM "+linkTable).Scan(&r.slot, &promoted, &r.reached, &r.exact)
	if errors.Is(err, pgx.ErrNoRows) {
		return nil, nil
	}
	if promoted != nil {
		r.promoted = promoted.UTC()
	}
	return &r, postgres.Fail("look at the standby", "", err)
}

// writeRecord marks a database whose schema is complete as the standby of a link.
func writeRecord(ctx context.Context, conn *pgx.Conn, link Link) error {
	return run(ctx, conn, "mark the standby", `BEGIN;
		CREATE SCHEMA IF NOT EXISTS `+postgres.StandbySchema+`;
		COMMENT ON SCHEMA `+postgres.StandbySchema+` IS 'Lifeboat: this database follows another one, or did until it was promoted';
		CREATE TABLE IF NOT EXISTS `+linkTable+` (one bool PRIMARY KEY DEFAULT true CHECK (one), slot text NOT NULL, since timestamptz NOT NULL DEFAULT now(),
			promoted timestamptz, reached text, exact bool NOT NULL DEFAULT false);
		CREATE TABLE IF NOT EXISTS `+sequenceTable+` (name text PRIMARY KEY, value bigint NOT NULL, at timestamptz NOT NULL DEFAULT now());
		INSERT INTO `+linkTable+` (slot) VALUES (`+literal(link.Slot())+`) ON CONFLICT DO NOTHING;
		COMMIT`)
}

// mine refuses a database that belongs to another replication; nil is one that says nothing of itself.
func (r *record) mine(link Link) error {
	if r != nil && r.slot != link.Slot() {
		return failure(ErrState, "look at the standby", "take that replication away first, or give the standby an empty database",
			"the database belongs to replication %s, not to %s", r.slot, link.Slot())
	}
	return nil
}

// unpromoted is mine, and refuses a database that is a primary by now.
func (r *record) unpromoted(link Link) error {
	if err := r.mine(link); err != nil {
		return err
	}
	if r != nil && !r.promoted.IsZero() {
		return failure(ErrState, "look at the standby", "it may be the primary by now: to follow again it needs an empty database",
			"the database was promoted at %s", r.promoted.Format(time.RFC3339))
	}
	return nil
}

// Known is what a standby says of itself.
type Known struct {
	Link Link
	// Promoted is when it became a primary; zero before.
	Promoted time.Time
	// Tables are those that its subscription has, Ready those that follow; both are 0 without a subscription.
	Tables, Ready int
}

// Ask asks a standby which replication it belongs to, without asking the primary. A database that is no standby of the
// component is refused with ErrState. It changes nothing.
func Ask(ctx context.Context, standby secret.String, component string) (Known, error) {
	conn, err := session(ctx, standby)
	if err != nil {
		return Known{}, fmt.Errorf("standby: %w", err)
	}
	defer shut(ctx, conn)
	r, err := readRecord(ctx, conn)
	if err != nil {
		return Known{}, err
	}
	k := Known{Link: Link{Component: component}}
	if r != nil {
		k.Link.Generation, _ = strings.CutPrefix(r.slot, k.Link.Publication()+"_")
	}
	if r == nil || k.Link.check() != nil || k.Link.Slot() != r.slot {
		return Known{}, failure(ErrState, "look at the standby", "establish it: a step of type reprotect", "the database is no standby of %s", component)
	}
	if k.Promoted = r.promoted; !k.Promoted.IsZero() {
		return k, nil
	}
	s, err := subscription(ctx, conn, k.Link)
	if errors.Is(err, ErrState) {
		return k, nil
	}
	k.Tables, k.Ready = s.Tables, s.Ready
	return k, err
}
