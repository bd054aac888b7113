package postgres

import (
	"context"
	"encoding/json"
	"errors"
	"strconv"

	"github.com/jackc/pgx/v5"
)

// ErrReserved says that the range reserved for synthetic rows holds rows of somebody else.
var ErrReserved = errors.New("the reserved range holds rows already")

// ErrUnread says that synthetic rows were written and not found as they should be. They are removed.
var ErrUnread = errors.New("what was written is not found")

// Synthetic are writes in a range of keys that no application uses, and their removal.
type Synthetic struct {
	// Mark names this try: repeated with the same one, nothing is written a second time.
	Mark string
	// Write and Clean are statements, each list run in one transaction; Left is a query that counts what is in the range.
	Write, Clean []string
	Left         string
	// Read says whether the rows are found as they should be, by a session of its own.
	Read func(ctx context.Context) error
}

// SyntheticDone is what was written and removed.
type SyntheticDone struct {
	Written, Removed int64
}

// cleaned is what is written down when the rows are removed.
type cleaned struct {
	Removed int64 `json:"removed"`
	// Failed is why the rows were not found as they should be.
	Failed string `json:"failed,omitempty"`
}

// RunSynthetic writes rows and commits them, reads them, and removes them whatever was read. It refuses with ErrReserved
// when there are rows in the range that it did not write, before it writes or removes anything. It is safe to repeat.
func RunSynthetic(ctx context.Context, conn *pgx.Conn, in Synthetic) (done SyntheticDone, err error) {
	const op = "write synthetic rows"
	note, err := once(ctx, conn, op, in.Mark, func(tx pgx.Tx) (string, error) {
		if left, err := leftOver(ctx, tx, in.Left); err != nil || left > 0 {
			return "", errors.Join(err, reserved(left))
		}
		rows, err := runAll(ctx, tx, op, in.Write)
		return strconv.FormatInt(rows, 10), err
	})
	if err != nil {
		return done, err
	}
	if done.Written, err = strconv.ParseInt(note, 10, 64); err != nil {
		return done, &Error{Op: op, Kind: ErrInvalid, Err: errors.New("what was written down in " + DoneSchema + ".done cannot be read")}
	}
	note, err = once(ctx, conn, "remove synthetic rows", in.Mark+"/clean", func(tx pgx.Tx) (string, error) {
		// In the same transaction, so that a repeated try does not look for rows that are removed.
		var out cleaned
		read := in.Read(ctx)
		if Retryable(read) {
			return "", read // it is read again
		}
		if read != nil {
			out.Failed = read.Error()
		}
		if ctx.Err() != nil {
			return "", ctx.Err()
		}
		var err error
		if out.Removed, err = runAll(ctx, tx, "remove synthetic rows", in.Clean); err != nil {
			return "", errors.Join(read, err)
		}
		if left, err := leftOver(ctx, tx, in.Left); err != nil || left > 0 {
			return "", errors.Join(read, err, leftError(left))
		}
		text, err := json.Marshal(out)
		return string(text), err
	})
	if err != nil {
		return done, err
	}
	var out cleaned
	if err := json.Unmarshal([]byte(note), &out); err != nil {
		return done, &Error{Op: op, Kind: ErrInvalid, Err: errors.New("what was written down in " + DoneSchema + ".done cannot be read")}
	}
	done.Removed = out.Removed
	if out.Failed != "" { // now, or by a try whose answer was lost
		return done, &Error{Op: "read synthetic rows", Kind: ErrUnread, Err: errors.New(out.Failed)}
	}
	return done, nil
}

func runAll(ctx context.Context, tx pgx.Tx, op string, statements []string) (rows int64, err error) {
	for _, sql := range statements {
		tag, err := tx.Exec(ctx, sql)
		if err != nil {
			return rows, fail(op, "", err)
		}
		rows += tag.RowsAffected()
	}
	return rows, nil
}

func leftOver(ctx context.Context, tx pgx.Tx, query string) (n int64, err error) {
	err = tx.QueryRow(ctx, query).Scan(&n)
	return n, fail("count what is in the reserved range", "", err)
}

func reserved(left int64) error {
	if left == 0 {
		return nil
	}
	return &Error{Op: "write synthetic rows", Kind: ErrReserved, Hint: "choose another range, or find out whose rows they are; nothing was written or removed"}
}

func leftError(left int64) error {
	if left == 0 {
		return nil
	}
	return &Error{Op: "remove synthetic rows", Kind: ErrInvalid, Err: errors.New("clean leaves rows in the reserved range"), Hint: "correct clean, and remove the rows by hand"}
}
