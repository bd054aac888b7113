package standby_test

import (
	"context"
	"errors"
	"log/slog"
	"net/url"
	"path/filepath"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/lifeboat-dr/lifeboat/internal/devstack/medlink"
	"github.com/lifeboat-dr/lifeboat/internal/secret"
	"github.com/lifeboat-dr/lifeboat/internal/standby"
)

// app is the sample application at work.
type app struct {
	*medlink.Writer
	stop func()
}

func write(t *testing.T, s *site, ledger string) *app {
	t.Helper()
	w, err := medlink.NewWriter(medlink.WriterOptions{
		Connect:   func(ctx context.Context) (*pgx.Conn, error) { return pgx.Connect(ctx, s.address.Reveal()) },
		PerSecond: 40, Ledger: ledger, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- w.Run(ctx) }()
	a := &app{Writer: w}
	a.stop = func() {
		cancel()
		if err, open := <-done; open && err != nil {
			t.Errorf("the application: %v", err)
		}
		close(done)
		a.stop = func() {}
	}
	t.Cleanup(func() { a.stop() })
	return a
}

func (a *app) more(t *testing.T, n int) {
	t.Helper()
	from := a.Stats().Acknowledged
	eventually(t, "the application writes", func() bool { return a.Stats().Acknowledged >= from+n })
}

// TestAStandbyFollowsAndTakesOver is the whole way: set up under load and killed at every stage, restarts of both
// computes, a column that stops it, a drain to the last acknowledged claim, a promotion that gives no number twice.
func TestAStandbyFollowsAndTakesOver(t *testing.T) {
	t.Parallel()
	east, west := newSite(t, "aws-us-east-1"), newSite(t, "aws-us-west-2")
	link := standby.Link{Component: "claims-db", Generation: "e1"}
	conn := east.connect()
	defer conn.Close(context.Background())
	if err := medlink.Install(t.Context(), conn); err != nil {
		t.Fatal(err)
	}
	if err := medlink.Generate(t.Context(), conn, medlink.SizeOf(500<<10, 1)); err != nil {
		t.Fatal(err)
	}
	_ = conn.Close(t.Context())
	ledger := filepath.Join(t.TempDir(), "ledger")
	writing := write(t, east, ledger)
	writing.more(t, 5)

	for _, stage := range []string{"look whether it is possible", "copy the schema", "copy the rows"} {
		ctx, kill := context.WithCancel(t.Context())
		_, err := standby.Establish(ctx, east.address, west.address, link, func(p standby.Progress) {
			if p.Stage == stage {
				time.AfterFunc(120*time.Millisecond, kill) // in the middle of it
			}
		})
		kill()
		discreet(t, []*site{east, west}, err)
		if err != nil && !errors.Is(err, context.Canceled) {
			t.Fatalf("killed at %q: %v", stage, err)
		}
	}
	made, err := standby.Establish(t.Context(), east.address, west.address, link, func(standby.Progress) {})
	if err != nil {
		t.Fatal(err)
	}
	discreet(t, []*site{east, west}, made)
	if made.Tables < 8 || len(made.Waived) > 0 {
		t.Errorf("%d tables follow, waived %v", made.Tables, made.Waived)
	}
	if again, err := standby.Establish(t.Context(), east.address, west.address, link, func(standby.Progress) {}); err != nil || !again.Adopted || again.Tables != made.Tables {
		t.Errorf("a second time: %+v, %v", again, err)
	}

	look := func() (standby.State, error) {
		return standby.Look(t.Context(), east.address, west.address, link, 20*time.Second)
	}
	if s, err := look(); err != nil || s.Whole() != nil || s.Drift.Any() || !s.Running || s.Lag > 10*time.Second {
		t.Errorf("the standby is %+v (%v), %v", s, s.Whole(), err)
	}
	for _, one := range []*site{west, east} {
		one.restart()
		eventually(t, "it follows after a restart", func() bool { s, err := look(); return err == nil && s.Whole() == nil })
		writing.more(t, 3)
	}

	// The primary gets a column that the standby does not have.
	east.exec("ALTER TABLE public.providers ADD COLUMN fax text", "UPDATE public.providers SET fax = '1' WHERE id = 1")
	eventually(t, "the drift stops it", func() bool {
		s, err := standby.Look(t.Context(), east.address, west.address, link, time.Second)
		return errors.Is(err, standby.ErrBroken) && len(s.Drift.Blocking()) == 1 && s.Drift.Blocking()[0] == "column public.providers.fax"
	})
	west.exec("ALTER TABLE public.providers ADD COLUMN fax text")
	eventually(t, "it goes on", func() bool { s, err := look(); return err == nil && !s.Drift.Any() })

	drain := func(patience time.Duration) (standby.Drained, error) {
		return standby.Drain(t.Context(), east.address, west.address, link, standby.DrainOptions{Patience: patience, Compare: true})
	}
	if _, err := drain(time.Second); !errors.Is(err, standby.ErrBusy) && !errors.Is(err, standby.ErrBehind) {
		t.Errorf("drained under load: %v", err)
	}
	writing.stop()
	open := east.connect()
	if _, err := open.Exec(t.Context(), "BEGIN; UPDATE public.providers SET fax = '2' WHERE id = 2"); err != nil {
		t.Fatal(err)
	}
	if _, err := drain(time.Second); !errors.Is(err, standby.ErrBusy) {
		t.Errorf("drained with a transaction open: %v", err)
	}
	_ = open.Close(t.Context())
	// Whoever fences the primary changes its passwords: the standby is cut off as well, until it is drained.
	fenced := rotate(t, east)
	drained, err := standby.Drain(t.Context(), fenced, west.address, link, standby.DrainOptions{Patience: 60 * time.Second, Compare: true})
	if err != nil || drained.Tables < made.Tables || drained.LSN == "" {
		t.Fatalf("drained: %+v, %v", drained, err)
	}
	intact(t, west, ledger)

	opt := standby.PromoteOptions{Primary: &fenced, Margin: 100, Check: true}
	promoted, err := standby.Promote(t.Context(), west.address, link, opt)
	if err != nil || promoted.Again || promoted.SlotLeft || promoted.Sequences == 0 || promoted.Constraints < 7 || promoted.Views != 1 || len(promoted.Unknown)+len(promoted.Stale) > 0 {
		t.Fatalf("promoted: %+v, %v", promoted, err)
	}
	if value[bool](west, "SELECT $1::pg_lsn > $2::pg_lsn", promoted.Reached, drained.LSN) && promoted.Exact {
		t.Errorf("it reached %s, drained was %s", promoted.Reached, drained.LSN)
	}
	again, err := standby.Promote(t.Context(), west.address, link, opt)
	if err != nil || !again.Again || !again.At.Equal(promoted.At) || again.Sequences != 0 {
		t.Errorf("promoted again: %+v, %v", again, err)
	}
	if n := value[int](east, "SELECT count(*)::int FROM pg_replication_slots"); n != 0 {
		t.Errorf("%d slots are left", n)
	}
	// It writes, every check of the application holds, and no number came twice.
	second := write(t, west, ledger)
	second.more(t, 20)
	second.stop()
	intact(t, west, ledger)
	at := west.connect()
	defer at.Close(context.Background())
	checks, err := medlink.Check(t.Context(), at)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range checks {
		if !c.OK {
			t.Errorf("%s: %s", c.Name, c.Detail)
		}
	}
	if failed := second.Stats().Failed; failed > 0 {
		t.Errorf("%d claims failed", failed)
	}
	if _, err := standby.Establish(t.Context(), east.address, west.address, link, func(standby.Progress) {}); !errors.Is(err, standby.ErrState) {
		t.Errorf("a primary was made to follow: %v", err)
	}
}

// rotate changes the password of the primary's role and ends every session, and says where it is now.
func rotate(t *testing.T, s *site) secret.String {
	t.Helper()
	u, err := url.Parse(s.address.Reveal())
	if err != nil {
		t.Fatal("the address cannot be read")
	}
	u.User = url.UserPassword(u.User.Username(), "another")
	super, err := s.e.SuperuserURL(s.project.ProjectID, s.project.BranchID, "medlink")
	if err != nil {
		t.Fatal(err)
	}
	conn, err := pgx.Connect(t.Context(), super)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	for _, sql := range []string{"ALTER ROLE medlink_owner PASSWORD 'another'", "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'medlink_owner'"} {
		if _, err := conn.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	s.address = secret.New(u.String())
	return s.address
}

// intact fails when an acknowledged claim is not in a database.
func intact(t *testing.T, s *site, ledger string) {
	t.Helper()
	entries, err := medlink.Acknowledged(ledger)
	if err != nil {
		t.Fatal(err)
	}
	conn := s.connect()
	defer conn.Close(context.Background())
	missing, err := medlink.Missing(t.Context(), conn, entries)
	if err != nil || len(missing) > 0 || len(entries) == 0 {
		t.Errorf("%d of %d acknowledged claims are missing: %v", len(missing), len(entries), err)
	}
}
