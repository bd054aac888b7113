package e2e

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lifeboat-dr/lifeboat/activities"
	"github.com/lifeboat-dr/lifeboat/internal/manifest"
	"github.com/lifeboat-dr/lifeboat/workflows"
)

// restoreOneTable restores one table of the backup while every object of every other table is away from the
// vault: what is not needed is not read.
func (r *rig) restoreOneTable(t *testing.T, backup workflows.BackupResult) {
	const table = "claims"
	found, err := r.engine.Find(t.Context(), "database", backup.Backup)
	if err != nil {
		t.Fatal(err)
	}
	component, err := r.engine.Crew.Component("database")
	if err != nil {
		t.Fatal(err)
	}
	contents, err := r.engine.Crew.Contents(t.Context(), component, found)
	if err != nil {
		t.Fatal(err)
	}
	var needed []string
	var rows int64
	for _, chunk := range contents.Chunks {
		if chunk.Table >= 0 && contents.Catalog.Tables[chunk.Table].Name == table {
			rows += chunk.Rows
			for _, part := range chunk.Parts {
				needed = append(needed, part.Key)
			}
		}
	}
	for _, part := range contents.Schema.Parts {
		needed = append(needed, part.Key)
	}
	giveBack := r.takeAway(t, found.Envelope.Objects, needed)
	began := time.Now()
	var restored workflows.RestoreResult
	err = r.end(r.begin(workflows.RestoreID("database", "branch:us-west-2")+"-claims", workflows.RestoreBackupName, workflows.KindRestore, workflows.RestoreInput{
		Component: "database", Backup: backup.Backup, Target: activities.Target{Kind: activities.BranchTarget, Site: "us-west-2"},
		Selection: &activities.Selection{Tables: []string{"public." + table}},
	}), &restored)
	giveBack()
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d of %d objects, %d of %d rows, %s", len(needed), len(found.Envelope.Objects), restored.Rows, backup.Totals.Rows, time.Since(began).Round(time.Millisecond))
	if restored.Selected == nil || restored.Selected.Tables != 1 || restored.Selected.Of != backup.Totals.Tables || restored.Rows != rows || rows == 0 {
		t.Errorf("restored %+v", restored)
	}
	if !slices.ContainsFunc(restored.LeftOut, func(l manifest.NotCovered) bool {
		return l.Kind == "FK CONSTRAINT" && strings.Contains(l.Name, "claims") && strings.Contains(l.Reason, "patients")
	}) {
		t.Errorf("the foreign key to patients is not reported: %v", restored.LeftOut)
	}
	conn := r.connectBranch(t, restored.Target.Branch, restored.Target.Database)
	var tables []string
	var there int64
	err = conn.QueryRow(t.Context(), `SELECT ARRAY(SELECT relname::text FROM pg_class WHERE relkind IN ('r', 'p') AND relnamespace::regnamespace::text !~ '^(pg_|information_schema)' ORDER BY 1),
		(SELECT count(*) FROM public.`+table+`)`).Scan(&tables, &there)
	if err != nil || !slices.Equal(tables, []string{table}) || there != rows {
		t.Errorf("the database has %v with %d rows, want %d: %v", tables, there, rows, err)
	}
}

// takeAway moves objects out of the vault, all but some.
func (r *rig) takeAway(t *testing.T, objects []manifest.Object, but []string) (giveBack func()) {
	t.Helper()
	bucket := filepath.Join(r.stack.Dir, "us-east-1", "s3", "buckets", r.stack.Sites[0].Bucket())
	away := map[string]string{}
	for _, o := range objects {
		if slices.Contains(but, o.Key) {
			continue
		}
		path := filepath.Join(bucket, filepath.FromSlash(o.Key))
		hidden := filepath.Join(r.stack.Dir, "away-"+strings.ReplaceAll(o.Key, "/", "_"))
		if err := os.Rename(path, hidden); err != nil {
			t.Fatal(err)
		}
		away[hidden] = path
	}
	if len(away) < 10 {
		t.Fatalf("only %d objects are away", len(away))
	}
	return func() {
		for hidden, path := range away {
			if err := os.Rename(hidden, path); err != nil {
				t.Fatal(err)
			}
		}
	}
}
