package e2e

import (
	"bytes"
	"context"
	"net/url"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/lifeboat-dr/lifeboat/activities"
	"github.com/lifeboat-dr/lifeboat/internal/devstack/pgserver"
	"github.com/lifeboat-dr/lifeboat/internal/devstack/stack"
	"github.com/lifeboat-dr/lifeboat/internal/neon"
	"github.com/lifeboat-dr/lifeboat/workflows"
)

// TestBackupDuringMigration backs up while the application writes and a migration changes, rewrites, fills,
// truncates and drops tables on production. What is restored is what pg_dump sees on a branch at the
// backup's position: schema and rows.
func TestBackupDuringMigration(t *testing.T) {
	r := newRig(t, 4<<20, nil)
	stop := r.migrate(t)
	backup := r.backup()
	rounds := stop()
	if rounds == 0 {
		t.Fatal("nothing was migrated while the backup ran, so nothing is proven")
	}
	t.Logf("%d rounds of the migration ran around the backup", rounds)

	var restored workflows.RestoreResult
	err := r.end(r.begin(workflows.RestoreID("database", "branch:us-west-2"), workflows.RestoreBackupName, workflows.KindRestore, workflows.RestoreInput{
		Component: "database", Backup: backup.Backup, Target: activities.Target{Kind: activities.BranchTarget, Site: "us-west-2"},
	}), &restored)
	if err != nil {
		t.Fatal(err)
	}
	primary := r.stack.Sites[0]
	api, err := primary.Neon()
	if err != nil {
		t.Fatal(err)
	}
	made, err := api.EnsureBranch(t.Context(), neon.BranchSpec{
		Project: primary.Project, Name: "lifeboat/test/witness", Point: neon.Point{LSN: backup.Point.LSN}, Endpoint: neon.ReadOnly, ExpiresAt: time.Now().Add(time.Hour),
	})
	if err != nil {
		t.Fatal(err)
	}
	witness := dumpBranch(t, primary, made.Branch.Name, "medlink", "medlink")
	copied := dumpBranch(t, r.stack.Sites[1], restored.Target.Branch, "standby", restored.Target.Database)
	if !strings.Contains(strings.Join(witness, "\n"), "migrated_") {
		t.Error("the witness shows nothing of the migration, so nothing is proven")
	}
	missing, extra := difference(witness, copied), difference(copied, witness)
	if len(missing)+len(extra) > 0 {
		t.Errorf("pg_dump of the branch at %s and of the restored database differ:\nonly at the branch: %q\nonly restored: %q",
			backup.Point.LSN, head(missing), head(extra))
	}
}

// migrate changes production round after round until the returned function is called, which says how many
// rounds there were.
func (r *rig) migrate(t *testing.T) (stop func() int) {
	t.Helper()
	conn, err := r.stack.Sites[0].Connect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	run := func(sql string) error {
		_, err := conn.Exec(t.Context(), sql, pgx.QueryExecModeSimpleProtocol)
		return err
	}
	if err := run(`CREATE TABLE migrated_a (id bigint PRIMARY KEY, note text); INSERT INTO migrated_a SELECT g, 'row ' || g FROM generate_series(1, 20000) g`); err != nil {
		t.Fatal(err)
	}
	quit, ended := make(chan struct{}), make(chan int, 1)
	go func() {
		rounds := 0
		defer func() { ended <- rounds }()
		for {
			// Each statement commits on its own: a snapshot may fall between any two of them.
			for _, sql := range []string{
				`ALTER TABLE migrated_a ADD COLUMN extra integer NOT NULL DEFAULT 7`,
				`UPDATE migrated_a SET extra = extra + 1 WHERE id % 3 = 0`,
				`ALTER TABLE migrated_a ALTER COLUMN extra TYPE numeric(20, 4)`,
				`CREATE TABLE migrated_b AS SELECT id, note AS told FROM migrated_a WHERE id % 2 = 0`,
				`CREATE INDEX ON migrated_b (told)`,
				`TRUNCATE migrated_a`,
				`ALTER TABLE migrated_a DROP COLUMN extra`,
				`INSERT INTO migrated_a SELECT g, 'again ' || g FROM generate_series(1, 20000) g`,
				`ALTER TABLE migrated_b RENAME TO migrated_c`,
				`DROP TABLE migrated_c`,
			} {
				if err := run(sql); err != nil {
					t.Errorf("migrate: %v", err)
					return
				}
				select {
				case <-quit:
					return
				default:
				}
			}
			rounds++
		}
	}()
	return func() int { close(quit); return <-ended }
}

// dumpBranch is pg_dump of a branch's database as lines without order. Whoever owns is not compared: who
// restores owns.
func dumpBranch(t *testing.T, site *stack.Site, branch, known, database string) []string {
	t.Helper()
	api, err := site.Neon()
	if err != nil {
		t.Fatal(err)
	}
	b, err := api.BranchByName(t.Context(), site.Project, branch)
	if err != nil {
		t.Fatal(err)
	}
	address, err := api.ConnectionURI(t.Context(), neon.ConnectionSpec{Project: site.Project, Branch: b.ID, Database: known, Role: "medlink_owner"})
	if err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(address.Reveal())
	if err != nil {
		t.Fatal("the connection string is no URL")
	}
	u.Path = "/" + database
	program, err := pgserver.Bin("pg_dump")
	if err != nil {
		t.Fatal(err)
	}
	var said bytes.Buffer
	cmd := exec.CommandContext(t.Context(), program, "--no-owner", "--dbname="+u.String())
	cmd.Stderr = &said
	text, err := cmd.Output()
	if err != nil {
		t.Fatalf("pg_dump of %s: %v: %s", branch, err, said.String())
	}
	lines := slices.DeleteFunc(strings.Split(string(text), "\n"), func(line string) bool {
		return strings.HasPrefix(line, `\restrict`) || strings.HasPrefix(line, `\unrestrict`) || strings.HasPrefix(line, "--") || line == ""
	})
	slices.Sort(lines)
	return lines
}

// difference gives the lines of a, counted, that b has not. Both are sorted.
func difference(a, b []string) (only []string) {
	for len(a) > 0 {
		switch {
		case len(b) == 0 || a[0] < b[0]:
			only = append(only, a[0])
			a = a[1:]
		case a[0] == b[0]:
			a, b = a[1:], b[1:]
		default:
			b = b[1:]
		}
	}
	return only
}

func head(lines []string) []string { return lines[:min(10, len(lines))] }
