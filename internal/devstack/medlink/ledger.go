package medlink

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// Outcome is what the application knows of a claim.
type Outcome string

// The outcomes of writing a claim.
const (
	// Acked: the commit was confirmed. Whoever sent the claim was told that it is safe.
	Acked Outcome = "acknowledged"
	// Unknown: the commit was sent, and no answer came.
	Unknown Outcome = "unknown"
	// Failed: the claim is certainly not there. It is not in the ledger.
	Failed Outcome = "failed"
)

// Entry is one line of the ledger.
type Entry struct {
	Outcome Outcome `json:"outcome"`
	// Control is the claim's control number.
	Control    string `json:"control"`
	Lines      int    `json:"lines"`
	TotalCents int64  `json:"total_cents"`
	// WrittenAt is the server's clock shortly before the commit, AcknowledgedAt ours after its answer, zero
	// without one. The commit lies between the two.
	WrittenAt      time.Time `json:"written_at"`
	AcknowledgedAt time.Time `json:"acknowledged_at,omitzero"`
}

// ledger is an append-only file of JSON lines, each of them on disk before the next claim is begun. It
// lies outside the database, as the paper in a doctor's office does.
type ledger struct{ f *os.File }

// openLedger continues a ledger. A last line that a crash cut off is removed.
func openLedger(path string) (*ledger, error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open ledger: %w", err)
	}
	if err := endWithLine(f); err != nil {
		return nil, errors.Join(fmt.Errorf("open ledger: %w", err), f.Close())
	}
	if dir, err := os.Open(filepath.Dir(path)); err == nil {
		// The file's name is to be on disk, too.
		err = errors.Join(dir.Sync(), dir.Close())
		if err != nil {
			return nil, errors.Join(fmt.Errorf("open ledger: %w", err), f.Close())
		}
	}
	return &ledger{f}, nil
}

func endWithLine(f *os.File) error {
	text, err := io.ReadAll(f)
	if err != nil {
		return err
	}
	if whole := bytes.LastIndexByte(text, '\n') + 1; whole < len(text) {
		return f.Truncate(int64(whole))
	}
	return nil
}

func (l *ledger) append(e Entry) error {
	line, err := json.Marshal(e)
	if err == nil {
		_, err = l.f.Write(append(line, '\n'))
	}
	if err == nil {
		err = l.f.Sync()
	}
	if err != nil {
		return fmt.Errorf("write ledger: %w", err)
	}
	return nil
}

func (l *ledger) close() error { return l.f.Close() }

// Acknowledged reads the claims that a ledger says are safe, in the order of their acknowledgement. It may
// be called while a writer goes on: a line that is not finished does not count yet.
func Acknowledged(path string) ([]Entry, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read ledger: %w", err)
	}
	var entries []Entry
	for n, line := range bytes.SplitAfter(text, []byte("\n")) {
		if !bytes.HasSuffix(line, []byte("\n")) {
			break
		}
		var e Entry
		if err := json.Unmarshal(line, &e); err != nil {
			return nil, fmt.Errorf("read ledger: line %d: %w", n+1, err)
		}
		if e.Outcome == Acked {
			entries = append(entries, e)
		}
	}
	return entries, nil
}

// Missing gives those entries whose claim is not in the database with the same lines and total: what was
// lost, although somebody was told that it is safe.
func Missing(ctx context.Context, conn *pgx.Conn, entries []Entry) ([]Entry, error) {
	var controls []string
	var counts, totals []int64
	for _, e := range entries {
		controls, counts, totals = append(controls, e.Control), append(counts, int64(e.Lines)), append(totals, e.TotalCents)
	}
	rows, err := conn.Query(ctx, `
		SELECT w.n FROM unnest($1::text[], $2::bigint[], $3::bigint[]) WITH ORDINALITY AS w (control, lines, total, n)
		WHERE NOT EXISTS (
			SELECT FROM public.claims c WHERE c.control_number = w.control AND c.total_cents = w.total
			AND w.lines = (SELECT count(*) FROM public.claim_lines l WHERE l.claim_id = c.id))
		ORDER BY w.n`, controls, counts, totals)
	if err != nil {
		return nil, fmt.Errorf("look for acknowledged claims: %w", err)
	}
	places, err := pgx.CollectRows(rows, pgx.RowTo[int64])
	if err != nil {
		return nil, fmt.Errorf("look for acknowledged claims: %w", err)
	}
	missing := make([]Entry, len(places))
	for i, n := range places {
		missing[i] = entries[n-1]
	}
	return missing, nil
}

// refused says that the server answered, so that nothing is unknown.
func refused(err error) bool {
	var answer *pgconn.PgError
	return errors.As(err, &answer) && answer.SeverityUnlocalized == "ERROR"
}

// describe is an error without addresses, passwords or values: the server's code, or a class.
func describe(err error) string {
	var answer *pgconn.PgError
	switch {
	case errors.As(err, &answer):
		return answer.SeverityUnlocalized + " " + answer.Code
	case errors.Is(err, context.DeadlineExceeded):
		return "no answer in time"
	}
	return "connection failed"
}
