// Package call reaches the targets of an escalation policy: people and roles of the roster, channels, people and groups in
// Slack, and pagers. Who is reached is decided here, when is the business of workflows.
package call

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"

	"github.com/lifeboat-dr/lifeboat/internal/notify"
	"github.com/lifeboat-dr/lifeboat/internal/notify/pagerduty"
	"github.com/lifeboat-dr/lifeboat/internal/plan"
	"github.com/lifeboat-dr/lifeboat/internal/roster"
)

// Chat is Slack as it is needed here.
type Chat interface {
	// Call writes to a channel (C…), a person (U…) or everybody of a group (S…), with a button that takes the call.
	// Repeating it is safe.
	Call(ctx context.Context, to string, m notify.Message, p Page) error
}

// Pager is a pager's service.
type Pager interface {
	Send(ctx context.Context, action pagerduty.Action, key string, m notify.Message) error
}

// Page is what people are called for.
type Page struct {
	// Action is what happens to it: trigger, acknowledge or resolve.
	Action pagerduty.Action
	// Step is the gate or step, Brief the digest of the execution's brief, which an acknowledgement is bound to.
	Step, Brief string
	Mode        plan.Mode
	Target      string
}

// Caller reaches people.
type Caller struct {
	// People is the roster of now; nil knows nobody.
	People func() (*roster.Roster, error)
	// Chat is nil where there is no Slack.
	Chat Chat
	// Pagers are by name; Webhooks are the names of receivers that get every message anyway.
	Pagers   map[string]Pager
	Webhooks []string
	Log      *slog.Logger
}

// ErrNobody says that the configuration and the roster have no road to any of the targets. Repeating does not help.
var ErrNobody = errors.New("there is no road to any of the targets")

// road is one way to reach a target.
type road struct {
	name string
	to   func(ctx context.Context, m notify.Message, p Page) error
}

// Call reaches targets: all of them, or one after the other until one could be reached. It returns what failed.
func (c *Caller) Call(ctx context.Context, m notify.Message, p Page, targets []plan.Contact, how plan.Notify) error {
	var errs []error
	reached, roads := 0, 0
	seen := map[string]bool{}
	for _, target := range targets {
		for _, r := range c.roads(ctx, target, p) {
			if seen[r.name] {
				continue // somebody who holds two roles is called once
			}
			seen[r.name] = true
			roads++
			if err := r.to(ctx, m, p); err != nil {
				errs = append(errs, fmt.Errorf("call %s: %w", r.name, err))
				continue
			}
			reached++
		}
		if how == plan.NotifyAny && reached > 0 {
			return nil
		}
	}
	if roads == 0 && p.Action == pagerduty.Trigger {
		return fmt.Errorf("call %v: %w", targets, ErrNobody)
	}
	return errors.Join(errs...)
}

// roads are the ways to a target. What the configuration has no way to is logged.
func (c *Caller) roads(ctx context.Context, target plan.Contact, p Page) (found []road) {
	kind, name := target.Split()
	switch kind {
	case plan.ContactPerson, plan.ContactRole:
		for _, person := range c.people(ctx, kind, name) {
			if person.Slack != nil {
				found = append(found, c.chat(person.Slack.User, p)...)
			}
			if person.Pager != "" {
				found = append(found, c.pager(person.Pager)...)
			}
		}
	case plan.ContactSlack:
		found = c.chat(name, p)
	case plan.ContactPager:
		found = c.pager(name)
	case plan.ContactWebhook:
		if slices.Contains(c.Webhooks, name) {
			// Webhooks get every message already, by the same id.
			found = []road{{"webhook:" + name, func(context.Context, notify.Message, Page) error { return nil }}}
		}
	}
	if len(found) == 0 && p.Action == pagerduty.Trigger {
		c.Log.ErrorContext(ctx, "nobody was called: there is no road to a target of the escalation policy", slog.String("target", string(target)))
	}
	return found
}

func (c *Caller) people(ctx context.Context, kind plan.ContactKind, name string) []roster.Person {
	if c.People == nil {
		return nil
	}
	people, err := c.People()
	if err != nil {
		c.Log.ErrorContext(ctx, "call people: the roster cannot be read", slog.Any("error", err))
		return nil
	}
	if kind == plan.ContactRole {
		return people.Holders(name)
	}
	if person, ok := people.Person(name); ok {
		return []roster.Person{person}
	}
	return nil
}

// chat is the road by Slack. Only a call is written there: how it ended stands on the cards.
func (c *Caller) chat(to string, p Page) []road {
	if c.Chat == nil || p.Action != pagerduty.Trigger || to == "" || !strings.ContainsRune("CGUWSD", rune(to[0])) {
		return nil
	}
	return []road{{"slack:" + to, func(ctx context.Context, m notify.Message, p Page) error { return c.Chat.Call(ctx, to, m, p) }}}
}

func (c *Caller) pager(name string) []road {
	pager, ok := c.Pagers[name]
	if !ok {
		return nil
	}
	return []road{{"pager:" + name, func(ctx context.Context, m notify.Message, p Page) error {
		return pager.Send(ctx, p.Action, pagerduty.Key(m.Execution, p.Step), m)
	}}}
}
