package postgres

import (
	"context"

	"github.com/jackc/pgx/v5"

	"github.com/lifeboat-dr/lifeboat/internal/manifest"
)

func notCovered(catalog *manifest.Catalog, kind, name, reason string) {
	catalog.NotCovered = append(catalog.NotCovered, manifest.NotCovered{Kind: kind, Name: name, Reason: reason})
}

// inspectSurroundings reads what stands around the data: extensions, settings and roles.
func inspectSurroundings(ctx context.Context, conn *pgx.Conn, catalog *manifest.Catalog) error {
	rows, err := conn.Query(ctx, `SELECT e.extname::text, n.nspname::text, e.extversion FROM pg_catalog.pg_extension e
		JOIN pg_catalog.pg_namespace n ON n.oid = e.extnamespace ORDER BY e.extname`)
	if err == nil {
		catalog.Extensions, err = pgx.CollectRows(rows, pgx.RowToStructByPos[manifest.Extension])
	}
	if err != nil {
		return fail("list extensions", "", err)
	}
	rows, err = conn.Query(ctx, `SELECT CASE WHEN s.setrole = 0 THEN 'ALTER DATABASE ' || pg_catalog.quote_ident(d.datname)
			ELSE 'ALTER ROLE ' || pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(s.setrole)) || ' IN DATABASE ' || pg_catalog.quote_ident(d.datname) END
		|| ' SET ' || pg_catalog.split_part(c, '=', 1) || ' = ' || pg_catalog.quote_literal(pg_catalog.substr(c, pg_catalog.strpos(c, '=') + 1))
		FROM pg_catalog.pg_db_role_setting s JOIN pg_catalog.pg_database d ON d.oid = s.setdatabase,
		LATERAL pg_catalog.unnest(s.setconfig) c
		WHERE d.datname = pg_catalog.current_database() ORDER BY 1`)
	if err == nil {
		catalog.Settings, err = pgx.CollectRows(rows, pgx.RowTo[string])
	}
	if err != nil {
		return fail("list settings", "", err)
	}
	rows, err = conn.Query(ctx, `SELECT DISTINCT r.rolname::text FROM pg_catalog.pg_roles r
		WHERE r.oid IN (SELECT s.refobjid FROM pg_catalog.pg_shdepend s JOIN pg_catalog.pg_database d ON d.oid = s.dbid
			WHERE d.datname = pg_catalog.current_database() AND s.refclassid = 'pg_catalog.pg_authid'::regclass)
		OR r.oid = (SELECT datdba FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database()) ORDER BY 1`)
	if err == nil {
		catalog.Roles, err = pgx.CollectRows(rows, pgx.RowTo[string])
	}
	return fail("list roles", "", err)
}

// inspectNotCovered names what neither the chunks nor the schema archive hold. What concerns single
// tables was added where they were found.
func inspectNotCovered(ctx context.Context, conn *pgx.Conn, catalog *manifest.Catalog) error {
	for _, q := range []struct{ kind, reason, query string }{
		{"subscription", "it would start to receive as soon as it is restored, and it holds a password: create it again by hand",
			`SELECT s.subname::text FROM pg_catalog.pg_subscription s JOIN pg_catalog.pg_database d ON d.oid = s.subdbid
			WHERE d.datname = pg_catalog.current_database() ORDER BY 1`},
		{"user-mapping", "the role may not see its options, which hold secrets: set them again by hand",
			`SELECT pg_catalog.format('%I for %I', u.srvname, u.usename) FROM pg_catalog.pg_user_mappings u
			WHERE u.umoptions IS NULL ORDER BY 1`},
		{"replication-slot", "slots belong to a server, not to a database: create it again by hand",
			`SELECT slot_name::text FROM pg_catalog.pg_replication_slots
			WHERE database = pg_catalog.current_database() AND NOT temporary ORDER BY 1`},
		{"prepared-transaction", "it is neither committed nor rolled back, so its changes are not in the backup",
			`SELECT gid FROM pg_catalog.pg_prepared_xacts WHERE database = pg_catalog.current_database() ORDER BY 1`},
		{"setting", "settings of databases and roles are listed and not applied: run the statement by hand where it fits",
			`SELECT DISTINCT pg_catalog.split_part(c, '=', 1) FROM pg_catalog.pg_db_role_setting s
			JOIN pg_catalog.pg_database d ON d.oid = s.setdatabase, LATERAL pg_catalog.unnest(s.setconfig) c
			WHERE d.datname = pg_catalog.current_database() ORDER BY 1`},
	} {
		rows, err := conn.Query(ctx, q.query)
		if err != nil {
			return fail("look for what is not covered", q.kind, err)
		}
		names, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil {
			return fail("look for what is not covered", q.kind, err)
		}
		for _, name := range names {
			notCovered(catalog, q.kind, name, q.reason)
		}
	}
	notCovered(catalog, "roles", catalog.Database, "roles, passwords and memberships belong to the server: make the roles listed in the catalog before a restore that keeps owners")
	return nil
}
