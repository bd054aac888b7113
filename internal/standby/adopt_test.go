package standby_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/lifeboat-dr/lifeboat/internal/postgres"
	"github.com/lifeboat-dr/lifeboat/internal/standby"
)

// TestMovingThereAndBackCopiesNothing: after a planned move the old primary follows without a copy, and the next move
// goes back. What is not equal, or is written to, is refused and leaves nothing behind.
func TestMovingThereAndBackCopiesNothing(t *testing.T) {
	t.Parallel()
	east, west := newSite(t, "aws-us-east-1"), newSite(t, "aws-us-west-2")
	east.exec(`CREATE TABLE a (id bigserial PRIMARY KEY, body text)`, `INSERT INTO a (body) SELECT 'x' FROM generate_series(1, 500)`)
	link := standby.Link{Component: "small", Generation: "e1"}
	if _, err := standby.Establish(t.Context(), east.address, west.address, link, quietly); err != nil {
		t.Fatal(err)
	}
	move := func(from, to *site, link standby.Link) {
		t.Helper()
		if _, err := standby.Drain(t.Context(), from.address, to.address, link, standby.DrainOptions{Patience: 30 * time.Second, Compare: true}); err != nil {
			t.Fatal(err)
		}
		if done, err := standby.Promote(t.Context(), to.address, link, standby.PromoteOptions{Primary: &from.address, Margin: 100}); err != nil || done.SlotLeft {
			t.Fatalf("promoted: %+v, %v", done, err)
		}
	}
	move(east, west, link)

	back := standby.Link{Component: "small", Generation: "e2"}
	nothing := func() {
		t.Helper()
		if n := value[int](west, "SELECT (SELECT count(*) FROM pg_replication_slots)::int + (SELECT count(*) FROM pg_publication)::int"); n != 0 {
			t.Errorf("%d slots and publications are left", n)
		}
	}
	east.exec(`INSERT INTO a (id, body) VALUES (9000, 'written too late')`)
	if _, err := standby.Adopt(t.Context(), west.address, east.address, back, quietly); !errors.Is(err, standby.ErrDiffers) {
		t.Errorf("what has another row was adopted: %v", err)
	}
	nothing()
	east.exec(`DELETE FROM a WHERE id = 9000`, `ALTER TABLE a ADD COLUMN more int`)
	if _, err := standby.Adopt(t.Context(), west.address, east.address, back, quietly); !errors.Is(err, standby.ErrDiffers) {
		t.Errorf("what has another column was adopted: %v", err)
	}
	east.exec(`ALTER TABLE a DROP COLUMN more`)
	busy := west.connect()
	if _, err := busy.Exec(t.Context(), `BEGIN; INSERT INTO a (body) VALUES ('not yet committed')`); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second) // the slot waits for it
	if _, err := standby.Adopt(ctx, west.address, east.address, back, quietly); err == nil {
		t.Error("adopted while a transaction was open")
	}
	cancel()
	_ = busy.Close(t.Context())

	for range 2 {
		made, err := standby.Adopt(t.Context(), west.address, east.address, back, quietly)
		if err != nil || made.Tables != 1 {
			t.Fatalf("adopted: %+v, %v", made, err)
		}
	}
	west.exec(`INSERT INTO a (body) SELECT 'y' FROM generate_series(1, 50)`)
	move(west, east, back)
	east.exec(`INSERT INTO a (body) VALUES ('home again')`)
	if n := value[int](east, "SELECT count(*)::int FROM a"); n != 551 {
		t.Errorf("%d rows came home", n)
	}

	// The west was promoted once, and is emptied of nothing: it can only be adopted.
	again := standby.Link{Component: "small", Generation: "e3"}
	if _, err := standby.Adopt(t.Context(), east.address, west.address, again, quietly); !errors.Is(err, standby.ErrDiffers) {
		t.Errorf("what lacks a row was adopted: %v", err)
	}
	if _, err := standby.Remove(t.Context(), &west.address, east.address, back); err != nil {
		t.Fatal(err)
	}
	if _, err := standby.Establish(t.Context(), west.address, east.address, back, quietly); !errors.Is(err, standby.ErrState) && !errors.Is(err, postgres.ErrNotEmpty) {
		t.Errorf("copied into a database with rows: %v", err)
	}
}
