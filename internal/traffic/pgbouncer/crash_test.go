package pgbouncer_test

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/lifeboat-dr/lifeboat/internal/traffic"
	"github.com/lifeboat-dr/lifeboat/internal/traffic/pgbouncer"
)

// comesUpHeld kills a held PgBouncer: it comes up held, who connects waits, and is served once it is opened.
func comesUpHeld(t *testing.T, s servers) {
	r := newRig(t, s, nil)
	r.open()
	r.hold()
	r.pooler.Kill()
	if _, err := r.door.State(t.Context()); !errors.Is(err, traffic.ErrUnavailable) {
		t.Errorf("a door without a process: %v", err)
	}
	if err := r.pooler.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	r.expect(traffic.Held)
	answered := make(chan error, 1)
	go func() {
		conn, err := pgx.Connect(t.Context(), r.pooler.URL("app", "claims"))
		if err == nil {
			_, err = r.port(t.Context(), conn)
			_ = conn.Close(context.Background())
		}
		answered <- err
	}()
	for r.expect(traffic.Held).Waiting == 0 {
		time.Sleep(20 * time.Millisecond)
	}
	// It tries in vain to reach a server that is not there, and goes on waiting.
	select {
	case err := <-answered:
		t.Fatalf("who came while it was held did not wait: %v", err)
	case <-time.After(1500 * time.Millisecond):
	}
	r.hold()
	r.must(r.door.Move(t.Context(), traffic.MoveRequest{Address: r.new}))
	r.must(r.door.Open(t.Context(), traffic.OpenRequest{}))
	if err := <-answered; err != nil {
		t.Error(err)
	}
}

// staysHeld does what people and other programs do to a PgBouncer: a reload, and a RESUME.
func staysHeld(t *testing.T, s servers) {
	r := newRig(t, s, nil)
	r.open()
	r.hold()
	r.console("RELOAD")
	r.expect(traffic.Held)
	r.console("RESUME claims")
	r.expect(traffic.Held)
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	if conn, err := pgx.Connect(ctx, r.pooler.URL("app", "claims")); err == nil {
		_ = conn.Close(context.Background())
		t.Error("somebody got through a held door")
	}
}

// interrupted is a worker that died after it had written that the door is held, before PgBouncer was told.
func interrupted(t *testing.T, s servers) {
	r := newRig(t, s, nil)
	r.open()
	text, err := os.ReadFile(r.file)
	if err != nil {
		t.Fatal(err)
	}
	r.hold()
	held, err := os.ReadFile(r.file)
	if err != nil {
		t.Fatal(err)
	}
	r.must(r.door.Open(t.Context(), traffic.OpenRequest{Back: true}))
	r.overwrite(held)
	report := r.must(r.door.State(t.Context()))
	if report.State != traffic.Open || report.Recorded != traffic.Held || report.Settled() {
		t.Errorf("%+v", report)
	}
	if _, err := r.door.Move(t.Context(), traffic.MoveRequest{Address: r.new}); !errors.Is(err, traffic.ErrState) {
		t.Errorf("a door that runs open was moved: %v", err)
	}
	// A transaction goes on, so the repeated hold does not succeed either, and opens the door.
	tx, err := r.connect().Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(t.Context(), "SELECT 1"); err != nil {
		t.Fatal(err)
	}
	if _, err := r.door.Hold(t.Context(), traffic.HoldRequest{Drain: 200 * time.Millisecond}); !errors.Is(err, traffic.ErrBusy) {
		t.Errorf("%v", err)
	}
	r.expect(traffic.Open)
	if err := tx.Rollback(t.Context()); err != nil {
		t.Error(err)
	}
	r.hold()
	r.expect(traffic.Held)
	// And one that died while it opened.
	r.overwrite(text)
	if report := r.must(r.door.State(t.Context())); report.State != traffic.Held || report.Recorded != traffic.Open {
		t.Errorf("%+v", report)
	}
	r.must(r.door.Open(t.Context(), traffic.OpenRequest{}))
	r.expect(traffic.Open)
}

// overtaken is an execution of before a failover.
func overtaken(t *testing.T, s servers) {
	r := newRig(t, s, nil)
	r.open()
	r.must(r.door.Hold(t.Context(), traffic.HoldRequest{Change: traffic.Change{By: "second", Epoch: 2}, Drain: time.Second}))
	_, hold := r.door.Hold(t.Context(), traffic.HoldRequest{Change: traffic.Change{By: "first", Epoch: 1}, Drain: time.Second})
	_, move := r.door.Move(t.Context(), traffic.MoveRequest{Change: traffic.Change{Epoch: 1}, Address: r.new})
	_, open := r.door.Open(t.Context(), traffic.OpenRequest{Change: traffic.Change{Epoch: 1}})
	_, shut := r.door.Close(t.Context(), traffic.Change{Epoch: 1})
	for verb, err := range map[string]error{"hold": hold, "move": move, "open": open, "close": shut} {
		if !errors.Is(err, traffic.ErrOvertaken) {
			t.Errorf("%s: %v", verb, err)
		}
	}
	if report := r.expect(traffic.Held); report.By != "second" || report.Epoch != 2 {
		t.Errorf("%+v", report)
	}
}

// files are those that a door refuses.
func files(t *testing.T, s servers) {
	r := newRig(t, s, nil)
	r.open()
	good, err := os.ReadFile(r.file)
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(r.file); err != nil || info.Mode().Perm() != 0o640 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	for name, text := range map[string]string{
		"of somebody else":    "[databases]\nclaims = host=127.0.0.1\n",
		"of another door":     strings.ReplaceAll(string(good), `"database":"claims"`, `"database":"reports"`),
		"of a newer version":  strings.ReplaceAll(string(good), `"format":1`, `"format":2`),
		"with two states":     string(good) + string(good),
		"with another field":  strings.ReplaceAll(string(good), `"format":1`, `"format":1,"lease":"x"`),
		"with unknown state":  strings.ReplaceAll(string(good), `"state":"open"`, `"state":"ajar"`),
		"open, leads nowhere": `;lifeboat {"format":1,"database":"claims","state":"open","by":"","since":"2026-11-25T00:00:00Z","epoch":0,"serial":1}`,
	} {
		r.overwrite([]byte(text))
		if _, err := r.door.State(t.Context()); !errors.Is(err, traffic.ErrInvalid) {
			t.Errorf("a file %s: %v", name, err)
		}
	}
	r.overwrite(good)
	if err := os.Chmod(r.file, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := r.door.State(t.Context()); !errors.Is(err, traffic.ErrInvalid) || !strings.Contains(err.Error(), "0644") {
		t.Errorf("a file that everybody may read: %v", err)
	}
	missing := r.doorWith(func(c *pgbouncer.Config) { c.File += ".missing" })
	if _, err := missing.State(t.Context()); !errors.Is(err, traffic.ErrInvalid) || !strings.Contains(err.Error(), "docs/door.md") {
		t.Errorf("a file that is not there: %v", err)
	}
}

// console tells PgBouncer something as a person does.
func (r *rig) console(command string) {
	r.t.Helper()
	cfg, err := pgx.ParseConfig(r.pooler.AdminURL())
	if err != nil {
		r.t.Fatal(err)
	}
	cfg.DefaultQueryExecMode = pgx.QueryExecModeSimpleProtocol
	conn, err := pgx.ConnectConfig(r.t.Context(), cfg)
	if err != nil {
		r.t.Fatal(err)
	}
	defer conn.Close(context.Background())
	if _, err := conn.Exec(r.t.Context(), command); err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) overwrite(text []byte) {
	r.t.Helper()
	if err := os.WriteFile(r.file, text, 0o640); err != nil {
		r.t.Fatal(err)
	}
}
