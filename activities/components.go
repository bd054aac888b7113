package activities

import (
	"context"
	"sort"
	"strings"
	"time"

	"filippo.io/age"

	"github.com/lifeboat-dr/lifeboat/internal/archive"
	"github.com/lifeboat-dr/lifeboat/internal/manifest"
	"github.com/lifeboat-dr/lifeboat/internal/secret"
	"github.com/lifeboat-dr/lifeboat/internal/store"
)

// Vault is where a component's backups lie.
type Vault struct {
	Name string
	// Site is where the vault is; empty when it belongs to none.
	Site  string
	Store store.Store
	// Replica says that backups were copied here, so that its objects have other versions than the manifest names.
	Replica bool
	// Retain is how long objects are locked, counted from the start of their backup; zero means no locks.
	Retain time.Duration
}

// Source is where a component's data is read from.
type Source interface {
	// Kind is "neon" or "postgres".
	Kind() string
	// Identity says what it is, without the facts that only a server knows.
	Identity(ctx context.Context) (manifest.Source, error)
	// Freeze makes a branch of our own name that does not change, or finds the one an earlier try made.
	Freeze(ctx context.Context, in Freeze) (Frozen, error)
	// Unfreeze removes every branch of this backup. It is no error when there is none.
	Unfreeze(ctx context.Context, backup string) error
	// Address is the connection string of a frozen branch, or of the source itself when branch is empty.
	Address(ctx context.Context, branch string) (secret.String, error)
}

// Freeze asks for a frozen copy.
type Freeze struct {
	Backup    string
	LSN       string
	ExpiresAt time.Time
}

// Frozen is a branch that does not change.
type Frozen struct {
	Branch string
	// LSN is where on its parent the branch was made, in PostgreSQL's notation; empty when the service does
	// not say. The branch's own server may write a little of its own behind it, which the parent never had.
	LSN string
	// At is the moment up to which all that had committed is in the branch, as the service says; zero when
	// it does not say. It is never later than that moment: a restore point that claims more than it holds
	// would hide a loss.
	At time.Time
}

// Place is where restores go.
type Place interface {
	// Open makes the target's database exist, and returns the target with what is now known of it. It is
	// safe to repeat. A database that already existed is left as it is.
	Open(ctx context.Context, target Target, like manifest.Catalog) (Target, error)
	// Address is the connection string of the target's database.
	Address(ctx context.Context, target Target) (secret.String, error)
	// Drop removes a scratch database. It refuses every name that is not ours.
	Drop(ctx context.Context, target Target) error
}

// Smoke is one query of a component that has to hold after a restore.
type Smoke struct {
	Name string
	SQL  string
	// Check says whether the answer is right: how many rows there were, and the only value when it was one
	// row of one column. Its error must not quote the value.
	Check func(rows int64, value *string) error
}

// Component is all that activities know of a protected component.
type Component struct {
	Name, Application, Site string
	// RPO is the recovery point objective.
	RPO time.Duration
	// Vault is where backups are written to and, unless somebody asks for another, read from.
	Vault Vault
	// Replicas are the vaults that backups are copied to.
	Replicas []Vault
	Source   Source
	// Standby is the component's database at another site, StandbySite; nil when it has none. Hot says that it is to follow, and
	// LagLimit how long a transaction may take to be safe there until people are told.
	Standby     Source
	StandbySite string
	Hot         bool
	LagLimit    time.Duration
	// ChunkBytes is the size of a chunk in the database, in bytes.
	ChunkBytes  int64
	Connections int
	// Budget is how long moving the data of one backup or restore may take in all.
	Budget time.Duration
	// Owners are the roles of targets that roles of the source become; empty: who restores owns everything.
	Owners      map[string]string
	VerifyAfter bool
	// Scratch is where verifications restore to; nil when there is none.
	Scratch     Place
	ScratchSite string
	Smoke       []Smoke
	// Synthetic is nil where nothing is written to prove that it can be.
	Synthetic *Synthetic
}

// Synthetic are rows that are written to a component, read and removed again.
type Synthetic struct {
	Left         string
	Write, Clean []string
	Read         []Smoke
}

// Crew is what the activities share: the components and targets of the configuration, and the keys.
type Crew struct {
	Application string
	Components  map[string]*Component
	// Targets are databases that a restore may fill when they are empty.
	Targets map[string]NamedPlace
	// Branches are the sites whose projects take new branches.
	Branches map[string]Place
	// Recipients are what everything is sealed to; never empty.
	Recipients []age.Recipient
	// RecipientNames are the same as text, for manifests.
	RecipientNames []string
	// Identities open backups; a worker that only backs up has none.
	Identities []age.Identity
	// Budget bounds the bytes of backups that this process holds.
	Budget *archive.Budget
	// Version is the version of Lifeboat, for records.
	Version string

	opened opened
}

// NamedPlace is a configured target with the site it is in.
type NamedPlace struct {
	Site  string
	Place Place
}

// Component finds a component by name, or says which there are.
func (c *Crew) Component(name string) (*Component, error) {
	if found, ok := c.Components[name]; ok {
		return found, nil
	}
	names := make([]string, 0, len(c.Components))
	for n := range c.Components {
		names = append(names, n)
	}
	sort.Strings(names)
	return nil, NotFound("the configuration has "+strings.Join(names, ", "), "component %q is not in the configuration", name)
}

// At is the component's database at one of its sites; an empty one means where it lives before any failover.
func (c *Component) At(site string) (Source, error) {
	switch {
	case site == "" || site == c.Site:
		return c.Source, nil
	case c.Standby != nil && site == c.StandbySite:
		return c.Standby, nil
	case c.Standby == nil:
		return nil, Misconfigured(nil, "component %s has no database at site %q: it lives at %s and has no standby", c.Name, site, c.Site)
	}
	return nil, Misconfigured(nil, "component %s has no database at site %q: it is at %s and %s", c.Name, site, c.Site, c.StandbySite)
}

// addressAt is the way to the component's database at one of its sites.
func (c *Component) addressAt(ctx context.Context, site string) (secret.String, error) {
	place, err := c.At(site)
	if err != nil {
		return secret.String{}, err
	}
	return place.Address(ctx, "")
}

// In is the component as it is in one of its vaults; an empty name means its own.
func (c *Component) In(vault string) (*Component, error) {
	if vault == "" || vault == c.Vault.Name {
		return c, nil
	}
	names := []string{c.Vault.Name}
	for _, v := range c.Replicas {
		if v.Name == vault {
			there := *c
			there.Vault = v
			return &there, nil
		}
		names = append(names, v.Name)
	}
	return nil, NotFound("its backups are in "+strings.Join(names, ", "), "component %s has no backups in a vault %q", c.Name, vault)
}

// ComponentIn finds a component in one of its vaults; an empty vault means its own.
func (c *Crew) ComponentIn(name, vault string) (*Component, error) {
	found, err := c.Component(name)
	if err != nil {
		return nil, err
	}
	return found.In(vault)
}

// Place finds where a target is.
func (c *Crew) Place(component *Component, target Target) (Place, error) {
	switch target.Kind {
	case ScratchTarget:
		if component.Scratch != nil {
			return component.Scratch, nil
		}
		return nil, Misconfigured(nil, "component %s has no scratch place", component.Name)
	case BranchTarget:
		if place, ok := c.Branches[target.Site]; ok {
			return place, nil
		}
		return nil, Misconfigured(nil, "site %q has no Neon project", target.Site)
	case NamedTarget:
		if named, ok := c.Targets[target.Name]; ok {
			return named.Place, nil
		}
		return nil, Misconfigured(nil, "target %q is not in the configuration", target.Name)
	default:
		return nil, InvalidInput("target kind %q is not known", target.Kind)
	}
}

// Components answers what the configuration says.
type Components struct {
	Crew   *Crew
	Orders *Orders
}

// DescribeComponent reads a component's settings. It changes nothing.
func (c *Components) DescribeComponent(_ context.Context, in DescribeInput) (Settings, error) {
	found, err := c.Crew.ComponentIn(in.Component, in.Vault)
	if err != nil {
		return Settings{}, err
	}
	replicas := make([]VaultSettings, len(found.Replicas))
	for i, v := range found.Replicas {
		replicas[i] = VaultSettings{Vault: v.Name, Site: v.Site}
	}
	return Settings{
		VaultSite: found.Vault.Site, Replicas: replicas,
		Application: c.Crew.Application, Component: found.Name, SourceKind: found.Source.Kind(), Site: found.Site,
		Vault: found.Vault.Name, Connections: found.Connections, VerifyAfter: found.VerifyAfter,
		ScratchSite: found.ScratchSite, Budget: found.Budget, Order: c.Orders.Standing.Digest(),
	}, nil
}

// DescribeTarget fills in where a named target is. It changes nothing.
func (c *Components) DescribeTarget(_ context.Context, in Target) (Target, error) {
	named, ok := c.Crew.Targets[in.Name]
	if !ok {
		names := make([]string, 0, len(c.Crew.Targets))
		for n := range c.Crew.Targets {
			names = append(names, n)
		}
		sort.Strings(names)
		return in, NotFound("the configuration has "+strings.Join(names, ", "), "target %q is not in the configuration", in.Name)
	}
	in.Site = named.Site
	return in, nil
}
