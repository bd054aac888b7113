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
			WHERE u.umoptions IS NULL AND NOT (SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname = CURRENT_USER) ORDER BY 1`},
		{"replication-slot", "slots belong to a server, not to a database: create it again by hand",
			`SELECT slot_name::text FROM pg_catalog.pg_replication_slots
			WHERE database = pg_catalog.current_database() AND NOT temporary ORDER BY 1`},
		{"prepared-transaction", "it is neither committed nor rolled back, so its changes are not in the backup",
			`SELECT gid FROM pg_catalog.pg_prepared_xacts WHERE database = pg_catalog.current_database() ORDER BY 1`},
		{"setting", "settings of databases and roles are listed and not applied: run the statement by hand where it fits",
			`SELECT DISTINCT pg_catalog.split_part(c, '=', 1) FROM pg_catalog.pg_db_role_setting s
			JOIN pg_catalog.pg_database d ON d.oid = s.setdatabase, LATERAL pg_catalog.unnest(s.setconfig) c
			WHERE d.datname = pg_catalog.current_database() ORDER BY 1`},
		{"tablespace", "it is restored into the tablespace of the same name where the target has one that the role may use, else into the default one",
			`SELECT pg_catalog.format('%I.%I in %I', n.nspname, c.relname, s.spcname) FROM pg_catalog.pg_class c
			JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace JOIN pg_catalog.pg_tablespace s ON s.oid = c.reltablespace
			WHERE n.nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast') ORDER BY 1`},
		{"index", "it is not valid, as after a CREATE INDEX CONCURRENTLY that failed, and pg_dump leaves it out",
			`SELECT pg_catalog.format('%I.%I', n.nspname, c.relname) FROM pg_catalog.pg_index i JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid
			JOIN pg_catalog.pg_class t ON t.oid = i.indrelid JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
			WHERE NOT ((i.indisvalid OR t.relkind = 'p') AND i.indisready) AND n.nspname NOT IN ('pg_catalog', 'pg_toast') ORDER BY 1`},
		{"system-schema", "pg_dump leaves out what is in the schemas of PostgreSQL itself: move it, or make it again by hand",
			`SELECT kind || ' ' || name FROM (
				SELECT c.oid, 'relation' AS kind, pg_catalog.format('%I.%I', n.nspname, c.relname) AS name FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
					WHERE n.nspname IN ('pg_catalog', 'information_schema') AND c.relkind NOT IN ('i', 'I', 't')
				UNION ALL SELECT p.oid, 'function', pg_catalog.format('%I.%I', n.nspname, p.proname) FROM pg_catalog.pg_proc p
					JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace WHERE n.nspname IN ('pg_catalog', 'information_schema')) o
			WHERE o.oid >= 16384 AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d WHERE d.objid = o.oid AND d.deptype = 'e') ORDER BY 1`},
		{"database-rights", "rights on the database itself are not restored: grant them on the target",
			`SELECT datname::text FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database() AND datacl IS NOT NULL`},
		{"database-comment", "the comment on the database itself is not restored",
			`SELECT d.datname::text FROM pg_catalog.pg_database d JOIN pg_catalog.pg_shdescription s ON s.objoid = d.oid
			AND s.classoid = 'pg_catalog.pg_database'::regclass WHERE d.datname = pg_catalog.current_database()`},
		{"database-limit", "the limit of connections of the database itself is not restored",
			`SELECT datname::text FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database() AND datconnlimit >= 0`},
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
	if catalog.LocaleProvider != "c" {
		notCovered(catalog, "database-locale", catalog.Database, "the database's own ICU locale is not recorded: make the target with it")
	}
	notCovered(catalog, "roles", catalog.Database, "roles, passwords and memberships belong to the server: make the roles listed in the catalog before a restore that keeps owners")
	return nil
}
