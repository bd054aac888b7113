package activities

import (
	"context"
	"fmt"
	"math/big"
	"strings"
	"time"

	"github.com/lifeboat-dr/lifeboat/internal/postgres"
)

// MeasureLostWindow counts, table by table, what would be lost if one state of a database was given up for another. It
// changes nothing, so it also runs in a plan, and asks only the databases that the signed runbook names. Rows go by and
// are counted; none is kept, and only counts are told.
func (s *Steps) MeasureLostWindow(ctx context.Context, in StepInput) (StepDone, error) {
	var p struct {
		Keep   onDatabase `json:"keep"`
		Lose   onDatabase `json:"lose"`
		Tables []string   `json:"tables"`
		Value  *struct {
			Table  string `json:"table"`
			Column string `json:"column"`
		} `json:"value"`
	}
	if err := in.read(&p); err != nil {
		return StepDone{}, err
	}
	named := map[string]bool{}
	for _, name := range p.Tables {
		if _, _, err := splitTable(name); err != nil {
			return StepDone{}, err
		}
		named[name] = true
	}
	var valued *postgres.Valued
	if p.Value != nil {
		schema, table, err := splitTable(p.Value.Table)
		if err != nil {
			return StepDone{}, err
		}
		valued = &postgres.Valued{Schema: schema, Table: table, Column: p.Value.Column}
	}
	if err := s.Orders.CheckLook(in, "MeasureLostWindow"); err != nil {
		return StepDone{}, err
	}
	if p.Keep.planned(in.Guard) || p.Lose.planned(in.Guard) {
		return intended(in.With, (&lostSum{}).outputs(nil, "0s")), nil
	}
	moved := &counter{}
	defer alive(ctx, moved)()
	began := time.Now()
	open := func(on onDatabase) (*postgres.Conn, error) {
		address, err := s.addressOf(ctx, in.Guard, on)
		if err != nil {
			return nil, err
		}
		conn, err := postgres.Connect(ctx, address, postgres.Options{ReadOnly: true, AppName: "lifeboat lost window"})
		return conn, classify(err, "connect to the database")
	}
	keep, err := open(p.Keep)
	if err != nil {
		return StepDone{}, err
	}
	defer keep.Close(context.WithoutCancel(ctx))
	lose, err := open(p.Lose)
	if err != nil {
		return StepDone{}, err
	}
	defer lose.Close(context.WithoutCancel(ctx))
	sum := &lostSum{named: named, details: map[string]string{}}
	err = postgres.LostWindow(ctx, keep, lose, valued, func(c postgres.TableChanges) error {
		moved.chunks.Add(1)
		sum.add(c)
		return nil
	})
	if err != nil {
		return StepDone{}, classify(err, "compare the two states")
	}
	for _, name := range p.Tables {
		if _, there := sum.details[name]; !there {
			return StepDone{}, NotFound("correct tables in the step", "neither state has a table %s with rows of its own", name)
		}
	}
	return s.done(in.Guard, sum.outputs(p.Tables, tookSince(began)))
}

func splitTable(name string) (schema, table string, err error) {
	schema, table, found := strings.Cut(name, ".")
	if !found || schema == "" || table == "" {
		return "", "", InvalidInput("table %q: write it as schema.table", name)
	}
	return schema, table, nil
}

// lostSum adds up what became of tables.
type lostSum struct {
	named   map[string]bool
	details map[string]string
	// all are all tables together, others those that nobody asked for.
	all, others               postgres.TableChanges
	tables, keyless, reshaped int
	value                     *big.Rat
	valued                    int64
}

func (l *lostSum) add(c postgres.TableChanges) {
	l.tables++
	if c.Keyless && c.Changed() {
		l.keyless++
	}
	if c.Reshaped || c.OnlyEarlier || c.OnlyLater {
		l.reshaped++
	}
	if c.Value != nil {
		l.value, l.valued = c.Value, c.Inserted+c.Updated
	}
	count := func(into *postgres.TableChanges) {
		into.Inserted, into.Updated, into.Deleted = into.Inserted+c.Inserted, into.Updated+c.Updated, into.Deleted+c.Deleted
	}
	count(&l.all)
	// The journal is clear: it gets no names of tables but those that stand in the runbook.
	if name := c.Schema + "." + c.Name; l.named[name] {
		l.details[name] = countsOf(c)
	} else {
		count(&l.others)
	}
}

func countsOf(c postgres.TableChanges) string {
	return fmt.Sprintf("+%d ~%d -%d", c.Inserted, c.Updated, c.Deleted)
}

func (l *lostSum) outputs(order []string, took string) map[string]any {
	var detail []string
	for _, name := range order {
		detail = append(detail, name+" "+l.details[name])
	}
	if len(order) < l.tables {
		detail = append(detail, "others "+countsOf(l.others))
	}
	value := ""
	if l.value != nil {
		value = decimal(l.value)
	}
	return map[string]any{
		"inserted": float64(l.all.Inserted), "updated": float64(l.all.Updated), "deleted": float64(l.all.Deleted),
		"tables": float64(l.tables), "keyless": float64(l.keyless), "reshaped": float64(l.reshaped),
		"valued": float64(l.valued), "value": value, "detail": strings.Join(detail, "; "), "took": took,
	}
}

// decimal writes a sum of decimal numbers exactly.
func decimal(r *big.Rat) string {
	digits, _ := r.FloatPrec()
	return r.FloatString(digits)
}
