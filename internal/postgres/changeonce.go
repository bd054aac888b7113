package postgres

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/jackc/pgx/v5"
)

// ErrNoChange says that a statement changed no row, so that it was rolled back.
var ErrNoChange = errors.New("no row was changed")

// Change is what a statement did.
type Change struct {
	// Before is a time before it by the server's clock, in whole milliseconds: what had committed by then is all that
	// the statement found when nobody else wrote, and the statement itself committed later.
	Before time.Time `json:"before"`
	// Rows is how many rows it changed.
	Rows int64 `json:"rows"`
}

// ChangeOnce runs one statement in a transaction of its own, once for each mark: repeated, it tells what the first run
// did.
func ChangeOnce(ctx context.Context, conn *pgx.Conn, mark, sql string) (done Change, err error) {
	const op = "change rows"
	note, err := once(ctx, conn, op, mark, func(tx pgx.Tx) (string, error) {
		var now time.Time
		// Points are kept to the millisecond: the statement begins in a later one than Before. Whatever this
		// transaction does, it commits after that.
		for done.Before.IsZero() || !now.After(done.Before.Add(time.Millisecond)) {
			if err := tx.QueryRow(ctx, "SELECT pg_catalog.clock_timestamp()").Scan(&now); err != nil {
				return "", fail(op, "", err)
			}
			if done.Before.IsZero() {
				done.Before = now.Truncate(time.Millisecond).Add(time.Millisecond).UTC()
			}
		}
		tag, err := tx.Exec(ctx, sql)
		if err != nil {
			return "", fail(op, "", err)
		}
		if done.Rows = tag.RowsAffected(); done.Rows == 0 {
			return "", ErrNoChange
		}
		text, err := json.Marshal(done)
		return string(text), err
	})
	if err != nil {
		return Change{}, err
	}
	if err := json.Unmarshal([]byte(note), &done); err != nil {
		return Change{}, &Error{Op: op, Kind: ErrInvalid, Err: errors.New("what was written down in " + DoneSchema + ".done cannot be read")}
	}
	return done, nil
}
