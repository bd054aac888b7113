package postgres_test

import (
	"bytes"
	"os/exec"
	"strings"
	"testing"

	"github.com/lifeboat-dr/lifeboat/internal/devstack/pgserver"
	"github.com/lifeboat-dr/lifeboat/internal/postgres"
	"github.com/lifeboat-dr/lifeboat/internal/secret"
)

// hostile has texts that look like the heads that pg_restore prints before each entry.
const hostile = `
SET check_function_bodies = off;
CREATE TABLE public.t (a text DEFAULT E'x\n--\n-- Name: evil; Type: TABLE; Schema: public; Owner: -\n--\nDROP TABLE t;\n');
CREATE FUNCTION public.f() RETURNS int LANGUAGE sql AS $$
--
-- Name: evil; Type: FUNCTION; Schema: public; Owner: postgres
--
SELECT 1;
\restrict abc
$$;
CREATE VIEW public.v AS SELECT E'\n--\n-- Name: evil; Type: VIEW; Schema: public; Owner: -\n--\n' AS x;
COMMENT ON VIEW public.v IS E'--\n-- Name: evil; Type: COMMENT; Schema: -; Owner: -\n--\n\\connect template1\n';
CREATE TABLE public."evil; Type: VIEW; Schema: -; Owner: x" ("--" int);
CREATE TABLE public."line
-- Name: y; Type: TABLE; Schema: public; Owner: z" ("a
b" int);`

// TestArchiveIsReadExactly holds our reading of the archive against pg_restore's list.
func TestArchiveIsReadExactly(t *testing.T) {
	server := pgserver.New(t, pgserver.TestOptions{})
	server.Exec(t, "postgres", "CREATE DATABASE source TEMPLATE template0")
	server.Exec(t, "postgres", "CREATE DATABASE target TEMPLATE template0")
	run := connectAs(t, server.SuperuserURL("source"))
	run(hostile)
	var archive bytes.Buffer
	if _, err := postgres.DumpSchema(t.Context(), secret.New(server.SuperuserURL("source")), "", &archive); err != nil {
		t.Fatal(err)
	}
	kinds, names, sql, err := postgres.TOC(archive.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	path, err := pgserver.Bin("pg_restore")
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), path, "--list")
	cmd.Stdin = bytes.NewReader(archive.Bytes())
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	listed := 0
	for line := range strings.Lines(string(out)) {
		if !strings.HasPrefix(line, ";") && strings.TrimSpace(line) != "" {
			listed++
		}
	}
	// The list leaves out the settings of a session.
	ours := 0
	for i, kind := range kinds {
		if kind != "ENCODING" && kind != "STDSTRINGS" && kind != "SEARCHPATH" && kind != "DATABASE" {
			ours++
			if strings.Contains(names[i], "evil") && kind != "TABLE" || sql[i] == "" {
				t.Errorf("entry %s %q", kind, names[i])
			}
		}
	}
	if ours != listed {
		t.Errorf("%d entries where pg_restore lists %d:\n%s", ours, listed, out)
	}
	d := read(t, server.SuperuserURL("source"), 1<<20)
	_, checks := restore(t.Context(), t, d, server.SuperuserURL("target"))
	allEqual(t, checks)
	sameDump(t, pgDump(t, server.SuperuserURL("source")), pgDump(t, server.SuperuserURL("target")))
}

// TestArchiveThatIsCutOffIsRefused cuts an archive at every length.
func TestArchiveThatIsCutOffIsRefused(t *testing.T) {
	server := pgserver.New(t, pgserver.TestOptions{})
	server.Exec(t, "postgres", "CREATE DATABASE source TEMPLATE template0")
	server.Exec(t, "source", "CREATE TABLE t (id int PRIMARY KEY)")
	var archive bytes.Buffer
	if _, err := postgres.DumpSchema(t.Context(), secret.New(server.SuperuserURL("source")), "", &archive); err != nil {
		t.Fatal(err)
	}
	whole := archive.Bytes()
	for n := range whole {
		if _, _, _, err := postgres.TOC(whole[:n]); err == nil {
			t.Fatalf("%d of %d bytes were taken for an archive", n, len(whole))
		}
	}
	for i := range whole {
		damaged := bytes.Clone(whole)
		damaged[i] ^= 0x80
		_, _, _, _ = postgres.TOC(damaged) // any answer, but no crash
	}
}

func TestRolesAreMappedWhereTheyAreNamed(t *testing.T) {
	to := map[string]string{"alice": "ann", "odd \"name": "plain", "from": "to"}
	for _, c := range []struct{ kind, owner, sql, want string }{
		{"ACL", "alice", `GRANT SELECT ON TABLE public.alice TO bob;`, `GRANT SELECT ON TABLE public.alice TO bob;`},
		{"ACL", "bob", `GRANT SELECT(alice) ON TABLE public."to" TO alice WITH GRANT OPTION;`, `GRANT SELECT(alice) ON TABLE public."to" TO "ann" WITH GRANT OPTION;`},
		{"ACL", "carol", `REVOKE ALL ON TABLE public.t FROM carol;`, `REVOKE ALL ON TABLE public.t FROM "me";`},
		{"ACL", "carol", `GRANT SELECT ON TABLE public.t TO me;`, ``},
		{"ACL", "carol", `GRANT ALL ON TABLE t TO PUBLIC;`, `GRANT ALL ON TABLE t TO PUBLIC;`},
		{"ACL", "carol", `GRANT ALL ON TABLE t TO "from";`, `GRANT ALL ON TABLE t TO "to";`},
		{"ACL", "carol", "SET SESSION AUTHORIZATION alice;\nGRANT ALL ON TABLE t TO \"odd \"\"name\";\nRESET SESSION AUTHORIZATION;", "SET SESSION AUTHORIZATION \"ann\";\nGRANT ALL ON TABLE t TO \"plain\";\nRESET SESSION AUTHORIZATION;"},
		{"DEFAULT ACL", "alice", `ALTER DEFAULT PRIVILEGES FOR ROLE alice IN SCHEMA alice GRANT SELECT ON TABLES TO alice;`, `ALTER DEFAULT PRIVILEGES FOR ROLE "ann" IN SCHEMA alice GRANT SELECT ON TABLES TO "ann";`},
		{"POLICY", "x", `CREATE POLICY alice ON public.t FOR SELECT TO alice, bob, alice USING ((owner = 'TO alice'::text));`, `CREATE POLICY alice ON public.t FOR SELECT TO "ann", bob, "ann" USING ((owner = 'TO alice'::text));`},
		{"USER MAPPING", "", `CREATE USER MAPPING FOR alice SERVER alice OPTIONS (password 'FOR alice');`, `CREATE USER MAPPING FOR "ann" SERVER alice OPTIONS (password 'FOR alice');`},
	} {
		if got := strings.TrimSpace(postgres.MapRoles(c.kind, c.owner, c.sql, "me", to)); got != c.want {
			t.Errorf("%s\n got %s\nwant %s", c.sql, got, c.want)
		}
	}
}
