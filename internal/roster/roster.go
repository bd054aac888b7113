package roster

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/lifeboat-dr/lifeboat/internal/plan"
	"github.com/lifeboat-dr/lifeboat/internal/signature"
)

// Roster is the newest version of a chain that was verified. Only [Chain.Verify] makes one.
type Roster struct {
	Version Version
	digest  string
}

// Mark names this version, to be remembered and shown to [Chain.Verify] the next time.
func (r *Roster) Mark() Mark { return Mark{Number: r.Version.Number, Digest: r.digest} }

// Person finds somebody by id.
func (r *Roster) Person(id string) (Person, bool) {
	return r.find(func(p Person) bool { return p.ID == id })
}

// PersonByKey finds whose key it is, whether or not it still counts.
func (r *Roster) PersonByKey(key signature.PublicKey) (Person, bool) {
	return r.find(func(p Person) bool { _, has := p.key(key); return has })
}

// PersonBySlack finds whose account in Slack it is, by the ids of team and user.
func (r *Roster) PersonBySlack(team, user string) (Person, bool) {
	return r.find(func(p Person) bool { return p.Slack != nil && *p.Slack == Slack{team, user} })
}

func (r *Roster) find(is func(Person) bool) (Person, bool) {
	i := slices.IndexFunc(r.Version.People, is)
	if i < 0 {
		return Person{}, false
	}
	return r.Version.People[i], true
}

// Holders are those who have one of the roles, in the order of the roster.
func (r *Roster) Holders(roles ...string) []Person {
	var holders []Person
	for _, p := range r.Version.People {
		if p.Holds(roles...) {
			holders = append(holders, p)
		}
	}
	return holders
}

// Policy finds an escalation policy by name.
func (r *Roster) Policy(name string) (plan.Policy, bool) {
	i := slices.IndexFunc(r.Version.Policies, func(p plan.Policy) bool { return p.Name == name })
	if i < 0 {
		return plan.Policy{}, false
	}
	return r.Version.Policies[i], true
}

// SignersOf are the ids of the distinct people with a role who signed a text for a use, with keys that counted
// at a moment, in the order of the signatures. The error says why others do not count, and is nil when all do.
func (r *Roster) SignersOf(namespace signature.Namespace, text string, armored []string, role string, at time.Time) ([]string, error) {
	return signers(r.Version.People, namespace, text, armored, role, at)
}

func signers(people []Person, namespace signature.Namespace, text string, armored []string, role string, at time.Time) (ids []string, refused error) {
	if len(armored) > maxSignatures {
		return nil, fmt.Errorf("%d signatures, %d are the most", len(armored), maxSignatures)
	}
	var errs []error
	for _, a := range armored {
		key, err := signature.SignedBy(namespace, []byte(text), []byte(a))
		if err != nil {
			errs = append(errs, err)
			continue
		}
		i := slices.IndexFunc(people, func(p Person) bool { _, has := p.key(key); return has })
		if i < 0 {
			errs = append(errs, fmt.Errorf("%w: key %s is nobody's in the roster", signature.ErrUntrusted, key.Fingerprint()))
			continue
		}
		p := people[i]
		held, _ := p.key(key)
		switch {
		case !p.Holds(role):
			errs = append(errs, fmt.Errorf("%w: %s is no %s", signature.ErrUntrusted, p.ID, role))
		case !held.ValidAt(at):
			errs = append(errs, fmt.Errorf("%w: the key of %s did not count at %s", signature.ErrUntrusted, p.ID, at.UTC().Format(time.RFC3339)))
		case !slices.Contains(ids, p.ID):
			ids = append(ids, p.ID)
		}
	}
	return ids, errors.Join(errs...)
}
