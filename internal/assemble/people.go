package assemble

import (
	"context"
	"time"

	"github.com/lifeboat-dr/lifeboat/activities"
	"github.com/lifeboat-dr/lifeboat/internal/config"
	"github.com/lifeboat-dr/lifeboat/internal/endpoint"
	"github.com/lifeboat-dr/lifeboat/internal/epoch"
	"github.com/lifeboat-dr/lifeboat/internal/evidence"
	"github.com/lifeboat-dr/lifeboat/internal/plan"
	"github.com/lifeboat-dr/lifeboat/internal/program"
	"github.com/lifeboat-dr/lifeboat/internal/roster"
)

// journalPatience bounds one write of the journal to one vault.
const journalPatience = 10 * time.Second

// JournalVaults are the vaults that journals are written to: all of them.
func (e *Engine) JournalVaults() []evidence.Vault {
	var all []evidence.Vault
	for _, name := range sortedNames(e.vaults) {
		v := e.vaults[name]
		all = append(all, evidence.Vault{Name: name, Store: v.Store, Retain: v.Retain})
	}
	return all
}

// Journal reads the journal of an execution from the vaults. It needs no Temporal.
func (e *Engine) Journal(ctx context.Context, execution string) (*evidence.Read, error) {
	return evidence.Load(ctx, e.JournalVaults(), e.Finder.Signers, execution)
}

const (
	// epochPatience bounds how long one vault may take to tell of failovers, and epochFresh how long what it told is
	// believed: an execution that a failover overtook does nothing any more after so long.
	epochPatience = 5 * time.Second
	epochFresh    = 2 * time.Second
)

// Epochs are the failovers that the vaults know of. Only a working engine can take one.
func (e *Engine) Epochs() *epoch.Ledger {
	e.ledgerOnce.Do(func() {
		e.ledger = &epoch.Ledger{
			Application: e.Config.Application, Signers: e.Finder.Signers, Signer: e.signer, Patience: epochPatience, Fresh: epochFresh,
		}
		for _, name := range sortedNames(e.vaults) {
			v := e.vaults[name]
			e.ledger.Vaults = append(e.ledger.Vaults, epoch.Vault{Name: name, Store: v.Store, Retain: v.Retain})
		}
	})
	return e.ledger
}

// deciding lets orders know who decides.
func (e *Engine) deciding(cfg *config.Config) (err error) {
	if e.watch != nil {
		e.orders.People = func() (*roster.Roster, error) { return e.watch.load() }
	}
	e.orders.Epochs = e.Epochs()
	e.orders.Genuine = func(r plan.Receipt) bool { return activities.GenuineReceipt(e.keys, r) }
	if cfg.Roster == nil {
		return nil
	}
	e.orders.ClicksSuffice = cfg.Roster.ClicksSuffice
	if !cfg.Roster.Vouchers.IsZero() {
		e.orders.Vouchers, err = verifier(cfg.Roster.Vouchers, "roster.vouchers")
	}
	return err
}

func (e *Engine) executions() *activities.Executions {
	return &activities.Executions{
		Crew: e.Crew, Orders: e.orders, Signers: e.Finder.Signers, Keys: e.keys,
		Journal: &evidence.Journal{Vaults: e.JournalVaults(), Signer: e.signer, Patience: journalPatience},
		Doors:   doorSites(e.Config), Slack: e.slack != nil,
	}
}

func (e *Engine) steps() *activities.Steps {
	s := &activities.Steps{
		Crew: e.Crew, Orders: e.orders, Finder: e.Finder, Teller: e.teller, Keys: e.keys,
		Endpoints: map[string]activities.Endpoint{}, DrillEndpoints: map[string]activities.Endpoint{},
		Programs: map[string]activities.Program{}, DrillPrograms: map[string]activities.Program{},
		Doors: e.doors, DrillDoors: e.drillDoors, Faults: map[string]activities.Fault{},
	}
	for name, c := range e.Config.Endpoints {
		s.Endpoints[name] = &endpoint.Endpoint{URL: c.URL, Secrets: c.Secrets, Timeout: c.Timeout}
		if !c.Drill.IsZero() {
			s.DrillEndpoints[name] = &endpoint.Endpoint{URL: c.Drill, Secrets: c.Secrets, Timeout: c.Timeout}
		}
	}
	for name, c := range e.Config.Drills.Faults {
		s.Faults[name] = activities.Fault(c)
	}
	for name, c := range e.Config.Programs {
		var env []program.Variable
		for _, v := range c.Env {
			env = append(env, program.Variable(v))
		}
		s.Programs[name] = &program.Program{Path: c.Path, At: c.Site, Env: env}
		if c.Drill != "" {
			s.DrillPrograms[name] = &program.Program{Path: c.Drill, At: c.Site, Env: env}
		}
	}
	return s
}
