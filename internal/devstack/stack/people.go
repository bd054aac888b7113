package stack

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/lifeboat-dr/lifeboat/internal/keyring"
	"github.com/lifeboat-dr/lifeboat/internal/plan"
	"github.com/lifeboat-dr/lifeboat/internal/roster"
	"github.com/lifeboat-dr/lifeboat/internal/signature"
)

// cast are the people of the stack. Any one of them may be absent: the others still start, approve and sign.
var cast = []struct {
	id, name string
	roles    []string
}{
	{"alice", "Alice Roy", []string{plan.RoleOwner, plan.RoleCommander, "incident-commander"}},
	{"bob", "Bob Lee", []string{plan.RoleOwner, plan.RoleCommander, plan.RoleApprover, "incident-commander", "database-operator"}},
	{"carol", "Carol Diaz", []string{plan.RoleOwner, plan.RoleApprover, "incident-commander", "database-operator"}},
	{"dan", "Dan Okafor", []string{plan.RoleApprover, plan.RoleOperator, "incident-commander", "database-operator"}},
	{"erin", "Erin Tremblay", []string{plan.RoleApprover, plan.RoleAuditor, "privacy-officer"}},
}

// signers are the owners who sign what a new stack begins with.
var signers = []string{"alice", "bob"}

// PersonKey is the path of the private key of somebody in the stack, such as alice.
func (s *Stack) PersonKey(id string) string { return personKey(s.Dir, id) }

func personKey(dir, id string) string { return filepath.Join(dir, "keys", "people", id+"_ed25519") }

// people makes the roster of a new stack, or keeps the one that is there, and returns its fingerprint.
func (s *Stack) people() (fingerprint string, err error) {
	path := filepath.Join(s.Dir, "roster.json")
	chain, err := roster.ReadChain(path)
	if errors.Is(err, fs.ErrNotExist) {
		chain, err = assembleCast(s.Dir, path, time.Now())
	}
	if err != nil {
		return "", err
	}
	return chain.Fingerprint(), nil
}

// assembleCast makes everybody's key, and a roster that two owners signed.
func assembleCast(dir, path string, now time.Time) (*roster.Chain, error) {
	if err := os.MkdirAll(filepath.Dir(personKey(dir, "")), 0o700); err != nil {
		return nil, fmt.Errorf("make key directory: %w", err)
	}
	v := roster.First(now)
	for _, who := range cast {
		file := personKey(dir, who.id)
		comment := who.id + "@medlink.example"
		if _, err := os.Stat(file); errors.Is(err, fs.ErrNotExist) {
			if err := keyring.Person(filepath.Dir(file), filepath.Base(file), comment); err != nil {
				return nil, err
			}
		}
		public, err := os.ReadFile(file + ".pub")
		if err != nil {
			return nil, fmt.Errorf("read key of %s: %w", who.id, err)
		}
		key, _, err := signature.ParsePublicKey(string(public))
		if err != nil {
			return nil, fmt.Errorf("read key of %s: %w", who.id, err)
		}
		v.Put(roster.Person{ID: who.id, Name: who.name, Email: comment, Roles: who.roles,
			Keys: []roster.Key{{Key: key, Comment: comment}}, Slack: &roster.Slack{Team: slackTeam, User: slackUser(who.id)}, Pager: who.id})
	}
	v.Require(0)
	v.Policies = []plan.Policy{{Name: "urgent", Repeat: 2, Levels: []plan.Level{
		{Targets: []plan.Contact{"role:commander", "role:approver"}, Notify: plan.NotifyAll},
		{Delay: plan.Delay(10 * time.Minute), Targets: []plan.Contact{"role:owner"}, Notify: plan.NotifyAll},
	}}}
	signed, err := roster.NewVersion(v)
	if err != nil {
		return nil, err
	}
	for _, id := range signers {
		signer, err := signature.OpenKey(personKey(dir, id), signature.Terminal{})
		if err != nil {
			return nil, err
		}
		if err := signed.Sign(signer); err != nil {
			return nil, err
		}
	}
	chain := &roster.Chain{Format: 1, Versions: []*roster.SignedVersion{signed}}
	data, err := chain.Bytes()
	if err != nil {
		return nil, err
	}
	if err := os.WriteFile(path, data, 0o644); err != nil {
		return nil, fmt.Errorf("write roster: %w", err)
	}
	return chain, nil
}
