package standby

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/lifeboat-dr/lifeboat/internal/postgres"
	"github.com/lifeboat-dr/lifeboat/internal/secret"
)

// adoptTries is how often both databases are compared, when something happened on the primary meanwhile.
const adoptTries = 3

// Adopt lets a database follow that has every row already, such as the old primary after a planned move: nothing is
// copied. It proves it: while nobody writes to the primary, both are compared in whole, and a slot holds everything
// that comes later. A primary that is written to is refused with ErrBusy, a difference with ErrDiffers; then nothing is
// left behind. A database that was promoted once may be adopted: what it said of itself is replaced. Safe to repeat.
func Adopt(ctx context.Context, primary, standby secret.String, link Link, tell func(Progress)) (Established, error) {
	var made Established
	if err := link.check(); err != nil {
		return made, err
	}
	p, err := open(ctx, primary, standby)
	if err != nil {
		return made, err
	}
	defer p.close(ctx)
	if err := p.apart(ctx); err != nil {
		return made, err
	}
	found, err := p.survey(ctx)
	if err != nil {
		return made, err
	}
	made.Gaps = found.Gaps
	if made.Adopted, err = exists(ctx, p.standby, subscriptionThere, link.Slot()); err != nil {
		return made, err
	}
	if err := found.refuse(); err != nil {
		return made, err
	}
	if !made.Adopted {
		tell(Progress{Stage: "compare both databases"})
		if err := p.adopt(ctx, primary, standby, link, found.Tables); err != nil {
			return made, err
		}
	} else if err := subscribe(ctx, p, primary, link); err != nil {
		return made, err
	}
	if made.Tables, err = p.awaitCopy(ctx, link, tell); err != nil {
		return made, err
	}
	return made, p.copySequences(ctx)
}

// adopt makes the replication of two equal databases.
func (p *pair) adopt(ctx context.Context, primary, standby secret.String, link Link, tables []string) (err error) {
	drift, err := p.drift(ctx)
	if err != nil {
		return err
	}
	if drift.Any() {
		all := drift.All()
		return failure(ErrDiffers, "compare the schemas", "empty the standby, and let everything be copied", "they differ: %s", strings.Join(all[:min(10, len(all))], ", "))
	}
	if err := publish(ctx, p.primary, link, tables); err != nil {
		return err
	}
	defer func() {
		if err != nil { // a slot that nobody reads fills the primary's disk
			err = errors.Join(err, dropSlot(context.WithoutCancel(ctx), primary, link))
		}
	}()
	if err := p.freshSlot(ctx, link.Slot()); err != nil {
		return err
	}
	if err := p.equal(ctx, primary, standby); err != nil {
		return err
	}
	if err := replaceRecord(ctx, p.standby, link); err != nil {
		return err
	}
	if err := quiet(ctx, p.standby); err != nil {
		return err
	}
	return runSecretly(ctx, p.standby, "make subscription", "CREATE SUBSCRIPTION "+ident(link.Slot())+" CONNECTION "+literal(primary.Reveal())+
		" PUBLICATION "+ident(link.Publication())+" WITH (copy_data = false, create_slot = false, slot_name = "+literal(link.Slot())+")")
}

// freshSlot makes a slot that holds nothing from before. One that a killed attempt left would bring rows a second time.
func (p *pair) freshSlot(ctx context.Context, slot string) error {
	there, err := exists(ctx, p.primary, slotThere, slot)
	if err != nil {
		return err
	}
	if there {
		if _, err := p.primary.Exec(ctx, "SELECT pg_catalog.pg_drop_replication_slot($1)", slot); err != nil {
			return postgres.Fail("drop replication slot", slot, err)
		}
	}
	_, err = p.primary.Exec(ctx, "SELECT pg_catalog.pg_create_logical_replication_slot($1, 'pgoutput')", slot)
	return postgres.Fail("make replication slot", slot, err)
}

// equal compares both databases while nothing happens on the primary.
func (p *pair) equal(ctx context.Context, primary, standby secret.String) error {
	for try := 1; ; try++ {
		before, err := p.next(ctx)
		if err != nil {
			return err
		}
		_, differs := compare(ctx, primary, standby)
		if differs != nil && !errors.Is(differs, ErrDiffers) {
			return differs
		}
		open, err := p.openTransactions(ctx)
		if err != nil {
			return err
		}
		after, err := p.next(ctx)
		if err != nil {
			return err
		}
		switch {
		case before == after && len(open) == 0:
			return differs
		case try == adoptTries:
			return busy("transactions went on while both databases were compared")
		}
	}
}

// replaceRecord marks a database as the standby of a link, whatever it said of itself before.
func replaceRecord(ctx context.Context, conn *pgx.Conn, link Link) error {
	known, err := readRecord(ctx, conn)
	if err != nil {
		return err
	}
	if known != nil {
		if err := run(ctx, conn, "mark the standby", "BEGIN; DELETE FROM "+linkTable+"; DELETE FROM "+sequenceTable+"; INSERT INTO "+linkTable+
			" (slot) VALUES ("+literal(link.Slot())+"); COMMIT"); err != nil {
			return err
		}
		return nil
	}
	return writeRecord(ctx, conn, link)
}

// unfilled refuses a standby whose tables hold rows although nothing follows: they would be copied a second time.
func (p *pair) unfilled(ctx context.Context, tables []string) error {
	here, err := texts(ctx, p.standby, "list tables", `SELECT pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(c.relname)`+published+`
		AND c.relkind IN ('r', 'p') AND NOT c.relispartition ORDER BY 1`)
	if err != nil {
		return err
	}
	for _, table := range tables {
		if !slices.Contains(here, table) {
			continue
		}
		var filled bool
		if err := p.standby.QueryRow(ctx, "SELECT EXISTS (SELECT FROM "+table+")").Scan(&filled); err != nil {
			return postgres.Fail("look for rows in", table, err)
		}
		if filled {
			return &postgres.Error{Op: "look at the standby", Kind: postgres.ErrNotEmpty, Err: fmt.Errorf("%w: there are rows in %s, and nothing follows", postgres.ErrNotEmpty, table),
				Hint: "empty the database, or adopt it as it is (copy: false) when it has every row"}
		}
	}
	return nil
}
