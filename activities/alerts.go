package activities

import (
	"context"
	"errors"
	"sort"
	"sync"
	"time"

	"go.temporal.io/sdk/temporal"

	"github.com/lifeboat-dr/lifeboat/internal/epoch"
)

// Teller brings a message to people. It returns nil only when every receiver took it.
type Teller interface {
	Tell(ctx context.Context, a Alert) error
}

// Pinger tells an outside service that the engine is alive.
type Pinger interface {
	Ping(ctx context.Context) error
}

// Alerts tells people how well they are protected.
type Alerts struct {
	Crew   *Crew
	Finder *Finder
	Teller Teller
	// Deadman is nil when the configuration has none.
	Deadman Pinger
	// LateAfter is the age at which people are told; zero means each component's RPO.
	LateAfter time.Duration
	// Epochs say where components live; nil lets no standby be looked at.
	Epochs *epoch.Ledger
}

// SendAlert brings one message to everybody who is to hear it. Repeating it is safe: receivers drop
// repetitions by the message's id.
func (a *Alerts) SendAlert(ctx context.Context, in Alert) error {
	if err := a.Teller.Tell(ctx, in); err != nil {
		return temporal.NewApplicationErrorWithCause("tell people of "+in.Kind, TypeUnavailable, err)
	}
	return nil
}

// PingDeadman tells the outside watcher that the engine is alive and could tell people what it had to.
func (a *Alerts) PingDeadman(ctx context.Context) error {
	if a.Deadman == nil {
		return nil
	}
	if err := a.Deadman.Ping(ctx); err != nil {
		return temporal.NewApplicationErrorWithCause("ping the dead-man's switch", TypeUnavailable, err)
	}
	return nil
}

// vaultPatience bounds a look into one vault: when a region is gone, people have to hear of it, and of the others.
const vaultPatience = 20 * time.Second

// EvaluateProtection looks into the vaults and says how well each component is protected. It changes
// nothing and needs no key that opens backups. A vault that cannot be read makes its components unknown.
func (a *Alerts) EvaluateProtection(ctx context.Context) (Protection, error) {
	now := time.Now().UTC()
	result := Protection{At: now}
	names := make([]string, 0, len(a.Crew.Components))
	for name := range a.Crew.Components {
		names = append(names, name)
	}
	sort.Strings(names)
	result.Components = make([]ComponentProtection, len(names))
	var group sync.WaitGroup
	for i, name := range names {
		group.Go(func() { result.Components[i] = a.evaluate(ctx, a.Crew.Components[name], now) })
	}
	group.Wait()
	return result, ctx.Err()
}

func (a *Alerts) evaluate(ctx context.Context, c *Component, now time.Time) ComponentProtection {
	limit := c.RPO
	if a.LateAfter > 0 {
		limit = a.LateAfter
	}
	var p ComponentProtection
	var follower *StandbyProtection
	replicas := make([]ReplicaProtection, len(c.Replicas))
	var group sync.WaitGroup
	look := func(at func(context.Context)) {
		group.Go(func() {
			ctx, cancel := context.WithTimeout(ctx, vaultPatience)
			defer cancel()
			at(ctx)
		})
	}
	look(func(ctx context.Context) { p = a.own(ctx, c, limit, now) })
	for i, v := range c.Replicas {
		look(func(ctx context.Context) { replicas[i] = a.replica(ctx, c, v, limit, now) })
	}
	look(func(ctx context.Context) { follower = a.follower(ctx, c) })
	group.Wait()
	p.with(replicas)
	p.follows(follower)
	return p
}

// own is how well a component is protected by its own vault.
func (a *Alerts) own(ctx context.Context, c *Component, limit time.Duration, now time.Time) ComponentProtection {
	p := ComponentProtection{Component: c.Name, Site: c.Site, RPO: c.RPO}
	newest, err := a.Finder.Newest(ctx, c)
	if err != nil && !errors.Is(err, ErrNoBackup) {
		p.State, p.Detail = "unknown", "The vault "+c.Vault.Name+" could not be read, so nothing is known of this component's backups."
		return p
	}
	verified, verr := a.Finder.NewestVerified(ctx, c)
	if verr != nil && !errors.Is(verr, ErrNoBackup) {
		p.State, p.Detail = "unknown", "The vault "+c.Vault.Name+" could not be read, so nothing is known of this component's backups."
		return p
	}
	if err == nil {
		p.Backup, p.BackupPoint = newest.Envelope.Backup, newest.Envelope.Point.Time
	}
	if verr == nil {
		p.Verified, p.VerifiedPoint = verified.Envelope.Backup, verified.Envelope.Point.Time
	}
	switch {
	case err != nil:
		p.State, p.Detail = "none", "There is no backup at all. Start one: lifeboat backup "+c.Name
	case now.Sub(p.BackupPoint) > limit:
		p.State, p.Detail = "late", "The newest backup is older than "+limit.String()+". Look at the schedules and the last executions: lifeboat status"
	case verr != nil:
		p.State, p.Detail = "unverified", "No backup was ever restored and compared. Start it: lifeboat verify --backup latest"
	case now.Sub(p.VerifiedPoint) > limit:
		p.State, p.Detail = "unverified", "The newest backup that was restored and compared is older than "+limit.String()+". Start it: lifeboat verify --backup latest"
	default:
		p.State = "ok"
	}
	return p
}
