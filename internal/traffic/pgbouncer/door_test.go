package pgbouncer_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/lifeboat-dr/lifeboat/internal/traffic"
)

func neverUsed(t *testing.T, s servers) {
	r := newRig(t, s, nil)
	r.expect(traffic.Closed)
	if conn, err := pgx.Connect(t.Context(), r.pooler.URL("app", "claims")); err == nil {
		_ = conn.Close(t.Context())
		t.Error("somebody got in")
	}
	if _, err := r.door.Open(t.Context(), traffic.OpenRequest{}); !errors.Is(err, traffic.ErrState) {
		t.Errorf("a door that leads nowhere was opened: %v", err)
	}
}

// waits is the promise of a hold: a query that was sent during it is answered after
// it, by the other server.
func waits(t *testing.T, s servers) {
	r := newRig(t, s, nil)
	r.open()
	r.expect(traffic.Open)
	conn := r.connect()
	if port, err := r.port(t.Context(), conn); err != nil || port != int(r.servers[0].Addr().Port()) {
		t.Fatalf("port %d, %v", port, err)
	}
	r.hold()
	answered := make(chan error, 2)
	ask := func(connect bool) {
		conn := conn
		var err error
		if connect {
			conn, err = pgx.Connect(t.Context(), r.pooler.URL("app", "claims"))
		}
		port := 0
		if err == nil {
			port, err = r.port(t.Context(), conn)
		}
		if err == nil && port != int(r.servers[1].Addr().Port()) {
			err = errors.New("the old server answered")
		}
		answered <- err
	}
	go ask(false)
	go ask(true)
	for r.expect(traffic.Held).Waiting < 2 {
		select {
		case err := <-answered:
			t.Fatalf("a query went through a held door: %v", err)
		case <-time.After(20 * time.Millisecond):
		}
	}
	moved := r.must(r.door.Move(t.Context(), traffic.MoveRequest{Address: r.new}))
	if moved.State != traffic.Held || moved.To.Port != r.servers[1].Addr().Port() || moved.System == "" || moved.Waiting != 2 {
		t.Errorf("%+v", moved)
	}
	select {
	case err := <-answered:
		t.Fatalf("a query went through while the door was moved: %v", err)
	default:
	}
	r.must(r.door.Open(t.Context(), traffic.OpenRequest{}))
	for range 2 {
		if err := <-answered; err != nil {
			t.Error(err)
		}
	}
	r.expect(traffic.Open)
}

func drains(t *testing.T, s servers) {
	r := newRig(t, s, nil)
	r.open()
	conn := r.connect()
	tx, err := conn.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.Exec(t.Context(), "CREATE TABLE drained (); SELECT pg_sleep(0)"); err != nil {
		t.Fatal(err)
	}
	held := make(chan error, 1)
	go func() {
		_, err := r.door.Hold(t.Context(), traffic.HoldRequest{Drain: 10 * time.Second})
		held <- err
	}()
	for r.must(r.door.State(t.Context())).State != traffic.Held {
		time.Sleep(20 * time.Millisecond)
	}
	select {
	case err := <-held:
		t.Fatalf("it did not wait for the transaction: %v", err)
	case <-time.After(300 * time.Millisecond):
	}
	if err := tx.Commit(t.Context()); err != nil {
		t.Fatalf("a transaction that ran was not let to its end: %v", err)
	}
	if err := <-held; err != nil {
		t.Fatal(err)
	}
}

func inTheWay(t *testing.T, s servers) {
	r := newRig(t, s, nil)
	r.open()
	conn, err := pgx.Connect(t.Context(), r.pooler.URL("app", "claims")+"&application_name=reports")
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	tx, err := conn.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	_, err = r.door.Hold(t.Context(), traffic.HoldRequest{Drain: 300 * time.Millisecond})
	if !errors.Is(err, traffic.ErrBusy) || !strings.Contains(err.Error(), "reports as app") {
		t.Fatalf("%v", err)
	}
	r.expect(traffic.Open)
	if _, err := r.port(t.Context(), r.connect()); err != nil {
		t.Errorf("after a hold that did not succeed: %v", err)
	}
	report := r.must(r.door.Hold(t.Context(), traffic.HoldRequest{Drain: 300 * time.Millisecond, Kill: true}))
	if report.State != traffic.Held || report.Cut == 0 {
		t.Errorf("%+v", report)
	}
	if err := tx.Commit(t.Context()); err == nil {
		t.Error("a transaction that was cut off could commit")
	}
}

func refuses(t *testing.T, s servers) {
	r := newRig(t, s, nil)
	r.open()
	conn := r.connect()
	report := r.must(r.door.Close(t.Context(), traffic.Change{By: "fence"}))
	if report.State != traffic.Closed || report.Cut == 0 || report.By != "fence" {
		t.Errorf("%+v", report)
	}
	if _, err := r.port(t.Context(), conn); err == nil {
		t.Error("who was connected could go on")
	}
	r.pooler.Kill()
	if err := r.pooler.Restart(t.Context()); err != nil {
		t.Fatal(err)
	}
	r.expect(traffic.Closed)
	// What is closed can be held: who comes then waits instead of being refused.
	r.hold()
	r.must(r.door.Open(t.Context(), traffic.OpenRequest{Back: true}))
	if _, err := r.port(t.Context(), r.connect()); err != nil {
		t.Error(err)
	}
}
