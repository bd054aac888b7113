// Package byhand runs docs/restore-by-hand.md as it is written: its blocks are one script, and the programs that
// it names are all that the script can find. Nothing of Lifeboat is among them.
package byhand

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/lifeboat-dr/lifeboat/internal/devstack/pgserver"
	"github.com/lifeboat-dr/lifeboat/internal/keyring"
	"github.com/lifeboat-dr/lifeboat/internal/store/dir"
	"github.com/lifeboat-dr/lifeboat/test/lab"
)

const id = "20261123T020000Z-k3v7qa"

// programs are what the page says is needed, with the coreutils it uses; PostgreSQL's come from the server's.
var programs = []string{"bash", "age", "zstd", "jq", "ssh-keygen", "cp", "ls", "rm", "tr", "sha256sum"}

// script joins the blocks of the page.
func script(t *testing.T) string {
	t.Helper()
	page, err := os.ReadFile("../../docs/restore-by-hand.md")
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	on, blocks := false, 0
	for line := range strings.Lines(string(page)) {
		switch {
		case line == "```bash\n":
			on = true
			blocks++
		case line == "```\n":
			on = false
		case on:
			b.WriteString(line)
		}
	}
	if blocks < 7 {
		t.Fatalf("the page has %d blocks only: the test does not read it as it should", blocks)
	}
	return b.String()
}

// bin is a folder with nothing but the programs.
func bin(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	link := func(name, path string) {
		if err := os.Symlink(path, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range programs {
		path, err := exec.LookPath(name)
		if err != nil {
			t.Fatalf("%v: scripts/setup installs it", err)
		}
		link(name, path)
	}
	for _, name := range []string{"psql", "pg_restore"} {
		path, err := pgserver.Bin(name)
		if err != nil {
			t.Fatal(err)
		}
		link(name, path)
	}
	return dir
}

func TestRestoreByHand(t *testing.T) {
	vault := t.TempDir()
	store, err := dir.Open(vault)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = store.Close() })
	l := lab.New(t, store)
	l.Fill(t, lab.Sample)
	l.Worker(t).Backup(t, id)
	_, contents := l.Worker(t).Open(t, id)
	parts := 0
	for _, c := range contents.Chunks {
		parts = max(parts, len(c.Parts))
	}
	if parts < 2 {
		t.Fatal("no table is cut into parts, so nothing is proven of them")
	}
	run := func(database string) (string, error) {
		target := l.Server.Database(t, database+"_owner", database)
		cmd := exec.CommandContext(t.Context(), "bash", "-c", script(t))
		cmd.Dir = t.TempDir()
		cmd.Env = []string{
			"PATH=" + bin(t), "HOME=" + cmd.Dir, "BUCKET=" + vault, "COMPONENT=" + lab.Component, "BACKUP=" + id,
			"KEY=" + l.File(keyring.Escrow), "SIGNERS=" + l.File(keyring.AllowedSigners), "TARGET=" + target,
		}
		out, err := cmd.CombinedOutput()
		t.Logf("%s:\n%s", database, out)
		return target, err
	}

	target, err := run("byhand")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(dump(t, l.Source), dump(t, target)); diff != "" {
		t.Errorf("pg_dump of the source and of what was restored differ:\n%.4000s", diff)
	}
	source, restored := l.Connect(t, "medlink"), l.Connect(t, "byhand")
	const views = "SELECT hashtext(string_agg(x, ',' ORDER BY x))::bigint FROM (SELECT totals::text AS x FROM totals UNION ALL SELECT a_total::text FROM a_total) v"
	if a, b := source.Ask(t, views), restored.Ask(t, views); a != b {
		t.Error("the materialized views hold something else")
	}

	// A damaged object is noticed before anything is written.
	bad := filepath.Join(vault, filepath.FromSlash(contents.Chunks[2].Parts[0].Key))
	data, err := os.ReadFile(bad)
	if err != nil {
		t.Fatal(err)
	}
	data[len(data)/2] ^= 1
	if err := os.WriteFile(bad, data, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := run("damaged"); err == nil {
		t.Error("a damaged object was restored")
	}
	if n := l.Connect(t, "damaged").Ask(t, "SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace WHERE nspname NOT IN ('pg_catalog', 'information_schema', 'pg_toast')"); n != 0 {
		t.Errorf("a damaged backup left %d relations", n)
	}
}

var noise = regexp.MustCompile(`(?m)^(\\(un)?restrict .*|-- Dumped .*)$`)

// dump is what pg_dump says of a database, rows in no order.
func dump(t *testing.T, address string) string {
	t.Helper()
	path, err := pgserver.Bin("pg_dump")
	if err != nil {
		t.Fatal(err)
	}
	var out, failure bytes.Buffer
	cmd := exec.CommandContext(t.Context(), path, "--no-owner", "--blobs", address)
	cmd.Stdout, cmd.Stderr = &out, &failure
	if err := cmd.Run(); err != nil {
		t.Fatalf("pg_dump: %v %s", err, failure.String())
	}
	lines := strings.Split(noise.ReplaceAllString(out.String(), ""), "\n")
	slices.Sort(lines)
	if len(lines) < 4000 {
		t.Fatalf("%d lines only", len(lines))
	}
	return strings.Join(lines, "\n")
}
