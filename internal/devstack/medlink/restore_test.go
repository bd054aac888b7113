package medlink

import (
	"bytes"
	"os/exec"
	"testing"

	"github.com/lifeboat-dr/lifeboat/internal/config"
	"github.com/lifeboat-dr/lifeboat/internal/devstack/pgserver"
)

// A plain dump restores as a plain owner with nothing lost: whatever a backup of this application loses,
// the application is not to blame.
func TestDumpRestores(t *testing.T) {
	s := pgserver.New(t, pgserver.TestOptions{})
	conn, from := installed(t, s, "origin")
	if err := Generate(t.Context(), conn, SizeOf(500<<10, 1)); err != nil {
		t.Fatal(err)
	}
	to := s.Database(t, "copy_owner", "copy")
	dump := run(t, nil, "pg_dump", "--no-owner", from)
	run(t, dump, "psql", "--quiet", "--no-psqlrc", "--set=ON_ERROR_STOP=1", to)
	if failed := checked(t, connect(t, to)); len(failed) > 0 {
		t.Errorf("failed after the restore: %v", failed)
	}
}

func run(t *testing.T, stdin []byte, name string, args ...string) []byte {
	t.Helper()
	path, err := pgserver.Bin(name)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), path, args...)
	var out, failure bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(stdin), &out, &failure
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s: %v: %s", name, err, failure.String())
	}
	return out.Bytes()
}

// The smoke queries that the example gives for MedLink work, without a search path as they run.
func TestExampleSmokeQueries(t *testing.T) {
	c, err := config.Load("../../../lifeboat.example.yaml")
	if err != nil {
		t.Fatal(err)
	}
	smoke := c.Components["database"].Verify.Smoke
	if len(smoke) == 0 {
		t.Fatal("the example has no smoke queries")
	}
	s := pgserver.New(t, pgserver.TestOptions{})
	conn, _ := installed(t, s, "smoke")
	if err := Generate(t.Context(), conn, SizeOf(100<<10, 1)); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.Exec(t.Context(), `SET search_path = ''; SET default_transaction_read_only = on`); err != nil {
		t.Fatal(err)
	}
	for _, q := range smoke {
		// The simple protocol gives every value as text.
		results, err := conn.PgConn().Exec(t.Context(), q.SQL).ReadAll()
		if err != nil || len(results) != 1 {
			t.Errorf("%s: %d results, %v", q.Name, len(results), err)
			continue
		}
		rows := results[0].Rows
		switch e := q.Expect; {
		case e.Equals != nil && (len(rows) != 1 || string(rows[0][0]) != string(*e.Equals)),
			e.AtLeast != nil && (len(rows) != 1 || string(rows[0][0]) == "0"),
			e.Rows != nil && int64(len(rows)) != *e.Rows,
			e.RowsAtLeast != nil && int64(len(rows)) < *e.RowsAtLeast:
			t.Errorf("%s: not as expected, %d rows", q.Name, len(rows))
		}
	}
}
