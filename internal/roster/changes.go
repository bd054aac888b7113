package roster

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/lifeboat-dr/lifeboat/internal/plan"
	"github.com/lifeboat-dr/lifeboat/internal/signature"
)

// Changes says in words what a version changes; before is nil for the first one. It is what an owner reads
// before signing, so it leaves nothing out.
func Changes(before *Version, after Version) []string {
	if before == nil {
		before = &Version{}
	}
	var all []string
	say := func(format string, args ...any) { all = append(all, fmt.Sprintf(format, args...)) }
	if before.Required != after.Required {
		say("%d owners have to sign the next version and each runbook, before %d", after.Required, before.Required)
	}
	for _, p := range after.People {
		i := slices.IndexFunc(before.People, func(was Person) bool { return was.ID == p.ID })
		if i < 0 {
			say("new: %s (%s), roles %s", p.ID, p.Name, or(strings.Join(p.Roles, ", "), "none"))
			all = append(all, changed(Person{ID: p.ID, Name: p.Name, Roles: p.Roles}, p)...)
			continue
		}
		all = append(all, changed(before.People[i], p)...)
	}
	for _, was := range before.People {
		if !slices.ContainsFunc(after.People, func(p Person) bool { return p.ID == was.ID }) {
			say("gone: %s", was.ID)
		}
	}
	for _, p := range after.Policies {
		i := slices.IndexFunc(before.Policies, func(was plan.Policy) bool { return was.Name == p.Name })
		if i < 0 {
			say("new escalation policy %s: %s", p.Name, describe(p))
		} else if describe(before.Policies[i]) != describe(p) {
			say("escalation policy %s: %s, before %s", p.Name, describe(p), describe(before.Policies[i]))
		}
	}
	for _, was := range before.Policies {
		if !slices.ContainsFunc(after.Policies, func(p plan.Policy) bool { return p.Name == was.Name }) {
			say("escalation policy %s is gone", was.Name)
		}
	}
	return all
}

func changed(was, is Person) (all []string) {
	say := func(format string, args ...any) { all = append(all, is.ID+": "+fmt.Sprintf(format, args...)) }
	for _, role := range is.Roles {
		if !slices.Contains(was.Roles, role) {
			say("gets the role %s", role)
		}
	}
	for _, role := range was.Roles {
		if !slices.Contains(is.Roles, role) {
			say("loses the role %s", role)
		}
	}
	for _, k := range is.Keys {
		old, had := was.key(k.Key)
		if !had {
			say("gets key %s %s, valid %s", k.Key.Fingerprint(), or(k.Comment, "(no comment)"), k.span())
		} else if old.span() != k.span() || old.Comment != k.Comment {
			say("key %s %s is valid %s, before %s", k.Key.Fingerprint(), or(k.Comment, "(no comment)"), k.span(), old.span())
		}
	}
	for _, k := range was.Keys {
		if _, has := is.key(k.Key); !has {
			say("key %s is gone", k.Key.Fingerprint())
		}
	}
	for _, field := range []struct{ name, was, is string }{
		{"name", was.Name, is.Name}, {"e-mail", was.Email, is.Email}, {"Slack account", was.Slack.String(), is.Slack.String()}, {"pager", was.Pager, is.Pager},
	} {
		if field.was != field.is {
			say("%s %s, before %s", field.name, or(field.is, "none"), or(field.was, "none"))
		}
	}
	return all
}

func (k Key) span() string {
	from, until := "from the beginning", "without an end"
	if !k.ValidAfter.IsZero() {
		from = "from " + k.ValidAfter.UTC().Format(time.RFC3339)
	}
	if !k.ValidBefore.IsZero() {
		until = "until " + k.ValidBefore.UTC().Format(time.RFC3339)
	}
	return from + " " + until
}

// String is TEAM/USER, or empty for nobody.
func (s *Slack) String() string {
	if s == nil {
		return ""
	}
	return s.Team + "/" + s.User
}

func describe(p plan.Policy) string {
	var levels []string
	for _, l := range p.Levels {
		var targets []string
		for _, c := range l.Targets {
			targets = append(targets, string(c))
		}
		levels = append(levels, fmt.Sprintf("after %s %s of %s", time.Duration(l.Delay), l.Notify, or(strings.Join(targets, " "), "nobody")))
	}
	return fmt.Sprintf("%s; repeated %d times", strings.Join(levels, ", "), p.Repeat)
}

func or(text, fallback string) string {
	if text == "" {
		return fallback
	}
	return text
}

// AllowedSigners lists everybody's keys in OpenSSH's allowed_signers format, so that an auditor checks signatures
// with `ssh-keygen -Y verify` and without Lifeboat. Owners may sign rosters, runbooks and orders; everybody commands.
func (v Version) AllowedSigners() string {
	const layout = "20060102150405Z"
	var text strings.Builder
	for _, p := range v.People {
		uses := string(signature.Command)
		if p.Holds(plan.RoleOwner) {
			uses += "," + string(signature.Roster) + "," + string(signature.Runbook) + "," + string(signature.Order)
		}
		for _, k := range p.Keys {
			fmt.Fprintf(&text, "%s namespaces=%q", p.ID, uses)
			if !k.ValidAfter.IsZero() {
				fmt.Fprintf(&text, ",valid-after=%q", k.ValidAfter.UTC().Format(layout))
			}
			if !k.ValidBefore.IsZero() {
				fmt.Fprintf(&text, ",valid-before=%q", k.ValidBefore.UTC().Format(layout))
			}
			fmt.Fprintf(&text, " %s\n", k.Key)
		}
	}
	return text.String()
}
