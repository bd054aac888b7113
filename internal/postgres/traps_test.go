package postgres_test

import (
	"context"
	"embed"
	"errors"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/lifeboat-dr/lifeboat/internal/devstack/pgserver"
	"github.com/lifeboat-dr/lifeboat/internal/postgres"
	"github.com/lifeboat-dr/lifeboat/internal/secret"
)

//go:embed testdata/traps_*.sql
var trapFiles embed.FS

// traps is the SQL of some files of testdata.
func traps(t *testing.T, themes ...string) string {
	t.Helper()
	var all strings.Builder
	for _, theme := range themes {
		sql, err := trapFiles.ReadFile("testdata/traps_" + theme + ".sql")
		if err != nil {
			t.Fatal(err)
		}
		all.Write(sql)
	}
	return all.String()
}

// ownersThemes is what a plain owner can make; order matters.
var ownersThemes = []string{"tables", "types", "code", "views"}

// notCovered lists what a backup says it does not hold, as "kind name".
func notCovered(d dump) []string {
	var list []string
	for _, n := range d.contents.Catalog.NotCovered {
		list = append(list, n.Kind+" "+n.Name)
	}
	slices.Sort(list)
	return list
}

func sameList(t *testing.T, what string, got, want []string) {
	t.Helper()
	got, want = slices.Clone(got), slices.Clone(want)
	slices.Sort(got)
	slices.Sort(want)
	for _, g := range got {
		if !slices.Contains(want, g) {
			t.Errorf("%s: %q is not expected", what, g)
		}
	}
	for _, w := range want {
		if !slices.Contains(got, w) {
			t.Errorf("%s: %q is missing", what, w)
		}
	}
}

// differences are the lines that only one of two dumps has, "-" the first's and "+" the second's.
func differences(a, b string) []string {
	count := map[string]int{}
	for line := range strings.Lines(a) {
		count[strings.TrimSpace(line)]++
	}
	for line := range strings.Lines(b) {
		count[strings.TrimSpace(line)]--
	}
	var list []string
	for line, n := range count {
		switch {
		case n > 0:
			list = append(list, "-"+line)
		case n < 0:
			list = append(list, "+"+line)
		}
	}
	slices.Sort(list)
	return list
}

var secondOwner = regexp.MustCompile(`\bowner2\b`)

// outdated is the one difference between source and target: a check that the source's own rows no longer fulfil.
var outdated = []string{
	"-CONSTRAINT was_right CHECK (public.strict_now(n))",
	"+ALTER TABLE public.a_outdated",
	"+ADD CONSTRAINT was_right CHECK (public.strict_now(n)) NOT VALID;",
	"+-- Name: a_outdated was_right; Type: CHECK CONSTRAINT; Schema: public; Owner: -",
}

func TestTrapsAsPlainOwner(t *testing.T) {
	server := pgserver.New(t, pgserver.TestOptions{})
	source := server.Database(t, "owner", "source")
	connectAs(t, source)(traps(t, ownersThemes...))
	d := read(t, source, 64<<10)
	target := server.Database(t, "owner2", "target")
	waived, checks := restore(t.Context(), t, d, target)
	allEqual(t, checks)
	sameList(t, "waived", waived, []string{"OWNER owner", "TABLE public.a_outdated", "CHECK CONSTRAINT public.a_outdated was_right",
		"DEFAULT ACL DEFAULT PRIVILEGES FOR FUNCTIONS", "DEFAULT ACL DEFAULT PRIVILEGES FOR SCHEMAS", "DEFAULT ACL public.DEFAULT PRIVILEGES FOR SEQUENCES"})
	sameList(t, "not covered", notCovered(d), []string{"roles source", "unlogged \"public\".\"unlogged_parted_1\"", "unlogged \"public\".\"unlogged_seq\""})
	then, now := pgDump(t, source, "--no-owner"), pgDump(t, target, "--no-owner")
	var rest []string
	for _, line := range differences(then, secondOwner.ReplaceAllString(now, "owner")) {
		if !strings.Contains(line, "DEFAULT PRIVILEGES") && line != "+--" && line != "---" && line != "-" && line != "+" {
			rest = append(rest, line)
		}
	}
	sameList(t, "difference of the dumps", rest, outdated)
}

// trapsServer is a server with a database that has everything, and a plain role.
func trapsServer(t *testing.T) *pgserver.Server {
	t.Helper()
	server := pgserver.New(t, pgserver.TestOptions{Settings: map[string]string{"allow_in_place_tablespaces": "on", "wal_level": "logical"}})
	server.Exec(t, "postgres", `CREATE ROLE traps_owner; CREATE ROLE traps_reader; CREATE ROLE "Traps ""odd"" role"`)
	server.Exec(t, "postgres", "CREATE TABLESPACE traps_space LOCATION ''")
	server.Exec(t, "postgres", "CREATE DATABASE source TEMPLATE template0")
	connectAs(t, server.SuperuserURL("source"))(traps(t, append(ownersThemes, "server")...))
	return server
}

var serverNotCovered = []string{
	"database-comment source", "database-rights source", "foreign-table \"public\".\"elsewhere\"", "foreign-table \"public\".\"half_away_2\"",
	"index public.doubled_id", "roles source", "setting search_path", "setting work_mem", "subscription sub",
	"tablespace public.in_space in traps_space", "tablespace public.in_space_pkey in traps_space", "tablespace public.in_space_too in traps_space",
	"unlogged \"public\".\"unlogged_parted_1\"", "unlogged \"public\".\"unlogged_seq\"",
}

func TestTrapsAsSuperuserWithOwners(t *testing.T) {
	server := trapsServer(t)
	// It fails, and leaves an index that is not valid.
	conn, err := server.Connect(t.Context(), "source")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Exec(t.Context(), "SET session_replication_role = replica"); err != nil { // the event trigger would forbid it
		t.Fatal(err)
	}
	if _, err := conn.Exec(t.Context(), "CREATE UNIQUE INDEX CONCURRENTLY doubled_id ON public.doubled (id)"); err == nil {
		t.Fatal("an index over equal values was made")
	}
	_ = conn.Close(context.WithoutCancel(t.Context()))
	source := server.SuperuserURL("source")
	d := read(t, source, 64<<10)
	sameList(t, "not covered", notCovered(d), serverNotCovered)
	for _, n := range d.contents.Catalog.NotCovered {
		if n.Reason == "" {
			t.Errorf("%s %s is not covered for no reason", n.Kind, n.Name)
		}
	}

	server.Exec(t, "postgres", "CREATE DATABASE target TEMPLATE template0")
	self := map[string]string{"postgres": "postgres", "traps_owner": "traps_owner", "traps_reader": "traps_reader"}
	waived, checks := restoreAs(t.Context(), t, d, server.SuperuserURL("target"), self)
	allEqual(t, checks)
	sameList(t, "waived", waived, []string{"TABLE public.a_outdated", "CHECK CONSTRAINT public.a_outdated was_right", "ANALYZE public.half_away"})
	for _, c := range checks {
		if strings.HasPrefix(c.Name, "waived:") {
			t.Log(c.Name, c.Detail)
		}
	}
	var rest []string
	for _, line := range differences(pgDump(t, source, "--no-subscriptions"), pgDump(t, server.SuperuserURL("target"), "--no-subscriptions")) {
		if line != "+--" && line != "+" {
			rest = append(rest, strings.Replace(line, "Owner: postgres", "Owner: -", 1))
		}
	}
	sameList(t, "difference of the dumps", rest, outdated)
}

// TestTrapsAsStranger restores what a superuser backed up as a plain owner of a server that knows none of the
// source's roles: what is not in the target is named, entry by entry, and nothing else differs.
func TestTrapsAsStranger(t *testing.T) {
	source := trapsServer(t).SuperuserURL("source")
	d := read(t, source, 64<<10)
	server := pgserver.New(t, pgserver.TestOptions{})
	target := server.Database(t, "stranger", "target")
	r, err := postgres.NewRestorer(t.Context(), secret.New(target), "backup-1")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close(context.WithoutCancel(t.Context()))
	if err := r.Prepare(t.Context()); err != nil {
		t.Fatal(err)
	}
	_, err = r.PreData(t.Context(), d.archive)
	if !errors.Is(err, postgres.ErrPermission) || !strings.Contains(err.Error(), "BYPASSRLS") || !strings.Contains(err.Error(), `"forced"`) {
		t.Fatalf("rows that nobody could compare are restored: %v", err)
	}
	server.Exec(t, "postgres", "ALTER ROLE stranger BYPASSRLS")
	waived, checks := restore(t.Context(), t, d, target)
	allEqual(t, checks)
	// The source took rights from functions of extensions, which belong to the target's administrator.
	extensions := 0
	waived = slices.DeleteFunc(waived, func(entry string) bool {
		of := strings.HasPrefix(entry, "ACL public.FUNCTION ") && !strings.Contains(entry, "handler_like") && !strings.Contains(entry, "owned_f")
		if of {
			extensions++
		}
		return of
	})
	if extensions < 50 {
		t.Errorf("rights on %d functions of extensions were given up", extensions)
	}
	sameList(t, "waived", waived, strings.Split(strings.TrimSpace(strangersWaivers), "\n"))
	rows := []string{"--data-only", "--no-owner", "--no-acl"}
	sameList(t, "difference of the rows", differences(pgDump(t, source, rows...), pgDump(t, target, rows...)), nil)
}

// strangersWaivers is what a plain owner of a strange server cannot have, besides rights on functions of extensions.
const strangersWaivers = `
ACCESS METHOD heap2
ACL FOREIGN DATA WRAPPER away
ACL FOREIGN SERVER there
ACL LARGE OBJECT 5001
ACL pg_catalog.FUNCTION pg_ls_waldir(OUT name text, OUT size bigint, OUT modification timestamp with time zone)
ACL public.COLUMN owned.t
ACL public.FUNCTION handler_like(internal)
ACL public.FUNCTION owned_f(integer)
ACL public.TABLE owned
CHECK CONSTRAINT public.a_outdated was_right
COMMENT EVENT TRIGGER no_index
DEFAULT ACL DEFAULT PRIVILEGES FOR FUNCTIONS
DEFAULT ACL DEFAULT PRIVILEGES FOR SCHEMAS
DEFAULT ACL owned_schema.DEFAULT PRIVILEGES FOR TABLES
DEFAULT ACL public.DEFAULT PRIVILEGES FOR SEQUENCES
EVENT TRIGGER no_drop
EVENT TRIGGER no_index
FOREIGN DATA WRAPPER away
FOREIGN TABLE public.elsewhere
FOREIGN TABLE public.half_away_2
FUNCTION public.handler_like(internal)
FUNCTION public.owned_f(integer)
INDEX public.by_a_index
OPERATOR CLASS public.by_a
OPERATOR FAMILY public.fam
OWNER postgres
OWNER traps_owner
POLICY public.forced named
PUBLICATION TABLES IN SCHEMA public.of_schema public
PUBLICATION everything
SERVER there
TABLE ATTACH public.half_away_2
TABLE public.a_outdated
TABLESPACE traps_space
TEXT SEARCH TEMPLATE public.templ
USER MAPPING USER MAPPING public SERVER there
USER MAPPING USER MAPPING traps_owner SERVER there
VIEW public.v_elsewhere
`
