package e2e

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/lifeboat-dr/lifeboat/workflows"
)

// mostResident is what a worker may ever take, in KiB, however large the database and its values are.
const mostResident = 256 << 10

// peakRSS is the most memory that the worker ever had, in KiB.
func (r *rig) peakRSS() int {
	r.t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", r.worker.PID()))
	if err != nil {
		r.t.Fatal(err)
	}
	found := regexp.MustCompile(`(?m)^VmHWM:\s+(\d+) kB$`).FindSubmatch(status)
	if found == nil {
		r.t.Fatalf("no VmHWM in %s", status)
	}
	kib, err := strconv.Atoi(string(found[1]))
	if err != nil {
		r.t.Fatal(err)
	}
	return kib
}

// startProgram has the worker's own program take the place of the test's, which has Temporal's server in it.
func (r *rig) startProgram() {
	r.t.Helper()
	path := filepath.Join(r.t.TempDir(), "lifeboat-worker")
	if out, err := exec.CommandContext(r.t.Context(), "go", "build", "-o", path, "../../worker").CombinedOutput(); err != nil {
		r.t.Fatalf("build worker: %v %s", err, out)
	}
	r.worker.Kill()
	r.start(path, "LIFEBOAT_CONFIG="+r.stack.Config)
}

// addHuge puts one value and one large object of so many bytes, which do not compress, into the database.
func (r *rig) addHuge(bytes int) {
	r.t.Helper()
	conn, err := r.stack.Sites[0].Connect(r.t.Context())
	if err != nil {
		r.t.Fatal(err)
	}
	defer conn.Close(r.t.Context())
	value := make([]byte, bytes)
	_, _ = rand.Read(value)
	for _, step := range []struct {
		sql  string
		args []any
	}{
		{"CREATE TABLE scans (id int PRIMARY KEY, image bytea)", nil},
		{"ALTER TABLE scans ALTER image SET STORAGE EXTERNAL", nil}, // compressing it would be in vain
		{"INSERT INTO scans VALUES (1, $1)", []any{value}},
		{"SELECT lo_from_bytea(0, image) FROM scans", nil},
	} {
		if _, err := conn.Exec(r.t.Context(), step.sql, step.args...); err != nil {
			r.t.Fatalf("%.30s: %v", step.sql, err)
		}
	}
}

// forgetHistory has both projects keep no history: gigabytes of a database would else lie on the disk five times.
func (r *rig) forgetHistory() {
	r.t.Helper()
	for _, site := range r.stack.Sites {
		body := strings.NewReader(`{"project":{"history_retention_seconds":0}}`)
		req, err := http.NewRequestWithContext(r.t.Context(), http.MethodPatch, site.API+"/projects/"+site.Project, body)
		if err != nil {
			r.t.Fatal(err)
		}
		req.Header.Set("Authorization", "Bearer "+site.Key)
		req.Header.Set("Content-Type", "application/json")
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			r.t.Fatal(err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			r.t.Fatalf("shorten the history of %s: %s", site.Name, resp.Status)
		}
	}
}

// grow copies the rows of the large tables as often as it takes to have about so many bytes.
func (r *rig) grow(bytes int64) {
	r.t.Helper()
	conn, err := r.stack.Sites[0].Connect(r.t.Context())
	if err != nil {
		r.t.Fatal(err)
	}
	defer conn.Close(r.t.Context())
	for _, table := range []string{"claims", "claim_lines", "audit_log"} {
		sql := fmt.Sprintf(`CREATE TABLE past_%[1]s AS SELECT n, old.* FROM %[1]s old CROSS JOIN generate_series(1, %[2]d) n`, table, bytes/copied)
		if _, err := conn.Exec(r.t.Context(), sql); err != nil {
			r.t.Fatalf("multiply %s: %v", table, err)
		}
	}
}

// seeded is how many bytes of rows the database has before it grows, and copied about how many of them are in
// the tables that are copied.
const (
	seeded = 100 << 20
	copied = 46 << 20
)

// memory backs up and verifies a database of so many bytes with a huge value, and looks at what the worker took.
func memory(t *testing.T, bytes int64, huge int) {
	r := newRig(t, min(bytes, seeded), nil)
	r.forgetHistory()
	if bytes > seeded {
		r.grow(bytes)
	}
	r.addHuge(huge)
	r.startProgram()
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Minute)
	defer cancel()
	idle := r.peakRSS()
	var backup workflows.BackupResult
	run := r.begin(workflows.BackupID("database", time.Now()), workflows.BackupName, workflows.KindBackup, workflows.BackupInput{Component: "database", SkipVerify: true})
	if err := run.Get(ctx, &backup); err != nil {
		t.Fatal(err)
	}
	saved := r.peakRSS()
	var verified workflows.VerifyResult
	run = r.begin(workflows.VerifyID("database", backup.Backup), workflows.VerifyName, workflows.KindVerify, workflows.VerifyInput{Component: "database", Backup: backup.Backup})
	if err := run.Get(ctx, &verified); err != nil {
		t.Fatal(err)
	}
	restored := r.peakRSS()
	t.Logf("%d MB of rows: the worker took %d MiB, after the backup %d MiB, after the verification %d MiB",
		backup.Totals.PlainBytes/1e6, idle>>10, saved>>10, restored>>10)
	if backup.Totals.PlainBytes < bytes+2*int64(huge) {
		t.Errorf("only %d bytes were read", backup.Totals.PlainBytes)
	}
	if restored > mostResident {
		t.Errorf("the worker took %d KiB, more than %d", restored, mostResident)
	}
}

// TestChaosMemory takes databases that are larger than any memory the worker may have, when there is time for
// that, and else a value that would be too large if it were ever held as a whole.
func TestChaosMemory(t *testing.T) {
	if os.Getenv("LIFEBOAT_CHAOS") != "full" {
		memory(t, 20<<20, 100<<20)
		return
	}
	for _, gigabytes := range []int64{1, 5} {
		t.Run(fmt.Sprintf("%dGB", gigabytes), func(t *testing.T) { memory(t, gigabytes*1e9, 400<<20) })
	}
}
