package e2e

import (
	"strings"
	"testing"
	"time"

	"go.temporal.io/sdk/client"

	"github.com/lifeboat-dr/lifeboat/internal/devstack/medlink"
	"github.com/lifeboat-dr/lifeboat/internal/devstack/pgserver"
	"github.com/lifeboat-dr/lifeboat/internal/manifest"
	"github.com/lifeboat-dr/lifeboat/workflows"
)

// reporting adds a component on a plain server to a configuration.
const reporting = `components:
  reporting:
    tier: 3
    owner: analytics@medlink.example
    rpo: 2d
    rto: 7d
    source: {postgres: {site: us-east-1, url: {env: LIFEBOAT_TEST_REPORTING}}}
    vault: us-west-2
    chunk_bytes: 1MiB
    connections: 1
    verify: {scratch: {postgres: {site: us-west-2, url: {env: LIFEBOAT_TEST_REPORTING}}}}
`

// TestServerCopyAfterCrash shows what a crash costs where there are no branches: the snapshot dies with its
// worker, so everything is read again under the next snapshot id, in the state of then. What the first
// attempt left stays in the vault until its short lock ends, and no manifest lists it.
func TestServerCopyAfterCrash(t *testing.T) {
	server := pgserver.New(t, pgserver.TestOptions{})
	t.Setenv("LIFEBOAT_TEST_REPORTING", server.Database(t, "reporter", "reporting"))
	server.Exec(t, "postgres", "ALTER ROLE reporter CREATEDB; GRANT pg_read_all_data TO reporter")
	r := newRig(t, 1<<20, func(config string) string { return strings.Replace(config, "components:\n", reporting, 1) })
	conn, err := server.Connect(t.Context(), "reporting")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	if err := medlink.Install(t.Context(), conn); err != nil {
		t.Fatal(err)
	}
	if err := medlink.Generate(t.Context(), conn, medlink.SizeOf(1<<20, 1)); err != nil {
		t.Fatal(err)
	}
	var result workflows.BackupResult
	r.outlive(t, func() client.WorkflowRun {
		return r.begin(workflows.BackupID("reporting", time.Now()), workflows.BackupName, workflows.KindBackup, workflows.BackupInput{Component: "reporting"})
	}, []string{"after create /data/s1/c00003.work$"}, func() {
		// What is written now is in the backup: the first snapshot is gone.
		server.Exec(t, "reporting", "CREATE TABLE public.later AS SELECT g AS id FROM generate_series(1, 1234) g; ALTER TABLE public.later OWNER TO reporter")
	}, &result)

	found, contents, err := r.engine.Open(t.Context(), "reporting", result.Backup)
	if err != nil {
		t.Fatal(err)
	}
	if found.Envelope.Snapshot != "s2" || result.Resumed != 0 {
		t.Errorf("the backup is of snapshot %q with %d chunks of an earlier attempt, want s2 and none", found.Envelope.Snapshot, result.Resumed)
	}
	for _, o := range append(found.Envelope.Objects, found.Envelope.Contents...) {
		if !strings.Contains(o.Key, "/data/s2/") {
			t.Errorf("the manifest lists %s", o.Key)
		}
	}
	var later int64
	for _, c := range contents.Chunks {
		if c.Table >= 0 && contents.Catalog.Tables[c.Table].Name == "later" {
			later += c.Rows
		}
	}
	if later != 1234 {
		t.Errorf("%d rows of what was written after the crash, want 1234", later)
	}
	if result.Verified == nil {
		t.Error("the backup was not verified")
	}

	component, err := r.engine.Crew.Component("reporting")
	if err != nil {
		t.Fatal(err)
	}
	left := 0
	for o, err := range component.Vault.Store.Versions(t.Context(), manifest.BackupPrefix("reporting", result.Backup)+"data/s1/") {
		if err != nil {
			t.Fatal(err)
		}
		left++
		if o, err = component.Vault.Store.Stat(t.Context(), o.Key, o.Version); err != nil || o.RetainUntil.After(time.Now().AddDate(0, 0, 31)) {
			t.Errorf("%s of the attempt that died is locked until %s: %v", o.Key, o.RetainUntil, err)
		}
	}
	// Plan, schema or not, and chunks 0 to 3 with their notes.
	if left < 9 {
		t.Errorf("the attempt that died left %d objects", left)
	}
	t.Logf("a crash after 4 of %d chunks cost %d objects that no manifest lists, and reading everything again", result.Totals.Chunks, left)
}
