package activities_test

import (
	"context"
	"encoding/base64"
	"strings"
	"testing"
	"time"

	"filippo.io/age"
	"go.temporal.io/sdk/testsuite"

	"github.com/lifeboat-dr/lifeboat/activities"
	"github.com/lifeboat-dr/lifeboat/internal/devstack/pgserver"
	"github.com/lifeboat-dr/lifeboat/internal/keyring"
	"github.com/lifeboat-dr/lifeboat/internal/manifest"
	"github.com/lifeboat-dr/lifeboat/internal/plan"
	"github.com/lifeboat-dr/lifeboat/internal/roster"
	"github.com/lifeboat-dr/lifeboat/internal/secret"
	"github.com/lifeboat-dr/lifeboat/internal/signature"
	"github.com/lifeboat-dr/lifeboat/internal/store"
	"github.com/lifeboat-dr/lifeboat/internal/store/fault"
	"github.com/lifeboat-dr/lifeboat/internal/store/storetest"
	"github.com/lifeboat-dr/lifeboat/internal/workrecord"
)

// frozen is a source whose branch is a database that nobody writes to.
type frozen struct{ address string }

func (f *frozen) Kind() string { return "neon" }
func (f *frozen) Identity(context.Context) (manifest.Source, error) {
	return manifest.Source{Kind: "neon", Site: "east"}, nil
}
func (f *frozen) Freeze(context.Context, activities.Freeze) (activities.Frozen, error) {
	return activities.Frozen{Branch: "br-1", At: time.Now()}, nil
}
func (f *frozen) Unfreeze(context.Context, string) error { return nil }
func (f *frozen) Address(context.Context, string) (secret.String, error) {
	return secret.New(f.address), nil
}

// away is a store that cannot be reached when one key is written.
type away struct {
	store.Store
	key string
}

func (a *away) Create(ctx context.Context, key string, body []byte, opt store.CreateOptions) (store.Object, error) {
	if key == a.key {
		return store.Object{}, &store.Error{Op: "create", Key: key, Kind: store.ErrUnavailable}
	}
	return a.Store.Create(ctx, key, body, opt)
}

const backupID = "20261123T020000Z-k3v7qa"

// office is what activities need: a component, a vault that can be made to fail, keys, a signed order.
type office struct {
	env    *testsuite.TestActivityEnvironment
	vault  *fault.Store
	away   *away
	dumps  *activities.Dumps
	orders *activities.Orders
	guard  plan.Guard
}

func newOffice(t *testing.T, address string) *office {
	t.Helper()
	o := &office{vault: fault.Wrap(storetest.Dir(t))}
	o.away = &away{Store: o.vault}
	o.orders, o.guard = signedOrder(t, time.Now().Add(time.Hour))
	id, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	keys, err := workrecord.ParseKeys([]secret.String{secret.New(base64.StdEncoding.EncodeToString([]byte(strings.Repeat("k", 32))))})
	if err != nil {
		t.Fatal(err)
	}
	crew := &activities.Crew{
		Application: "medlink", Recipients: []age.Recipient{id.Recipient()}, RecipientNames: []string{id.Recipient().String()},
		Identities: []age.Identity{id}, Version: "test",
		Components: map[string]*activities.Component{"database": {
			Name: "database", Application: "medlink", Site: "east", Vault: activities.Vault{Name: "east", Store: o.away},
			Source: &frozen{address}, ChunkBytes: 1 << 20, Connections: 1,
		}},
	}
	o.dumps = &activities.Dumps{Crew: crew, Orders: o.orders, Keys: keys}
	var suite testsuite.WorkflowTestSuite
	o.env = suite.NewTestActivityEnvironment()
	o.env.RegisterActivity(o.dumps)
	return o
}

// signedOrder is a standing order for the component "database" that ends at expires, and a guard for it.
func signedOrder(t *testing.T, expires time.Time) (*activities.Orders, plan.Guard) {
	t.Helper()
	ring, err := keyring.Generate(t.TempDir(), "worker", "owner")
	if err != nil {
		t.Fatal(err)
	}
	key, err := secret.Ref{File: ring.Dir + "/" + keyring.Owner}.Resolve()
	if err != nil {
		t.Fatal(err)
	}
	owner, err := signature.NewSigner([]byte(key.Reveal()))
	if err != nil {
		t.Fatal(err)
	}
	order, err := roster.NewSigned(plan.Order{
		Format: 1, Kind: "standing", Application: "medlink", Actions: plan.StandingActions, Components: []string{"database"},
		Issued: expires.Add(-24 * time.Hour), Expires: expires,
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := order.Sign(owner); err != nil {
		t.Fatal(err)
	}
	owners, err := signature.ParseAllowedSigners([]byte("owner " + ring.OwnerKey))
	if err != nil {
		t.Fatal(err)
	}
	return &activities.Orders{Application: "medlink", Standing: order, Owners: owners, Required: 1},
		plan.Guard{Execution: "backup/database/x", Step: "copy", Target: "database", Mode: plan.ModeStanding, Order: order.Digest()}
}

// TestFinishedChunksAreNotReadAgain cuts the vault off in the middle of a batch. The second attempt finds
// what the first one finished, and writes nothing of it again.
func TestFinishedChunksAreNotReadAgain(t *testing.T) {
	server := pgserver.New(t, pgserver.TestOptions{})
	address := server.Database(t, "owner", "app")
	server.Exec(t, "app", `SET ROLE owner; DO $$ BEGIN FOR i IN 1..10 LOOP
		EXECUTE format('CREATE TABLE t%s AS SELECT g AS id, md5(g::text) AS t FROM generate_series(1, 100) g', i); END LOOP; END $$`)
	o := newOffice(t, address)
	snapshot := activities.Snapshot{ID: "s1", Branch: "br-1", Point: manifest.Point{Time: time.Now()}}
	value, err := o.env.ExecuteActivity(o.dumps.PlanBackup, activities.PlanBackupInput{Guard: o.guard, Component: "database", Backup: backupID, Snapshot: snapshot})
	if err != nil {
		t.Fatal(err)
	}
	var planned activities.BackupPlan
	if err := value.Get(&planned); err != nil || planned.Chunks != 10 {
		t.Fatalf("plan %+v: %v", planned, err)
	}
	in := activities.CopyChunksInput{Guard: o.guard, Component: "database", Backup: backupID, Snapshot: snapshot, From: 0, To: planned.Chunks}
	failing := manifest.PartKey("database", backupID, "s1", "c00006", 0)
	o.away.key = failing
	if _, err := o.env.ExecuteActivity(o.dumps.CopyChunks, in); err == nil || !strings.Contains(err.Error(), activities.TypeUnavailable) {
		t.Fatalf("the vault was away, and the activity said %v", err)
	}
	o.away.key = ""
	value, err = o.env.ExecuteActivity(o.dumps.CopyChunks, in)
	if err != nil {
		t.Fatal(err)
	}
	var copied activities.Copied
	if err := value.Get(&copied); err != nil || copied.Chunks != 10 || copied.Resumed != 6 || copied.Rows != 1000 {
		t.Errorf("copied %+v: %v", copied, err)
	}
	for i := range 6 {
		key := manifest.PartKey("database", backupID, "s1", "c0000"+string(rune('0'+i)), 0)
		if n := o.vault.CallsFor(fault.Create, key); n != 1 {
			t.Errorf("%s was written %d times", key, n)
		}
	}
}

// TestTheSchemaIsDumpedAgain cuts the vault off between the schema's archive and its note. The archive of
// the second attempt is another one, as it was made at another time.
func TestTheSchemaIsDumpedAgain(t *testing.T) {
	server := pgserver.New(t, pgserver.TestOptions{})
	address := server.Database(t, "owner", "app")
	server.Exec(t, "app", `SET ROLE owner; CREATE TABLE t (id integer)`)
	o := newOffice(t, address)
	in := activities.DumpSchemaInput{Guard: o.guard, Component: "database", Backup: backupID, Snapshot: activities.Snapshot{ID: "s1", Branch: "br-1"}}
	o.away.key = manifest.WorkKey("database", backupID, "s1", "schema")
	if _, err := o.env.ExecuteActivity(o.dumps.DumpSchema, in); err == nil || !strings.Contains(err.Error(), activities.TypeUnavailable) {
		t.Fatalf("the vault was away, and the activity said %v", err)
	}
	o.away.key = ""
	time.Sleep(1100 * time.Millisecond) // the archive tells seconds
	for _, attempt := range []string{"second", "third"} {
		if _, err := o.env.ExecuteActivity(o.dumps.DumpSchema, in); err != nil {
			t.Errorf("%s attempt: %v", attempt, err)
		}
	}
}
