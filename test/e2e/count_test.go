package e2e

import (
	"encoding/json"
	"errors"
	"io/fs"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/lifeboat-dr/lifeboat/internal/devstack/stack"
)

// reads and loads are the statements by which chunks leave a source and enter a target.
const (
	reads = "TO STDOUT"
	loads = "FROM STDIN"
)

// logStatements makes the servers of both sites write down every statement of the owner, so that the
// servers themselves tell what was read and loaded, and how often.
func (r *rig) logStatements(t *testing.T) {
	t.Helper()
	for _, site := range r.stack.Sites {
		conn, err := pgx.Connect(t.Context(), superuser(t, site))
		if err != nil {
			t.Fatal(err)
		}
		_, err = conn.Exec(t.Context(), "ALTER ROLE medlink_owner SET log_statement = 'all'")
		_ = conn.Close(t.Context())
		if err != nil {
			t.Fatal(err)
		}
	}
}

// superuser is the way to a site's main branch for what its owner may not.
func superuser(t *testing.T, site *stack.Site) string {
	t.Helper()
	api, err := site.Neon()
	if err != nil {
		t.Fatal(err)
	}
	branch, err := api.DefaultBranch(t.Context(), site.Project)
	if err != nil {
		t.Fatal(err)
	}
	query := url.Values{"project_id": {site.Project}, "branch_id": {branch.ID}, "database_name": {"postgres"}}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, strings.TrimSuffix(site.API, "/api/v2")+"/emulator/superuser_uri?"+query.Encode(), nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", "Bearer "+site.Key)
	answer, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	var got struct{ URI string }
	if err := json.NewDecoder(answer.Body).Decode(&got); err != nil || got.URI == "" {
		t.Fatalf("no way to the server of %s: status %d, %v", site.Name, answer.StatusCode, err)
	}
	return got.URI
}

var statement = regexp.MustCompile(`statement: (COPY .* (TO STDOUT|FROM STDIN))`)

// statements counts each COPY of one kind at a site, as its servers logged them. The log of a branch goes
// away with the branch, so each is linked to a second name when it is first seen: call it while the branch
// is there.
func (r *rig) statements(t *testing.T, site *stack.Site, kind string) map[string]int {
	t.Helper()
	logs, err := filepath.Glob(filepath.Join(r.stack.Dir, site.Name, "neon", "timelines", "*", "data.log"))
	if err != nil {
		t.Fatal(err)
	}
	kept := filepath.Join(r.stack.Dir, "kept-"+site.Name)
	if err := os.MkdirAll(kept, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, log := range logs {
		err := os.Link(log, filepath.Join(kept, filepath.Base(filepath.Dir(log))))
		if err != nil && !errors.Is(err, fs.ErrExist) && !errors.Is(err, fs.ErrNotExist) {
			t.Fatal(err)
		}
	}
	found := map[string]int{}
	all, err := filepath.Glob(filepath.Join(kept, "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, log := range all {
		text, err := os.ReadFile(log)
		if err != nil {
			t.Fatal(err)
		}
		for _, match := range statement.FindAllStringSubmatch(string(text), -1) {
			if match[2] == kind {
				found[match[1]]++
			}
		}
	}
	return found
}

// since is what came after an earlier count.
func since(before, now map[string]int) map[string]int {
	more := map[string]int{}
	for s, n := range now {
		if n > before[s] {
			more[s] = n - before[s]
		}
	}
	return more
}

func sum(counts map[string]int) (n int) {
	for _, c := range counts {
		n += c
	}
	return n
}

var chunkNote = regexp.MustCompile(`/([^/]+)/data/[^/]+/c\d+\.work$`)

// notes counts the notes of finished chunks of a backup in the vault; an empty id counts all.
func (r *rig) notes(backup string) int {
	count := 0
	root := filepath.Join(r.stack.Dir, "us-east-1", "s3", "buckets", r.stack.Sites[0].Bucket())
	_ = filepath.WalkDir(root, func(path string, _ os.DirEntry, err error) error { // files come and go meanwhile
		if m := chunkNote.FindStringSubmatch(path); err == nil && m != nil && (backup == "" || m[1] == backup) {
			count++
		}
		return nil
	})
	return count
}

// markers counts the chunks that are in a target: rows of its own bookkeeping. It is zero where the target is
// not there yet, and -1 where the bookkeeping is gone because the restore has ended.
func (r *rig) markers(t *testing.T, address *pgx.ConnConfig) int {
	t.Helper()
	conn, err := pgx.ConnectConfig(t.Context(), address)
	if err != nil {
		return 0
	}
	defer conn.Close(t.Context())
	var n int
	err = conn.QueryRow(t.Context(), `SELECT count(*) FROM lifeboat_restore.done WHERE step ~ '^c[0-9]+$'`).Scan(&n)
	if err != nil {
		return -1
	}
	return n
}
