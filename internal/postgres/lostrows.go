package postgres

import (
	"bytes"
	"context"
	"errors"

	"github.com/jackc/pgx/v5"
)

// RowChange is what became of a row.
type RowChange string

// The changes of rows.
const (
	RowInserted RowChange = "inserted"
	RowUpdated  RowChange = "updated"
	RowDeleted  RowChange = "deleted"
)

// LostRow is one row that two states of a database do not have alike. Values are as PostgreSQL writes them as text, nil is
// NULL; they are the connections' own buffers, good until the next row.
type LostRow struct {
	Schema, Name string
	Change       RowChange
	Columns      []string
	// Was is the row of the earlier state, Is that of the later one; nil where there is none.
	Was, Is [][]byte
}

// LostRows calls each for every row that [LostWindow] counts, with what the row holds. Memory holds one row of each
// state. The counts are those of LostWindow; tables without a difference are among them.
func LostRows(ctx context.Context, earlier, later *pgx.Conn, each func(LostRow) error) ([]TableChanges, error) {
	before, err := shapes(ctx, earlier)
	if err != nil {
		return nil, err
	}
	after, err := shapes(ctx, later)
	if err != nil {
		return nil, err
	}
	var all []TableChanges
	for _, pair := range pairs(before, after) {
		c := TableChanges{Schema: pair.a.id.schema, Name: pair.a.id.name, OnlyEarlier: !pair.b.there, OnlyLater: !pair.a.there}
		c.Reshaped = pair.a.there && pair.b.there && !pair.a.sameColumns(pair.b)
		q := readingOf(pair.a, pair.b)
		c.Keyless, q.rows = !q.keyed, q.columns
		if err := tellRows(ctx, earlier, later, pair.a, pair.b, q, &c, each); err != nil {
			return nil, err
		}
		all = append(all, c)
	}
	return all, nil
}

type shapePair struct{ a, b shape }

// pairs lays the tables of both states beside each other; where one has none its shape is empty but for the name.
func pairs(before, after []shape) (all []shapePair) {
	known := map[tableID]shape{}
	for _, s := range after {
		known[s.id] = s
	}
	for _, s := range before {
		other, both := known[s.id]
		delete(known, s.id)
		if !both {
			other = shape{id: s.id}
		}
		all = append(all, shapePair{s, other})
	}
	for _, s := range after {
		if _, left := known[s.id]; left {
			all = append(all, shapePair{shape{id: s.id}, s})
		}
	}
	return all
}

func tellRows(ctx context.Context, earlier, later *pgx.Conn, a, b shape, q readingPlan, c *TableChanges, each func(LostRow) error) error {
	left, right := q.open(ctx, earlier, a), q.open(ctx, later, b)
	defer left.close()
	defer right.close()
	if err := errors.Join(left.next(), right.next()); err != nil {
		return err
	}
	row := LostRow{Schema: c.Schema, Name: c.Name, Columns: q.columns}
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
		row.Was, row.Is = nil, nil
		switch {
		case order < 0:
			c.Deleted++
			row.Change, row.Was = RowDeleted, left.row
		case order > 0:
			c.Inserted++
			row.Change, row.Is = RowInserted, right.row
		case !bytes.Equal(left.digest, right.digest):
			c.Updated++
			row.Change, row.Was, row.Is = RowUpdated, left.row, right.row
		}
		if row.Was != nil || row.Is != nil {
			if err := each(row); err != nil {
				return err
			}
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
