package plan

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Policy is an escalation policy of the roster: whom to tell, and whom next when nobody acknowledges. It is
// copied into an execution when that starts, so that an edit never changes whom a running one calls.
type Policy struct {
	Name   string  `json:"name"`
	Levels []Level `json:"levels"`
	// Repeat is how often the levels are gone through again after the first time.
	Repeat int `json:"repeat"`
}

// Level is one round of a policy.
type Level struct {
	// Delay is how long this level waits after the one before began; the first usually waits for nothing.
	Delay Delay `json:"delay"`
	// Targets are told; a level without any is passed over at once.
	Targets []Contact `json:"targets"`
	// Notify says who of several is told.
	Notify Notify `json:"notify"`
}

// Notify says how a level with several targets reaches them.
type Notify string

const (
	// NotifyAll tells every target of the level.
	NotifyAll Notify = "all"
	// NotifyAny tells one after the other until one could be reached: delivery, not an answer, counts.
	NotifyAny Notify = "any"
)

// Delay is a duration that is written like 5m: people read a policy before they sign it.
type Delay time.Duration

// MarshalText writes the duration as Go does, like 5m0s.
func (d Delay) MarshalText() ([]byte, error) { return []byte(time.Duration(d).String()), nil }

// UnmarshalText reads what Go's durations look like.
func (d *Delay) UnmarshalText(text []byte) error {
	parsed, err := time.ParseDuration(string(text))
	if err != nil {
		return fmt.Errorf("delay %q: write a duration like 5m or 1h30m", text)
	}
	*d = Delay(parsed)
	return nil
}

// ContactKind is a way to reach somebody.
type ContactKind string

// The ways to reach somebody.
const (
	// ContactPerson is somebody in the roster, by id, on every channel that the roster knows.
	ContactPerson ContactKind = "person"
	// ContactRole is everybody who holds a role.
	ContactRole ContactKind = "role"
	// ContactSlack is a channel in Slack, by its id.
	ContactSlack ContactKind = "slack"
	// ContactPager is a pager's service, by the name it has in the configuration.
	ContactPager ContactKind = "pager"
	// ContactEmail is an address.
	ContactEmail ContactKind = "email"
	// ContactWebhook is a receiver, by the name it has in the configuration.
	ContactWebhook ContactKind = "webhook"
)

// ContactKinds are all of them.
var ContactKinds = []ContactKind{ContactPerson, ContactRole, ContactSlack, ContactPager, ContactEmail, ContactWebhook}

// Contact is who or what is told, written kind:name, for example person:alice or role:commander.
type Contact string

// Split takes a contact apart.
func (c Contact) Split() (kind ContactKind, name string) {
	before, after, _ := strings.Cut(string(c), ":")
	return ContactKind(before), after
}

// The bounds of a policy: more is a mistake, and pages somebody all week.
const (
	maxLevels  = 20
	maxTargets = 50
	maxRepeat  = 20
	maxDelay   = Delay(24 * time.Hour)
)

// Validate reports everything that is wrong with a policy, whoever is in the roster.
func (p Policy) Validate() error {
	var errs []error
	bad := func(format string, args ...any) {
		errs = append(errs, fmt.Errorf("escalation policy %q: %w", p.Name, fmt.Errorf(format, args...)))
	}
	if p.Name == "" {
		bad("it has no name")
	}
	if n := len(p.Levels); n < 1 || n > maxLevels {
		bad("it has %d levels, 1 to %d are allowed", n, maxLevels)
	}
	if p.Repeat < 0 || p.Repeat > maxRepeat {
		bad("repeat %d: 0 to %d are allowed", p.Repeat, maxRepeat)
	}
	told := 0
	for i, l := range p.Levels {
		if l.Delay < 0 || l.Delay > maxDelay {
			bad("level %d: a delay of %s: up to %s is allowed", i+1, time.Duration(l.Delay), time.Duration(maxDelay))
		}
		if l.Notify != NotifyAll && l.Notify != NotifyAny {
			bad("level %d: notify %q: write all or any", i+1, l.Notify)
		}
		if len(l.Targets) > maxTargets {
			bad("level %d: %d targets, %d are the most", i+1, len(l.Targets), maxTargets)
		}
		for _, c := range l.Targets {
			if kind, name := c.Split(); !slices.Contains(ContactKinds, kind) || name == "" {
				bad("level %d: target %q: write kind:name, of kind %s", i+1, c, joinKinds())
			}
		}
		told += len(l.Targets)
	}
	if told == 0 {
		bad("it tells nobody")
	}
	return errors.Join(errs...)
}

func joinKinds() string {
	var names []string
	for _, k := range ContactKinds {
		names = append(names, string(k))
	}
	return strings.Join(names, ", ")
}
