package roster

import (
	"errors"
	"fmt"
	"net/mail"
	"regexp"
	"slices"
	"time"

	"github.com/lifeboat-dr/lifeboat/internal/plan"
	"github.com/lifeboat-dr/lifeboat/internal/signature"
)

// Person is somebody who may decide something, or is told.
type Person struct {
	// ID is how commands name them. It is never given to anybody else.
	ID    string `json:"id"`
	Name  string `json:"name"`
	Email string `json:"email,omitempty"`
	// Roles are what they may do (plan.Rights); those that are not built in are asked for by runbooks. None
	// for somebody who left.
	Roles []string `json:"roles,omitempty"`
	Keys  []Key    `json:"keys,omitempty"`
	// Slack is who they are there; nil for nobody. A worker vouches for clicks of this account only.
	Slack *Slack `json:"slack,omitempty"`
	// Pager is their user or routing name at the pager's service.
	Pager string `json:"pager,omitempty"`
}

// Slack is an account in Slack by its ids, which cannot be chosen by whoever has it; names can.
type Slack struct {
	Team string `json:"team"`
	User string `json:"user"`
}

// Key is one of a person's public keys, and when it counts.
type Key struct {
	Key     signature.PublicKey `json:"key"`
	Comment string              `json:"comment,omitempty"`
	// ValidAfter and ValidBefore bound the moment of signing: [after, before). Zero is no bound. A key is
	// revoked by ValidBefore and never taken out, so that what it signed before can still be checked.
	ValidAfter  time.Time `json:"valid_after,omitzero"`
	ValidBefore time.Time `json:"valid_before,omitzero"`
}

// ValidAt says whether the key counts for what was signed at a moment.
func (k Key) ValidAt(at time.Time) bool {
	return (k.ValidAfter.IsZero() || !at.Before(k.ValidAfter)) && (k.ValidBefore.IsZero() || at.Before(k.ValidBefore))
}

// Holds says whether the person has one of the roles.
func (p Person) Holds(roles ...string) bool {
	return slices.ContainsFunc(roles, func(role string) bool { return slices.Contains(p.Roles, role) })
}

// CanSign says whether the person has a key that counts at a moment.
func (p Person) CanSign(at time.Time) bool {
	return slices.ContainsFunc(p.Keys, func(k Key) bool { return k.ValidAt(at) })
}

// key finds one of the person's keys.
func (p Person) key(public signature.PublicKey) (Key, bool) {
	i := slices.IndexFunc(p.Keys, func(k Key) bool { return k.Key == public })
	if i < 0 {
		return Key{}, false
	}
	return p.Keys[i], true
}

var (
	idPattern    = regexp.MustCompile(`^[a-z][a-z0-9-]{0,39}$`)
	rolePattern  = regexp.MustCompile(`^[a-z][A-Za-z0-9_-]{0,39}$`)
	slackPattern = regexp.MustCompile(`^[A-Z0-9]{2,40}$`)
)

// validate reports everything that is wrong with one person.
func (p Person) validate() error {
	var errs []error
	bad := func(format string, args ...any) {
		errs = append(errs, fmt.Errorf("person %q: %w", p.ID, fmt.Errorf(format, args...)))
	}
	if !idPattern.MatchString(p.ID) {
		bad("an id is lower-case letters, digits and hyphens, a letter first, 40 at most")
	}
	if p.Name == "" || len(p.Name) > 200 {
		bad("a name is needed, of 200 bytes at most")
	}
	if p.Email != "" {
		if address, err := mail.ParseAddress(p.Email); err != nil || address.Address != p.Email {
			bad("%q is no e-mail address", p.Email)
		}
	}
	for i, role := range p.Roles {
		if !rolePattern.MatchString(role) {
			bad("role %q: use letters, digits, hyphens and underscores, a lower-case letter first, 40 at most", role)
		}
		if slices.Contains(p.Roles[:i], role) {
			bad("role %q stands there twice", role)
		}
	}
	for _, k := range p.Keys {
		read, _, err := signature.ParsePublicKey(string(k.Key))
		switch {
		case err != nil:
			bad("%w", err)
		case read != k.Key:
			bad("key %s: write its type and its base64 only; a comment has a field of its own", read.Fingerprint())
		}
		if !k.ValidAfter.IsZero() && !k.ValidBefore.IsZero() && k.ValidBefore.Before(k.ValidAfter) {
			bad("key %s: valid_before lies before valid_after", k.Key.Fingerprint())
		}
	}
	if p.Slack != nil && (!slackPattern.MatchString(p.Slack.Team) || !slackPattern.MatchString(p.Slack.User)) {
		bad("slack: give the ids of team and user, like T0123ABCD and U0123ABCD, not their names")
	}
	if len(p.Keys) == 0 {
		if p.Holds(plan.RoleOwner, plan.RoleCommander) {
			bad("an owner or commander needs a key: what they say is signed, never vouched for")
		} else if p.Slack == nil && p.Holds(plan.RoleApprover, plan.RoleOperator) {
			bad("neither a key nor a Slack account: they could not decide anything")
		}
	}
	return errors.Join(errs...)
}
