package standby

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/lifeboat-dr/lifeboat/internal/postgres"
	"github.com/lifeboat-dr/lifeboat/internal/secret"
)

// Progress is how far the first copy is.
type Progress struct {
	// Stage is what is being done; Ready and Tables count the tables that follow already, and all of them.
	Stage         string
	Ready, Tables int
}

// Established is what there is in the end.
type Established struct {
	// Tables is how many tables follow, partitions counted one by one.
	Tables int
	// Gaps are what replication does not carry, Waived what of the schema the role could not make.
	Gaps   []Gap
	Waived []string
	// Adopted says that the replication was there already.
	Adopted bool
}

// pollEvery is how often the servers are asked how far they are.
const pollEvery = 200 * time.Millisecond

// Establish lets a standby follow a primary, and waits until every table does. The standby's database has to be
// empty, or one in which this was begun. It goes on where it was when it was killed, and changes nothing when all is
// there already, except the password and the list of tables. What is wrong with either database is told at once,
// before anything is changed (ErrUnfit).
func Establish(ctx context.Context, primary, standby secret.String, link Link, tell func(Progress)) (Established, error) {
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
	known, err := readRecord(ctx, p.standby)
	if err != nil {
		return made, err
	}
	if err := known.unpromoted(link); err != nil {
		return made, err
	}
	tell(Progress{Stage: "look whether it is possible"})
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
	if known != nil && !made.Adopted {
		if err := p.unfilled(ctx, found.Tables); err != nil {
			return made, err
		}
	}
	tell(Progress{Stage: "copy the schema"})
	if made.Waived, err = copySchema(ctx, p, primary, standby, link, known != nil); err != nil {
		return made, err
	}
	// The schema may have changed since it was copied, by an attempt long ago.
	if drift, err := p.drift(ctx); err != nil {
		return made, err
	} else if len(drift.Blocking()) > 0 {
		return made, stopped(ctx, p)
	}
	if err := publish(ctx, p.primary, link, found.Tables); err != nil {
		return made, err
	}
	if err := subscribe(ctx, p, primary, link); err != nil {
		return made, err
	}
	if made.Tables, err = p.awaitCopy(ctx, link, tell); err != nil {
		return made, err
	}
	return made, p.copySequences(ctx)
}

const (
	publicationThere  = "SELECT EXISTS (SELECT FROM pg_catalog.pg_publication WHERE pubname = $1)"
	slotThere         = "SELECT EXISTS (SELECT FROM pg_catalog.pg_replication_slots WHERE slot_name = $1)"
	subscriptionThere = `SELECT EXISTS (SELECT FROM pg_catalog.pg_subscription WHERE subname = $1
		AND subdbid = (SELECT oid FROM pg_catalog.pg_database WHERE datname = current_database()))`
)

func exists(ctx context.Context, conn *pgx.Conn, sql, name string) (there bool, err error) {
	err = conn.QueryRow(ctx, sql, name).Scan(&there)
	return there, postgres.Fail("look for "+name, "", err)
}

// copySchema makes the primary's schema in an empty standby, as a restore would, and marks the database when it is
// whole. A database with the mark has it.
func copySchema(ctx context.Context, p *pair, primary, standby secret.String, link Link, marked bool) (waived []string, err error) {
	r, err := postgres.NewRestorer(ctx, standby, "standby "+link.Slot())
	if err != nil {
		return nil, err
	}
	defer r.Close(ctx)
	if marked {
		return nil, r.Finish(ctx)
	}
	// Nothing is dumped for a database that would be refused.
	if err := r.Prepare(ctx); err != nil {
		return nil, err
	}
	reader, err := postgres.Connect(ctx, primary, postgres.Options{ReadOnly: true, AppName: "lifeboat standby"})
	if err != nil {
		return nil, err
	}
	defer shut(ctx, reader)
	catalog, err := postgres.Inspect(ctx, reader)
	if err != nil {
		return nil, err
	}
	shut(ctx, reader)
	// Values and contents come later.
	catalog.Sequences, catalog.MatViews = nil, nil
	var archive bytes.Buffer
	if _, err := postgres.DumpSchema(ctx, primary, "", &archive); err != nil {
		return nil, err
	}
	if _, err := r.PreData(ctx, archive.Bytes()); err != nil {
		return nil, err
	}
	if waived, err = r.PostData(ctx, archive.Bytes(), catalog, 2); err != nil {
		return nil, err
	}
	if err := writeRecord(ctx, p.standby, link); err != nil {
		return nil, err
	}
	return waived, r.Finish(ctx)
}

// publish makes the publication of exactly these tables, or corrects one of ours.
func publish(ctx context.Context, primary *pgx.Conn, link Link, tables []string) error {
	there, err := exists(ctx, primary, publicationThere, link.Publication())
	if err != nil {
		return err
	}
	name, list := ident(link.Publication()), strings.Join(tables, ", ")
	if !there {
		return run(ctx, primary, "publish tables", "CREATE PUBLICATION "+name+" FOR TABLE "+list)
	}
	has, err := texts(ctx, primary, "list published tables", `SELECT pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(c.relname)
		FROM pg_catalog.pg_publication_rel r JOIN pg_catalog.pg_publication p ON p.oid = r.prpubid JOIN pg_catalog.pg_class c ON c.oid = r.prrelid
		JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE p.pubname = $1 ORDER BY 1`, link.Publication())
	if err != nil || slices.Equal(has, tables) {
		return err
	}
	return run(ctx, primary, "publish tables", "ALTER PUBLICATION "+name+" SET TABLE "+list)
}

// subscribe makes the slot and the subscription. The slot is made first and by itself: one that was left by a killed
// attempt is found again, and holds more of the log than is needed, never less.
func subscribe(ctx context.Context, p *pair, primary secret.String, link Link) error {
	name, slot := ident(link.Slot()), link.Slot()
	there, err := exists(ctx, p.standby, subscriptionThere, slot)
	if err != nil {
		return err
	}
	kept, err := exists(ctx, p.primary, slotThere, slot)
	if err != nil {
		return err
	}
	if there && !kept {
		return lostSlot(slot)
	}
	if !kept {
		if _, err := p.primary.Exec(ctx, "SELECT pg_catalog.pg_create_logical_replication_slot($1, 'pgoutput')", slot); err != nil {
			return postgres.Fail("make replication slot", slot, err)
		}
	}
	if err := quiet(ctx, p.standby); err != nil {
		return err
	}
	connection := literal(primary.Reveal())
	if there {
		return runSecretly(ctx, p.standby, "renew subscription", "ALTER SUBSCRIPTION "+name+" CONNECTION "+connection,
			"ALTER SUBSCRIPTION "+name+" ENABLE", "ALTER SUBSCRIPTION "+name+" REFRESH PUBLICATION")
	}
	return runSecretly(ctx, p.standby, "make subscription", "CREATE SUBSCRIPTION "+name+" CONNECTION "+connection+" PUBLICATION "+ident(link.Publication())+
		" WITH (create_slot = false, slot_name = "+literal(slot)+")")
}

func lostSlot(slot string) error {
	return failure(ErrBroken, "look for replication slot", "what was written since is not coming: take the replication away, and establish it anew in an empty database",
		"the primary has no slot %s any more", slot)
}

// quiet keeps the statement, which holds a password, out of the server's log, where the role may.
func quiet(ctx context.Context, conn *pgx.Conn) error {
	var super bool
	if err := conn.QueryRow(ctx, "SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname = CURRENT_USER").Scan(&super); err != nil {
		return postgres.Fail("ask for role", "", err)
	}
	if !super {
		return nil
	}
	return run(ctx, conn, "keep the log quiet", "SET log_statement = none", "SET log_min_error_statement = panic", "SET log_min_duration_statement = -1")
}

// awaitCopy waits until every table of a subscription follows, and says how many there are.
func (p *pair) awaitCopy(ctx context.Context, link Link, tell func(Progress)) (int, error) {
	faults, err := p.faults(ctx, link)
	if err != nil {
		return 0, err
	}
	for {
		s, err := p.subscription(ctx, link)
		if err != nil {
			return 0, err
		}
		tell(Progress{Stage: "copy the rows", Ready: s.Ready, Tables: s.Tables})
		if s.Tables > 0 && s.Ready == s.Tables {
			return s.Tables, noteReached(ctx, p.standby, s.Reached)
		}
		// A copy that fails is tried again by the server; one that fails three times will not do.
		if s.Faults-faults >= 3 {
			return 0, stopped(ctx, p)
		}
		select {
		case <-ctx.Done():
			return 0, context.Cause(ctx)
		case <-time.After(pollEvery):
		}
	}
}

// stopped says why replication does not go on: mostly since the two schemas are not the same any more.
func stopped(ctx context.Context, p *pair) error {
	hint := "read the log of the standby's server: the reason stands there"
	drift, err := p.drift(ctx)
	if err != nil && !errors.Is(err, context.Canceled) {
		return err
	}
	if blocking := drift.Blocking(); len(blocking) > 0 {
		return failure(ErrBroken, "look at replication", "make the same change on the standby: replication goes on by itself",
			"it has stopped; the primary has what the standby has not: %s", strings.Join(blocking[:min(10, len(blocking))], ", "))
	}
	return failure(ErrBroken, "look at replication", hint, "it has stopped: changes cannot be applied on the standby")
}
