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

// PromoteOptions say how a standby becomes a primary.
type PromoteOptions struct {
	// Primary is the old primary, when it may be asked; nil where it is lost. That it does not answer is no failure.
	Primary *secret.String
	// Margin is how many steps sequences are advanced past the last number that is known.
	Margin int64
	// Rehearsal says that the database is a copy of a standby, such as a branch, that nothing else knows: it follows
	// nothing, and the old primary is left alone.
	Rehearsal bool
	// Check reads every table with a foreign key and looks for rows without their parents.
	Check bool
}

// Promoted is what became of a standby.
type Promoted struct {
	// At is when it was promoted, by its own clock: also the first time, when it is repeated.
	At time.Time
	// Reached is the last position of the old primary that it has; Exact says that it is the position of the last
	// transaction that was applied, else it is one that was certainly applied, and a little more may be there.
	Reached string
	Exact   bool
	// Sequences is how many sequences were advanced, Unknown which of them nothing is known of, Views how many
	// materialized views were refreshed, Stale which could not be.
	Sequences int
	Unknown   []string
	Views     int
	Stale     []string
	// Constraints is how many foreign keys were checked.
	Constraints int
	// SlotLeft says that the old primary still keeps its log for this standby: it did not answer.
	SlotLeft bool
	// Again says that it had been promoted before, and nothing was changed.
	Again bool
}

// Promote makes a standby a primary of its own: the subscription ends, sequences are advanced, foreign keys and
// materialized views are seen to. Nothing keeps the old primary from being written to: fence it first. A standby whose
// first copy is not whole is refused. Safe to repeat, also after it was killed anywhere: once promoted nothing is done
// again. What fails before the end leaves the subscription off, and the promotion is to be repeated.
func Promote(ctx context.Context, standby secret.String, link Link, opt PromoteOptions) (Promoted, error) {
	if err := link.check(); err != nil {
		return Promoted{}, err
	}
	conn, err := session(ctx, standby)
	if err != nil {
		return Promoted{}, fmt.Errorf("standby: %w", err)
	}
	defer shut(ctx, conn)
	known, err := readRecord(ctx, conn)
	if err != nil {
		return Promoted{}, err
	}
	switch {
	case known == nil:
		return Promoted{}, failure(ErrState, "promote", "restore a backup instead", "the database is no standby")
	case known.mine(link) != nil:
		return Promoted{}, known.mine(link)
	}
	done := Promoted{At: known.promoted, Reached: known.reached, Exact: known.exact, Again: !known.promoted.IsZero()}
	if !done.Again {
		cut := cutOff
		if opt.Rehearsal {
			cut = dropSubscription // its slot is another's
		}
		if err := cut(ctx, conn, link); err != nil {
			return done, err
		}
		if opt.Check {
			if done.Constraints, err = checkForeignKeys(ctx, conn); err != nil {
				return done, err
			}
		}
		if done.Views, done.Stale, err = refreshViews(ctx, conn); err != nil {
			return done, err
		}
		if err := become(ctx, conn, opt.Margin, &done); err != nil {
			return done, err
		}
	}
	if err := dropSubscription(ctx, conn, link); err != nil {
		return done, err
	}
	done.SlotLeft = !opt.Rehearsal && (opt.Primary == nil || dropSlot(ctx, *opt.Primary, link) != nil)
	return done, nil
}

// cutOff ends the subscription's work, and reads how far it came.
func cutOff(ctx context.Context, conn *pgx.Conn, link Link) error {
	s, err := subscription(ctx, conn, link)
	if err != nil {
		return err
	}
	if s.Ready < s.Tables || s.Tables == 0 {
		return failure(ErrState, "promote", "restore the newest verified backup instead", "its first copy is not whole: %d of %d tables follow", s.Ready, s.Tables)
	}
	if s, err = received(ctx, conn, link, s); err != nil {
		return err
	}
	// The worker's own word is only there while it works; a repetition keeps what the first one read.
	if err := noteReached(ctx, conn, s.Reached); err != nil {
		return err
	}
	if err := run(ctx, conn, "end subscription", "ALTER SUBSCRIPTION "+ident(link.Slot())+" DISABLE"); err != nil {
		return err
	}
	for s.Running {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(pollEvery / 4):
		}
		if s, err = subscription(ctx, conn, link); err != nil {
			return err
		}
	}
	return reached(ctx, conn, link)
}

// receivePatience is how long what is still on its way is applied before the subscription ends.
const receivePatience = 10 * time.Second

// received waits until the standby comes no further: what a primary sent before it was lost is to be applied.
func received(ctx context.Context, conn *pgx.Conn, link Link, s State) (State, error) {
	for limit := time.Now().Add(receivePatience); s.Running && time.Now().Before(limit); {
		select {
		case <-ctx.Done():
			return s, context.Cause(ctx)
		case <-time.After(2 * pollEvery):
		}
		now, err := subscription(ctx, conn, link)
		if err != nil {
			return s, err
		}
		if !now.Running { // its word ended with it
			now.Reached = s.Reached
		}
		still := now.Reached == s.Reached
		if s = now; still {
			break
		}
	}
	return s, nil
}

// noteReached keeps a position that the standby is certainly at: once the primary is lost, not every role can ask the server.
func noteReached(ctx context.Context, standby *pgx.Conn, lsn string) error {
	if lsn == "" {
		return nil
	}
	_, err := standby.Exec(ctx, "UPDATE "+linkTable+" SET reached = $1 WHERE reached IS NULL OR reached::pg_lsn < $1::pg_lsn", lsn)
	return postgres.Fail("note how far the standby is", "", err)
}

// reached asks the server for the position of the last transaction that it applied. Not every role may.
func reached(ctx context.Context, conn *pgx.Conn, link Link) error {
	var lsn *string
	err := conn.QueryRow(ctx, `SELECT pg_catalog.pg_replication_origin_progress('pg_' || oid, true)::text FROM pg_catalog.pg_subscription
		WHERE subname = $1 AND subdbid = (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database())`, link.Slot()).Scan(&lsn)
	err = postgres.Fail("ask how far the standby is", "", err)
	switch {
	case errors.Is(err, postgres.ErrPermission), err == nil && lsn == nil:
		return nil
	case err != nil:
		return err
	}
	_, err = conn.Exec(ctx, "UPDATE "+linkTable+" SET reached = $1, exact = true", *lsn)
	return postgres.Fail("note how far the standby is", "", err)
}

// become advances the sequences and writes down, in the same transaction, that this is a primary now.
func become(ctx context.Context, conn *pgx.Conn, margin int64, done *Promoted) error {
	tx, err := conn.Begin(ctx)
	if err != nil {
		return postgres.Fail("promote", "", err)
	}
	defer func() { _ = tx.Rollback(context.WithoutCancel(ctx)) }()
	if done.Sequences, done.Unknown, err = advance(ctx, tx, margin); err != nil {
		return postgres.Fail("advance sequences", "", err)
	}
	err = tx.QueryRow(ctx, "UPDATE "+linkTable+" SET promoted = pg_catalog.clock_timestamp() RETURNING promoted, coalesce(reached, ''), exact").Scan(&done.At, &done.Reached, &done.Exact)
	if err != nil {
		return postgres.Fail("promote", "", err)
	}
	done.At = done.At.UTC()
	return postgres.Fail("promote", "", tx.Commit(ctx))
}

// refreshViews fills materialized views, which replication leaves as they were made. One that cannot be refreshed
// keeps nobody from working.
func refreshViews(ctx context.Context, conn *pgx.Conn) (refreshed int, stale []string, err error) {
	views, err := texts(ctx, conn, "list materialized views", `SELECT pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(c.relname)
		FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind = 'm' AND `+userSchemas+` ORDER BY c.oid`)
	if err != nil {
		return 0, nil, err
	}
	for _, view := range views {
		if _, err := conn.Exec(ctx, "REFRESH MATERIALIZED VIEW "+view); err == nil {
			refreshed++
		} else if known := postgres.Fail("refresh", view, err); postgres.Retryable(known) || ctx.Err() != nil {
			return refreshed, stale, known
		} else {
			stale = append(stale, view)
		}
	}
	return refreshed, stale, nil
}

// foreignKeys are queries for rows without their parents, by the name of the constraint. Rows with a null in the key
// have none. Those that are declared and not validated held nothing on the primary either.
const foreignKeys = `
SELECT n.nspname || '.' || c.relname || '.' || k.conname, pg_catalog.format('SELECT EXISTS (SELECT FROM %I.%I a WHERE %s AND NOT EXISTS (SELECT FROM %I.%I b WHERE %s))',
	n.nspname, c.relname, x.filled, pn.nspname, p.relname, x.pairs)
FROM pg_catalog.pg_constraint k JOIN pg_catalog.pg_class c ON c.oid = k.conrelid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
JOIN pg_catalog.pg_class p ON p.oid = k.confrelid JOIN pg_catalog.pg_namespace pn ON pn.oid = p.relnamespace,
LATERAL (SELECT pg_catalog.string_agg(pg_catalog.format('a.%I IS NOT NULL', ca.attname), ' AND ') AS filled,
	pg_catalog.string_agg(pg_catalog.format('b.%I OPERATOR(%I.%s) a.%I', pa.attname, opn.nspname, op.oprname, ca.attname), ' AND ') AS pairs
	FROM ROWS FROM (pg_catalog.unnest(k.conkey), pg_catalog.unnest(k.confkey), pg_catalog.unnest(k.conpfeqop)) AS u (child, parent, equal)
	JOIN pg_catalog.pg_attribute ca ON ca.attrelid = k.conrelid AND ca.attnum = u.child
	JOIN pg_catalog.pg_attribute pa ON pa.attrelid = k.confrelid AND pa.attnum = u.parent
	JOIN pg_catalog.pg_operator op ON op.oid = u.equal JOIN pg_catalog.pg_namespace opn ON opn.oid = op.oprnamespace) x
WHERE k.contype = 'f' AND k.convalidated AND k.conparentid = 0 ORDER BY 1`

// checkForeignKeys looks for rows without their parents: a subscription applies rows without asking for them.
func checkForeignKeys(ctx context.Context, conn *pgx.Conn) (checked int, err error) {
	rows, err := conn.Query(ctx, foreignKeys)
	if err != nil {
		return 0, postgres.Fail("list foreign keys", "", err)
	}
	keys, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (k [2]string, err error) { return k, row.Scan(&k[0], &k[1]) })
	if err != nil {
		return 0, postgres.Fail("list foreign keys", "", err)
	}
	var broken []string
	for _, k := range keys {
		var orphans bool
		if err := conn.QueryRow(ctx, k[1]).Scan(&orphans); err != nil {
			return checked, postgres.Fail("check foreign key", k[0], err)
		}
		if checked++; orphans {
			broken = append(broken, k[0])
		}
	}
	if len(broken) > 0 {
		return checked, failure(ErrDiffers, "check foreign keys", "mend the rows and repeat, or promote without the check", "rows have no parent: %s", strings.Join(broken[:min(10, len(broken))], ", "))
	}
	return checked, nil
}
