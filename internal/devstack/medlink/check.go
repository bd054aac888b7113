package medlink

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/lifeboat-dr/lifeboat/internal/manifest"
)

// checks are queries that count what must not be; all but the first few would be impossible while every
// constraint and trigger works, and that is what a restore has to prove.
var checks = []struct{ name, sql string }{
	{"there are patients, providers, payers and claims", `
		SELECT count(*) FROM (VALUES (EXISTS (SELECT FROM public.patients)), (EXISTS (SELECT FROM public.providers)),
			(EXISTS (SELECT FROM public.payers)), (EXISTS (SELECT FROM public.claims))) AS t (there) WHERE NOT there`},
	{"the configuration is complete", `
		SELECT count(*) FROM unnest(ARRAY['intake.enabled', 'intake.max_lines', 'jobs.outbound']) AS k
		WHERE NOT EXISTS (SELECT FROM public.configuration c WHERE c.key = k)`},
	{"totals of claims are the sums of their lines", `
		SELECT count(*) FROM public.claims c
		LEFT JOIN (SELECT claim_id, sum(total_cents) AS total FROM public.claim_lines GROUP BY 1) l ON l.claim_id = c.id
		WHERE c.total_cents <> coalesce(l.total, 0)`},
	{"every claim has lines", `
		SELECT count(*) FROM public.claims c
		WHERE NOT EXISTS (SELECT FROM public.claim_lines l WHERE l.claim_id = c.id)`},
	{"every line has its claim", `
		SELECT count(*) FROM public.claim_lines l
		WHERE NOT EXISTS (SELECT FROM public.claims c WHERE c.id = l.claim_id)`},
	{"every attachment has its claim", `
		SELECT count(*) FROM public.attachments a
		WHERE NOT EXISTS (SELECT FROM public.claims c WHERE c.id = a.claim_id)`},
	{"every claim has its patient, provider and payer", `
		SELECT count(*) FROM public.claims c
		WHERE NOT EXISTS (SELECT FROM public.patients p WHERE p.id = c.patient_id)
			OR NOT EXISTS (SELECT FROM public.providers p WHERE p.id = c.provider_id)
			OR NOT EXISTS (SELECT FROM public.payers p WHERE p.id = c.payer_id)`},
	{"every claim has its audit entry", `
		SELECT count(*) FROM public.claims c
		WHERE NOT EXISTS (SELECT FROM public.audit_log a WHERE a.entity = 'claim' AND a.entity_id = c.control_number::text AND a.action = 'claim.created')`},
	{"control numbers are unique", `
		SELECT count(*) - count(DISTINCT control_number::text) FROM public.claims`},
	{"no sequence will give a number again", `
		SELECT count(*) FROM (VALUES
			((SELECT last_value FROM public.claim_id_seq), (SELECT max(id) FROM public.claims)),
			((SELECT last_value FROM public.claim_number_seq), (SELECT max(substr(control_number::text, 3)::bigint) FROM public.claims WHERE control_number::text LIKE 'MC%')),
			((SELECT last_value FROM public.claim_lines_id_seq), (SELECT max(id) FROM public.claim_lines)),
			((SELECT last_value FROM public.audit_log_id_seq), (SELECT max(id) FROM public.audit_log)),
			((SELECT last_value FROM public.patients_id_seq), (SELECT max(id) FROM public.patients))) AS s (last, most)
		WHERE last < most`},
	{"the audit log is append-only", `
		SELECT count(*) FROM pg_catalog.pg_partition_tree('public.audit_log') AS p, unnest(ARRAY['append_only', 'not_truncated']) AS name
		WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_trigger WHERE tgrelid = p.relid AND tgname = name AND tgenabled = 'O')`},
	{"all foreign keys are there and valid", `
		SELECT abs(7 - count(*)) FROM pg_catalog.pg_constraint
		WHERE contype = 'f' AND convalidated AND conparentid = 0 AND connamespace = 'public'::regnamespace`},
	{"the materialized view is populated", `
		SELECT count(*) FROM pg_catalog.pg_matviews WHERE schemaname = 'public' AND matviewname = 'claim_totals' AND NOT ispopulated`},
}

// Check asks whether the application could work with what is in the database. It reads only, and its
// result holds counts, never data. An error means that the question could not be asked.
func Check(ctx context.Context, conn *pgx.Conn) ([]manifest.Check, error) {
	var results []manifest.Check
	err := pgx.BeginTxFunc(ctx, conn, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}, func(tx pgx.Tx) error {
		for _, c := range checks {
			var wrong int64
			if err := tx.QueryRow(ctx, c.sql).Scan(&wrong); err != nil {
				return fmt.Errorf("check that %s: %w", c.name, err)
			}
			result := manifest.Check{Name: c.name, OK: wrong == 0}
			if wrong != 0 {
				result.Detail = fmt.Sprintf("%d wrong", wrong)
			}
			results = append(results, result)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("check the sample application: %w", err)
	}
	return results, nil
}
