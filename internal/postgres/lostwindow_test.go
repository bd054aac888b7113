package postgres_test

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/lifeboat-dr/lifeboat/internal/devstack/pgserver"
	"github.com/lifeboat-dr/lifeboat/internal/postgres"
	"github.com/lifeboat-dr/lifeboat/internal/secret"
)

const windowSchema = `
CREATE TABLE claims (id bigint PRIMARY KEY, cents bigint, note text);
INSERT INTO claims SELECT n, n * 100, 'a' FROM generate_series(-500, 500) AS n;
CREATE TABLE lines (claim bigint, n int, part uuid, note text, PRIMARY KEY (claim, n, part));
INSERT INTO lines SELECT c, n, md5(c::text || n)::uuid, 'x' FROM generate_series(-3, 3) AS c, generate_series(-2, 2) AS n;
CREATE TABLE "Odd ""names" ("Key, ""quoted" text PRIMARY KEY, "id" numeric);
INSERT INTO "Odd ""names" VALUES ('b', 1), ('B', 2), ('ä', 3), ('z', 4), ('', 5);
CREATE TABLE notes (text text, n int);
INSERT INTO notes VALUES ('twice', 1), ('twice', 1), ('once', 2);
CREATE TABLE same (id int PRIMARY KEY, at timestamptz DEFAULT now());
INSERT INTO same SELECT generate_series(1, 1000);
CREATE TABLE reshaped (id int PRIMARY KEY, old text, kept text);
INSERT INTO reshaped VALUES (1, 'x', 'a'), (2, 'y', 'b');
CREATE TABLE dropped (id int PRIMARY KEY);
INSERT INTO dropped VALUES (1), (2), (3);
CREATE TABLE log (at date NOT NULL, id int, PRIMARY KEY (at, id)) PARTITION BY RANGE (at);
CREATE TABLE log_old PARTITION OF log FOR VALUES FROM ('2026-01-01') TO ('2026-07-01');
CREATE TABLE log_new PARTITION OF log FOR VALUES FROM ('2026-07-01') TO ('2027-01-01');
INSERT INTO log VALUES ('2026-02-01', 1), ('2026-08-01', 2);
CREATE TABLE empty ();
CREATE UNLOGGED TABLE scratch (id int PRIMARY KEY);
`

// windowChanges is the damage, and honest work around it.
const windowChanges = `
DELETE FROM claims WHERE id BETWEEN -400 AND 400;
INSERT INTO claims VALUES (501, 1000, 'new'), (-501, 25, 'new');
UPDATE claims SET cents = cents + 7 WHERE id = 450;
UPDATE claims SET note = 'b' WHERE id = -450;
DELETE FROM lines WHERE claim = 0;
INSERT INTO lines VALUES (9, -1, md5('9')::uuid, 'new');
UPDATE lines SET note = 'y' WHERE claim = -3 AND n = -2;
UPDATE "Odd ""names" SET id = 10 WHERE "Key, ""quoted" = 'B';
DELETE FROM "Odd ""names" WHERE "Key, ""quoted" = 'ä';
INSERT INTO "Odd ""names" VALUES ('É', 6);
DELETE FROM notes WHERE ctid = (SELECT min(ctid) FROM notes WHERE text = 'twice');
INSERT INTO notes VALUES ('thrice', 3);
ALTER TABLE reshaped DROP COLUMN old, ADD COLUMN extra int DEFAULT 1;
UPDATE reshaped SET kept = 'c' WHERE id = 2;
DROP TABLE dropped;
CREATE TABLE made (id int PRIMARY KEY);
INSERT INTO made VALUES (1), (2);
UPDATE log SET at = '2026-03-01' WHERE id = 2;
INSERT INTO scratch VALUES (1);
`

// states are a database as it was and as it became.
func states(t *testing.T, schema, changes string) (earlier, later *pgx.Conn) {
	t.Helper()
	server := pgserver.New(t, pgserver.TestOptions{})
	was := server.Database(t, "owner", "earlier")
	server.Exec(t, "earlier", "SET ROLE owner; "+schema)
	server.Exec(t, "postgres", "CREATE DATABASE later TEMPLATE earlier OWNER owner")
	server.Exec(t, "later", "SET ROLE owner; "+changes)
	for _, s := range []struct {
		into    **pgx.Conn
		address string
	}{{&earlier, was}, {&later, strings.Replace(was, "/earlier", "/later", 1)}} {
		conn, err := postgres.Connect(t.Context(), secret.New(s.address), postgres.Options{ReadOnly: true})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close(context.Background()) })
		*s.into = conn
	}
	return earlier, later
}

func lostWindow(t *testing.T, earlier, later *pgx.Conn, valued *postgres.Valued) map[string]string {
	t.Helper()
	found := map[string]string{}
	err := postgres.LostWindow(t.Context(), earlier, later, valued, func(c postgres.TableChanges) error {
		text := fmt.Sprintf("+%d ~%d -%d", c.Inserted, c.Updated, c.Deleted)
		for word, is := range map[string]bool{" keyless": c.Keyless, " reshaped": c.Reshaped, " dropped": c.OnlyEarlier, " made": c.OnlyLater} {
			if is {
				text += word
			}
		}
		if c.Value != nil {
			text += " worth " + c.Value.RatString()
		}
		if c.Changed() {
			found[c.Schema+"."+c.Name] = text
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func TestTheLostWindowIsCounted(t *testing.T) {
	earlier, later := states(t, windowSchema, windowChanges)
	want := map[string]string{
		"public.claims": "+2 ~2 -801 worth 1032", "public.lines": "+1 ~1 -5", `public.Odd "names`: "+1 ~1 -1", "public.notes": "+1 ~0 -1 keyless",
		"public.reshaped": "+0 ~1 -0 reshaped", "public.dropped": "+0 ~0 -3 dropped", "public.made": "+2 ~0 -0 made",
		"public.log_old": "+1 ~0 -0", "public.log_new": "+0 ~0 -1",
	}
	for range 2 { // safe to repeat
		if got := lostWindow(t, earlier, later, &postgres.Valued{Schema: "public", Table: "claims", Column: "cents"}); fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("found\n%v, want\n%v", got, want)
		}
	}
	err := postgres.LostWindow(t.Context(), earlier, later, &postgres.Valued{Schema: "public", Table: "claims", Column: "dollars"}, func(postgres.TableChanges) error { return nil })
	if err == nil || !strings.Contains(err.Error(), "worth is not there") {
		t.Errorf("a column that is not there: %v", err)
	}
}

func TestEqualStatesHaveNoLostWindow(t *testing.T) {
	earlier, later := states(t, windowSchema, "UPDATE claims SET note = note") // the same rows in other places
	if got := lostWindow(t, earlier, later, nil); len(got) > 0 {
		t.Errorf("found %v", got)
	}
}

// TestTheLostWindowNeedsLittleMemory: rows are large and many, and are never here.
func TestTheLostWindowNeedsLittleMemory(t *testing.T) {
	earlier, later := states(t, `CREATE TABLE big (id bigint PRIMARY KEY, data text);
		INSERT INTO big SELECT n, repeat(md5(n::text), 32) FROM generate_series(1, 60000) AS n`, "DELETE FROM big WHERE id % 2 = 0")
	runtime.GC()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	peak := uint64(0)
	err := postgres.LostWindow(t.Context(), earlier, later, nil, func(c postgres.TableChanges) error {
		runtime.ReadMemStats(&after)
		peak = max(peak, after.Sys)
		if c.Deleted != 30000 || c.Inserted+c.Updated > 0 {
			t.Errorf("found %+v", c)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if grown := int64(peak) - int64(before.Sys); grown > 16<<20 {
		t.Errorf("memory grew by %d bytes for 90 MB of rows", grown)
	}
}
