package postgres_test

import (
	"bytes"
	_ "embed"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/lifeboat-dr/lifeboat/internal/devstack/pgserver"
	"github.com/lifeboat-dr/lifeboat/internal/manifest"
	"github.com/lifeboat-dr/lifeboat/internal/postgres"
	"github.com/lifeboat-dr/lifeboat/internal/secret"
)

//go:embed testdata/select.sql
var entangled string

// selective is a backup of the entangled database, and a server to restore it to.
type selective struct {
	t      *testing.T
	server *pgserver.Server
	dump   dump
	count  int
}

// picked is what a selective restore left behind.
type picked struct {
	address  string
	selected *postgres.Selected
	checks   []manifest.Check
	left     map[string]string
	tables   []string
}

func (s *selective) resolve(sel postgres.Selection) (*postgres.Selected, error) {
	return postgres.Resolve(sel, s.dump.contents, s.dump.archive)
}

// restore restores a selection into a new database, as another plain owner.
func (s *selective) restore(t *testing.T, sel postgres.Selection) (p picked, err error) {
	t.Helper()
	ctx := t.Context()
	if p.selected, err = s.resolve(sel); err != nil {
		return p, err
	}
	s.count++
	p.address = s.server.Database(t, "owner"+string(rune('a'+s.count)), "target"+string(rune('a'+s.count)))
	r, err := postgres.NewRestorer(ctx, secret.New(p.address), "backup-1")
	if err != nil {
		return p, err
	}
	defer r.Close(ctx)
	r.Select(p.selected)
	if err := r.Prepare(ctx); err != nil {
		return p, err
	}
	if _, err := r.PreData(ctx, s.dump.archive); err != nil {
		return p, err
	}
	contents := p.selected.Contents
	for _, chunk := range contents.Chunks {
		if err := r.Load(ctx, contents.Catalog, chunk, bytes.NewReader(s.dump.rows[chunk.ID])); err != nil {
			return p, err
		}
	}
	if _, err := r.PostData(ctx, s.dump.archive, contents.Catalog, 2); err != nil {
		return p, err
	}
	if p.checks, err = r.Compare(ctx, contents, s.dump.archive, 2); err != nil {
		return p, err
	}
	left, err := r.LeftOut(ctx)
	if err != nil {
		return p, err
	}
	p.left = map[string]string{}
	for _, l := range append(left, p.selected.LeftOut...) {
		p.left[l.Kind+" "+l.Name] = l.Reason
		if l.Reason == "" {
			t.Errorf("%s %s was left out for no reason", l.Kind, l.Name)
		}
	}
	if err := r.Finish(ctx); err != nil {
		return p, err
	}
	conn, err := postgres.Connect(ctx, secret.New(p.address), postgres.Options{})
	if err != nil {
		return p, err
	}
	defer conn.Close(ctx)
	err = conn.QueryRow(ctx, `SELECT ARRAY(SELECT oid::regclass::text FROM pg_class WHERE relkind IN ('r', 'p', 'f', 'v', 'm') AND oid >= 16384
		AND relnamespace::regnamespace::text IN ('public', 'other') ORDER BY 1)`).Scan(&p.tables)
	return p, err
}

func (p picked) want(t *testing.T, relations ...string) {
	t.Helper()
	slices.Sort(relations)
	if !slices.Equal(p.tables, relations) {
		t.Errorf("there are\n%q, want\n%q", p.tables, relations)
	}
	for _, c := range p.checks {
		if !c.OK {
			t.Errorf("check %s: %s", c.Name, c.Detail)
		}
	}
}

func (p picked) wantLeft(t *testing.T, names ...string) {
	t.Helper()
	for _, name := range names {
		if p.left[name] == "" {
			t.Errorf("%s is not reported", name)
		}
		delete(p.left, name)
	}
	for name, reason := range p.left {
		t.Errorf("%s was left out, too: %s", name, reason)
	}
}

func (p picked) ask(t *testing.T, query, want string) {
	t.Helper()
	conn, err := postgres.Connect(t.Context(), secret.New(p.address), postgres.Options{ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	_, value, err := postgres.Ask(t.Context(), conn, query)
	if err != nil || value == nil || *value != want {
		got := "nothing"
		if value != nil {
			got = *value
		}
		t.Errorf("%s: %s, want %s: %v", query, got, want, err)
	}
}

func TestSelection(t *testing.T) {
	server := pgserver.New(t, pgserver.TestOptions{})
	source := server.Database(t, "owner", "source")
	connectAs(t, source)(entangled)
	s := &selective{t: t, server: server, dump: read(t, source, 1<<20)}
	for _, c := range []struct {
		name string
		run  func(*testing.T, *selective)
	}{
		{"one table with everything around it", oneTable},
		{"a parent, a partition, a child", parents},
		{"a partition that others refer to is excluded", excludedPartition},
		{"names", oddNames},
		{"a table that cannot be without another", needsAnother},
		{"patterns", patterns},
		{"rows of extensions", extensionRows},
		{"everything but one", allButOne},
		{"the target is marked with the selection", marked},
	} {
		t.Run(c.name, func(t *testing.T) { c.run(t, s) })
	}
}

func oneTable(t *testing.T, s *selective) {
	p, err := s.restore(t, postgres.Selection{Tables: []string{"public.claims"}})
	if err != nil {
		t.Fatal(err)
	}
	p.want(t, "public.claims", "public.open_claims", "public.grouped_alone", "public.counted")
	const patients = "it needs public.patients, which is not here"
	if got := p.left["FK CONSTRAINT public.claims claims_patient_fkey"]; got != patients {
		t.Errorf("the foreign key was left out, as %q", got)
	}
	p.wantLeft(t, "FK CONSTRAINT public.claims claims_patient_fkey", "FK CONSTRAINT public.claims claims_batch", "POLICY public.claims own", "RULE public.claims noted",
		"INDEX public.claims_worth", "view public.named_claims", "view other.above", "view public.grouped", "view public.above_grouped", "RULE public.grouped _RETURN",
		"materialized view public.named", "materialized view public.worths", refreshOf("worths"), "function public.all_patients()", "function public.count_patients()",
		"function other.rate(public.patients)", "PUBLICATION feed", "PUBLICATION TABLE public.feed patients", "PUBLICATION TABLE public.feed claims", "large-objects 1 large objects")
	p.ask(t, "SELECT count(*) || ' ' || max(alt) FROM public.claims", "500 500")
	p.ask(t, "SELECT count(*) FROM public.counted", "1")
	p.ask(t, "SELECT last_value FROM public.numbers_id_seq", "500")
	p.ask(t, "SELECT string_agg(indexrelid::regclass::text, ' ' ORDER BY indexrelid::regclass::text) FROM pg_index WHERE indrelid = 'public.claims'::regclass", "public.claims_note public.claims_pkey")
	p.ask(t, "SELECT tgname FROM pg_trigger WHERE NOT tgisinternal", "logged")
	p.ask(t, "SELECT polname FROM pg_policy", "plain")
	p.ask(t, "SELECT count(*) FROM pg_largeobject_metadata", "0")
	if len(p.selected.Contents.Chunks) != 1 {
		t.Errorf("%d chunks are loaded for one small table", len(p.selected.Contents.Chunks))
	}
}

func refreshOf(view string) string { return `MATERIALIZED VIEW DATA "public"."` + view + `"` }

func parents(t *testing.T, s *selective) {
	p, err := s.restore(t, postgres.Selection{Tables: []string{"readings"}})
	if err != nil {
		t.Fatal(err)
	}
	p.want(t, "public.readings", "public.readings_2025", "public.readings_2025_0", "other.readings_2025_1", "public.readings_rest")
	p.ask(t, "SELECT count(*) FROM public.readings", "250")

	// Hash partitions alone: without the parent that would know where rows belong.
	if p, err = s.restore(t, postgres.Selection{Tables: []string{"public.readings_2025_?", "public.doctor"}}); err != nil {
		t.Fatal(err)
	}
	p.want(t, "public.readings_2025_0", "public.doctor")
	p.ask(t, "SELECT licence || name || born FROM public.doctor", "L1d1990-01-01")
	p.ask(t, "SELECT count(*) FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid AND c.relkind = 'r'", "0")
	p.ask(t, "SELECT indexrelid::regclass FROM pg_index WHERE indrelid = 'public.readings_2025_0'::regclass", "public.readings_2025_0_pkey")
	for _, name := range []string{"parent public.readings_2025_0 in public.readings_2025", "parent public.doctor in public.person"} {
		if p.left[name] == "" {
			t.Errorf("%s is not reported: %v", name, p.left)
		}
	}
}

func excludedPartition(t *testing.T, s *selective) {
	p, err := s.restore(t, postgres.Selection{Tables: []string{"readings", "points"}, Exclude: []string{"readings_rest"}})
	if err != nil {
		t.Fatal(err)
	}
	p.want(t, "public.readings", "public.readings_2025", "public.readings_2025_0", "other.readings_2025_1", "public.points")
	if p.left["FK CONSTRAINT public.points points_reading_at_fkey"] == "" {
		t.Errorf("the foreign key to the excluded partition is not reported: %v", p.left)
	}
}

func oddNames(t *testing.T, s *selective) {
	p, err := s.restore(t, postgres.Selection{Tables: []string{`"a b"`, `other."Q""uote*"`, `"other.dotted"`}})
	if err != nil {
		t.Fatal(err)
	}
	p.want(t, `public."a b"`, `public."other.dotted"`, `other."Q""uote*"`)
	p.ask(t, `SELECT conname FROM pg_constraint WHERE conrelid = 'public."a b"'::regclass`, "pk")
	if p, err = s.restore(t, postgres.Selection{Tables: []string{"a"}}); err != nil {
		t.Fatal(err)
	}
	p.want(t, "public.a")
	p.ask(t, `SELECT conname FROM pg_constraint WHERE conrelid = 'public.a'::regclass`, "b pk")
}

func needsAnother(t *testing.T, s *selective) {
	for _, table := range []string{"visits", "rated"} {
		_, err := s.resolve(postgres.Selection{Tables: []string{"other." + table}})
		if !errors.Is(err, postgres.ErrInvalid) || !strings.Contains(err.Error(), "other."+table+" needs public.patients") {
			t.Errorf("%s: %v", table, err)
		}
	}
	// A check that reads another table waits until the end, and holds for new rows only; that is told.
	p, err := s.restore(t, postgres.Selection{Tables: []string{"other.checked"}})
	if err != nil {
		t.Fatal(err)
	}
	p.want(t, "other.checked")
	if !slices.ContainsFunc(p.checks, func(c manifest.Check) bool {
		return strings.HasPrefix(c.Name, "waived:TABLE other.checked") && strings.Contains(c.Detail, "lookup")
	}) {
		t.Errorf("the check is not told of: %v", p.checks)
	}
	p, err = s.restore(t, postgres.Selection{Tables: []string{"patients", "lookup"}, Schemas: []string{"other"}})
	if err != nil {
		t.Fatal(err)
	}
	p.want(t, "public.patients", "public.lookup", "other.visits", "other.rated", "other.checked", `other."Q""uote*"`, "other.readings_2025_1")
}

func patterns(t *testing.T, s *selective) {
	for _, c := range []struct {
		sel  postgres.Selection
		want int
		says string
	}{
		{sel: postgres.Selection{Tables: []string{"PUBLIC.Claims"}}, want: 1},
		{sel: postgres.Selection{Tables: []string{"public.c*"}}, want: 1},
		{sel: postgres.Selection{Tables: []string{"*"}, Exclude: []string{"public.*", "visits", "rated"}}, want: 2}, // one falls with its parent
		{sel: postgres.Selection{Tables: []string{"reading"}}, says: `the nearest`},
		{sel: postgres.Selection{Tables: []string{"public.cliams"}}, says: `public.claims`},
		{sel: postgres.Selection{Tables: []string{`"Claims"`}}, says: "fits nothing"},
		{sel: postgres.Selection{Tables: []string{`other.claims`}}, says: "fits nothing"},
		{sel: postgres.Selection{Tables: []string{`other.dotted`}}, says: "fits nothing"},
		{sel: postgres.Selection{Schemas: []string{"othr"}}, says: `: other`},
		{sel: postgres.Selection{Exclude: []string{"nothing_like_it"}}, says: "fits nothing"},
		{sel: postgres.Selection{Tables: []string{"claims"}, Exclude: []string{"claims"}}, says: "leave no table"},
		{sel: postgres.Selection{Tables: []string{"fleeting"}}, says: "unlogged"},
		{sel: postgres.Selection{Tables: []string{`"claims`}}, says: "not closed"},
		{sel: postgres.Selection{Tables: []string{"db.public.claims"}}, says: "more than two parts"},
		{sel: postgres.Selection{Tables: []string{"public."}}, says: "empty"},
		{sel: postgres.Selection{Schemas: []string{"public.claims"}}, says: "has no parts"},
	} {
		got, err := s.resolve(c.sel)
		switch {
		case c.says == "" && (err != nil || got.Tables != c.want || got.Of != len(s.dump.contents.Catalog.Tables)):
			t.Errorf("%+v: %v, want %d tables: %v", c.sel, got, c.want, err)
		case c.says != "" && (!errors.Is(err, postgres.ErrInvalid) || !strings.Contains(err.Error(), c.says)):
			t.Errorf("%+v: %v, want an error that says %q", c.sel, err, c.says)
		}
	}
}

// extensionRows come only where their table is asked for by name: an extension brings its own.
func extensionRows(t *testing.T, s *selective) {
	contents := s.dump.contents
	contents.Catalog.Tables = append(slices.Clone(contents.Catalog.Tables), manifest.Table{Schema: "public", Name: "spatial_ref_sys", Extension: "postgis", Columns: []string{"srid"}})
	contents.Chunks = append(slices.Clone(contents.Chunks), manifest.Chunk{ID: "c99999", Kind: postgres.KindExtConfig, Table: len(contents.Catalog.Tables) - 1})
	for _, c := range []struct {
		sel  postgres.Selection
		want bool
	}{
		{postgres.Selection{Tables: []string{"*"}}, false},
		{postgres.Selection{Schemas: []string{"public"}}, false},
		{postgres.Selection{Exclude: []string{"audit"}}, false},
		{postgres.Selection{Tables: []string{"public.spatial_ref_sys"}}, true},
	} {
		got, err := postgres.Resolve(c.sel, contents, s.dump.archive)
		if err != nil {
			t.Fatal(err)
		}
		loaded := slices.ContainsFunc(got.Contents.Chunks, func(c manifest.Chunk) bool { return c.ID == "c99999" })
		told := slices.ContainsFunc(got.LeftOut, func(l manifest.NotCovered) bool { return l.Kind == "extension-configuration" })
		if loaded != c.want || told == c.want {
			t.Errorf("%+v: loaded %t, told %t", c.sel, loaded, told)
		}
	}
}

func allButOne(t *testing.T, s *selective) {
	p, err := s.restore(t, postgres.Selection{Exclude: []string{"audit"}})
	if err != nil {
		t.Fatal(err)
	}
	if slices.Contains(p.tables, "public.audit") || slices.Contains(p.tables, "public.fleeting") || !slices.Contains(p.tables, "public.named") {
		t.Errorf("there are %q", p.tables)
	}
	p.want(t, p.tables...)
	p.wantLeft(t, "RULE public.claims noted", "PUBLICATION feed", "PUBLICATION TABLE public.feed patients", "PUBLICATION TABLE public.feed claims", "large-objects 1 large objects", "table public.fleeting")
}

func marked(t *testing.T, s *selective) {
	ctx := t.Context()
	address := s.server.Database(t, "marked", "marked")
	begin := func(sel postgres.Selection) (*postgres.Restorer, error) {
		r, err := postgres.NewRestorer(ctx, secret.New(address), "backup-1")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { r.Close(ctx) })
		if !sel.Empty() {
			selected, err := postgres.ResolveUnchecked(sel, s.dump.contents, s.dump.archive)
			if err != nil {
				t.Fatal(err)
			}
			r.Select(selected)
		}
		return r, r.Prepare(ctx)
	}
	// What the archive did not tell the target finds out. Nothing was dropped, so the selection may be mended.
	for table, what := range map[string]string{"other.visits": "column", "other.rated": "default value for column rate"} {
		r, err := begin(postgres.Selection{Tables: []string{table}})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := r.PreData(ctx, s.dump.archive); !errors.Is(err, postgres.ErrInvalid) || !strings.Contains(err.Error(), what) || !strings.Contains(err.Error(), "select public.patients as well") {
			t.Errorf("%s: %v", table, err)
		}
	}
	r, err := begin(postgres.Selection{Tables: []string{"other.visits", "patients"}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.PreData(ctx, s.dump.archive); err != nil {
		t.Fatal(err)
	}
	for _, other := range []postgres.Selection{{}, {Tables: []string{"patients"}}} {
		if _, err := begin(other); !errors.Is(err, postgres.ErrNotEmpty) {
			t.Errorf("another selection went on: %v", err)
		}
	}
	if _, err := begin(postgres.Selection{Tables: []string{"patients", "other.visits"}}); err != nil {
		t.Errorf("the same selection did not go on: %v", err)
	}
}
