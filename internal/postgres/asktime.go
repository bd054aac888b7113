package postgres

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
)

// AskTime runs a query that gives one time, in UTC; the zero time when it gives NULL or no row. A result of
// another type is ErrInvalid. The session has to be read-only.
func AskTime(ctx context.Context, conn *pgx.Conn, query string) (time.Time, error) {
	const op = "ask for a time"
	rows, err := conn.Query(ctx, query)
	if err != nil {
		return time.Time{}, fail(op, "", err)
	}
	defer rows.Close()
	if !rows.Next() {
		return time.Time{}, fail(op, "", rows.Err())
	}
	if fields := rows.FieldDescriptions(); len(fields) != 1 || fields[0].DataTypeOID != pgtype.TimestamptzOID {
		return time.Time{}, &Error{Op: op, Kind: ErrInvalid, Err: fmt.Errorf("the query gives %d columns, or no time with a zone", len(fields)),
			Hint: "let it select one timestamptz, such as max(created_at)"}
	}
	var at *time.Time
	if err := rows.Scan(&at); err != nil { // such as infinity; the driver's text would repeat the value
		return time.Time{}, &Error{Op: op, Kind: ErrInvalid, Err: errors.New("its answer is no time of the calendar")}
	}
	rows.Close()
	if at == nil {
		return time.Time{}, fail(op, "", rows.Err())
	}
	return at.UTC(), fail(op, "", rows.Err())
}
