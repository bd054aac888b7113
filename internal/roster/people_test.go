package roster_test

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/pem"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/lifeboat-dr/lifeboat/internal/plan"
	"github.com/lifeboat-dr/lifeboat/internal/roster"
	"github.com/lifeboat-dr/lifeboat/internal/signature"
)

// noon is when the first version of every test's roster is issued, and now a day later.
var (
	noon = time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)
	now  = noon.Add(24 * time.Hour)
)

func newKey(t *testing.T) *signature.Signer {
	t.Helper()
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	block, err := ssh.MarshalPrivateKey(private, "")
	if err != nil {
		t.Fatal(err)
	}
	s, err := signature.NewSigner(pem.EncodeToMemory(block))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// town is a roster with the private keys of everybody in it: two owners more than needed, two commanders,
// approvers and others.
type town struct {
	t     *testing.T
	keys  map[string]*signature.Signer
	first roster.Version
	chain *roster.Chain
}

func newTown(t *testing.T) *town {
	t.Helper()
	w := &town{t: t, keys: map[string]*signature.Signer{}}
	for _, name := range []string{"olga", "omar", "otto", "carla", "cyril", "anna", "amir", "aida", "dora", "opal", "stranger", "worker"} {
		w.keys[name] = newKey(t)
	}
	w.first = roster.Version{Format: 1, Number: 1, Issued: noon, Required: 2, People: []roster.Person{
		w.person("olga", plan.RoleOwner), w.person("omar", plan.RoleOwner), w.person("otto", plan.RoleOwner),
		w.person("carla", plan.RoleCommander, plan.RoleApprover), w.person("cyril", plan.RoleCommander),
		w.person("anna", plan.RoleApprover), w.person("amir", plan.RoleApprover), w.person("aida", plan.RoleApprover),
		w.person("dora", "privacy"), w.person("opal", plan.RoleOperator),
		{ID: "ella", Name: "Ella", Roles: []string{plan.RoleApprover}, Slack: &roster.Slack{Team: "T0TEAM", User: "U0ELLA"}},
	}}
	w.first.People[5].Slack = &roster.Slack{Team: "T0TEAM", User: "U0ANNA"}
	w.first.People[6].Slack = &roster.Slack{Team: "T0TEAM", User: "U0AMIR"}
	w.chain = &roster.Chain{Format: 1}
	w.add(w.first, "olga", "omar")
	return w
}

func (w *town) person(id string, roles ...string) roster.Person {
	return roster.Person{ID: id, Name: id, Roles: roles, Keys: []roster.Key{{Key: w.public(id)}}}
}

func (w *town) public(id string) signature.PublicKey {
	return signature.PublicKey(w.keys[id].PublicKey())
}

// signed makes a version that some people signed.
func (w *town) signed(v roster.Version, by ...string) *roster.SignedVersion {
	w.t.Helper()
	s, err := roster.NewVersion(v)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, id := range by {
		if err := s.Sign(w.keys[id]); err != nil {
			w.t.Fatal(err)
		}
	}
	return s
}

func (w *town) add(v roster.Version, by ...string) {
	w.t.Helper()
	w.chain.Versions = append(w.chain.Versions, w.signed(v, by...))
}

// next is the version after the last one, an hour later, with a change.
func (w *town) next(change func(*roster.Version)) roster.Version {
	w.t.Helper()
	last := w.chain.Versions[len(w.chain.Versions)-1]
	v, err := last.Read() // a copy of its own, down to the slices
	if err != nil {
		w.t.Fatal(err)
	}
	v.Number, v.Previous, v.Issued = v.Number+1, last.Digest(), v.Issued.Add(time.Hour)
	change(&v)
	return v
}

func (w *town) roster() *roster.Roster {
	w.t.Helper()
	r, err := w.chain.Verify(w.chain.Fingerprint(), now)
	if err != nil {
		w.t.Fatal(err)
	}
	return r
}

// find is a person of a version, to be changed.
func find(v *roster.Version, id string) *roster.Person {
	for i := range v.People {
		if v.People[i].ID == id {
			return &v.People[i]
		}
	}
	return nil
}

func sum(text string) string {
	s := sha256.Sum256([]byte(text))
	return hex.EncodeToString(s[:])
}
