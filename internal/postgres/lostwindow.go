package postgres

import (
	"bytes"
	"context"
	"errors"
	"math/big"

	"github.com/jackc/pgx/v5"
)

// Valued says which column of which table is what its rows are worth, such as the amount of a claim.
type Valued struct{ Schema, Table, Column string }

// TableChanges is what became of one table between two states of a database.
type TableChanges struct {
	Schema, Name string
	// Inserted are rows that only the later state has, Deleted those that only the earlier one has, Updated those
	// of the same primary key that differ.
	Inserted, Updated, Deleted int64
	// Keyless says that the table has no primary key that both states know: an updated row counts as one deleted
	// and one inserted.
	Keyless bool
	// Reshaped says that the columns differ; those that both states have were compared. OnlyEarlier and OnlyLater
	// say that the other state has no such table.
	Reshaped, OnlyEarlier, OnlyLater bool
	// Value is what inserted rows are worth, and by how much updated ones are worth more, where the table is the
	// one that is valued; nil elsewhere.
	Value *big.Rat
}

// Changed says whether anything differs.
func (c TableChanges) Changed() bool {
	return c.Inserted+c.Updated+c.Deleted > 0 || c.Reshaped || c.OnlyEarlier || c.OnlyLater
}

// LostWindow compares two states of a database, table by table, and calls each for every one of them. Both sessions
// have to be read-only ones of [Connect], so that each sees one moment. Rows go by in the order of their keys and
// none is kept: memory does not grow with the tables. It changes nothing and may be repeated.
//
// Rows are compared as PostgreSQL writes them as text. What neither state's catalog lists as a table with rows is not
// compared: see [Inspect].
func LostWindow(ctx context.Context, earlier, later *pgx.Conn, valued *Valued, each func(TableChanges) error) error {
	before, err := shapes(ctx, earlier)
	if err != nil {
		return err
	}
	after, err := shapes(ctx, later)
	if err != nil {
		return err
	}
	if valued != nil {
		if err := valued.check(before, after); err != nil {
			return err
		}
	}
	for _, pair := range pairs(before, after) {
		if err := compareShapes(ctx, earlier, later, pair.a, pair.b, valued, each); err != nil {
			return err
		}
	}
	return nil
}

func (v *Valued) check(states ...[]shape) error {
	for _, state := range states {
		for _, s := range state {
			if s.id == (tableID{v.Schema, v.Table}) {
				if _, there := s.typeOf(v.Column); there {
					return nil
				}
			}
		}
	}
	return &Error{Op: "compare", Object: relation(v.Schema, v.Table), Kind: ErrInvalid, Err: errors.New("the column that says what a row is worth is not there"),
		Hint: "correct value in the step"}
}

// compareShapes compares one table; a state that has none of it has no columns.
func compareShapes(ctx context.Context, earlier, later *pgx.Conn, a, b shape, valued *Valued, each func(TableChanges) error) error {
	c := TableChanges{Schema: a.id.schema, Name: a.id.name, OnlyEarlier: !b.there, OnlyLater: !a.there}
	c.Reshaped = a.there && b.there && !a.sameColumns(b)
	q := readingOf(a, b)
	c.Keyless = !q.keyed
	if valued != nil && a.id == (tableID{valued.Schema, valued.Table}) {
		q.value, c.Value = valued.Column, new(big.Rat)
	}
	left, right := q.open(ctx, earlier, a), q.open(ctx, later, b)
	defer left.close()
	defer right.close()
	if err := merge(left, right, &c); err != nil {
		return err
	}
	return each(c)
}

// merge goes through both states at once, in the order of keys. Equal keys go by in pairs, so that rows without a key
// of their own are counted as often as they are there.
func merge(left, right *reading, c *TableChanges) error {
	if err := errors.Join(left.next(), right.next()); err != nil {
		return err
	}
	for left.more || right.more {
		order := 0
		switch {
		case !left.more:
			order = 1
		case !right.more:
			order = -1
		default:
			order = bytes.Compare(left.key, right.key)
		}
		switch {
		case order < 0:
			c.Deleted++
		case order > 0:
			c.Inserted++
			c.add(right.value, nil)
		case !bytes.Equal(left.digest, right.digest):
			c.Updated++
			c.add(right.value, left.value)
		}
		if order <= 0 {
			if err := left.next(); err != nil {
				return err
			}
		}
		if order >= 0 {
			if err := right.next(); err != nil {
				return err
			}
		}
	}
	return nil
}

// add counts what a row is worth, beyond what it was worth before.
func (c *TableChanges) add(now, before *big.Rat) {
	if c.Value == nil {
		return
	}
	if now != nil {
		c.Value.Add(c.Value, now)
	}
	if before != nil {
		c.Value.Sub(c.Value, before)
	}
}
