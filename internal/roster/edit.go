package roster

import (
	"fmt"
	"slices"
	"time"
)

// First is the beginning of a roster, still without people.
func First(now time.Time) Version {
	return Version{Format: 1, Number: 1, Issued: now.UTC().Truncate(time.Second)}
}

// Next is a copy of the newest version, to be changed and signed.
func (c *Chain) Next(now time.Time) (Version, error) {
	last := c.Versions[len(c.Versions)-1]
	v, err := last.Read()
	if err != nil {
		return v, err
	}
	v.Number, v.Previous = v.Number+1, last.Digest()
	v.Date(now)
	return v, nil
}

// Date says that a version is changed now. Never earlier than it was.
func (v *Version) Date(now time.Time) {
	if now = now.UTC().Truncate(time.Second); now.After(v.Issued) {
		v.Issued = now
	}
}

// Require sets how many owners have to sign the next version; zero is the fewest that are allowed.
func (v *Version) Require(owners int) {
	if owners == 0 {
		owners = min(2, len(v.Owners(v.Issued)))
	}
	v.Required = owners
}

// Put adds somebody, or adds roles and keys to somebody who is there and replaces what else is given.
func (v *Version) Put(p Person) {
	i := slices.IndexFunc(v.People, func(known Person) bool { return known.ID == p.ID })
	if i < 0 {
		v.People = append(v.People, p)
		return
	}
	known := &v.People[i]
	for _, role := range p.Roles {
		if !slices.Contains(known.Roles, role) {
			known.Roles = append(known.Roles, role)
		}
	}
	for _, k := range p.Keys {
		if _, has := known.key(k.Key); !has {
			known.Keys = append(known.Keys, k)
		}
	}
	if p.Name != "" {
		known.Name = p.Name
	}
	if p.Email != "" {
		known.Email = p.Email
	}
	if p.Slack != nil {
		known.Slack = p.Slack
	}
	if p.Pager != "" {
		known.Pager = p.Pager
	}
}

// Remove takes everything from somebody but what they signed before: no roles, no accounts, no valid key.
func (v *Version) Remove(id string) error {
	p, err := v.member(id)
	if err != nil {
		return err
	}
	for i := range p.Keys {
		p.Keys[i].revoke(v.Issued)
	}
	p.Roles, p.Slack, p.Pager, p.Email = nil, nil, "", ""
	return nil
}

// RevokeKey makes one key worthless from a moment on, by its fingerprint. The moment may lie in the past: when
// the key was stolen, not when that was noticed.
func (v *Version) RevokeKey(id, fingerprint string, from time.Time) error {
	p, err := v.member(id)
	if err != nil {
		return err
	}
	for i := range p.Keys {
		if p.Keys[i].Key.Fingerprint() == fingerprint {
			p.Keys[i].revoke(from.UTC())
			return nil
		}
	}
	return fmt.Errorf("%s has no key %s", id, fingerprint)
}

func (k *Key) revoke(from time.Time) {
	if k.ValidBefore.IsZero() || k.ValidBefore.After(from) {
		k.ValidBefore = from
	}
	if k.ValidAfter.After(k.ValidBefore) { // a key that never came to count
		k.ValidBefore = k.ValidAfter
	}
}

// DropRole takes a role from somebody.
func (v *Version) DropRole(id, role string) error {
	p, err := v.member(id)
	if err != nil {
		return err
	}
	i := slices.Index(p.Roles, role)
	if i < 0 {
		return fmt.Errorf("%s does not have the role %s", id, role)
	}
	p.Roles = slices.Delete(p.Roles, i, i+1)
	return nil
}

func (v *Version) member(id string) (*Person, error) {
	i := slices.IndexFunc(v.People, func(p Person) bool { return p.ID == id })
	if i < 0 {
		return nil, fmt.Errorf("%q is not in the roster", id)
	}
	return &v.People[i], nil
}
