package medlink

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/lifeboat-dr/lifeboat/internal/devstack/pgserver"
)

// installed gives a connection of the plain owner of a fresh database with the application in it.
func installed(t *testing.T, s *pgserver.Server, name string) (*pgx.Conn, string) {
	t.Helper()
	url := s.Database(t, name+"_owner", name)
	conn := connect(t, url)
	if err := Install(t.Context(), conn); err != nil {
		t.Fatal(err)
	}
	return conn, url
}

func connect(t *testing.T, url string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

func checked(t *testing.T, conn *pgx.Conn) (failed []string) {
	t.Helper()
	results, err := Check(t.Context(), conn)
	if err != nil {
		t.Fatal(err)
	}
	if len(results) != len(checks) {
		t.Fatalf("%d results for %d checks", len(results), len(checks))
	}
	for _, r := range results {
		if !r.OK {
			failed = append(failed, r.Name)
		}
	}
	return failed
}

func TestGeneratedDataIsSound(t *testing.T) {
	s := pgserver.New(t, pgserver.TestOptions{})
	conn, _ := installed(t, s, "sound")
	ctx := t.Context()
	var super bool
	if err := conn.QueryRow(ctx, `SELECT rolsuper OR rolcreaterole FROM pg_roles WHERE rolname = current_user`).Scan(&super); err != nil || super {
		t.Fatalf("not installed as a plain owner: %v", err)
	}
	if failed := checked(t, conn); len(failed) != 1 {
		t.Errorf("an empty installation fails %v, want only the one about rows", failed)
	}
	if err := Generate(ctx, conn, SizeOf(4<<20, 7)); err != nil {
		t.Fatal(err)
	}
	if failed := checked(t, conn); len(failed) > 0 {
		t.Errorf("failed: %v", failed)
	}
	if err := Generate(ctx, conn, SizeOf(1<<20, 7)); err == nil || !strings.Contains(err.Error(), "already") {
		t.Errorf("filled twice: %v", err)
	}
	// Every partition but the default one has rows, and all states of claims occur.
	var partitions, statuses, inDefault int
	err := conn.QueryRow(ctx, `SELECT count(DISTINCT tableoid), (SELECT count(DISTINCT status) FROM public.claims), count(*) FILTER (WHERE tableoid = 'public.audit_log_default'::regclass) FROM public.audit_log`).Scan(&partitions, &statuses, &inDefault)
	if err != nil || partitions != months || statuses != 6 || inDefault != 0 {
		t.Errorf("%d partitions with rows, %d states, %d rows in the default partition, %v", partitions, statuses, inDefault, err)
	}
}

// Each check fails when what it speaks of is damaged, so none of them is decoration.
func TestChecksCanFail(t *testing.T) {
	s := pgserver.New(t, pgserver.TestOptions{})
	conn, _ := installed(t, s, "damaged")
	ctx := t.Context()
	if err := Generate(ctx, conn, SizeOf(200<<10, 1)); err != nil {
		t.Fatal(err)
	}
	super, err := s.Connect(ctx, "damaged")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = super.Close(context.Background()) })
	for name, damage := range map[string]string{
		"there are patients, providers, payers and claims": `TRUNCATE public.claims, public.claim_lines, public.attachments`,
		"the configuration is complete":                    `DELETE FROM public.configuration WHERE key = 'jobs.outbound'`,
		"totals of claims are the sums of their lines":     `UPDATE public.claims SET total_cents = total_cents + 1 WHERE id = 5`,
		"every claim has lines":                            `DELETE FROM public.claim_lines WHERE claim_id = 5`,
		"every line has its claim":                         `DELETE FROM public.claims WHERE id = 5`,
		"every attachment has its claim":                   `DELETE FROM public.claims WHERE id = 5`,
		"every claim has its patient, provider and payer":  `DELETE FROM public.payers`,
		"every claim has its audit entry":                  `DELETE FROM public.audit_log WHERE entity_id = 'MC0000000005'`,
		"control numbers are unique":                       `ALTER TABLE public.claims DROP CONSTRAINT claims_control_number_key; UPDATE public.claims SET control_number = 'MC0000000005' WHERE id = 6`,
		"no sequence will give a number again":             `SELECT setval('public.claim_number_seq', 1)`,
		"the audit log is append-only":                     `ALTER TABLE public.audit_log_2025_08 DISABLE TRIGGER not_truncated`,
		"all foreign keys are there and valid":             `ALTER TABLE public.claim_lines DROP CONSTRAINT claim_lines_claim_id_fkey`,
		"the materialized view is populated":               `REFRESH MATERIALIZED VIEW public.claim_totals WITH NO DATA`,
	} {
		// As a superuser without triggers, which is what a bad restore looks like; undone at once.
		_, err := super.PgConn().Exec(ctx, `BEGIN; SET LOCAL session_replication_role = replica; `+damage).ReadAll()
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		found := false
		for _, c := range checks {
			var wrong int64
			if c.name != name {
				continue
			}
			if err := super.QueryRow(ctx, c.sql).Scan(&wrong); err != nil {
				t.Fatal(err)
			}
			found = wrong != 0
		}
		if !found {
			t.Errorf("%q does not notice: %s", name, damage)
		}
		if _, err := super.Exec(ctx, `ROLLBACK`); err != nil {
			t.Fatal(err)
		}
		// Sequences do not roll back.
		if _, err := super.Exec(ctx, `SELECT setval('public.claim_number_seq', max(id)), setval('public.claim_id_seq', max(id)) FROM public.claims`); err != nil {
			t.Fatal(err)
		}
	}
	if failed := checked(t, conn); len(failed) > 0 {
		t.Errorf("failed after all damage was undone: %v", failed)
	}
}

func TestAuditLogIsAppendOnly(t *testing.T) {
	s := pgserver.New(t, pgserver.TestOptions{})
	conn, _ := installed(t, s, "audit")
	if err := Generate(t.Context(), conn, SizeOf(100<<10, 1)); err != nil {
		t.Fatal(err)
	}
	for _, sql := range []string{`UPDATE public.audit_log SET actor = 'x'`, `DELETE FROM public.audit_log`, `TRUNCATE public.audit_log`, `TRUNCATE public.audit_log_2025_08`, `DELETE FROM public.audit_log_2025_08`} {
		_, err := conn.Exec(t.Context(), sql)
		var refused *pgconn.PgError
		if !errors.As(err, &refused) || refused.Code != "42501" {
			t.Errorf("%s: %v", sql, err)
		}
	}
	// updated_at follows every change.
	var moved bool
	err := conn.QueryRow(t.Context(), `UPDATE public.patients SET contact = '{}' WHERE id = 1 RETURNING updated_at > now() - interval '1 minute'`).Scan(&moved)
	if err != nil || !moved {
		t.Errorf("updated_at did not move: %v", err)
	}
}

// The same size and seed give the same bytes, another seed others.
func TestDataIsDeterministic(t *testing.T) {
	digest := func(seed uint64) (sums [][32]byte, total int64) {
		for _, table := range tables(SizeOf(2<<20, seed)) {
			h := sha256.New()
			n, err := io.Copy(h, &rows{next: table.row, left: table.rows})
			if err != nil {
				t.Fatal(err)
			}
			total += n
			sums = append(sums, [32]byte(h.Sum(nil)))
		}
		return sums, total
	}
	a, size := digest(1)
	b, _ := digest(1)
	other, _ := digest(2)
	for i := range a {
		if a[i] != b[i] {
			t.Errorf("table %d differs between two runs", i)
		}
		if a[i] == other[i] && i != 1 {
			t.Errorf("table %d does not depend on the seed", i)
		}
	}
	if want := int64(2 << 20); size < want*9/10 || size > want*11/10 {
		t.Errorf("%d bytes for a size of %d", size, want)
	}
}

func TestLedger(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ledger")
	l, err := openLedger(path)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now().UTC()
	for _, e := range []Entry{{Outcome: Acked, Control: "MC0000000001", AcknowledgedAt: now}, {Outcome: Unknown, Control: "MC0000000002"}, {Outcome: Acked, Control: "MC0000000003", AcknowledgedAt: now}} {
		if err := l.append(e); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := l.f.WriteString(`{"outcome":"acknowledged","con`); err != nil { // a crash in the middle
		t.Fatal(err)
	}
	if err := l.close(); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		got, err := Acknowledged(path)
		if err != nil || len(got) != 2 || got[1].Control != "MC0000000003" || !got[1].AcknowledgedAt.Equal(now) {
			t.Fatalf("got %v, %v", got, err)
		}
		// Opening it again removes the half line, and what follows can be read.
		if l, err = openLedger(path); err != nil || l.close() != nil {
			t.Fatal(err)
		}
	}
	text, _ := os.ReadFile(path)
	if bytes.Count(text, []byte("\n")) != 3 || !bytes.HasSuffix(text, []byte("\n")) {
		t.Errorf("ledger is %q", text)
	}
	if err := os.WriteFile(path, []byte("{}\nnonsense\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Acknowledged(path); err == nil || !strings.Contains(err.Error(), "line 2") {
		t.Errorf("damage was taken: %v", err)
	}
	if _, err := Acknowledged(path + ".missing"); err == nil {
		t.Error("a missing ledger was taken")
	}
}

// The writer goes on through closed sessions and a server that crashes and comes back, and what it says
// is safe is there.
func TestWriterSurvivesTheDatabase(t *testing.T) {
	dir := t.TempDir()
	s := pgserver.New(t, pgserver.TestOptions{})
	conn, url := installed(t, s, "busy")
	if err := Generate(t.Context(), conn, SizeOf(200<<10, 3)); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "ledger")
	var logged bytes.Buffer
	connects := 0
	w, err := NewWriter(WriterOptions{
		Connect: func(ctx context.Context) (*pgx.Conn, error) {
			config, err := pgx.ParseConfig(url)
			if err != nil {
				return nil, err
			}
			// Every other time as through a pooler in transaction mode, without prepared statements.
			if connects++; connects%2 == 0 {
				config.DefaultQueryExecMode = pgx.QueryExecModeExec
			}
			return pgx.ConnectConfig(ctx, config)
		},
		PerSecond: 400, Ledger: path, Log: slog.New(slog.NewTextHandler(&logged, nil)),
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- w.Run(ctx) }()
	until := func(what string, done func(WriterStats) bool) {
		t.Helper()
		deadline := time.Now().Add(30 * time.Second)
		for !done(w.Stats()) {
			if time.Now().After(deadline) {
				t.Fatalf("%s: %+v", what, w.Stats())
			}
			time.Sleep(5 * time.Millisecond)
		}
	}
	until("first claims", func(s WriterStats) bool { return s.Acknowledged >= 50 })
	for i := range 3 {
		s.Exec(t, "postgres", `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'busy_owner' AND pid <> pg_backend_pid()`)
		before := w.Stats()
		until("after a closed session", func(s WriterStats) bool { return s.Reconnects > i && s.Acknowledged >= before.Acknowledged+20 })
	}
	before := w.Stats()
	s = crashAndRestart(t, s)
	until("after a crash", func(s WriterStats) bool {
		return s.Reconnects > before.Reconnects && s.Acknowledged >= before.Acknowledged+20
	})
	stop()
	if err := <-ended; err != nil {
		t.Fatal(err)
	}

	entries, err := Acknowledged(path)
	if err != nil || len(entries) != w.Stats().Acknowledged {
		t.Fatalf("%d entries for %+v, %v", len(entries), w.Stats(), err)
	}
	conn = connect(t, url)
	missing, err := Missing(t.Context(), conn, entries)
	if err != nil || len(missing) > 0 {
		t.Errorf("%d acknowledged claims are missing, %v", len(missing), err)
	}
	if failed := checked(t, conn); len(failed) > 0 {
		t.Errorf("failed: %v", failed)
	}
	for _, e := range entries {
		if e.AcknowledgedAt.Before(e.WrittenAt.Add(-time.Second)) || !strings.HasPrefix(e.Control, "MC") || e.Lines == 0 {
			t.Fatalf("entry %+v", e)
		}
	}
	if strings.Contains(logged.String(), url) || strings.Contains(logged.String(), "busy_owner") {
		t.Errorf("the log tells too much: %s", logged.String())
	}

	// What was lost is noticed: a claim that is gone, and one with a line less.
	s.Exec(t, "busy", `SET session_replication_role = replica; DELETE FROM public.claims WHERE control_number = '`+entries[0].Control+`';
		DELETE FROM public.claim_lines WHERE line_number = 1 AND claim_id = (SELECT id FROM public.claims WHERE control_number = '`+entries[7].Control+`')`)
	missing, err = Missing(t.Context(), conn, entries)
	if err != nil || len(missing) != 2 || missing[0].Control != entries[0].Control || missing[1].Control != entries[7].Control {
		t.Errorf("missing: %v, %v", missing, err)
	}
}

// crashAndRestart ends a server as a crash does and starts it again at the same address.
func crashAndRestart(t *testing.T, s *pgserver.Server) *pgserver.Server {
	t.Helper()
	address := s.Addr()
	if err := s.Stop(pgserver.Immediate); err != nil {
		t.Fatal(err)
	}
	again, err := pgserver.Start(t.Context(), pgserver.Options{Dir: s.Dir(), NoSync: true, Listen: address})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := again.Stop(pgserver.Immediate); err != nil {
			t.Errorf("stop server: %v", err)
		}
	})
	return again
}

func TestWriterNeedsItsLedger(t *testing.T) {
	if _, err := NewWriter(WriterOptions{Connect: func(context.Context) (*pgx.Conn, error) { return nil, nil }, PerSecond: 1, Ledger: t.TempDir()}); err == nil {
		t.Error("a directory was taken for a ledger")
	}
	if _, err := NewWriter(WriterOptions{}); err == nil {
		t.Error("a writer without a database was made")
	}
}

// 100 MB are there within a few seconds; the limit has room for a busy machine.
func TestGenerateIsQuick(t *testing.T) {
	s := pgserver.New(t, pgserver.TestOptions{Settings: map[string]string{"max_wal_size": "2GB"}})
	conn, _ := installed(t, s, "big")
	start := time.Now()
	if err := Generate(t.Context(), conn, SizeOf(100_000_000, 1)); err != nil {
		t.Fatal(err)
	}
	took := time.Since(start)
	var size int64
	if err := conn.QueryRow(t.Context(), `SELECT pg_database_size(current_database())`).Scan(&size); err != nil {
		t.Fatal(err)
	}
	t.Logf("100 MB of COPY text, %d MB on disk, in %v", size/1e6, took)
	if took > 30*time.Second {
		t.Errorf("it took %v", took)
	}
}
