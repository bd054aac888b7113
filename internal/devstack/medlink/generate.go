package medlink

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/jackc/pgx/v5"
)

// Size says how much data [Generate] makes. The same size and seed always give the same rows.
type Size struct {
	Payers, Providers, Patients, Claims int
	Seed                                uint64
}

// bytesPerClaim is about how many bytes of COPY text a claim brings with it: itself, its lines, audit
// entries and its share of attachments and patients.
const bytesPerClaim = 2680

// SizeOf is the size of about so many bytes of COPY text, whatever they become on disk.
func SizeOf(bytes int64, seed uint64) Size {
	claims := int(max(10, bytes/bytesPerClaim))
	return Size{
		Payers: min(40, 4+claims/100), Providers: min(2000, 5+claims/50), Patients: 1 + claims/4,
		Claims: claims, Seed: seed,
	}
}

// Generate fills a freshly installed database, all or nothing.
func Generate(ctx context.Context, conn *pgx.Conn, size Size) error {
	if size.Payers < 1 || size.Providers < 1 || size.Patients < 1 || size.Claims < 0 {
		return errors.New("generate data: at least one payer, provider and patient are needed")
	}
	err := pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		var taken bool
		if err := tx.QueryRow(ctx, `SELECT EXISTS (SELECT FROM public.patients)`).Scan(&taken); err != nil {
			return err
		}
		if taken {
			return errors.New("there are patients already: install into an empty database first")
		}
		for _, t := range tables(size) {
			if _, err := tx.Conn().PgConn().CopyFrom(ctx, &rows{next: t.row, left: t.rows}, t.copy); err != nil {
				return fmt.Errorf("copy %s: %w", t.name, err)
			}
		}
		_, err := tx.Conn().PgConn().Exec(ctx, settle).ReadAll()
		return err
	})
	if err != nil {
		return fmt.Errorf("generate data: %w", err)
	}
	return nil
}

// settle brings what depends on the rows in line with them. COPY leaves sequences where they are.
const settle = `
SELECT setval(pg_get_serial_sequence('public.payers', 'id'), (SELECT max(id) FROM public.payers));
SELECT setval(pg_get_serial_sequence('public.providers', 'id'), (SELECT max(id) FROM public.providers));
SELECT setval(pg_get_serial_sequence('public.patients', 'id'), (SELECT max(id) FROM public.patients));
SELECT setval(pg_get_serial_sequence('public.claim_lines', 'id'), max(id)) FROM public.claim_lines HAVING max(id) IS NOT NULL;
SELECT setval(pg_get_serial_sequence('public.audit_log', 'id'), max(id)) FROM public.audit_log HAVING max(id) IS NOT NULL;
SELECT setval('public.claim_id_seq', max(id)), setval('public.claim_number_seq', max(id)) FROM public.claims HAVING max(id) IS NOT NULL;
REFRESH MATERIALIZED VIEW public.claim_totals;
ANALYZE public.payers, public.providers, public.patients, public.claims, public.claim_lines, public.attachments,
	public.sessions, public.configuration, public.audit_log;
`

// rows makes COPY text as it is read. Next appends the text of one unit, one row or several, and its
// number counts from 0.
type rows struct {
	next    func(b []byte, n int) []byte
	n, left int
	buf     []byte
	pos     int
}

func (r *rows) Read(p []byte) (int, error) {
	if r.pos == len(r.buf) {
		r.buf, r.pos = r.buf[:0], 0
		for r.left > 0 && len(r.buf) < len(p) {
			r.buf = r.next(r.buf, r.n)
			r.n++
			r.left--
		}
		if len(r.buf) == 0 {
			return 0, io.EOF
		}
	}
	n := copy(p, r.buf[r.pos:])
	r.pos += n
	return n, nil
}
