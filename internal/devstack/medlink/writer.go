package medlink

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v5"
	"github.com/jackc/pgx/v5"
)

const (
	// defaultPatience is [WriterOptions.Patience] when none is given.
	defaultPatience = 5 * time.Second
	// farewell is how long a claim that is being written may still take when the writer is told to stop.
	farewell = 5 * time.Second
)

// WriterOptions describe a [Writer].
type WriterOptions struct {
	// Connect opens a connection, again after each disconnect. Its role may write to all tables.
	Connect func(context.Context) (*pgx.Conn, error)
	// PerSecond is how many claims are written in a second while the database answers.
	PerSecond float64
	// Ledger is the path of the file that every acknowledged claim is noted in; see [Acknowledged].
	Ledger string
	// Patience bounds one claim, from the first statement to the answer of its commit, and one try to connect. A
	// connection that says nothing for so long is given up. Behind a door it has to be longer than the door is
	// held. Zero is five seconds.
	Patience time.Duration
	// Log gets disconnects and reconnects; nil means the default logger.
	Log *slog.Logger
}

// WriterStats counts what a [Writer] did so far.
type WriterStats struct {
	// Acknowledged claims are committed and in the ledger. Unknown ones were sent to be committed, and no
	// answer came. Failed ones are certainly not there.
	Acknowledged, Unknown, Failed int
	// Reconnects counts connections after the first.
	Reconnects int
	// Last is when the newest claim was acknowledged.
	Last time.Time
}

// Writer is the application at work: it keeps adding claims, whatever happens to the database.
type Writer struct {
	opt    WriterOptions
	log    *slog.Logger
	ledger *ledger

	mu    sync.Mutex
	stats WriterStats
}

// NewWriter opens the ledger; a claim is written only by [Writer.Run].
func NewWriter(opt WriterOptions) (*Writer, error) {
	if opt.Connect == nil || opt.PerSecond <= 0 {
		return nil, errors.New("make writer: a way to connect and a rate above zero are needed")
	}
	if opt.Patience <= 0 {
		opt.Patience = defaultPatience
	}
	l, err := openLedger(opt.Ledger)
	if err != nil {
		return nil, err
	}
	w := &Writer{opt: opt, log: opt.Log, ledger: l}
	if w.log == nil {
		w.log = slog.Default()
	}
	return w, nil
}

// Stats may be asked for while the writer runs.
func (w *Writer) Stats() WriterStats {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.stats
}

// Run writes claims until the context ends, then closes the ledger; the claim being written is finished
// first. It survives every failure of the database, and returns an error only when the ledger cannot be
// written: claims that nobody could account for would prove nothing.
func (w *Writer) Run(ctx context.Context) (err error) {
	defer func() { err = errors.Join(err, w.ledger.close()) }()
	tick := time.NewTicker(time.Duration(float64(time.Second) / w.opt.PerSecond))
	defer tick.Stop()
	var conn *pgx.Conn
	defer func() { hangUp(conn) }()
	var known people
	for first := true; ; {
		if conn == nil {
			if conn, known, err = w.connect(ctx); err != nil {
				return nil //nolint:nilerr // only the end of the context ends the attempts
			}
			if !first {
				w.count(func(s *WriterStats) { s.Reconnects++ })
			}
			first = false
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
		entry, outcome, failure := w.write(ctx, conn, known)
		if err := w.note(entry, outcome); err != nil {
			return err
		}
		if failure != nil && ctx.Err() == nil {
			w.log.Warn("claim not acknowledged", "outcome", string(outcome), "error", describe(failure))
			hangUp(conn)
			conn = nil
		}
	}
}

// people are the ids that a new claim can refer to.
type people struct{ patients, providers, payers int64 }

// connect tries until it works or the context ends.
func (w *Writer) connect(ctx context.Context) (*pgx.Conn, people, error) {
	wait := backoff.NewExponentialBackOff()
	wait.InitialInterval, wait.MaxInterval = 50*time.Millisecond, 2*time.Second
	var known people
	tries := 0
	conn, err := backoff.Retry(ctx, func() (*pgx.Conn, error) {
		tries++
		limited, cancel := context.WithTimeout(ctx, w.opt.Patience)
		defer cancel()
		conn, err := w.opt.Connect(limited)
		if err == nil {
			err = conn.QueryRow(limited, `SELECT (SELECT max(id) FROM public.patients), (SELECT max(id) FROM public.providers), (SELECT max(id) FROM public.payers)`).
				Scan(&known.patients, &known.providers, &known.payers)
			if err != nil {
				hangUp(conn)
			}
		}
		if err != nil && tries == 1 && ctx.Err() == nil {
			w.log.Warn("database not reached, trying on", "error", describe(err))
		}
		return conn, err
	}, backoff.WithBackOff(wait), backoff.WithMaxElapsedTime(0))
	if err == nil && tries > 1 {
		w.log.Info("database reached again", "tries", tries)
	}
	return conn, known, err
}

func hangUp(conn *pgx.Conn) {
	if conn == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	_ = conn.Close(ctx) // it is gone either way
}

// write adds one claim with its lines and its audit entry in one transaction. It does not end half-way
// when the context does: a commit that was sent is waited for.
func (w *Writer) write(ctx context.Context, conn *pgx.Conn, known people) (Entry, Outcome, error) {
	told := ctx
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), w.opt.Patience)
	defer cancel()
	defer context.AfterFunc(told, func() { time.AfterFunc(farewell, cancel) })()
	tx, err := conn.Begin(ctx)
	if err != nil {
		return Entry{}, Failed, err
	}
	entry, err := insert(ctx, tx, known)
	if err != nil {
		_ = tx.Rollback(ctx) // a connection that failed is closed by the caller
		return entry, Failed, err
	}
	if err := tx.Commit(ctx); err != nil {
		if errors.Is(err, pgx.ErrTxCommitRollback) || refused(err) {
			return entry, Failed, err
		}
		return entry, Unknown, err
	}
	entry.AcknowledgedAt = time.Now().UTC()
	return entry, Acked, nil
}

func insert(ctx context.Context, tx pgx.Tx, known people) (Entry, error) {
	r := rand.New(rand.NewPCG(rand.Uint64(), rand.Uint64()))
	lines := linesOf(r)
	e := Entry{Lines: len(lines), TotalCents: totalOf(lines)}
	var id int64
	err := tx.QueryRow(ctx, `
		INSERT INTO public.claims (patient_id, provider_id, payer_id, service_date, status, diagnoses, total_cents, details, submitted_at)
		VALUES ($1, $2, $3, (now() AT TIME ZONE 'UTC')::date, 'submitted', $4, $5, '{"channel": "writer"}', now())
		RETURNING id, control_number::text, clock_timestamp()`,
		1+r.Int64N(known.patients), 1+r.Int64N(known.providers), 1+r.Int64N(known.payers), []string{pick(r, diagnoses)}, e.TotalCents).
		Scan(&id, &e.Control, &e.WrittenAt)
	if err != nil {
		return e, fmt.Errorf("insert claim: %w", err)
	}
	e.WrittenAt = e.WrittenAt.UTC()
	var codes []string
	var units, cents []int64
	for _, l := range lines {
		codes, units, cents = append(codes, l.procedure), append(units, l.hundredths), append(cents, l.cents)
	}
	_, err = tx.Exec(ctx, `
		INSERT INTO public.claim_lines (claim_id, line_number, procedure_code, units, unit_cents)
		SELECT $1, n, code, hundredths / 100.0, cents
		FROM unnest($2::text[], $3::bigint[], $4::bigint[]) WITH ORDINALITY AS l (code, hundredths, cents, n)`, id, codes, units, cents)
	if err != nil {
		return e, fmt.Errorf("insert claim lines: %w", err)
	}
	_, err = tx.Exec(ctx, `
		INSERT INTO public.audit_log (actor, action, entity, entity_id, detail)
		VALUES ('writer', 'claim.created', 'claim', $1, jsonb_build_object('total_cents', $2::bigint))`, e.Control, e.TotalCents)
	if err != nil {
		return e, fmt.Errorf("insert audit entry: %w", err)
	}
	return e, nil
}

// note counts an outcome and writes it down, unless the claim is certainly not there.
func (w *Writer) note(e Entry, outcome Outcome) error {
	if outcome != Failed {
		e.Outcome = outcome
		if err := w.ledger.append(e); err != nil {
			return err
		}
	}
	w.count(func(s *WriterStats) {
		switch outcome {
		case Acked:
			s.Acknowledged++
			s.Last = e.AcknowledgedAt
		case Unknown:
			s.Unknown++
		case Failed:
			s.Failed++
		}
	})
	return nil
}

func (w *Writer) count(change func(*WriterStats)) {
	w.mu.Lock()
	defer w.mu.Unlock()
	change(&w.stats)
}
