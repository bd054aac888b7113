package roster

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/lifeboat-dr/lifeboat/internal/plan"
	"github.com/lifeboat-dr/lifeboat/internal/signature"
)

// The bounds of a version. A roster is read by people.
const (
	maxPeople      = 500
	maxVersionText = 1 << 20
	maxSignatures  = 100
)

// Version is the roster as it is from one moment on. Owners sign its text; who those are stands in the
// version before.
type Version struct {
	Format int `json:"format"`
	// Number counts from 1 without a gap.
	Number int `json:"number"`
	// Previous is the SHA-256 (hex) of the text of the version before; empty in the first one.
	Previous string    `json:"previous,omitempty"`
	Issued   time.Time `json:"issued"`
	// Required is how many of this version's owners have to sign the next version, and each runbook: two
	// where there are two owners or more.
	Required int           `json:"required"`
	People   []Person      `json:"people"`
	Policies []plan.Policy `json:"policies,omitempty"`
}

// Owners are those who can sign at a moment.
func (v Version) Owners(at time.Time) []Person {
	var owners []Person
	for _, p := range v.People {
		if p.Holds(plan.RoleOwner) && p.CanSign(at) {
			owners = append(owners, p)
		}
	}
	return owners
}

// Validate reports everything that is wrong with a version by itself.
func (v Version) Validate() error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if v.Format != 1 {
		bad("roster format %d is not known, only 1", v.Format)
	}
	if v.Number < 1 || (v.Number == 1) != (v.Previous == "") {
		bad("version %d: only the first has no previous version, and it has number 1", v.Number)
	}
	if v.Issued.IsZero() {
		bad("the version does not say when it was issued")
	}
	if n := len(v.People); n == 0 || n > maxPeople {
		bad("the roster has %d people, 1 to %d are allowed", n, maxPeople)
	}
	ids, keys, accounts := map[string]bool{}, map[signature.PublicKey]string{}, map[Slack]string{}
	for _, p := range v.People {
		if err := p.validate(); err != nil {
			errs = append(errs, err)
		}
		if ids[p.ID] {
			bad("person %q stands there twice", p.ID)
		}
		ids[p.ID] = true
		for _, k := range p.Keys {
			if other, taken := keys[k.Key]; taken {
				bad("key %s belongs to %q already: two people are two keys", k.Key.Fingerprint(), other)
			}
			keys[k.Key] = p.ID
		}
		if p.Slack != nil {
			if other, taken := accounts[*p.Slack]; taken {
				bad("the Slack account of %q belongs to %q already", p.ID, other)
			}
			accounts[*p.Slack] = p.ID
		}
	}
	errs = append(errs, v.validateOwners(), v.validatePolicies(ids))
	return errors.Join(errs...)
}

// validateOwners makes sure that there can be a next version.
func (v Version) validateOwners() error {
	owners := len(v.Owners(v.Issued))
	switch {
	case owners == 0:
		return errors.New("nobody with a valid key has the role owner: no version could ever follow")
	case owners >= 2 && v.Required < 2:
		return fmt.Errorf("required is %d: with %d owners it is 2 or more, so that one stolen key changes nothing", v.Required, owners)
	case v.Required < 1 || v.Required > owners:
		return fmt.Errorf("required is %d, but %d owners have a valid key: no version could ever follow", v.Required, owners)
	}
	return nil
}

func (v Version) validatePolicies(ids map[string]bool) error {
	var errs []error
	var names []string
	for _, p := range v.Policies {
		errs = append(errs, p.Validate())
		if slices.Contains(names, p.Name) {
			errs = append(errs, fmt.Errorf("escalation policy %q stands there twice", p.Name))
		}
		names = append(names, p.Name)
		for _, level := range p.Levels {
			for _, contact := range level.Targets {
				if kind, name := contact.Split(); kind == plan.ContactPerson && !ids[name] {
					errs = append(errs, fmt.Errorf("escalation policy %q: there is no person %q", p.Name, name))
				}
			}
		}
	}
	return errors.Join(errs...)
}

// follows reports what a version may not change in the one before.
func (v Version) follows(before Version) error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if v.Issued.Before(before.Issued) {
		bad("it was issued at %s, before version %d", v.Issued.Format(time.RFC3339), before.Number)
	}
	for _, old := range before.People {
		i := slices.IndexFunc(v.People, func(p Person) bool { return p.ID == old.ID })
		if i < 0 {
			bad("person %q vanished: keep them without roles and with their keys revoked, so that what they signed can still be checked", old.ID)
			continue
		}
		for _, was := range old.Keys {
			is, kept := v.People[i].key(was.Key)
			switch {
			case !kept:
				bad("key %s of %q vanished: revoke it with valid_before, so that what it signed can still be checked", was.Key.Fingerprint(), old.ID)
			case !is.ValidAfter.Equal(was.ValidAfter):
				bad("key %s of %q: valid_after changed", was.Key.Fingerprint(), old.ID)
			case !was.ValidBefore.IsZero() && !was.ValidBefore.After(v.Issued) && !is.ValidBefore.Equal(was.ValidBefore):
				bad("key %s of %q was revoked and is changed: a revoked key stays revoked, make a new one", was.Key.Fingerprint(), old.ID)
			}
		}
	}
	return errors.Join(errs...)
}

// SignedVersion is the exact text of a version, with SSHSIGs over it in the namespace of rosters, so that
// `ssh-keygen -Y verify` checks it.
type SignedVersion struct {
	Signed     string   `json:"signed"`
	Signatures []string `json:"signatures"`
}

// NewVersion renders a version as the text that owners sign.
func NewVersion(v Version) (*SignedVersion, error) {
	if err := v.Validate(); err != nil {
		return nil, fmt.Errorf("check roster: %w", err)
	}
	text, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("render roster: %w", err)
	}
	return &SignedVersion{Signed: string(text)}, nil
}

// Read returns the version without trusting it.
func (s *SignedVersion) Read() (Version, error) {
	var v Version
	if len(s.Signed) > maxVersionText || len(s.Signatures) > maxSignatures {
		return v, errors.New("parse roster: a version is too large")
	}
	if err := strict([]byte(s.Signed), &v); err != nil {
		return v, fmt.Errorf("parse roster: %w", err)
	}
	return v, v.Validate()
}

// Bytes is the signed version as an object of a vault.
func (s *SignedVersion) Bytes() ([]byte, error) {
	data, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("render roster: %w", err)
	}
	return append(data, '\n'), nil
}

// Digest identifies a version: the SHA-256 of its text, in hex. Of the first one it is the fingerprint that
// workers pin.
func (s *SignedVersion) Digest() string { return digest(s.Signed) }

// Sign adds an owner's signature. Signing twice with one key changes nothing.
func (s *SignedVersion) Sign(signer *signature.Signer) error {
	for _, armored := range s.Signatures {
		if by, err := signature.SignedBy(signature.Roster, []byte(s.Signed), []byte(armored)); err == nil && string(by) == signer.PublicKey() {
			return nil
		}
	}
	armored, err := signer.Sign(signature.Roster, []byte(s.Signed))
	if err != nil {
		return fmt.Errorf("sign roster: %w", err)
	}
	s.Signatures = append(s.Signatures, string(armored))
	return nil
}

func digest(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}
