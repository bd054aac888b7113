package e2e

import (
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lifeboat-dr/lifeboat/activities"
	"github.com/lifeboat-dr/lifeboat/internal/neon"
	"github.com/lifeboat-dr/lifeboat/workflows"
)

// refuseNonEmpty restores into the named target: first it points at a database that holds something, which
// stays as it is, then at an empty one.
func (r *rig) refuseNonEmpty(t *testing.T, backup workflows.BackupResult) {
	site := r.stack.Sites[1]
	api, err := site.Neon()
	if err != nil {
		t.Fatal(err)
	}
	branch, err := api.DefaultBranch(t.Context(), site.Project)
	if err != nil {
		t.Fatal(err)
	}
	address, err := api.ConnectionURI(t.Context(), neon.ConnectionSpec{Project: site.Project, Branch: branch.ID, Database: "standby", Role: "medlink_owner"})
	if err != nil {
		t.Fatal(err)
	}
	point := func(database string) {
		t.Helper()
		u, err := url.Parse(address.Reveal())
		if err != nil {
			t.Fatal("the connection string is no URL")
		}
		u.Path = "/" + database
		if err := os.WriteFile(filepath.Join(r.stack.Dir, "keys", "spare.secret"), []byte(u.String()), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	conn, err := site.Connect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(t.Context()) })
	for _, sql := range []string{"CREATE TABLE precious (id int)", "INSERT INTO precious VALUES (1)", "CREATE DATABASE spare"} {
		if _, err := conn.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	restore := func() error {
		var restored workflows.RestoreResult
		return r.end(r.begin(workflows.RestoreID("database", "target:spare"), workflows.RestoreBackupName, workflows.KindRestore, workflows.RestoreInput{
			Component: "database", Backup: backup.Backup, Target: activities.Target{Kind: activities.NamedTarget, Name: "spare"},
		}), &restored)
	}

	point("standby")
	if err := restore(); err == nil || !strings.Contains(err.Error(), activities.TypeNotEmpty) || !strings.Contains(err.Error(), "precious") {
		t.Errorf("a database that holds a table: %v", err)
	}
	var tables int
	if err := conn.QueryRow(t.Context(), "SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname NOT LIKE 'pg\\_%' AND n.nspname <> 'information_schema'").Scan(&tables); err != nil || tables != 1 {
		t.Errorf("the refused database holds %d relations: %v", tables, err)
	}
	point("spare")
	if err := restore(); err != nil {
		t.Errorf("an empty database: %v", err)
	}
}
