// Package lab is a Lifeboat without Temporal, for tests of what lies in a vault: the real activities over a
// real PostgreSQL and a vault of the test's choice, called one by one.
package lab

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"filippo.io/age"

	"github.com/lifeboat-dr/lifeboat/activities"
	"github.com/lifeboat-dr/lifeboat/internal/database"
	"github.com/lifeboat-dr/lifeboat/internal/devstack/pgserver"
	"github.com/lifeboat-dr/lifeboat/internal/keyring"
	"github.com/lifeboat-dr/lifeboat/internal/plan"
	"github.com/lifeboat-dr/lifeboat/internal/roster"
	"github.com/lifeboat-dr/lifeboat/internal/seal"
	"github.com/lifeboat-dr/lifeboat/internal/secret"
	"github.com/lifeboat-dr/lifeboat/internal/signature"
	"github.com/lifeboat-dr/lifeboat/internal/store"
	"github.com/lifeboat-dr/lifeboat/internal/workrecord"
)

const (
	// Component is the one component there is.
	Component = "database"
	// Replica is the name of the vault that backups are copied to.
	Replica = "west"
	// Application is whose it is.
	Application = "medlink"
	// Signer is who signs manifests, as the allowed signers name it.
	Signer = "worker@medlink.example"

	owner = "owner@medlink.example"
)

// Lab is one component: its source, its keys, its signed order, and a vault.
type Lab struct {
	Server *pgserver.Server
	// Source is the connection string of the database that is backed up.
	Source string
	Vault  store.Store
	// Replica is the vault "west" that backups are copied to; nil when there is none.
	Replica store.Store
	Ring    *keyring.Ring
	// Signer signs manifests; Signers is the text of the file that says so.
	Signer  *signature.Signer
	Signers string
	Keys    workrecord.Keys
	Orders  *activities.Orders
	// ChunkBytes is the size of chunks in the database.
	ChunkBytes int64

	guard plan.Guard
}

// New makes a lab over a vault, with a database that holds what Fill puts there.
func New(t testing.TB, vault store.Store) *Lab {
	t.Helper()
	l := &Lab{Server: pgserver.New(t, pgserver.TestOptions{}), Vault: vault, ChunkBytes: 64 << 10}
	l.Source = l.Server.Database(t, "medlink_owner", "medlink")
	l.Server.Exec(t, "postgres", "ALTER ROLE medlink_owner CREATEDB")
	dir := t.TempDir()
	var err error
	if l.Ring, err = keyring.Generate(filepath.Join(dir, "keys"), Signer, owner); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(l.File("source.url"), []byte(l.Source), 0o600); err != nil {
		t.Fatal(err)
	}
	if l.Signer, err = signature.NewSigner(l.read(t, keyring.Signing)); err != nil {
		t.Fatal(err)
	}
	l.Signers = string(l.read(t, keyring.AllowedSigners))
	if l.Keys, err = workrecord.ParseKeys([]secret.String{secret.New(strings.TrimSpace(string(l.read(t, keyring.Fleet))))}); err != nil {
		t.Fatal(err)
	}
	l.order(t)
	return l
}

// File is the path of one of the lab's keys, or of another small file beside them.
func (l *Lab) File(name string) string { return filepath.Join(l.Ring.Dir, name) }

func (l *Lab) read(t testing.TB, name string) []byte {
	t.Helper()
	data, err := os.ReadFile(l.File(name))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// order has the owner sign that routine work may do everything a standing order can allow.
func (l *Lab) order(t testing.TB) {
	t.Helper()
	person, err := signature.NewSigner(l.read(t, keyring.Owner))
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	order, err := roster.NewSigned(plan.Order{
		Format: 1, Kind: "standing", Application: Application, Actions: plan.StandingActions, Components: []string{Component}, Vaults: []string{Replica},
		Issued: now.Add(-time.Hour), Expires: now.Add(time.Hour),
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := order.Sign(person); err != nil {
		t.Fatal(err)
	}
	owners, err := signature.ParseAllowedSigners(l.read(t, keyring.Owners))
	if err != nil {
		t.Fatal(err)
	}
	l.Orders = &activities.Orders{Application: Application, Standing: order, Owners: owners, Required: 1}
	l.guard = plan.Guard{Execution: "verify/database/x", Step: "test", Target: Component, Mode: plan.ModeStanding, Order: order.Digest()}
}

// Guard is a guard under the lab's order.
func (l *Lab) Guard() plan.Guard { return l.guard }

// Recipients are the public keys that everything is sealed to; an attacker has them, too.
func (l *Lab) Recipients(t testing.TB) []age.Recipient {
	t.Helper()
	list, err := seal.ParseRecipients(l.names())
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func (l *Lab) names() []string { return []string{l.Ring.VerificationRecipient, l.Ring.EscrowRecipient} }

// Identities reads one of the age identities of the ring.
func (l *Lab) Identities(t testing.TB, name string) []age.Identity {
	t.Helper()
	ids, err := age.ParseIdentities(strings.NewReader(string(l.read(t, name))))
	if err != nil {
		t.Fatal(err)
	}
	return ids
}

// component is the lab's component, over a vault.
func (l *Lab) component(vault store.Store) *activities.Component {
	url := secret.Ref{File: l.File("source.url")}
	c := &activities.Component{
		Name: Component, Application: Application, Site: "east", Vault: activities.Vault{Name: "east", Store: vault},
		Source: &database.Server{Site: "east", URL: url}, ChunkBytes: l.ChunkBytes, Connections: 2,
		Scratch: &database.ServerScratch{URL: url}, ScratchSite: "east",
		Smoke: []activities.Smoke{{Name: "one", SQL: "SELECT 1", Check: func(int64, *string) error { return nil }}},
	}
	if l.Replica != nil {
		c.Replicas = []activities.Vault{{Name: Replica, Site: "west", Store: l.Replica, Replica: true}}
	}
	return c
}

// Connect opens a connection to a database of the lab's server as its superuser.
func (l *Lab) Connect(t testing.TB, name string) *Conn {
	t.Helper()
	conn, err := l.Server.Connect(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return &Conn{conn}
}
