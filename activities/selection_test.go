package activities_test

import (
	"errors"
	"strings"
	"testing"

	"go.temporal.io/sdk/temporal"

	"github.com/lifeboat-dr/lifeboat/activities"
	"github.com/lifeboat-dr/lifeboat/internal/database"
	"github.com/lifeboat-dr/lifeboat/internal/secret"
	"github.com/lifeboat-dr/lifeboat/internal/store/fault"
	"github.com/lifeboat-dr/lifeboat/internal/store/storetest"
	"github.com/lifeboat-dr/lifeboat/test/lab"
)

const manyTables = `
CREATE TABLE patients (id int PRIMARY KEY, name text);
INSERT INTO patients SELECT g, repeat(md5(g::text), 20) FROM generate_series(1, 3000) g;
CREATE TABLE claims (id int PRIMARY KEY, patient int REFERENCES patients, note text);
INSERT INTO claims SELECT g, g, repeat(md5(g::text), 20) FROM generate_series(1, 400) g;
CREATE VIEW named_claims AS SELECT c.id, p.name FROM claims c JOIN patients p ON p.id = c.patient;
DO $$ BEGIN FOR i IN 1..40 LOOP EXECUTE format('CREATE TABLE other_%s AS SELECT g AS id FROM generate_series(1, 50) g', i); END LOOP; END $$;`

// TestOnlyTheSelectionIsRead restores one table of 42 with two workers, the first of which dies half-way. Of the
// rows in the vault nothing is opened but that table's objects, and each of them once.
func TestOnlyTheSelectionIsRead(t *testing.T) {
	vault := fault.Wrap(storetest.Dir(t))
	l := lab.New(t, vault)
	l.Fill(t, manyTables)
	const id = "20261123T020000Z-k3v7qa"
	l.Worker(t).Backup(t, id)
	branches := func(w *lab.Worker) {
		w.Crew.Branches = map[string]activities.Place{"west": &database.ServerScratch{URL: secret.Ref{File: l.File("source.url")}}}
	}
	first, second := l.Worker(t, branches), l.Worker(t, branches)
	in := l.Scratch(id, "selected")
	in.Target.Kind, in.Target.Site = activities.BranchTarget, "west"
	in.Selection = &activities.Selection{Tables: []string{"public.cl*"}}
	before := opened(t, first, id, vault)

	selected, err := lab.Do[activities.SelectedTables](first, first.All.Restores.SelectTables, activities.SelectTablesInput{Component: lab.Component, Backup: id, Selection: *in.Selection})
	if err != nil || selected.Tables != 1 || selected.Of != 42 || selected.Rows != 400 || selected.Chunks < 2 {
		t.Fatalf("selected %+v: %v", selected, err)
	}
	for _, step := range []error{first.OpenTarget(in), first.CreateTables(in), first.Load(in, 0, 1), second.OpenTarget(in), second.CreateTables(in), second.Load(in, 0, selected.Chunks)} {
		if step != nil {
			t.Fatal(step)
		}
	}
	restored, err := lab.Do[activities.Restored](second, second.All.Restores.CreateConstraints, in)
	if err != nil || restored.LeftOutCount != 2 || len(restored.LeftOut) != 2 {
		t.Errorf("restored %+v: %v", restored, err)
	}

	other := in
	other.Selection = &activities.Selection{Tables: []string{"patients"}}
	refused(t, second.OpenTarget(other), activities.TypeNotEmpty, "another selection")
	other.Selection = nil
	refused(t, second.OpenTarget(other), activities.TypeNotEmpty, "another selection")

	compared, err := second.Compare(in)
	if err != nil {
		t.Fatal(err)
	}
	details := map[string]string{}
	for _, c := range compared.Checks {
		details[c.Name] = c.Detail
	}
	if details["selection"] != "1 of 42 tables, and no other" || details["tables"] != "400 rows" || details["schema"] == "" {
		t.Errorf("compared %v", details)
	}
	if compared.Receipt.Kind != "compared-part" {
		t.Errorf("a part of a backup was compared, and the receipt is of kind %q: a verification could take it", compared.Receipt.Kind)
	}

	_, contents := second.Open(t, id)
	after := opened(t, second, id, vault)
	objects := 0
	for _, chunk := range contents.Chunks {
		for _, part := range chunk.Parts {
			want := 0
			if contents.Catalog.Tables[chunk.Table].Name == "claims" {
				want = 1
				objects++
			}
			if got := after[part.Key] - before[part.Key]; got != want {
				t.Errorf("object %s of %s was opened %d times, want %d", part.Key, contents.Catalog.Tables[chunk.Table].Name, got, want)
			}
		}
	}
	if objects < selected.Chunks {
		t.Errorf("%d objects for %d chunks", objects, selected.Chunks)
	}
}

// opened counts how often each object of a backup was opened.
func opened(t *testing.T, w *lab.Worker, id string, vault *fault.Store) map[string]int {
	t.Helper()
	b, _ := w.Open(t, id)
	counts := map[string]int{}
	for _, o := range b.Envelope.Objects {
		counts[o.Key] = vault.CallsFor(fault.Open, o.Key)
	}
	return counts
}

func refused(t *testing.T, err error, kind, says string) {
	t.Helper()
	var failed *temporal.ApplicationError
	if !errors.As(err, &failed) || failed.Type() != kind || !failed.NonRetryable() || !strings.Contains(err.Error(), says) {
		t.Errorf("got %v, want %s that says %q", err, kind, says)
	}
}

// TestSelectionsThatAreRefused are mistakes of people, found before anything is touched, and a part of a backup
// in a place whose comparison would count as proof.
func TestSelectionsThatAreRefused(t *testing.T) {
	l := lab.New(t, storetest.Dir(t))
	l.Fill(t, "CREATE TABLE claims (id int); CREATE TABLE patients (id int)")
	const id = "20261123T020000Z-k3v7qa"
	w := l.Worker(t)
	w.Backup(t, id)
	ask := func(s activities.Selection) error {
		_, err := lab.Do[activities.SelectedTables](w, w.All.Restores.SelectTables, activities.SelectTablesInput{Component: lab.Component, Backup: id, Selection: s})
		return err
	}
	refused(t, ask(activities.Selection{Tables: []string{"cliams"}}), activities.TypeInvalidInput, "public.claims")
	refused(t, ask(activities.Selection{}), activities.TypeInvalidInput, "empty")
	in := l.Scratch(id, "a")
	in.Selection = &activities.Selection{Tables: []string{"claims"}}
	refused(t, w.OpenTarget(in), activities.TypeInvalidInput, "verifies nothing")
	if _, err := w.Compare(in); err == nil {
		t.Error("a part of a backup was compared in a scratch database")
	}
}
