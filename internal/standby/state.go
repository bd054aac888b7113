package standby

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/lifeboat-dr/lifeboat/internal/postgres"
	"github.com/lifeboat-dr/lifeboat/internal/secret"
)

// State is how a standby is doing.
type State struct {
	// Tables are those that the subscription has, Ready those that follow.
	Tables, Ready int
	// Enabled says that the subscription is on, Running that its worker is at it now.
	Enabled, Running bool
	// Faults is how often applying or copying failed since the server's statistics were reset; before PostgreSQL 15 nobody counts.
	Faults int64
	// HeardAt is when the primary was last heard from, by the standby's clock; zero for never.
	HeardAt time.Time
	// LagBytes is how much of the primary's log the standby has not confirmed; Lag is how long a mark that was written
	// on the primary just now took to be confirmed.
	LagBytes int64
	Lag      time.Duration
	// KeptBytes is how much of its log the primary keeps for the standby, on its own disk.
	KeptBytes int64
	// Reached is the position of the primary that the standby has confirmed.
	Reached string
	// Drift is what differs between the two schemas.
	Drift Drift
}

// subscription is the half that the standby knows.
func (p *pair) subscription(ctx context.Context, link Link) (State, error) {
	return subscription(ctx, p.standby, link)
}

func subscription(ctx context.Context, standby *pgx.Conn, link Link) (s State, err error) {
	var heard *time.Time
	var reached *string
	err = standby.QueryRow(ctx, `SELECT s.subenabled, count(r.srrelid), count(*) FILTER (WHERE r.srsubstate = 'r'),
		bool_or(w.pid IS NOT NULL), max(w.last_msg_receipt_time), coalesce(max(w.latest_end_lsn), max(r.srsublsn))::text
		FROM pg_catalog.pg_subscription s LEFT JOIN pg_catalog.pg_subscription_rel r ON r.srsubid = s.oid
		LEFT JOIN pg_catalog.pg_stat_subscription w ON w.subid = s.oid AND w.relid IS NULL
		WHERE s.subname = $1 AND s.subdbid = (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database())
		GROUP BY s.oid, s.subenabled`, link.Slot()).Scan(&s.Enabled, &s.Tables, &s.Ready, &s.Running, &heard, &reached)
	if errors.Is(err, pgx.ErrNoRows) {
		return s, failure(ErrState, "look at the standby", "establish it: a step of type reprotect", "it follows nothing: there is no subscription %s", link.Slot())
	}
	if err != nil {
		return s, postgres.Fail("look at the standby", "", err)
	}
	if heard != nil {
		s.HeardAt = heard.UTC()
	}
	if reached != nil {
		s.Reached = *reached
	}
	s.Faults, err = faults(ctx, standby, link)
	return s, err
}

func (p *pair) faults(ctx context.Context, link Link) (int64, error) {
	return faults(ctx, p.standby, link)
}

// faults is how often applying or copying failed; 0 where nobody counts.
func faults(ctx context.Context, standby *pgx.Conn, link Link) (n int64, err error) {
	var counted bool
	if err := standby.QueryRow(ctx, "SELECT pg_catalog.to_regclass('pg_catalog.pg_stat_subscription_stats') IS NOT NULL").Scan(&counted); err != nil || !counted {
		return 0, postgres.Fail("look at the standby", "", err)
	}
	err = standby.QueryRow(ctx, "SELECT coalesce(sum(apply_error_count + sync_error_count), 0)::bigint FROM pg_catalog.pg_stat_subscription_stats WHERE subname = $1", link.Slot()).Scan(&n)
	return n, postgres.Fail("look at the standby", "", err)
}

// slot adds the half that the primary knows.
func (p *pair) slot(ctx context.Context, link Link, s *State) error {
	err := p.primary.QueryRow(ctx, `SELECT pg_catalog.pg_wal_lsn_diff(pg_catalog.pg_current_wal_lsn(), confirmed_flush_lsn)::bigint,
		pg_catalog.pg_wal_lsn_diff(pg_catalog.pg_current_wal_lsn(), restart_lsn)::bigint, confirmed_flush_lsn::text
		FROM pg_catalog.pg_replication_slots WHERE slot_name = $1 AND wal_status IS DISTINCT FROM 'lost' AND confirmed_flush_lsn IS NOT NULL`, link.Slot()).
		Scan(&s.LagBytes, &s.KeptBytes, &s.Reached)
	if errors.Is(err, pgx.ErrNoRows) {
		return lostSlot(link.Slot())
	}
	s.LagBytes = max(0, s.LagBytes)
	return postgres.Fail("look at replication slot", link.Slot(), err)
}

// Look says how a standby is doing. It writes a mark of some bytes into the primary's log and waits for it at most
// patience, to measure the lag; a mark that is not confirmed by then gives an error of kind ErrBehind, beside the state.
// It also copies the values of the primary's sequences into the standby's record, and changes nothing else.
func Look(ctx context.Context, primary, standby secret.String, link Link, patience time.Duration) (State, error) {
	var s State
	if err := link.check(); err != nil {
		return s, err
	}
	p, err := open(ctx, primary, standby)
	if err != nil {
		return s, err
	}
	defer p.close(ctx)
	known, err := readRecord(ctx, p.standby)
	if err != nil {
		return s, err
	}
	if err := known.unpromoted(link); err != nil {
		return s, err
	}
	if s, err = p.subscription(ctx, link); err != nil {
		return s, err
	}
	if s.Drift, err = p.drift(ctx); err != nil {
		return s, err
	}
	if err := p.slot(ctx, link, &s); err != nil {
		return s, err
	}
	if err := p.copySequences(ctx); err != nil {
		return s, err
	}
	began := time.Now()
	mark, err := p.mark(ctx)
	if err != nil {
		return s, err
	}
	err = p.confirmed(ctx, link, mark.lsn, patience)
	s.Lag = time.Since(began).Round(time.Millisecond)
	if errors.Is(err, ErrBehind) && len(s.Drift.Blocking()) > 0 {
		err = stopped(ctx, p) // it is not slow
	}
	if again := p.slot(ctx, link, &s); again != nil {
		return s, again
	}
	if s.Whole() == nil {
		if again := noteReached(ctx, p.standby, s.Reached); again != nil {
			return s, again
		}
	}
	return s, err
}

// mark is where the primary's log ended when a mark was in it, and the first transaction that came later.
type mark struct{ lsn, next string }

// mark writes a mark into the primary's log, in a transaction of its own.
func (p *pair) mark(ctx context.Context) (m mark, err error) {
	if _, err := p.primary.Exec(ctx, "SELECT pg_catalog.pg_logical_emit_message(true, 'lifeboat', 'mark')"); err != nil {
		return m, postgres.Fail("mark the primary's log", "", err)
	}
	// The snapshot comes before the position: what commits in between counts as later, although it is there.
	err = p.primary.QueryRow(ctx, "SELECT pg_catalog.pg_snapshot_xmax(pg_catalog.pg_current_snapshot())::text, pg_catalog.pg_current_wal_insert_lsn()::text").Scan(&m.next, &m.lsn)
	return m, postgres.Fail("ask the primary where its log ends", "", err)
}

// confirmed waits until the standby has confirmed that what the primary had logged up to a position is applied and
// safe on its disk.
func (p *pair) confirmed(ctx context.Context, link Link, lsn string, patience time.Duration) error {
	before, err := p.faults(ctx, link)
	if err != nil {
		return err
	}
	limit := time.Now().Add(patience)
	for {
		var there bool
		var left int64
		err := p.primary.QueryRow(ctx, `SELECT confirmed_flush_lsn >= $2::pg_lsn, greatest(0, pg_catalog.pg_wal_lsn_diff($2::pg_lsn, confirmed_flush_lsn))::bigint
			FROM pg_catalog.pg_replication_slots WHERE slot_name = $1`, link.Slot(), lsn).Scan(&there, &left)
		switch {
		case errors.Is(err, pgx.ErrNoRows):
			return lostSlot(link.Slot())
		case err != nil:
			return postgres.Fail("look at replication slot", link.Slot(), err)
		case there:
			return nil
		}
		if time.Now().After(limit) {
			now, err := p.faults(ctx, link)
			if err != nil {
				return err
			}
			if now > before {
				return stopped(ctx, p)
			}
			return failure(ErrBehind, "wait for the standby", "wait longer, or decide what is lost without it", "%d bytes of the primary's log are not confirmed after %s", left, patience)
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(pollEvery / 4):
		}
	}
}

// Whole says why a standby cannot be relied upon yet; nil when it can.
func (s State) Whole() error {
	switch blocking := s.Drift.Blocking(); {
	case !s.Enabled:
		return failure(ErrState, "look at the standby", "establish it again: a step of type reprotect", "its subscription is off")
	case s.Ready < s.Tables || s.Tables == 0:
		return failure(ErrState, "look at the standby", "wait until the first copy is done", "%d of %d tables follow", s.Ready, s.Tables)
	case len(blocking) > 0:
		return failure(ErrBroken, "compare the schemas", "make the same change on the standby", "the schemas differ: %s", fmt.Sprint(blocking[:min(10, len(blocking))]))
	}
	return nil
}
