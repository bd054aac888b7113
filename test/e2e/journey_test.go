package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/lifeboat-dr/lifeboat/activities"
	"github.com/lifeboat-dr/lifeboat/internal/devstack/medlink"
	"github.com/lifeboat-dr/lifeboat/internal/devstack/pgserver"
	"github.com/lifeboat-dr/lifeboat/internal/manifest"
	"github.com/lifeboat-dr/lifeboat/internal/neon"
	"github.com/lifeboat-dr/lifeboat/workflows"
)

// TestJourney goes the whole way on one world: back up, find, verify, restore, look at what people and
// attackers would look at.
func TestJourney(t *testing.T) {
	server := pgserver.New(t, pgserver.TestOptions{})
	t.Setenv("LIFEBOAT_TEST_REPORTING", server.Database(t, "reporter", "reporting"))
	server.Exec(t, "postgres", "ALTER ROLE reporter CREATEDB; GRANT pg_read_all_data TO reporter")
	r := newRig(t, 4<<20, func(config string) string {
		config = strings.Replace(config, "components:\n", `components:
  reporting:
    tier: 3
    owner: analytics@medlink.example
    rpo: 2d
    rto: 7d
    source: {postgres: {site: us-east-1, url: {env: LIFEBOAT_TEST_REPORTING}}}
    vault: us-west-2
    verify: {scratch: {postgres: {site: us-west-2, url: {env: LIFEBOAT_TEST_REPORTING}}}}
`, 1)
		return config + "targets:\n  spare: {postgres: {site: us-west-2, url: {file: keys/spare.secret}}}\n"
	})
	backup := r.backup()
	if backup.Totals.Rows == 0 || backup.Totals.Tables < 20 || backup.LockedUntil.Before(time.Now().AddDate(6, 11, 0)) {
		t.Errorf("backup %+v", backup)
	}
	if left := r.leftovers(); len(left) > 0 {
		t.Errorf("the backup left %v", left)
	}

	found, err := r.engine.Find(t.Context(), "database", "latest")
	if err != nil || found.Envelope.Backup != backup.Backup || found.Signer != "worker@medlink.example" {
		t.Fatalf("found %+v: %v", found, err)
	}
	if _, err := r.engine.Find(t.Context(), "database", "latest-verified"); err == nil {
		t.Error("a backup counts as verified that nobody restored")
	}

	verified, err := r.verify(backup.Backup)
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]bool{}
	for _, c := range verified.Checks {
		names[c.Name] = c.OK
	}
	if !names["tables"] || !names["schema"] || !names["sequences"] || !names["smoke:there are claims"] {
		t.Errorf("compared %+v", verified.Checks)
	}
	if _, err := r.engine.Find(t.Context(), "database", "latest-verified"); err != nil {
		t.Error(err)
	}
	if left := r.leftovers(); len(left) > 0 {
		t.Errorf("the verification left %v", left)
	}

	t.Run("a plain server, a cancellation, an evaluation", func(t *testing.T) { r.otherKinds(t, server) })
	t.Run("restore into a branch", func(t *testing.T) { r.restoreIntoBranch(t, backup) })
	t.Run("a database that is not empty is refused", func(t *testing.T) { r.refuseNonEmpty(t, backup) })
	t.Run("history tells nothing", func(t *testing.T) { r.readHistories(t) })
	t.Run("one table", func(t *testing.T) { r.restoreOneTable(t, backup) }) // its history names what a person named
	t.Run("a flipped bit is found and told", func(t *testing.T) { r.flipABit(t, backup) })
	t.Run("nothing is done without an order", func(t *testing.T) { r.refuseWithoutOrder(t) })
	r.record(t)
}

func (r *rig) restoreIntoBranch(t *testing.T, backup workflows.BackupResult) {
	var restored workflows.RestoreResult
	err := r.end(r.begin(workflows.RestoreID("database", "branch:us-west-2"), workflows.RestoreBackupName, workflows.KindRestore, workflows.RestoreInput{
		Component: "database", Backup: backup.Backup, Target: activities.Target{Kind: activities.BranchTarget, Site: "us-west-2"},
	}), &restored)
	if err != nil {
		t.Fatal(err)
	}
	if restored.Rows != backup.Totals.Rows || !restored.WasVerified {
		t.Errorf("restored %+v", restored)
	}
	conn := r.connectBranch(t, restored.Target.Branch, restored.Target.Database)
	checks, err := medlink.Check(t.Context(), conn)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range checks {
		if !c.OK {
			t.Errorf("the application could not work: %s: %s", c.Name, c.Detail)
		}
	}
	// Every claim that was acknowledged before the restore point is there.
	entries, err := medlink.Acknowledged(r.stack.Ledger)
	if err != nil {
		t.Fatal(err)
	}
	var before []medlink.Entry
	for _, e := range entries {
		if e.AcknowledgedAt.Before(backup.Point.Time) {
			before = append(before, e)
		}
	}
	lost, err := medlink.Missing(t.Context(), conn, before)
	if err != nil || len(lost) > 0 {
		t.Errorf("%d of %d acknowledged claims are lost: %v", len(lost), len(before), err)
	}
	var exists bool
	if err := conn.QueryRow(t.Context(), "SELECT to_regnamespace('lifeboat_restore') IS NOT NULL").Scan(&exists); err != nil || exists {
		t.Errorf("the restored database is still marked as incomplete: %v", err)
	}
}

func (r *rig) connectBranch(t *testing.T, branch, database string) *pgx.Conn {
	t.Helper()
	site := r.stack.Sites[1]
	api, err := site.Neon()
	if err != nil {
		t.Fatal(err)
	}
	b, err := api.BranchByName(t.Context(), site.Project, branch)
	if err != nil {
		t.Fatal(err)
	}
	address, err := api.ConnectionURI(t.Context(), neon.ConnectionSpec{Project: site.Project, Branch: b.ID, Database: "standby", Role: "medlink_owner"})
	if err != nil {
		t.Fatal(err)
	}
	cfg, err := pgx.ParseConfig(address.Reveal())
	if err != nil {
		t.Fatal(err)
	}
	cfg.Database = database
	conn, err := pgx.ConnectConfig(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(t.Context()) })
	return conn
}

// readHistories looks at everything that Temporal holds: sealed, it may show no input; opened, no name of a
// table, no connection string and no password.
func (r *rig) readHistories(t *testing.T) {
	sealed, opened := r.histories(t)
	for _, word := range []string{`"component"`, "claim_lines", "medlink_owner", "postgresql://"} {
		if strings.Contains(sealed, word) {
			t.Errorf("%q can be read without the fleet's key", word)
		}
	}
	if !strings.Contains(opened, `"component":"database"`) {
		t.Fatal("the histories were not opened, so the next check would prove nothing")
	}
	for _, word := range []string{"claim_lines", "patients", "postgresql://", "postgres://", r.stack.Sites[0].Key} {
		if strings.Contains(opened, word) {
			t.Errorf("%q stands in a history", word)
		}
	}
	for name, secret := range r.secrets(t) {
		if strings.Contains(sealed, secret) || strings.Contains(opened, secret) {
			t.Errorf("the secret in %s stands in a history", name)
		}
	}
}

// flipABit damages one object of the vault: the verification fails, names it, leaves a signed record, tells
// people and drops its scratch database.
func (r *rig) flipABit(t *testing.T, backup workflows.BackupResult) {
	found, err := r.engine.Find(t.Context(), "database", backup.Backup)
	if err != nil {
		t.Fatal(err)
	}
	object := found.Envelope.Objects[len(found.Envelope.Objects)/2]
	path := filepath.Join(r.stack.Dir, "us-east-1", "s3", "buckets", r.stack.Sites[0].Bucket(), filepath.FromSlash(object.Key))
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	data[len(data)/2] ^= 1
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err = r.verify(backup.Backup)
	if err == nil || !strings.Contains(err.Error(), object.Key) || !strings.Contains(err.Error(), activities.TypeCorrupt) {
		t.Fatalf("got %v, want an error that names %s", err, object.Key)
	}
	component, err := r.engine.Crew.Component("database")
	if err != nil {
		t.Fatal(err)
	}
	kinds := map[string]int{}
	for version, err := range component.Vault.Store.Versions(t.Context(), manifest.AttemptsPrefix("database", backup.Backup)) {
		if err != nil {
			t.Fatal(err)
		}
		for _, kind := range []string{"verify", "restore"} {
			if r.stored(t, version.Key, `\"kind\":\"`+kind) {
				kinds[kind]++
			}
		}
	}
	if kinds["verify"] != 1 || kinds["restore"] != 1 { // the restore is the one that was refused
		t.Errorf("records of failures: %v", kinds)
	}
	told := ""
	for _, m := range r.stack.Inbox.Messages() {
		told += string(m.Body)
	}
	if !strings.Contains(told, "backup.unverified") || strings.Contains(told, object.Key) {
		t.Errorf("people were told %s", told)
	}
	if left := r.leftovers(); len(left) > 0 {
		t.Errorf("the failed verification left %v", left)
	}
}

// stored says whether an object of the vault holds a text.
func (r *rig) stored(t *testing.T, key, text string) bool {
	t.Helper()
	path := filepath.Join(r.stack.Dir, "us-east-1", "s3", "buckets", r.stack.Sites[0].Bucket(), filepath.FromSlash(key))
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Contains(string(data), text)
}
