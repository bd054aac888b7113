package assemble

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/lifeboat-dr/lifeboat/activities"
	"github.com/lifeboat-dr/lifeboat/internal/config"
	"github.com/lifeboat-dr/lifeboat/internal/database"
	"github.com/lifeboat-dr/lifeboat/internal/neon"
)

// crew makes the components, vaults, sources and places of the configuration.
func crew(ctx context.Context, cfg *config.Config, opt Options) (*activities.Crew, map[string]activities.Vault, error) {
	c := &activities.Crew{
		Application: cfg.Application, Version: opt.Version,
		Components: map[string]*activities.Component{}, Targets: map[string]activities.NamedPlace{}, Branches: map[string]activities.Place{},
	}
	var err error
	if c.Recipients, c.RecipientNames, err = recipients(cfg); err != nil {
		return nil, nil, err
	}
	clients, err := neonClients(cfg, opt)
	if err != nil {
		return nil, nil, err
	}
	vaults := map[string]activities.Vault{}
	for name, v := range cfg.Vaults {
		if vaults[name], err = vault(ctx, name, v); err != nil {
			return nil, nil, fmt.Errorf("vaults.%s: %w", name, err)
		}
	}
	for name, component := range cfg.Components {
		made, err := protect(cfg, clients, name, component)
		if err != nil {
			return nil, nil, fmt.Errorf("components.%s: %w", name, err)
		}
		made.Vault = vaults[component.Vault]
		for _, replica := range component.Replicas {
			v := vaults[replica]
			v.Replica = true
			made.Replicas = append(made.Replicas, v)
		}
		c.Components[name] = made
	}
	for name, t := range cfg.Targets {
		c.Targets[name] = activities.NamedPlace{Site: t.Postgres.Site, Place: &database.Named{URL: t.Postgres.URL}}
	}
	for site, client := range clients {
		c.Branches[site] = database.NewNewBranch(client, cfg.Sites[site].Neon.Project, branchRole(cfg, site))
	}
	return c, vaults, nil
}

func sortedNames[T any](m map[string]T) []string { return slices.Sorted(maps.Keys(m)) }

func neonClients(cfg *config.Config, opt Options) (map[string]*neon.Client, error) {
	clients := map[string]*neon.Client{}
	for name, site := range cfg.Sites {
		if site.Neon == nil {
			continue
		}
		client, err := neon.New(neon.Config{BaseURL: site.Neon.API, Key: site.Neon.Key.Resolve, Log: opt.Log})
		if err != nil {
			return nil, fmt.Errorf("sites.%s.neon: %w", name, err)
		}
		clients[name] = client
	}
	return clients, nil
}

func protect(cfg *config.Config, clients map[string]*neon.Client, name string, c config.Component) (*activities.Component, error) {
	made := &activities.Component{
		Name: name, Application: cfg.Application, Site: c.Source.Site(), RPO: c.RPO,
		ChunkBytes: int64(c.ChunkBytes), Connections: c.Connections, Budget: c.Budget,
		VerifyAfter: c.Verify.AfterBackup, ScratchSite: c.Verify.Scratch.Site(), Owners: map[string]string{},
	}
	for _, o := range c.Restore.Owners {
		made.Owners[o.From] = o.To
	}
	made.Source = placeOf(cfg, clients, c.Source)
	if c.Standby != nil {
		place := c.Standby.Place()
		made.Standby, made.StandbySite, made.Hot = placeOf(cfg, clients, place), place.Site(), c.Standby.Keep == config.KeepHot
		made.LagLimit = c.Standby.Lag
	}
	switch scratch := c.Verify.Scratch; {
	case scratch.Neon != nil:
		n := scratch.Neon
		made.Scratch = database.NewNeonScratch(clients[n.Site], cfg.Sites[n.Site].Neon.Project, n.Branch, n.Role)
	case scratch.Postgres != nil:
		made.Scratch = &database.ServerScratch{URL: scratch.Postgres.URL}
	}
	for _, q := range c.Verify.Smoke {
		made.Smoke = append(made.Smoke, activities.Smoke{Name: q.Name, SQL: q.SQL, Check: expectation(q.Expect)})
	}
	if s := c.Synthetic; s != nil {
		made.Synthetic = &activities.Synthetic{Left: s.Left, Write: s.Write, Clean: s.Clean}
		for _, q := range s.Read {
			made.Synthetic.Read = append(made.Synthetic.Read, activities.Smoke{Name: q.Name, SQL: q.SQL, Check: expectation(q.Expect)})
		}
	}
	return made, nil
}

// placeOf is a component's database at one site.
func placeOf(cfg *config.Config, clients map[string]*neon.Client, s config.Source) activities.Source {
	if n := s.Neon; n != nil {
		return database.NewNeon(clients[n.Site], n.Site, cfg.Sites[n.Site].Neon.Project, n.Branch, n.Database, n.Role)
	}
	return &database.Server{Site: s.Postgres.Site, URL: s.Postgres.URL}
}

// branchRole is the role that restores into new branches of a site: the one that the configuration
// already uses there, for a source or for scratch databases.
func branchRole(cfg *config.Config, site string) string {
	for _, c := range cfg.Components {
		if n := c.Source.Neon; n != nil && n.Site == site {
			return n.Role
		}
		if n := c.Standby.Place().Neon; n != nil && n.Site == site {
			return n.Role
		}
		if n := c.Verify.Scratch.Neon; n != nil && n.Site == site {
			return n.Role
		}
	}
	return "neondb_owner" // Neon's default
}
