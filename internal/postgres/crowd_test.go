package postgres_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/lifeboat-dr/lifeboat/internal/devstack/pgserver"
	"github.com/lifeboat-dr/lifeboat/internal/manifest"
	"github.com/lifeboat-dr/lifeboat/internal/postgres"
	"github.com/lifeboat-dr/lifeboat/internal/secret"
)

// TestMoreTablesThanLocks restores more tables than one transaction of the target could lock.
func TestMoreTablesThanLocks(t *testing.T) {
	const tables = 400
	source := pgserver.New(t, pgserver.TestOptions{})
	source.Exec(t, "postgres", "CREATE DATABASE source TEMPLATE template0")
	source.Exec(t, "source", fmt.Sprintf(`DO $$ BEGIN FOR i IN 1..%d LOOP
		EXECUTE format('CREATE TABLE t%%s (id serial PRIMARY KEY, t text)', i);
	END LOOP; END $$`, tables))
	d := read(t, source.SuperuserURL("source"), 1<<20)
	if n := len(d.contents.Chunks); n != tables {
		t.Fatalf("%d chunks of %d tables", n, tables)
	}
	// Room for some hundred locks; the tables with sequences, indexes and TOAST need over two thousand.
	target := pgserver.New(t, pgserver.TestOptions{Settings: map[string]string{"max_connections": "20", "max_locks_per_transaction": "10"}})
	target.Exec(t, "postgres", "CREATE DATABASE target TEMPLATE template0")
	r, err := postgres.NewRestorer(t.Context(), secret.New(target.SuperuserURL("target")), "backup-1")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close(t.Context())
	if err := r.Prepare(t.Context()); err != nil {
		t.Fatal(err)
	}
	for range 2 { // safe to repeat
		if _, err := r.PreData(t.Context(), d.archive); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := r.PostData(t.Context(), d.archive, d.contents.Catalog, 2); err != nil {
		t.Fatal(err)
	}
}

// TestEncodings brings databases of other encodings back, with names and rows in them.
func TestEncodings(t *testing.T) {
	server := pgserver.New(t, pgserver.TestOptions{})
	for encoding, word := range map[string]string{"LATIN1": "é", "EUC_JP": "漢字", "WIN1251": "Жизнь"} {
		t.Run(encoding, func(t *testing.T) {
			name := strings.ToLower(encoding)
			for _, database := range []string{name, name + "_target"} {
				server.Exec(t, "postgres", "CREATE DATABASE "+database+" TEMPLATE template0 ENCODING '"+encoding+"' LC_COLLATE 'C' LC_CTYPE 'C'")
			}
			run := connectAs(t, server.SuperuserURL(name))
			run(fmt.Sprintf(`SET client_encoding TO 'UTF8'; CREATE TABLE t (a text DEFAULT '%[1]s'); INSERT INTO t DEFAULT VALUES;
				COMMENT ON TABLE t IS '%[1]s'; CREATE VIEW v AS SELECT '%[1]s'::text AS x; CREATE MATERIALIZED VIEW m AS SELECT * FROM t`, word))
			d := read(t, server.SuperuserURL(name), 1<<20)
			_, checks := restore(t.Context(), t, d, server.SuperuserURL(name+"_target"))
			allEqual(t, checks)
			sameDump(t, pgDump(t, server.SuperuserURL(name)), pgDump(t, server.SuperuserURL(name+"_target")))

			// A manifest is JSON: names have to be text in it. It says so instead of spoiling them.
			run(fmt.Sprintf(`SET client_encoding TO 'UTF8'; CREATE TABLE "%s" ()`, word))
			conn, err := postgres.Connect(t.Context(), secret.New(server.SuperuserURL(name)), postgres.Options{ReadOnly: true})
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close(context.WithoutCancel(t.Context()))
			if _, err := postgres.Inspect(t.Context(), conn); !errors.Is(err, postgres.ErrInvalid) || !strings.Contains(err.Error(), encoding) {
				t.Errorf("names in %s: %v", encoding, err)
			}
		})
	}
}

// TestChunksHoldEveryRowOnce splits tables of any size anywhere.
func TestChunksHoldEveryRowOnce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		pages := rapid.Uint32().Draw(t, "pages")
		bytes := rapid.Int64Range(0, 1<<45).Draw(t, "bytes")
		// At most some thousand chunks: the plan of more is as right, and takes longer to look at.
		target := rapid.Int64Range(max(1, bytes/3000), 1<<40).Draw(t, "target")
		catalog := manifest.Catalog{Tables: []manifest.Table{{Name: "t", Access: rapid.SampledFrom([]string{"heap", "other"}).Draw(t, "access"), Pages: pages, Bytes: bytes}}}
		next := uint32(0)
		chunks := postgres.Split(catalog, postgres.SplitOptions{TargetBytes: target})
		for i, c := range chunks {
			last := i == len(chunks)-1
			if c.Range.From != next || (c.Range.To == 0) != last || (!last && c.Range.To <= c.Range.From) {
				t.Fatalf("chunk %d of %d is %v after block %d", i, len(chunks), c.Range, next)
			}
			next = c.Range.To
		}
	})
}

// TestMajors makes a round trip on each major version for which LIFEBOAT_PG_BIN_<major> names the folder of
// all programs; the others are said not to have been run.
func TestMajors(t *testing.T) {
	for major := 13; major <= 18; major++ {
		name := fmt.Sprintf("LIFEBOAT_PG_BIN_%d", major)
		dir := os.Getenv(name)
		if dir == "" {
			t.Logf("PostgreSQL %d: not run (%s is not set)", major, name)
			continue
		}
		t.Run(fmt.Sprint(major), func(t *testing.T) {
			t.Setenv("LIFEBOAT_PG_BIN", dir)
			for _, program := range []string{"initdb", "postgres", "pg_dump", "psql"} {
				if _, err := os.Stat(filepath.Join(dir, program)); err != nil {
					t.Fatalf("%s lacks %s", name, program)
				}
			}
			server := pgserver.New(t, pgserver.TestOptions{})
			source := server.Database(t, "owner", "source")
			connectAs(t, source)(majors)
			d := read(t, source, 64<<10)
			if got := d.contents.Catalog.ServerVersion / 10000; got != major {
				t.Fatalf("the server is of version %d", got)
			}
			target := server.Database(t, "owner2", "target")
			_, checks := restore(t.Context(), t, d, target)
			allEqual(t, checks)
			sameDump(t, pgDump(t, source, "--no-owner", "--no-acl"), pgDump(t, target, "--no-owner", "--no-acl"))
			t.Logf("PostgreSQL %d: %d checks equal", major, len(checks))
		})
	}
}

// majors is what every major version from 13 knows.
const majors = `
CREATE TABLE public.early (id int);
CREATE TABLE t (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, parent int REFERENCES t, v text DEFAULT 'x', twice int GENERATED ALWAYS AS (1 + 1) STORED);
INSERT INTO t (parent, v) SELECT nullif(g - 1, 0), repeat(md5(g::text), 10) FROM generate_series(1, 2000) g;
CREATE TABLE p (id int, k text) PARTITION BY HASH (id);
CREATE TABLE p0 PARTITION OF p FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE p1 PARTITION OF p FOR VALUES WITH (MODULUS 2, REMAINDER 1);
INSERT INTO p SELECT g, 'k' || g FROM generate_series(1, 100) g;
ALTER TABLE p ADD PRIMARY KEY (id);
CREATE VIEW v AS SELECT id, v FROM t GROUP BY id;
CREATE MATERIALIZED VIEW m AS SELECT id FROM v;
CREATE UNIQUE INDEX ON m (id);
SELECT lo_create(77), lo_put(77, 0, 'large');
COMMENT ON TABLE t IS E'--\n-- Name: x; Type: TABLE; Schema: public; Owner: -\n--\n';
`
