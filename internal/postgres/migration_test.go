package postgres_test

import (
	"context"
	"errors"
	"io"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/lifeboat-dr/lifeboat/internal/devstack/pgserver"
	"github.com/lifeboat-dr/lifeboat/internal/manifest"
	"github.com/lifeboat-dr/lifeboat/internal/postgres"
	"github.com/lifeboat-dr/lifeboat/internal/secret"
)

// migrations are what a release may do to a table; a snapshot alone protects from none of them.
var migrations = map[string]string{
	"truncated":       "TRUNCATE moved",
	"dropped":         "DROP TABLE moved",
	"rewritten":       "ALTER TABLE moved ALTER COLUMN id TYPE bigint",
	"column added":    "ALTER TABLE moved ADD COLUMN extra int DEFAULT 5",
	"column dropped":  "ALTER TABLE moved DROP COLUMN t",
	"column renamed":  "ALTER TABLE moved RENAME COLUMN t TO u",
	"renamed":         "ALTER TABLE moved RENAME TO moved_on",
	"replaced":        "DROP TABLE moved; CREATE TABLE moved (other text)",
	"vacuumed whole":  "VACUUM FULL moved",
	"detached":        "ALTER TABLE parent DETACH PARTITION leaf",
	"leaf is dropped": "DROP TABLE leaf",
}

const beforeMigration = `CREATE TABLE moved AS SELECT g AS id, 'row ' || g AS t FROM generate_series(1, 1000) g;
	CREATE TABLE parent (id int) PARTITION BY LIST (id); CREATE TABLE leaf PARTITION OF parent FOR VALUES IN (1); INSERT INTO parent VALUES (1)`

// TestMigrationDuringTheCopy runs each migration between snapshot and copy. It waits, in front of the sessions
// that would read: they say so instead of waiting for ever, and nothing is mixed. The next snapshot has it whole.
func TestMigrationDuringTheCopy(t *testing.T) {
	defer postgres.SetLockWait(100 * time.Millisecond)()
	server := pgserver.New(t, pgserver.TestOptions{})
	for name, sql := range migrations {
		t.Run(name, func(t *testing.T) {
			ctx := t.Context()
			database := "m_" + strings.ReplaceAll(name, " ", "_")
			server.Exec(t, "postgres", "CREATE DATABASE "+database)
			server.Exec(t, database, beforeMigration)
			address := secret.New(server.SuperuserURL(database))
			held, err := postgres.Export(ctx, address, "test")
			if err != nil {
				t.Fatal(err)
			}
			defer held.Close(context.WithoutCancel(ctx))
			migration := begin(t, server, database, sql)
			migration.waits(t, server)
			if _, err := postgres.DumpSchema(ctx, address, held.ID, io.Discard); !errors.Is(err, postgres.ErrConflict) {
				t.Errorf("the schema, while a migration waits: %v", err)
			}
			// What is done to a partition waits for its parent first, and is not yet in the way of its rows.
			leaf := strings.Contains(sql, "leaf")
			if err := copyAll(t, address, held); leaf && err != nil || !leaf && (!errors.Is(err, postgres.ErrConflict) || !postgres.Retryable(err)) {
				t.Errorf("the rows, while a migration waits: %v", err)
			}
			held.Close(context.WithoutCancel(ctx))
			migration.ends(t)
			if name != "replaced" && name != "truncated" {
				return
			}
			d := read(t, server.SuperuserURL(database), 1<<20)
			server.Exec(t, "postgres", "CREATE DATABASE "+database+"_target TEMPLATE template0")
			_, checks := restore(ctx, t, d, server.SuperuserURL(database+"_target"))
			allEqual(t, checks)
			sameDump(t, pgDump(t, server.SuperuserURL(database)), pgDump(t, server.SuperuserURL(database+"_target")))
		})
	}
}

// TestMigrationThatGivesUpDoesNoHarm has a migration with a lock_timeout of its own, as careful ones have.
func TestMigrationThatGivesUpDoesNoHarm(t *testing.T) {
	server := pgserver.New(t, pgserver.TestOptions{})
	server.Exec(t, "postgres", "CREATE DATABASE source")
	server.Exec(t, "source", beforeMigration)
	address := secret.New(server.SuperuserURL("source"))
	held, err := postgres.Export(t.Context(), address, "test")
	if err != nil {
		t.Fatal(err)
	}
	defer held.Close(context.WithoutCancel(t.Context()))
	migration := begin(t, server, "source", "SET lock_timeout = '500ms'; TRUNCATE moved")
	migration.waits(t, server)
	d := readHeld(t, address, held)
	if err := <-migration.done; err == nil {
		t.Error("a table was truncated while it was read")
	}
	var rows int64
	for _, c := range d.contents.Chunks {
		rows += c.Rows
	}
	if rows != 1001 {
		t.Errorf("%d rows were copied where the snapshot has 1001", rows)
	}
}

// copyAll reads every chunk of a held snapshot.
func copyAll(t *testing.T, address secret.String, held *postgres.Exported) error {
	t.Helper()
	conn, err := postgres.Connect(t.Context(), address, postgres.Options{Snapshot: held.ID, ReadOnly: true})
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(t.Context()))
	catalog, err := postgres.Inspect(t.Context(), conn)
	if err != nil {
		return err
	}
	for _, chunk := range postgres.Split(catalog, postgres.SplitOptions{}) {
		if _, err := postgres.CopyOut(t.Context(), conn, catalog, chunk, io.Discard); err != nil {
			return err
		}
	}
	return nil
}

// TestSnapshotWaitsForTheMigration begins a backup while a migration has its locks: the snapshot is taken
// after it, and holds what it did.
func TestSnapshotWaitsForTheMigration(t *testing.T) {
	server := pgserver.New(t, pgserver.TestOptions{})
	server.Exec(t, "postgres", "CREATE DATABASE source")
	server.Exec(t, "source", beforeMigration)
	migration, err := server.Connect(t.Context(), "source")
	if err != nil {
		t.Fatal(err)
	}
	defer migration.Close(context.WithoutCancel(t.Context()))
	exec := func(sql string) {
		t.Helper()
		if _, err := migration.PgConn().Exec(t.Context(), sql).ReadAll(); err != nil {
			t.Fatal(err)
		}
	}
	exec("BEGIN; TRUNCATE moved; DROP TABLE parent; CREATE TABLE fresh AS SELECT 1 AS one; ALTER TABLE moved ADD COLUMN extra int; INSERT INTO moved VALUES (7, 'x', 8)")
	address := secret.New(server.SuperuserURL("source"))

	restoreWait := postgres.SetLockWait(50 * time.Millisecond)
	_, err = postgres.Export(t.Context(), address, "test")
	restoreWait()
	if !errors.Is(err, postgres.ErrConflict) || !strings.Contains(err.Error(), "pg_locks") {
		t.Fatalf("a migration that holds its locks for too long: %v", err)
	}

	done := make(chan *postgres.Exported, 1)
	go func() {
		held, err := postgres.Export(context.WithoutCancel(t.Context()), address, "exporter")
		if err != nil {
			t.Error(err)
		}
		done <- held
	}()
	waitFor(t, server, "application_name = 'exporter' AND wait_event_type = 'Lock'")
	exec("COMMIT")
	held := <-done
	if held == nil {
		t.FailNow()
	}
	defer held.Close(context.WithoutCancel(t.Context()))
	d := readHeld(t, address, held)
	server.Exec(t, "postgres", "CREATE DATABASE target TEMPLATE template0")
	_, checks := restore(t.Context(), t, d, server.SuperuserURL("target"))
	allEqual(t, checks)
	sameDump(t, pgDump(t, server.SuperuserURL("source")), pgDump(t, server.SuperuserURL("target")))
}

type migration struct {
	pid  uint32
	done chan error
}

// begin runs SQL on a session of its own.
func begin(t *testing.T, server *pgserver.Server, database, sql string) migration {
	t.Helper()
	conn, err := server.Connect(t.Context(), database)
	if err != nil {
		t.Fatal(err)
	}
	m := migration{pid: conn.PgConn().PID(), done: make(chan error, 1)}
	go func() {
		defer conn.Close(context.Background())
		for _, s := range strings.Split(sql, "; ") {
			if _, err := conn.Exec(context.Background(), s, pgx.QueryExecModeSimpleProtocol); err != nil {
				m.done <- err
				return
			}
		}
		m.done <- nil
	}()
	return m
}

// waits returns when the migration waits for a lock; it fails when the migration ended instead.
func (m migration) waits(t *testing.T, server *pgserver.Server) {
	t.Helper()
	waitFor(t, server, "pid = "+strconv.FormatUint(uint64(m.pid), 10)+" AND wait_event_type = 'Lock'")
	select {
	case err := <-m.done:
		t.Fatalf("the migration ended while a backup reads: %v", err)
	default:
	}
}

func (m migration) ends(t *testing.T) {
	t.Helper()
	select {
	case err := <-m.done:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(20 * time.Second):
		t.Error("the migration still waits after the backup's end")
	}
}

// waitFor returns when some session is as asked for.
func waitFor(t *testing.T, server *pgserver.Server, session string) {
	t.Helper()
	conn, err := server.Connect(t.Context(), "postgres")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.WithoutCancel(t.Context()))
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(5 * time.Millisecond) {
		var found bool
		if err := conn.QueryRow(t.Context(), "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE "+session+")").Scan(&found); err != nil {
			t.Fatal(err)
		}
		if found {
			return
		}
	}
	t.Fatalf("no session became %s", session)
}

// readHeld backs up what a held snapshot shows.
func readHeld(t *testing.T, address secret.String, held *postgres.Exported) dump {
	t.Helper()
	d := dump{contents: manifest.Contents{}, rows: map[string][]byte{}}
	readInto(t, &d, address, held, 1<<20)
	return d
}
