package neon

import (
	"context"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/lifeboat-dr/lifeboat/internal/devstack/neon/timeline"
)

// systemDatabase is where the control plane connects to; it is not shown to clients.
const systemDatabase = "postgres"

// roleRights are those of Neon's roles. Attributes are not inherited, so each role carries them itself;
// REPLICATION is for logical replication: the access rules let nobody in for the physical one.
const roleRights = "CREATEDB CREATEROLE BYPASSRLS REPLICATION"

// run executes statements as the superuser. They may hold passwords: errors are PostgreSQL's own, which do not
// repeat the statement.
func (e *Emulator) run(ctx context.Context, line *timeline.Timeline, database string, statements ...string) error {
	conn, err := line.Connect(ctx, database)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	for _, s := range statements {
		if _, err := conn.Exec(ctx, s, pgx.QueryExecModeSimpleProtocol); err != nil {
			return fmt.Errorf("configure compute: %w", err)
		}
	}
	return nil
}

// makeGroup makes the group that all of a project's roles are members of.
func (e *Emulator) makeGroup(ctx context.Context, line *timeline.Timeline) error {
	grants := "pg_read_all_data, pg_write_all_data, pg_monitor"
	if e.major >= 16 {
		grants += ", pg_create_subscription"
	}
	return e.run(ctx, line, systemDatabase,
		// IF NOT EXISTS, for a bootstrap that was cut short.
		fmt.Sprintf("DO $$ BEGIN CREATE ROLE %s NOLOGIN %s; EXCEPTION WHEN duplicate_object THEN NULL; END $$", groupRole, roleRights),
		fmt.Sprintf("GRANT %s TO %s", grants, groupRole))
}

// lending lets roles of the group make subscriptions: for this one statement, within its transaction, they are
// superusers, which nobody else ever sees. As a part of an extension that every database has, no dump carries it along.
var lending = []string{
	`CREATE OR REPLACE FUNCTION pg_catalog.emulator_lend() RETURNS event_trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog AS $$
BEGIN
	IF pg_has_role(session_user, '` + groupRole + `', 'MEMBER') AND session_user <> '` + timeline.Superuser + `' THEN
		EXECUTE format('ALTER ROLE %I %s', session_user, CASE tg_event WHEN 'ddl_command_start' THEN 'SUPERUSER' ELSE 'NOSUPERUSER' END);
	END IF;
END $$`,
	"CREATE EVENT TRIGGER emulator_lend ON ddl_command_start WHEN TAG IN ('CREATE SUBSCRIPTION') EXECUTE FUNCTION pg_catalog.emulator_lend()",
	"CREATE EVENT TRIGGER emulator_take ON ddl_command_end WHEN TAG IN ('CREATE SUBSCRIPTION') EXECUTE FUNCTION pg_catalog.emulator_lend()",
	"ALTER EXTENSION plpgsql ADD FUNCTION pg_catalog.emulator_lend()",
	"ALTER EXTENSION plpgsql ADD EVENT TRIGGER emulator_lend",
	"ALTER EXTENSION plpgsql ADD EVENT TRIGGER emulator_take",
}

// lendSubscriptions puts it into what databases are made from.
func (e *Emulator) lendSubscriptions(ctx context.Context, line *timeline.Timeline) error {
	if e.major >= 16 {
		return nil
	}
	if err := e.run(ctx, line, systemDatabase, "ALTER DATABASE template0 ALLOW_CONNECTIONS true"); err != nil {
		return err
	}
	for _, database := range []string{"template0", "template1"} {
		if err := e.lendIn(ctx, line, database); err != nil {
			return err
		}
	}
	return e.run(ctx, line, systemDatabase, "ALTER DATABASE template0 ALLOW_CONNECTIONS false")
}

// lendIn does it once in one database, also where a bootstrap was cut short.
func (e *Emulator) lendIn(ctx context.Context, line *timeline.Timeline, database string) error {
	conn, err := line.Connect(ctx, database)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	return pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
		var there bool
		if err := tx.QueryRow(ctx, "SELECT EXISTS (SELECT FROM pg_event_trigger WHERE evtname = 'emulator_take')").Scan(&there); err != nil || there {
			return err
		}
		for _, s := range lending {
			if _, err := tx.Exec(ctx, s, pgx.QueryExecModeSimpleProtocol); err != nil {
				return fmt.Errorf("let roles make subscriptions: %w", err)
			}
		}
		return nil
	})
}

// putRole makes a role or sets its password anew.
func (e *Emulator) putRole(ctx context.Context, line *timeline.Timeline, r role) error {
	name := ident(r.Name)
	create := fmt.Sprintf("CREATE ROLE %s NOLOGIN %s; GRANT %s TO %s", name, roleRights, groupRole, name)
	statements := []string{
		"SET log_statement = none",
		fmt.Sprintf("DO $do$ BEGIN IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = %s) THEN %s; END IF; END $do$", literal(r.Name), create),
	}
	switch {
	case r.NoLogin:
		statements = append(statements, fmt.Sprintf("ALTER ROLE %s NOLOGIN", name))
	case r.Password != "":
		statements = append(statements, fmt.Sprintf("ALTER ROLE %s LOGIN PASSWORD %s", name, literal(r.Password)))
	}
	return e.run(ctx, line, systemDatabase, statements...)
}

// removeRole drops a role with what it owns in the branch's databases.
func (e *Emulator) removeRole(ctx context.Context, line *timeline.Timeline, b *branch, name string) error {
	if err := e.endSessions(ctx, line, name); err != nil {
		return err
	}
	e.mu.Lock()
	var databases []string
	for _, d := range b.Databases {
		databases = append(databases, d.Name)
	}
	e.mu.Unlock()
	for _, d := range databases {
		if err := e.run(ctx, line, d, "REASSIGN OWNED BY "+ident(name)+" TO "+timeline.Superuser, "DROP OWNED BY "+ident(name)); err != nil {
			return err
		}
	}
	return e.run(ctx, line, systemDatabase, "DROP ROLE IF EXISTS "+ident(name))
}

func (e *Emulator) endSessions(ctx context.Context, line *timeline.Timeline, roleName string) error {
	return e.run(ctx, line, systemDatabase,
		"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = "+literal(roleName))
}

func (e *Emulator) putDatabase(ctx context.Context, line *timeline.Timeline, d database) error {
	conn, err := line.Connect(ctx, systemDatabase)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	var exists bool
	if err := conn.QueryRow(ctx, "SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1)", d.Name).Scan(&exists); err != nil {
		return fmt.Errorf("look for database: %w", err)
	}
	if exists {
		return nil
	}
	if _, err := conn.Exec(ctx, fmt.Sprintf("CREATE DATABASE %s OWNER %s", ident(d.Name), ident(d.Owner))); err != nil {
		return fmt.Errorf("create database: %w", err)
	}
	return nil
}

func (e *Emulator) alterDatabase(ctx context.Context, line *timeline.Timeline, before, after database) error {
	var statements []string
	if before.Owner != after.Owner {
		statements = append(statements, fmt.Sprintf("ALTER DATABASE %s OWNER TO %s", ident(before.Name), ident(after.Owner)))
	}
	if before.Name != after.Name {
		statements = append(statements,
			"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = "+literal(before.Name),
			fmt.Sprintf("ALTER DATABASE %s RENAME TO %s", ident(before.Name), ident(after.Name)))
	}
	return e.run(ctx, line, systemDatabase, statements...)
}

func (e *Emulator) dropDatabase(ctx context.Context, line *timeline.Timeline, name string) error {
	return e.run(ctx, line, systemDatabase, fmt.Sprintf("DROP DATABASE IF EXISTS %s WITH (FORCE)", ident(name)))
}

// dropSubscriptions drops a database's subscriptions without a word to their publishers, whose slots belong to the
// branch that this one was copied from.
func (e *Emulator) dropSubscriptions(ctx context.Context, line *timeline.Timeline, database string) error {
	conn, err := line.Connect(ctx, database)
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	rows, err := conn.Query(ctx, `SELECT subname FROM pg_subscription
		WHERE subdbid = (SELECT oid FROM pg_database WHERE datname = current_database())`)
	if err != nil {
		return fmt.Errorf("list subscriptions: %w", err)
	}
	names, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return fmt.Errorf("list subscriptions: %w", err)
	}
	for _, name := range names {
		for _, action := range []string{"ALTER SUBSCRIPTION %s DISABLE", "ALTER SUBSCRIPTION %s SET (slot_name = NONE)", "DROP SUBSCRIPTION %s"} {
			if _, err := conn.Exec(ctx, fmt.Sprintf(action, ident(name))); err != nil {
				return fmt.Errorf("drop subscription of the parent: %w", err)
			}
		}
	}
	return nil
}

// applyRolesAndDatabases makes what a branch's record says.
func (e *Emulator) applyRolesAndDatabases(ctx context.Context, line *timeline.Timeline, b *branch) error {
	e.mu.Lock()
	roles, databases := append([]role(nil), b.Roles...), append([]database(nil), b.Databases...)
	e.mu.Unlock()
	for _, r := range roles {
		if err := e.putRole(ctx, line, r); err != nil {
			return err
		}
	}
	for _, d := range databases {
		if err := e.putDatabase(ctx, line, d); err != nil {
			return err
		}
	}
	return nil
}

func ident(name string) string { return pgx.Identifier{name}.Sanitize() }

func literal(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }
