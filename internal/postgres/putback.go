package postgres

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// PutBackRequest says which rows are put back.
type PutBackRequest struct {
	// Mark names the work: repeated with the same one, nothing is done, and what was done is told again.
	Mark string
	// Tables are those whose deleted rows come back, as schema and name.
	Tables [][2]string
	// Fire lets triggers fire as for any INSERT. Without it a table that has some is refused.
	Fire bool
}

// TableBack is what was put back of one table.
type TableBack struct {
	Schema string `json:"schema"`
	Name   string `json:"name"`
	// Found are the rows that only the earlier state had when it was looked, Rows those of them that are there again.
	Found int64 `json:"found"`
	Rows  int64 `json:"rows"`
	// Conflicts are those in whose place there is another row by now: it has the same primary key or another value
	// that is to be unique. Orphans are those whose parent row is gone. Neither is put back.
	Conflicts int64 `json:"conflicts"`
	Orphans   int64 `json:"orphans"`
}

// PutBack is what was put back.
type PutBack struct {
	Tables []TableBack `json:"tables"`
	// Unlisted are tables that no one asked for and that lose or change rows when rows of those asked for are deleted.
	Unlisted int64 `json:"unlisted"`
}

// PutRowsBack inserts the rows that only an earlier state of a database has into the database as it is now: those that
// were deleted since. Rows that are there, changed or not, stay as they are. Earlier and seen are read-only sessions of
// [Connect], the second one in the same database as into. All is done in one transaction, parents before children, and
// rows go by without being kept in memory; into keeps them in temporary tables until it ends. It is safe to repeat.
func PutRowsBack(ctx context.Context, earlier, seen, into *pgx.Conn, in PutBackRequest) (PutBack, error) {
	const op = "put rows back"
	tables, unlisted, err := backPlan(ctx, earlier, seen, in)
	if err != nil {
		return PutBack{}, err
	}
	note, err := once(ctx, into, op, in.Mark, func(tx pgx.Tx) (string, error) {
		done := PutBack{Unlisted: unlisted}
		for i := range tables {
			if err := tables[i].collect(ctx, earlier, seen, tx); err != nil {
				return "", err
			}
		}
		// Parents may stand anywhere among the tables, and in the table itself: go round until nothing moves any more.
		for moved := int64(1); moved > 0; {
			moved = 0
			for i := range tables {
				n, err := tables[i].insert(ctx, tx)
				if err != nil {
					return "", err
				}
				moved += n
			}
		}
		for i := range tables {
			t := &tables[i]
			t.done.Orphans = t.done.Found - t.done.Rows - t.done.Conflicts
			done.Tables = append(done.Tables, t.done)
		}
		text, err := json.Marshal(done)
		return string(text), err
	})
	if err != nil {
		return PutBack{}, err
	}
	var done PutBack
	if err := json.Unmarshal([]byte(note), &done); err != nil {
		return PutBack{}, &Error{Op: op, Kind: ErrInvalid, Err: errors.New("what was written down in " + DoneSchema + ".done cannot be read")}
	}
	return done, nil
}

// CanPutBack says why rows of tables could not be put back into a database, as far as that can be known without the
// state that they come from. It changes nothing.
func CanPutBack(ctx context.Context, seen *pgx.Conn, in PutBackRequest) error {
	_, _, err := backPlan(ctx, seen, seen, in)
	return err
}

// backTable is one table whose rows come back.
type backTable struct {
	before, now shape
	reading     readingPlan
	// insertable are the columns that are written: generated ones the server makes again.
	insertable []string
	// ready is the condition under which a row's parents are there.
	ready string
	temp  string
	done  TableBack
}

// backPlan looks at both states and refuses what could only be put back in part.
func backPlan(ctx context.Context, earlier, seen *pgx.Conn, in PutBackRequest) (tables []backTable, unlisted int64, err error) {
	before, err := shapes(ctx, earlier)
	if err != nil {
		return nil, 0, err
	}
	now, err := shapes(ctx, seen)
	if err != nil {
		return nil, 0, err
	}
	for i, name := range in.Tables {
		t := backTable{temp: fmt.Sprintf("pg_temp.lifeboat_back_%d", i), done: TableBack{Schema: name[0], Name: name[1]}}
		id := tableID{name[0], name[1]}
		for _, s := range before {
			if s.id == id {
				t.before = s
			}
		}
		for _, s := range now {
			if s.id == id {
				t.now = s
			}
		}
		if err := t.check(); err != nil {
			return nil, 0, err
		}
		if err := t.look(ctx, seen, in.Fire); err != nil {
			return nil, 0, err
		}
		tables = append(tables, t)
	}
	unlisted, err = unlistedChildren(ctx, seen, in.Tables)
	return tables, unlisted, err
}

// check refuses a table whose rows cannot be told apart or would lose something.
func (t *backTable) check() error {
	refuse := func(hint, format string, args ...any) error {
		return &Error{Op: "put rows back", Object: relation(t.done.Schema, t.done.Name), Kind: ErrInvalid, Err: fmt.Errorf(format, args...), Hint: hint}
	}
	switch {
	case !t.before.there:
		return refuse("correct tables in the step; of a partitioned table name the partitions", "the earlier state has no such table with rows of its own")
	case !t.now.there:
		return refuse("make the table first, as it was", "the database has no such table with rows of its own any more")
	}
	if t.reading = readingOf(t.before, t.now); !t.reading.keyed {
		return refuse("put its rows back by hand from the branch", "it has no primary key that both states know, so nobody can say which rows were deleted")
	}
	for _, c := range t.before.columns {
		if kind, there := t.now.typeOf(c.name); !there || kind != c.kind {
			return refuse("bring the column back, or put its rows back by hand from the branch", "column %s is not what it was: its values would be lost", ident(c.name))
		}
	}
	return nil
}
