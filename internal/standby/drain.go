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

// DrainOptions say how a standby is drained.
type DrainOptions struct {
	// Patience is how long it may take until the standby has confirmed everything.
	Patience time.Duration
	// Compare reads both databases in whole and compares every row.
	Compare bool
}

// Drained is the proof that the standby has everything.
type Drained struct {
	// LSN is the position of the primary up to which everything is applied on the standby and safe on its disk.
	LSN string
	// Tables is how many tables were compared; 0 where nothing was.
	Tables int
}

// Drain waits until the standby has all that the primary committed, and proves it by a position of the primary's log:
// a mark was written, the standby confirmed it, and no transaction began or ended meanwhile. Nobody may write to the
// primary any more: as long as somebody does, it goes on waiting, and ends with ErrBusy. It copies the values of the
// sequences, and changes nothing else. Safe to repeat.
func Drain(ctx context.Context, primary, standby secret.String, link Link, opt DrainOptions) (Drained, error) {
	var done Drained
	if err := link.check(); err != nil {
		return done, err
	}
	p, err := open(ctx, primary, standby)
	if err != nil {
		return done, err
	}
	defer p.close(ctx)
	known, err := readRecord(ctx, p.standby)
	if err != nil {
		return done, err
	}
	if err := known.unpromoted(link); err != nil {
		return done, err
	}
	s, err := p.subscription(ctx, link)
	if err != nil {
		return done, err
	}
	if s.Drift, err = p.drift(ctx); err != nil {
		return done, err
	}
	if err := s.Whole(); err != nil {
		return done, err
	}
	if err := p.reconnect(ctx, primary, link); err != nil {
		return done, err
	}
	rest, err := p.settle(ctx, link, opt.Patience)
	if err != nil || !opt.Compare {
		return Drained{LSN: rest.lsn}, err
	}
	if done.Tables, err = compare(ctx, primary, standby); err != nil {
		// While somebody writes the two are never the same at the same time: then it says nothing.
		if next, again := p.next(ctx); errors.Is(err, ErrDiffers) && (again != nil || next != rest.next) {
			return Drained{}, busy("transactions were committed while both databases were compared, and they differed")
		}
		return Drained{}, err
	}
	// What was compared is only worth something when it is still so.
	rest, err = p.settle(ctx, link, opt.Patience)
	done.LSN = rest.lsn
	return done, err
}

// reconnect tells the subscription the primary's address as it is now, where nobody reads the slot: whoever fenced the
// primary changed its passwords, and the standby was cut off with everybody else.
func (p *pair) reconnect(ctx context.Context, primary secret.String, link Link) error {
	var read bool
	err := p.primary.QueryRow(ctx, "SELECT active FROM pg_catalog.pg_replication_slots WHERE slot_name = $1", link.Slot()).Scan(&read)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
		return lostSlot(link.Slot())
	case err != nil:
		return postgres.Fail("look at replication slot", link.Slot(), err)
	case read:
		return nil
	}
	if err := quiet(ctx, p.standby); err != nil {
		return err
	}
	return runSecretly(ctx, p.standby, "renew subscription", "ALTER SUBSCRIPTION "+ident(link.Slot())+" CONNECTION "+literal(primary.Reveal()))
}

// next is the first transaction that has not ended.
func (p *pair) next(ctx context.Context) (next string, err error) {
	err = p.primary.QueryRow(ctx, "SELECT pg_catalog.pg_snapshot_xmax(pg_catalog.pg_current_snapshot())::text").Scan(&next)
	return next, postgres.Fail("look whether the primary rests", "", err)
}

// settle waits until nothing happens on the primary between a mark and its confirmation. The server's own work, such
// as gathering statistics, takes transactions, too, and other databases of the server do: it is only tried again for them.
func (p *pair) settle(ctx context.Context, link Link, patience time.Duration) (m mark, err error) {
	limit := time.Now().Add(patience)
	for {
		if m, err = p.mark(ctx); err != nil {
			return m, err
		}
		if err := p.confirmed(ctx, link, m.lsn, max(time.Until(limit), time.Second)); err != nil {
			return m, err
		}
		if err := p.copySequences(ctx); err != nil {
			return m, err
		}
		open, err := p.openTransactions(ctx)
		if err != nil {
			return m, err
		}
		next, err := p.next(ctx)
		if err != nil {
			return m, err
		}
		if next == m.next && len(open) == 0 {
			return m, noteReached(ctx, p.standby, m.lsn)
		}
		if time.Now().After(limit) {
			if len(open) > 0 {
				return m, busy("transactions that wrote are open after %s: %s", patience, strings.Join(open[:min(10, len(open))], ", "))
			}
			return m, busy("transactions go on being committed after %s", patience)
		}
		select {
		case <-ctx.Done():
			return m, context.Cause(ctx)
		case <-time.After(pollEvery):
		}
	}
}

func busy(format string, args ...any) error {
	return failure(ErrBusy, "look whether the primary rests", "hold or close every door to it, and fence it, before it is drained", format, args...)
}

// openTransactions lists transactions that wrote and have not ended.
func (p *pair) openTransactions(ctx context.Context) ([]string, error) {
	return texts(ctx, p.primary, "look for open transactions", `SELECT coalesce(nullif(application_name, ''), 'no name') || ' as ' || coalesce(usename::text, '?')
		FROM pg_catalog.pg_stat_activity WHERE backend_xid IS NOT NULL AND pid <> pg_catalog.pg_backend_pid()
		AND datname = current_database() AND backend_type = 'client backend'
		UNION ALL SELECT 'a prepared transaction of ' || owner::text FROM pg_catalog.pg_prepared_xacts WHERE database = current_database()`)
}

// compare reads both databases in whole and compares every row of every table.
func compare(ctx context.Context, primary, standby secret.String) (tables int, err error) {
	opt := postgres.Options{ReadOnly: true, AppName: "lifeboat standby"}
	a, err := postgres.Connect(ctx, standby, opt)
	if err != nil {
		return 0, fmt.Errorf("standby: %w", err)
	}
	defer shut(ctx, a)
	b, err := postgres.Connect(ctx, primary, opt)
	if err != nil {
		return 0, fmt.Errorf("primary: %w", err)
	}
	defer shut(ctx, b)
	var wrong []string
	err = postgres.LostWindow(ctx, a, b, nil, func(c postgres.TableChanges) error {
		tables++
		if c.Changed() {
			wrong = append(wrong, fmt.Sprintf("%s.%s (%d only on the primary, %d otherwise, %d only on the standby)", c.Schema, c.Name, c.Inserted, c.Updated, c.Deleted))
		}
		return nil
	})
	if err != nil {
		return tables, err
	}
	if len(wrong) > 0 {
		return tables, failure(ErrDiffers, "compare the two databases", "do not promote it: find out who wrote to the standby", "%d tables differ: %s", len(wrong), strings.Join(wrong[:min(10, len(wrong))], ", "))
	}
	return tables, nil
}
