package standby_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/lifeboat-dr/lifeboat/internal/postgres"
	"github.com/lifeboat-dr/lifeboat/internal/standby"
)

func quietly(standby.Progress) {}

// TestAStandbyOfALostPrimary: a stranger's row is found, then the primary is gone for good. The standby is promoted with
// numbers past all that the primary can have given, and what is left can be taken away without it.
func TestAStandbyOfALostPrimary(t *testing.T) {
	t.Parallel()
	east, west := newSite(t, "aws-us-east-1"), newSite(t, "aws-us-west-2")
	link := standby.Link{Component: "small", Generation: "e2"}
	east.exec(`CREATE TABLE parent (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, body text)`,
		`CREATE TABLE child (id serial PRIMARY KEY, parent bigint REFERENCES parent)`,
		`CREATE SEQUENCE countdown INCREMENT -1`, `CREATE SEQUENCE unused`, `CREATE SEQUENCE narrow MAXVALUE 50`, `CREATE TABLE named (id text DEFAULT 'N' || nextval('narrow') PRIMARY KEY)`,
		`CREATE UNLOGGED TABLE cache (id int)`,
		`INSERT INTO parent (body) SELECT 'x' FROM generate_series(1, 500)`, `INSERT INTO child (parent) SELECT id FROM parent`,
		`SELECT nextval('countdown') FROM generate_series(1, 7)`, `INSERT INTO named DEFAULT VALUES`)
	made, err := standby.Establish(t.Context(), east.address, west.address, link, quietly)
	if err != nil {
		t.Fatal(err)
	}
	if len(made.Gaps) == 0 || made.Gaps[0].Names[0] != "public.cache" {
		t.Errorf("what is not replicated: %+v", made.Gaps)
	}
	// Sequences run on after their values were copied.
	east.exec(`INSERT INTO parent (body) SELECT 'y' FROM generate_series(1, 300)`)

	west.exec(`INSERT INTO child (id, parent) VALUES (9999, 1)`) // nobody may, and nothing keeps anybody from it
	drain := func() error {
		_, err := standby.Drain(t.Context(), east.address, west.address, link, standby.DrainOptions{Patience: 30 * time.Second, Compare: true})
		return err
	}
	if err := drain(); !errors.Is(err, standby.ErrDiffers) || !strings.Contains(err.Error(), "public.child") {
		t.Errorf("a stranger's row: %v", err)
	}
	west.exec(`DELETE FROM child WHERE id = 9999`)
	if err := drain(); err != nil {
		t.Fatal(err)
	}
	east.die()

	if _, err := standby.Look(t.Context(), east.address, west.address, link, time.Second); !errors.Is(err, postgres.ErrUnavailable) {
		t.Errorf("looked at a dead primary: %v", err)
	}
	opt := standby.PromoteOptions{Primary: &east.address, Margin: 1000, Check: true}
	promoted, err := standby.Promote(t.Context(), west.address, link, opt)
	if err != nil || !promoted.SlotLeft || promoted.Constraints != 1 || promoted.Reached == "" {
		t.Fatalf("promoted: %+v, %v", promoted, err)
	}
	if len(promoted.Unknown) != 1 || promoted.Unknown[0] != "public.unused" {
		t.Errorf("unknown sequences: %v", promoted.Unknown)
	}
	for sql, want := range map[string]int64{
		"SELECT nextval('parent_id_seq')": 800 + 1000 + 1, "SELECT nextval('child_id_seq')": 500 + 1000 + 1, "SELECT nextval('countdown')": -7 - 1000 - 1,
		"SELECT last_value FROM narrow": 50,
	} {
		if n := value[int64](west, sql); n != want {
			t.Errorf("%s gives %d, want %d", sql, n, want)
		}
	}
	west.exec(`INSERT INTO parent (body) VALUES ('new')`)
	if n := value[int](west, "SELECT count(*)::int FROM pg_subscription"); n != 0 {
		t.Errorf("%d subscriptions are left", n)
	}
	for range 2 {
		if gone, err := standby.Remove(t.Context(), &east.address, west.address, link); err != nil || !gone.PrimaryLeft {
			t.Errorf("removed: %+v, %v", gone, err)
		}
	}
	discreet(t, []*site{east, west}, promoted)
}

// TestAReplicationIsTakenAwayAndPutBack: remove leaves nothing on the primary, and rows on the standby.
func TestAReplicationIsTakenAwayAndPutBack(t *testing.T) {
	t.Parallel()
	east, west := newSite(t, "aws-us-east-1"), newSite(t, "aws-us-west-2")
	link := standby.Link{Component: "small", Generation: "e3"}
	east.exec(`CREATE TABLE a (id int PRIMARY KEY)`, `INSERT INTO a SELECT generate_series(1, 10)`)
	if _, err := standby.Promote(t.Context(), west.address, link, standby.PromoteOptions{}); !errors.Is(err, standby.ErrState) {
		t.Errorf("promoted what is no standby: %v", err)
	}
	if _, err := standby.Establish(t.Context(), east.address, west.address, link, quietly); err != nil {
		t.Fatal(err)
	}
	// A table that is new is followed once both have it, and never published without a key: its updates would fail.
	east.exec(`CREATE TABLE keyless (id int)`, `INSERT INTO keyless VALUES (1)`)
	if _, err := standby.Establish(t.Context(), east.address, west.address, link, quietly); !errors.Is(err, standby.ErrUnfit) {
		t.Errorf("a table without a key: %v", err)
	}
	east.exec(`UPDATE keyless SET id = 2`, `DROP TABLE keyless`, `CREATE TABLE b (id int PRIMARY KEY)`, `INSERT INTO b VALUES (1)`)
	if _, err := standby.Establish(t.Context(), east.address, west.address, link, quietly); !errors.Is(err, standby.ErrBroken) || !strings.Contains(err.Error(), "table public.b") {
		t.Errorf("a table that the standby lacks: %v", err)
	}
	west.exec(`CREATE TABLE b (id int PRIMARY KEY)`)
	if made, err := standby.Establish(t.Context(), east.address, west.address, link, quietly); err != nil || made.Tables != 2 || value[int](west, "SELECT count(*)::int FROM b") != 1 {
		t.Errorf("a table that both have: %+v, %v", made, err)
	}
	other := standby.Link{Component: "small", Generation: "e4"}
	for what, err := range map[string]error{
		"establish": func() error {
			_, err := standby.Establish(t.Context(), east.address, west.address, other, quietly)
			return err
		}(),
		"promote": func() error {
			_, err := standby.Promote(t.Context(), west.address, other, standby.PromoteOptions{})
			return err
		}(),
		"remove": func() error { _, err := standby.Remove(t.Context(), &east.address, west.address, other); return err }(),
	} {
		if !errors.Is(err, standby.ErrState) {
			t.Errorf("%s under another name: %v", what, err)
		}
	}
	for range 2 {
		if gone, err := standby.Remove(t.Context(), &east.address, west.address, link); err != nil || gone.PrimaryLeft {
			t.Fatalf("removed: %+v, %v", gone, err)
		}
	}
	if n := value[int](east, "SELECT (SELECT count(*) FROM pg_replication_slots)::int + (SELECT count(*) FROM pg_publication)::int"); n != 0 {
		t.Errorf("%d slots and publications are left", n)
	}
	if n := value[int](west, "SELECT count(*)::int FROM a"); n != 10 {
		t.Errorf("the standby has %d rows", n)
	}
	// The slot is gone while the subscription is there: what was written since never comes, and that is said.
	clean := newSite(t, "aws-eu-central-1")
	link.Generation = "e5"
	if _, err := standby.Establish(t.Context(), east.address, clean.address, link, quietly); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the slot is dropped", func() bool {
		clean.exec("ALTER SUBSCRIPTION lifeboat_small_e5 DISABLE")
		return value[bool](east, "SELECT NOT active FROM pg_replication_slots")
	})
	east.exec("SELECT pg_drop_replication_slot('lifeboat_small_e5')")
	if _, err := standby.Establish(t.Context(), east.address, clean.address, link, quietly); !errors.Is(err, standby.ErrBroken) {
		t.Errorf("without a slot: %v", err)
	}
}

// TestWhatIsNotFitIsToldAtOnce: everything that is wrong stands in one error, and nothing was changed.
func TestWhatIsNotFitIsToldAtOnce(t *testing.T) {
	t.Parallel()
	east, west := newSite(t, "aws-us-east-1"), newSite(t, "aws-us-west-2")
	link := standby.Link{Component: "small", Generation: "e6"}
	east.exec(`CREATE TABLE nokey (id int)`, `CREATE TABLE fine (id int PRIMARY KEY)`, `CREATE TABLE whole (id int)`, `ALTER TABLE whole REPLICA IDENTITY FULL`, `SELECT lo_create(0)`)
	_, err := standby.Establish(t.Context(), east.address, west.address, link, quietly)
	if !errors.Is(err, standby.ErrUnfit) {
		t.Fatal(err)
	}
	for _, want := range []string{"public.nokey", "large objects"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not told: %v", want, err)
		}
	}
	if strings.Contains(err.Error(), "public.whole") || strings.Contains(err.Error(), "public.fine") {
		t.Errorf("too much is told: %v", err)
	}
	if n := value[int](west, "SELECT count(*)::int FROM pg_namespace WHERE nspname LIKE 'lifeboat%'"); n != 0 {
		t.Error("the standby was changed")
	}
	if _, err := standby.Establish(t.Context(), east.address, east.address, link, quietly); !errors.Is(err, standby.ErrUnfit) || !strings.Contains(err.Error(), "same database") {
		t.Errorf("it follows itself: %v", err)
	}
	east.exec(`DROP TABLE nokey`, `SELECT lo_unlink(oid) FROM pg_largeobject_metadata`)
	west.exec(`CREATE TABLE precious (id int)`)
	if _, err := standby.Establish(t.Context(), east.address, west.address, link, quietly); !errors.Is(err, postgres.ErrNotEmpty) {
		t.Errorf("a database with something in it: %v", err)
	}
	if _, err := standby.Establish(t.Context(), east.address, west.address, standby.Link{Component: "a'; DROP", Generation: "e1"}, quietly); !errors.Is(err, postgres.ErrInvalid) {
		t.Errorf("a strange name: %v", err)
	}
}
