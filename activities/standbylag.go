package activities

import (
	"context"
	"errors"
	"time"

	"github.com/lifeboat-dr/lifeboat/internal/standby"
)

// StandbyProtection is how well a component's database at another site follows.
type StandbyProtection struct {
	// Site is where it is, and From where the primary is, by the newest epoch.
	Site string `json:"site"`
	From string `json:"from"`
	// State is "ok", "late", "stopped", "none" or "unknown"; none means that nothing follows.
	State string `json:"state"`
	// Lag is how long a transaction took to be safe there; LagBytes how much of the primary's log is not.
	Lag      time.Duration `json:"lag,omitempty"`
	LagBytes int64         `json:"lag_bytes,omitempty"`
	// KeptBytes is how much of its log the primary keeps for it, on its own disk.
	KeptBytes int64 `json:"kept_bytes,omitempty"`
	// Drift is how many objects of the schemas differ.
	Drift  int    `json:"drift,omitempty"`
	Detail string `json:"detail,omitempty"`
}

// follower looks at a component's hot standby. Which of its two databases that is, the newest epoch says. It is nil
// for a component without one.
func (a *Alerts) follower(ctx context.Context, c *Component) *StandbyProtection {
	if !c.Hot || a.Epochs == nil {
		return nil
	}
	p := &StandbyProtection{Site: c.StandbySite, From: c.Site, State: "unknown"}
	seen, err := a.Epochs.Look(ctx)
	if err != nil || seen.Blind() {
		p.Detail = "Too few vaults answer to know where " + c.Name + " lives, so its standby was not looked at."
		return p
	}
	if p.From = seen.Primary(c.Name, c.Site); p.From != c.Site {
		p.Site = c.Site
	}
	from, err := c.addressAt(ctx, p.From)
	if err == nil {
		to, other := c.addressAt(ctx, p.Site)
		if err = other; err == nil {
			var known standby.Known
			if known, err = standby.Ask(ctx, to, c.Name); err == nil {
				var state standby.State
				state, err = standby.Look(ctx, from, to, known.Link, c.LagLimit)
				p.Lag, p.LagBytes, p.KeptBytes, p.Drift = state.Lag, state.LagBytes, state.KeptBytes, len(state.Drift.All())
				if err == nil {
					err = state.Whole()
				}
			}
		}
	}
	p.judge(c, err)
	return p
}

// judge puts into words how a look ended. The words go into messages: they name no table.
func (p *StandbyProtection) judge(c *Component, err error) {
	switch {
	case err == nil && p.Drift == 0:
		p.State = "ok"
	case err == nil:
		p.State, p.Detail = "ok", "The schemas of "+c.Name+" and its standby at "+p.Site+" differ, which does not stop it: run a step of type standby."
	case errors.Is(err, standby.ErrState):
		p.State, p.Detail = "none", "No database follows "+c.Name+" at "+p.Site+", or not all of it. Establish it: a runbook with a step of type reprotect."
	case errors.Is(err, standby.ErrBroken):
		p.State, p.Detail = "stopped", "The replication of "+c.Name+" to "+p.Site+" has stopped and does not go on by itself: docs/standby.md"
	case errors.Is(err, standby.ErrBehind):
		p.State, p.Detail = "late", "The standby of "+c.Name+" at "+p.Site+" is more than "+c.LagLimit.String()+" behind: docs/standby.md"
	default:
		p.State, p.Detail = "unknown", "The primary of "+c.Name+" at "+p.From+" or its standby at "+p.Site+" does not answer, so nothing is known of the lag."
	}
}

// follows adds the standby of a component. Its state is the component's own unless that is ok and the standby is not.
func (p *ComponentProtection) follows(s *StandbyProtection) {
	if p.Standby = s; s != nil && s.State != "ok" && p.State == "ok" {
		p.State, p.Detail = "unfollowed", s.Detail
	}
}
