package roster

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/lifeboat-dr/lifeboat/internal/plan"
	"github.com/lifeboat-dr/lifeboat/runbooks"
)

// CheckGate proves that a gate can still be passed with any one person absent, whoever started the execution.
// grave says that an irreversible live step stands behind it, so that one of the voices is a person's own
// signature. The error names a case in which nobody could open it, and what to change.
func (r *Roster) CheckGate(gate Gate, grave bool, at time.Time) error {
	roles := plan.RightTo(plan.CommandApprove).Allowed(gate.Roles)
	all := able(r.Holders(roles...), at)
	starters := able(r.Holders(plan.RoleCommander), at)
	if len(starters) == 0 {
		return fmt.Errorf("gate %q: the roster has no commander with a valid key, so nobody can start anything", gate.ID)
	}
	// The absent person may be anybody, also somebody without a part in it: the empty id is nobody.
	for _, starter := range ids(starters) {
		excluded := starter
		if !gate.ExcludeRequester {
			excluded = ""
		}
		for _, absent := range append([]string{""}, ids(all)...) {
			if absent != "" && absent == starter && gate.ExcludeRequester {
				continue // then another commander starts
			}
			left := slices.DeleteFunc(slices.Clone(all), func(p Person) bool { return p.ID == excluded || p.ID == absent })
			signs := slices.ContainsFunc(left, func(p Person) bool { return p.CanSign(at) })
			if len(left) >= gate.Requires && (signs || !grave) {
				continue
			}
			return fmt.Errorf("gate %q cannot be passed%s: %s", gate.ID, circumstances(excluded, absent), shortage(gate, roles, left))
		}
	}
	return nil
}

// CheckRunbook proves for every step of a runbook that waits for people that they can be found with any one of
// them absent. The error holds every step of which that is not so.
func (r *Roster) CheckRunbook(runbook *runbooks.Runbook, at time.Time) error {
	var errs []error
	for i := range runbook.Steps {
		step := &runbook.Steps[i]
		gate := GateNamed(runbook, step.ID)
		switch step.Type {
		case "approval":
			grave := slices.ContainsFunc(gate.Steps, func(id string) bool { return runbook.Step(id).Effect == runbooks.EffectIrreversible })
			errs = append(errs, r.CheckGate(gate, grave, at))
		case "manual":
			gate.Requires, gate.ExcludeRequester = 1, false
			errs = append(errs, r.CheckGate(gate, true, at)) // a manual task is confirmed with a signature
		}
	}
	return errors.Join(errs...)
}

// View is the roster as lint of runbooks asks for it.
type View struct {
	Roster *Roster
	At     time.Time
}

// Holders are the ids of those with a role who can decide something.
func (v View) Holders(role string) []string { return ids(able(v.Roster.Holders(role), v.At)) }

// HasPolicy says whether there is an escalation policy of this name.
func (v View) HasPolicy(name string) bool {
	_, ok := v.Roster.Policy(name)
	return ok
}

var _ runbooks.Roster = View{}

// able are those who can decide at a moment: with a key, or by a click.
func able(people []Person, at time.Time) []Person {
	return slices.DeleteFunc(slices.Clone(people), func(p Person) bool { return !p.CanSign(at) && p.Slack == nil })
}

func ids(people []Person) []string {
	var names []string
	for _, p := range people {
		names = append(names, p.ID)
	}
	return names
}

func circumstances(starter, absent string) string {
	var when []string
	if starter != "" {
		when = append(when, starter+" started the execution")
	}
	if absent != "" {
		when = append(when, absent+" is absent")
	}
	if len(when) == 0 {
		return ""
	}
	return " when " + strings.Join(when, " and ")
}

func shortage(gate Gate, roles []string, left []Person) string {
	names := "nobody"
	if len(left) > 0 {
		names = strings.Join(ids(left), ", ")
	}
	if len(left) >= gate.Requires {
		return fmt.Sprintf("an own signature is needed, and none of %s has a valid key", names)
	}
	return fmt.Sprintf("it needs %d of the roles %s, and %s is left: give the role to more people", gate.Requires, strings.Join(roles, ", "), names)
}

// Warnings are what the roster may say but probably should not at a moment: who must not be hit by a bus.
func (v Version) Warnings(at time.Time) []string {
	var all []string
	warn := func(format string, args ...any) { all = append(all, fmt.Sprintf(format, args...)) }
	if owners := len(v.Owners(at)); owners <= v.Required {
		warn("%d owners have a valid key and %d have to sign: with one of them absent nothing can be changed", owners, v.Required)
	}
	if v.Required < 2 {
		warn("one owner signs alone: one stolen key changes the roster")
	}
	commanders := 0
	for _, p := range v.People {
		if p.Holds(plan.RoleCommander) && p.CanSign(at) {
			commanders++
		}
	}
	if commanders < 2 {
		warn("%d commanders have a valid key: with one absent nobody can start a recovery", commanders)
	}
	const soon = 30 * 24 * time.Hour
	for _, p := range v.People {
		if p.CanSign(at) && !p.CanSign(at.Add(soon)) {
			warn("the last key of %s stops counting within 30 days", p.ID)
		}
	}
	for _, policy := range v.Policies {
		for i, level := range policy.Levels {
			for _, contact := range level.Targets {
				kind, name := contact.Split()
				if kind == plan.ContactRole && !slices.ContainsFunc(v.People, func(p Person) bool { return p.Holds(name) }) {
					warn("escalation policy %q: level %d tells role %q, which nobody holds", policy.Name, i+1, name)
				}
			}
		}
	}
	return all
}
