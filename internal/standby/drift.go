package standby

import (
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/lifeboat-dr/lifeboat/internal/postgres"
)

// Drift is what differs between the schemas of a primary and its standby, each as KIND NAME.
type Drift struct {
	// Missing is what only the primary has, Extra what only the standby has, Changed what both have otherwise.
	Missing, Extra, Changed []string
}

// Any says whether anything differs.
func (d Drift) Any() bool { return len(d.Missing)+len(d.Extra)+len(d.Changed) > 0 }

// All is everything that differs, for people.
func (d Drift) All() []string {
	var all []string
	for _, side := range []struct {
		what string
		list []string
	}{{"only on the primary", d.Missing}, {"only on the standby", d.Extra}, {"otherwise", d.Changed}} {
		for _, name := range side.list {
			all = append(all, name+" ("+side.what+")")
		}
	}
	return all
}

// Blocking is what rows cannot be applied without: tables, columns and partitions that the standby lacks, columns of
// another type, and tables that are not published.
func (d Drift) Blocking() []string {
	var all []string
	for _, name := range slices.Concat(d.Missing, d.Changed) {
		if strings.HasPrefix(name, "table ") || strings.HasPrefix(name, "column ") {
			all = append(all, name)
		}
	}
	return all
}

const userSchemas = `n.nspname NOT IN ('information_schema', 'lifeboat_restore', '` + postgres.StandbySchema + `', '` + postgres.DoneSchema + `') AND n.nspname !~ '^pg_'`

// definitions describes a schema, one object a row: its kind and name, and a text that is equal where the object is.
// What is in an extension is left to the extension.
const definitions = `
SELECT kind || ' ' || name, pg_catalog.string_agg(text, E'\n' ORDER BY text) FROM (
	SELECT 'table' AS kind, n.nspname || '.' || c.relname AS name, c.relkind::text || c.relpersistence::text || c.relrowsecurity::text AS text, 'pg_catalog.pg_class'::regclass AS class, c.oid
		FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind IN ('r', 'p', 'f') AND c.relpersistence <> 't' AND ` + userSchemas + `
	UNION ALL SELECT 'column', n.nspname || '.' || c.relname || '.' || a.attname, pg_catalog.format_type(a.atttypid, a.atttypmod) || ' ' || a.attgenerated::text, 'pg_catalog.pg_class'::regclass, c.oid
		FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_class c ON c.oid = a.attrelid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
		WHERE c.relkind IN ('r', 'p') AND c.relpersistence <> 't' AND a.attnum > 0 AND NOT a.attisdropped AND ` + userSchemas + `
	UNION ALL SELECT 'default', n.nspname || '.' || c.relname || '.' || a.attname, a.attnotnull::text || a.attidentity::text || coalesce(pg_catalog.pg_get_expr(d.adbin, d.adrelid), ''), 'pg_catalog.pg_class'::regclass, c.oid
		FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_class c ON c.oid = a.attrelid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
		LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
		WHERE c.relkind IN ('r', 'p') AND c.relpersistence <> 't' AND a.attnum > 0 AND NOT a.attisdropped AND ` + userSchemas + `
	UNION ALL SELECT 'index', n.nspname || '.' || c.relname, pg_catalog.pg_get_indexdef(c.oid) || i.indisvalid::text, 'pg_catalog.pg_class'::regclass, i.indrelid
		FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE ` + userSchemas + `
	UNION ALL SELECT 'constraint', n.nspname || '.' || coalesce(c.relname, '') || '.' || k.conname, pg_catalog.pg_get_constraintdef(k.oid), 'pg_catalog.pg_class'::regclass, k.conrelid
		FROM pg_catalog.pg_constraint k JOIN pg_catalog.pg_namespace n ON n.oid = k.connamespace LEFT JOIN pg_catalog.pg_class c ON c.oid = k.conrelid
		WHERE k.contype <> 't' AND k.contype <> 'n' AND (k.conparentid = 0 OR k.contype <> 'f') AND ` + userSchemas + `
	UNION ALL SELECT 'trigger', n.nspname || '.' || c.relname || '.' || t.tgname, pg_catalog.pg_get_triggerdef(t.oid) || t.tgenabled::text, 'pg_catalog.pg_class'::regclass, c.oid
		FROM pg_catalog.pg_trigger t JOIN pg_catalog.pg_class c ON c.oid = t.tgrelid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE NOT t.tgisinternal AND ` + userSchemas + `
	UNION ALL SELECT 'policy', n.nspname || '.' || c.relname || '.' || p.polname, p.polcmd::text || p.polpermissive::text || coalesce(pg_catalog.pg_get_expr(p.polqual, p.polrelid), '') || coalesce(pg_catalog.pg_get_expr(p.polwithcheck, p.polrelid), ''), 'pg_catalog.pg_class'::regclass, c.oid
		FROM pg_catalog.pg_policy p JOIN pg_catalog.pg_class c ON c.oid = p.polrelid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE ` + userSchemas + `
	UNION ALL SELECT 'view', n.nspname || '.' || c.relname, pg_catalog.pg_get_viewdef(c.oid), 'pg_catalog.pg_class'::regclass, c.oid
		FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind IN ('v', 'm') AND ` + userSchemas + `
	UNION ALL SELECT 'sequence', n.nspname || '.' || c.relname, pg_catalog.format_type(s.seqtypid, NULL) || ' ' || s.seqincrement || ' ' || s.seqmin || ' ' || s.seqmax || ' ' || s.seqcycle, 'pg_catalog.pg_class'::regclass, c.oid
		FROM pg_catalog.pg_sequence s JOIN pg_catalog.pg_class c ON c.oid = s.seqrelid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE ` + userSchemas + `
	UNION ALL SELECT 'function', n.nspname || '.' || p.proname || '(' || pg_catalog.pg_get_function_identity_arguments(p.oid) || ')', pg_catalog.md5(p.prosrc) || p.prosecdef::text || p.provolatile::text || coalesce(p.proconfig::text, ''), 'pg_catalog.pg_proc'::regclass, p.oid
		FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace WHERE ` + userSchemas + `
	UNION ALL SELECT 'type', n.nspname || '.' || t.typname, t.typtype::text || coalesce((SELECT pg_catalog.string_agg(e.enumlabel, ',' ORDER BY e.enumsortorder) FROM pg_catalog.pg_enum e WHERE e.enumtypid = t.oid), ''), 'pg_catalog.pg_type'::regclass, t.oid
		FROM pg_catalog.pg_type t JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace WHERE t.typtype IN ('d', 'e', 'r') AND ` + userSchemas + `
	UNION ALL SELECT 'schema', n.nspname::text, '', 'pg_catalog.pg_namespace'::regclass, n.oid FROM pg_catalog.pg_namespace n WHERE ` + userSchemas + `
	UNION ALL SELECT 'extension', e.extname::text, e.extversion::text, 'pg_catalog.pg_extension'::regclass, e.oid FROM pg_catalog.pg_extension e
) o WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_depend d WHERE d.classid = o.class AND d.objid = o.oid AND d.deptype = 'e')
GROUP BY 1`

// drift compares the two schemas.
func (p *pair) drift(ctx context.Context) (d Drift, err error) {
	a, err := describe(ctx, p.primary)
	if err != nil {
		return d, err
	}
	b, err := describe(ctx, p.standby)
	if err != nil {
		return d, err
	}
	for _, name := range slices.Sorted(maps.Keys(a)) {
		switch text, there := b[name]; {
		case !there:
			d.Missing = append(d.Missing, name)
		case text != a[name]:
			d.Changed = append(d.Changed, name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(b)) {
		if _, there := a[name]; !there {
			d.Extra = append(d.Extra, name)
		}
	}
	return d, nil
}

func describe(ctx context.Context, conn *pgx.Conn) (map[string]string, error) {
	rows, err := conn.Query(ctx, definitions)
	if err != nil {
		return nil, postgres.Fail("describe schema", "", err)
	}
	all := map[string]string{}
	var name, text string
	_, err = pgx.ForEachRow(rows, []any{&name, &text}, func() error {
		all[name] = text
		return nil
	})
	return all, postgres.Fail("describe schema", "", err)
}
