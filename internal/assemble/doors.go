package assemble

import (
	"fmt"

	"github.com/lifeboat-dr/lifeboat/internal/config"
	"github.com/lifeboat-dr/lifeboat/internal/secret"
	"github.com/lifeboat-dr/lifeboat/internal/traffic"
	"github.com/lifeboat-dr/lifeboat/internal/traffic/pgbouncer"
	"github.com/lifeboat-dr/lifeboat/internal/traffic/webhook"
)

// Doors makes the doors of the configuration, and those that drills work instead. It opens no connection.
func Doors(cfg *config.Config) (live, drill map[string]traffic.Door, err error) {
	live, drill = map[string]traffic.Door{}, map[string]traffic.Door{}
	for name, c := range cfg.Doors {
		if live[name], err = door(c.Database, c.PgBouncer, c.Webhook); err != nil {
			return nil, nil, fmt.Errorf("doors.%s: %w", name, err)
		}
		if c.Drill == nil {
			continue
		}
		if drill[name], err = door(c.Drill.Database, c.Drill.PgBouncer, c.Drill.Webhook); err != nil {
			return nil, nil, fmt.Errorf("doors.%s.drill: %w", name, err)
		}
	}
	return live, drill, nil
}

func door(database string, p *config.PgBouncer, w *config.DoorWebhook) (traffic.Door, error) {
	if p != nil {
		return pgbouncer.New(pgbouncer.Config{
			Database: database, Admin: p.Admin.Resolve, Probe: p.Probe.Resolve, File: string(p.File), Login: pgbouncer.Login(p.Login), Timeout: p.Timeout,
		})
	}
	secrets := make([]func() (secret.String, error), len(w.Secrets))
	for i, ref := range w.Secrets {
		secrets[i] = ref.Resolve
	}
	return webhook.New(webhook.Config{Database: database, URL: w.URL.Resolve, Secrets: secrets, Timeout: w.Timeout})
}

// doorSites says where each door is.
func doorSites(cfg *config.Config) map[string]string {
	sites := map[string]string{}
	for name, c := range cfg.Doors {
		sites[name] = c.Site
	}
	return sites
}
