package activities

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// gapsLookedAt is how many of the newest folders of the component's own vault are looked for in a replica whenever
// somebody asks how it is. A catch-up looks at all.
const gapsLookedAt = 50

// replica says how far a replica is behind. The newest restore point that is whole there has to be as young as that
// of the component's own vault has to be: it is what is left when that one is lost. Unless the
// component's own vault could be read, nobody knows what is missing.
func (a *Alerts) replica(ctx context.Context, c *Component, v Vault, limit time.Duration, now time.Time) ReplicaProtection {
	p := ReplicaProtection{Vault: v.Name, Site: v.Site}
	there := *c
	there.Vault = v
	newest, err := a.newestWhole(ctx, &there)
	if err != nil {
		p.State, p.Detail = "unknown", "The replica "+v.Name+" could not be read, so nothing is known of the copies in it."
		return p
	}
	if newest != nil {
		p.Backup, p.Point = newest.Envelope.Backup, newest.Envelope.Point.Time
	}
	p.Missing, p.OldestMissing = a.gaps(ctx, c, &there, now)
	catchUp := "Look at the last executions, or start it: lifeboat replicate " + c.Name
	switch {
	case newest == nil:
		p.State, p.Detail = "none", "There is no whole copy in the replica "+v.Name+". "+catchUp
	case now.Sub(p.Point) > limit:
		p.State, p.Detail = "late", "The newest whole copy in the replica "+v.Name+" is older than "+limit.String()+". "+catchUp
	default:
		p.State = "ok"
		if p.Missing != nil && *p.Missing > 0 {
			p.Detail = fmt.Sprintf("Of the newest backups %d are missing in the replica %s.", *p.Missing, v.Name)
		}
	}
	return p
}

// newestWhole is the newest backup of a vault whose whole set is there, nil when there is none.
func (a *Alerts) newestWhole(ctx context.Context, c *Component) (*Backup, error) {
	for b, err := range a.Finder.Backups(ctx, c, nil) {
		if err != nil {
			return nil, err
		}
		missing, err := lacking(ctx, c.Vault.Store, b.Envelope)
		if err != nil {
			return nil, err
		}
		if missing == "" {
			return b, nil
		}
	}
	return nil, nil
}

// gaps counts which of the newest backups are not in a replica; nil when that cannot be found out.
func (a *Alerts) gaps(ctx context.Context, from, to *Component, now time.Time) (missing *int, oldest time.Time) {
	ctx, cancel := context.WithTimeout(ctx, vaultPatience/2)
	defer cancel()
	ids, err := a.Finder.ids(ctx, from)
	if err != nil {
		return nil, oldest
	}
	wanted := ids[:0]
	for _, id := range ids {
		if len(wanted) < gapsLookedAt && to.Vault.keeps(id, now) {
			wanted = append(wanted, id)
		}
	}
	found, err := a.Finder.compareAll(ctx, from, to, wanted, false, nil)
	if err != nil {
		return nil, oldest
	}
	n := 0
	for _, f := range found {
		if f.there != nil && !f.whole {
			n++
			oldest = f.there.Envelope.Point.Time // ids go from the newest to the oldest
		}
	}
	return &n, oldest
}

// with adds the replicas of a component. Its state is the component's own unless that is ok and one of them is not.
func (p *ComponentProtection) with(replicas []ReplicaProtection) {
	p.Replicas = replicas
	var late error
	for _, r := range replicas {
		if r.State != "ok" {
			late = errors.Join(late, errors.New(r.Detail))
		}
	}
	if late != nil && p.State == "ok" {
		p.State, p.Detail = "unreplicated", late.Error()
	}
}
