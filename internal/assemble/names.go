package assemble

import (
	"github.com/lifeboat-dr/lifeboat/internal/config"
	"github.com/lifeboat-dr/lifeboat/runbooks"
)

// Names is the configuration as lint of runbooks asks about it.
type Names struct{ Config *config.Config }

var _ runbooks.Configuration = Names{}

// Has implements [runbooks.Configuration].
func (n Names) Has(of, name string) bool {
	c, ok := n.Config, false
	switch of {
	case "component":
		_, ok = c.Components[name]
	case "site":
		_, ok = c.Sites[name]
	case "target":
		_, ok = c.Targets[name]
	case "vault":
		_, ok = c.Vaults[name]
	case "endpoint":
		_, ok = c.Endpoints[name]
	case "program":
		_, ok = c.Programs[name]
	case "door":
		_, ok = c.Doors[name]
	case "fault":
		_, ok = c.Drills.Faults[name]
	case "secret":
		for _, e := range c.Endpoints {
			if _, lent := e.Secrets[name]; lent {
				return true
			}
		}
	case "receiver":
		for _, w := range c.Alerts.Webhooks {
			ok = ok || w.Name == name
		}
	}
	return ok
}

// Site implements [runbooks.Configuration].
func (n Names) Site(use runbooks.Use, name string) string {
	c := n.Config
	switch use {
	case runbooks.UseSite:
		return name
	case runbooks.UseSource:
		return c.Components[name].Source.Site()
	case runbooks.UseScratch:
		return c.Components[name].Verify.Scratch.Site()
	case runbooks.UseVault:
		if component, ok := c.Components[name]; ok {
			name = component.Vault
		}
		return c.Vaults[name].Site
	case runbooks.UseTarget:
		if t := c.Targets[name]; t.Postgres != nil {
			return t.Postgres.Site
		}
	case runbooks.UseDoor:
		return c.Doors[name].Site
	case runbooks.UseEndpoint:
		return c.Endpoints[name].Site
	}
	return ""
}
