package standby

import (
	"context"
	"fmt"
	"math"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/lifeboat-dr/lifeboat/internal/postgres"
)

// copySequences keeps the values of the primary's sequences in the standby's record, never smaller ones than were
// there: replication does not carry them. The sequences themselves are left alone until the promotion.
func (p *pair) copySequences(ctx context.Context) error {
	rows, err := p.primary.Query(ctx, `SELECT pg_catalog.quote_ident(schemaname) || '.' || pg_catalog.quote_ident(sequencename), last_value, increment_by < 0
		FROM pg_catalog.pg_sequences WHERE last_value IS NOT NULL AND schemaname NOT IN ('lifeboat_restore', '`+postgres.StandbySchema+`', '`+postgres.DoneSchema+`') ORDER BY 1`)
	if err != nil {
		return postgres.Fail("read sequences", "", err)
	}
	batch := &pgx.Batch{}
	var name string
	var value int64
	var down bool
	_, err = pgx.ForEachRow(rows, []any{&name, &value, &down}, func() error {
		pick := "greatest"
		if down {
			pick = "least"
		}
		batch.Queue(`INSERT INTO `+sequenceTable+` AS s (name, value) VALUES ($1, $2)
			ON CONFLICT (name) DO UPDATE SET value = `+pick+`(s.value, excluded.value), at = now()`, name, value)
		return nil
	})
	if err != nil {
		return postgres.Fail("read sequences", "", err)
	}
	return postgres.Fail("keep values of sequences", "", p.standby.SendBatch(ctx, batch).Close())
}

// sequence is one of the standby's, with what is known of how far the primary's is.
type sequence struct {
	name                 string
	increment, low, high int64
	cycle                bool
	// here is its value on the standby, copied the one that was kept; nil for none.
	here, copied *int64
	// columns are the columns that it fills, as far as they are numbers.
	columns []string
}

// sequences lists those of the standby. The columns are those whose default calls the sequence, or that it is the identity of.
func sequences(ctx context.Context, tx pgx.Tx) ([]sequence, error) {
	rows, err := tx.Query(ctx, `
		SELECT pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(c.relname), s.seqincrement, s.seqmin, s.seqmax, s.seqcycle,
			pg_catalog.pg_sequence_last_value(c.oid), k.value,
			ARRAY(SELECT DISTINCT pg_catalog.quote_ident(tn.nspname) || '.' || pg_catalog.quote_ident(t.relname) || '|' || pg_catalog.quote_ident(a.attname)
				FROM pg_catalog.pg_depend d
				LEFT JOIN pg_catalog.pg_attrdef f ON d.classid = 'pg_catalog.pg_attrdef'::regclass AND f.oid = d.objid
				JOIN pg_catalog.pg_class t ON t.oid = coalesce(f.adrelid, CASE WHEN d.classid = 'pg_catalog.pg_class'::regclass THEN d.objid END)
				JOIN pg_catalog.pg_namespace tn ON tn.oid = t.relnamespace
				JOIN pg_catalog.pg_attribute a ON a.attrelid = t.oid AND a.attnum = coalesce(f.adnum, d.objsubid)
				WHERE d.refclassid = 'pg_catalog.pg_class'::regclass AND d.refobjid = c.oid AND t.relkind IN ('r', 'p') AND NOT t.relispartition
				AND a.atttypid IN ('int2'::regtype, 'int4'::regtype, 'int8'::regtype, 'numeric'::regtype)
				UNION SELECT pg_catalog.quote_ident(tn.nspname) || '.' || pg_catalog.quote_ident(t.relname) || '|' || pg_catalog.quote_ident(a.attname)
				FROM pg_catalog.pg_depend d JOIN pg_catalog.pg_class t ON t.oid = d.refobjid JOIN pg_catalog.pg_namespace tn ON tn.oid = t.relnamespace
				JOIN pg_catalog.pg_attribute a ON a.attrelid = t.oid AND a.attnum = d.refobjsubid
				WHERE d.classid = 'pg_catalog.pg_class'::regclass AND d.objid = c.oid AND d.refclassid = 'pg_catalog.pg_class'::regclass AND d.deptype IN ('a', 'i')
				AND t.relkind IN ('r', 'p') AND a.atttypid IN ('int2'::regtype, 'int4'::regtype, 'int8'::regtype, 'numeric'::regtype))
		FROM pg_catalog.pg_sequence s JOIN pg_catalog.pg_class c ON c.oid = s.seqrelid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
		LEFT JOIN `+sequenceTable+` k ON k.name = pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(c.relname)
		WHERE `+userSchemas+` ORDER BY 1`)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (s sequence, err error) {
		return s, row.Scan(&s.name, &s.increment, &s.low, &s.high, &s.cycle, &s.here, &s.copied, &s.columns)
	})
}

// advance sets every sequence of the standby past all that the primary can have given: past the value that was
// kept, past the largest number in the columns that it fills, and so many steps further. It says how many there are,
// and which nothing is known of.
func advance(ctx context.Context, tx pgx.Tx, margin int64) (advanced int, unknown []string, err error) {
	all, err := sequences(ctx, tx)
	if err != nil {
		return 0, nil, err
	}
	for _, s := range all {
		used, err := s.used(ctx, tx)
		if err != nil {
			return 0, nil, err
		}
		if used == nil {
			if len(s.columns) == 0 {
				unknown = append(unknown, s.name)
			}
			continue
		}
		to := s.beyond(*used, margin)
		if s.here != nil && (s.increment > 0 && *s.here >= to || s.increment < 0 && *s.here <= to) {
			continue
		}
		if _, err := tx.Exec(ctx, "SELECT pg_catalog.setval($1::text::regclass, $2)", s.name, to); err != nil {
			return 0, nil, fmt.Errorf("advance sequence %s: %w", s.name, err)
		}
		advanced++
	}
	return advanced, unknown, nil
}

// used is the furthest number that is known to have been given; nil for none.
func (s sequence) used(ctx context.Context, tx pgx.Tx) (*int64, error) {
	far := s.copied
	for _, column := range s.columns {
		table, column, _ := strings.Cut(column, "|")
		pick := "max"
		if s.increment < 0 {
			pick = "min"
		}
		var n *int64
		err := tx.QueryRow(ctx, fmt.Sprintf("SELECT %s(%s)::bigint FROM %s WHERE %s BETWEEN $1 AND $2", pick, column, table, column), s.low, s.high).Scan(&n)
		if err != nil {
			return nil, fmt.Errorf("look for the largest number of sequence %s: %w", s.name, err)
		}
		if n != nil && (far == nil || s.increment > 0 && *n > *far || s.increment < 0 && *n < *far) {
			far = n
		}
	}
	return far, nil
}

// beyond is so many steps past a number, within the sequence's bounds.
func (s sequence) beyond(n, margin int64) int64 {
	step := s.increment
	if step > 0 {
		if far := s.high - n; margin > far/step {
			return s.high
		}
	} else if far := n - s.low; step == math.MinInt64 || margin > far/-step {
		return s.low
	}
	return n + margin*step
}
