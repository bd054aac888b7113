// Package assemble makes running parts out of the configuration: clients, then activities. It is the only
// place that knows every concrete client, and holds no logic of its own.
package assemble

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync"
	"time"

	"filippo.io/age"

	"github.com/lifeboat-dr/lifeboat/activities"
	"github.com/lifeboat-dr/lifeboat/internal/archive"
	"github.com/lifeboat-dr/lifeboat/internal/config"
	"github.com/lifeboat-dr/lifeboat/internal/epoch"
	"github.com/lifeboat-dr/lifeboat/internal/notify/slack"
	"github.com/lifeboat-dr/lifeboat/internal/roster"
	"github.com/lifeboat-dr/lifeboat/internal/seal"
	"github.com/lifeboat-dr/lifeboat/internal/secret"
	"github.com/lifeboat-dr/lifeboat/internal/signature"
	"github.com/lifeboat-dr/lifeboat/internal/traffic"
	"github.com/lifeboat-dr/lifeboat/internal/workrecord"
)

// Options are what a process decides, not the configuration.
type Options struct {
	// Version is the version of Lifeboat, for records.
	Version string
	// Working says that this process does the work, so that it needs the private keys and the order.
	// Without it vaults can be read, and nothing can be signed or opened.
	Working bool
	// Opening says that backups are opened but nothing is signed.
	Opening bool
	Log     *slog.Logger
}

// Engine is everything that a worker runs and a command line reads with.
type Engine struct {
	Config *config.Config
	Crew   *activities.Crew
	Finder *activities.Finder

	opt    Options
	vaults map[string]activities.Vault
	orders *activities.Orders
	roster *roster.File
	watch  *rosterWatch
	signer *signature.Signer
	keys   workrecord.Keys
	teller activities.Teller
	pinger activities.Pinger
	// slack is nil where nothing is shown there.
	slack *slack.Client
	// doors and drillDoors are the ways on which applications reach databases.
	doors, drillDoors map[string]traffic.Door
	ledger            *epoch.Ledger
	ledgerOnce        sync.Once
}

// New makes an engine. It opens no connection. Everything that is wrong is reported at once where it can be.
func New(ctx context.Context, cfg *config.Config, opt Options) (*Engine, error) {
	if opt.Log == nil {
		opt.Log = slog.Default()
	}
	e := &Engine{Config: cfg, opt: opt}
	signers, err := verifier(cfg.Keys.AllowedSigners, "keys.allowed_signers")
	if err != nil {
		return nil, err
	}
	e.Finder = &activities.Finder{Signers: signers}
	if e.Crew, e.vaults, err = crew(ctx, cfg, opt); err != nil {
		return nil, err
	}
	e.roster = Roster(cfg)
	e.watch = e.watchRoster()
	if opt.Working || opt.Opening {
		if e.Crew.Identities, err = identities(cfg); err != nil {
			return nil, err
		}
	}
	if !opt.Working {
		return e, nil
	}
	if err := e.keysOf(cfg); err != nil {
		return nil, err
	}
	if e.orders, err = Orders(cfg); err != nil {
		return nil, err
	}
	if err := e.deciding(cfg); err != nil {
		return nil, err
	}
	if e.doors, e.drillDoors, err = Doors(cfg); err != nil {
		return nil, err
	}
	if err := e.slacking(cfg); err != nil {
		return nil, err
	}
	if err := e.alerting(cfg); err != nil {
		return nil, err
	}
	// The other half is for what the budget does not count: compressors, connections, catalogs, notes.
	e.Crew.Budget = archive.NewBudget(int64(cfg.Worker.Memory) / 2)
	return e, nil
}

// identities reads the private keys that open backups.
func identities(cfg *config.Config) ([]age.Identity, error) {
	var all []age.Identity
	for i, ref := range cfg.Keys.Identities {
		text, err := ref.Resolve()
		if err != nil {
			return nil, fmt.Errorf("keys.identities[%d]: %w", i, err)
		}
		ids, err := age.ParseIdentities(strings.NewReader(text.Reveal()))
		if err != nil {
			return nil, fmt.Errorf("keys.identities[%d]: %s does not hold an age identity", i, ref)
		}
		all = append(all, ids...)
	}
	return all, nil
}

// keysOf reads what a worker signs and seals with.
func (e *Engine) keysOf(cfg *config.Config) error {
	key, err := cfg.Keys.SigningKey.Resolve()
	if err != nil {
		return fmt.Errorf("keys.signing_key: %w", err)
	}
	if e.signer, err = signature.NewSigner([]byte(key.Reveal())); err != nil {
		return fmt.Errorf("keys.signing_key: %w", err)
	}
	e.keys, err = FleetKeys(cfg)
	return err
}

// FleetKeys reads the keys that only the fleet has: the first writes, all of them open.
func FleetKeys(cfg *config.Config) (workrecord.Keys, error) {
	var texts []secret.String
	for i, ref := range cfg.Keys.FleetKeys {
		text, err := ref.Resolve()
		if err != nil {
			return nil, fmt.Errorf("keys.fleet_keys[%d]: %w", i, err)
		}
		texts = append(texts, text)
	}
	keys, err := workrecord.ParseKeys(texts)
	if err != nil {
		return nil, fmt.Errorf("keys.fleet_keys: %w", err)
	}
	return keys, nil
}

// Orders reads the signed standing order and its owners: those of the configuration, or those of the roster. The
// signatures are checked at every use.
func Orders(cfg *config.Config) (*activities.Orders, error) {
	data, err := os.ReadFile(string(cfg.Order.File))
	if err != nil {
		return nil, fmt.Errorf("order.file: %w; make one with: lifeboat order new", err)
	}
	standing, err := roster.ParseSigned(data)
	if err != nil {
		return nil, fmt.Errorf("order.file: %w", err)
	}
	orders := &activities.Orders{Application: cfg.Application, Standing: standing}
	if people := Roster(cfg); people != nil {
		orders.People = func() (*roster.Roster, error) { return people.Load(time.Now()) }
		return orders, nil
	}
	orders.Required = cfg.Order.Required
	if orders.Owners, err = verifier(cfg.Order.Owners, "order.owners"); err != nil {
		return nil, err
	}
	return orders, nil
}

// Roster is where people stand, nil when the configuration names none. It is read and verified at every use.
func Roster(cfg *config.Config) *roster.File {
	if cfg.Roster == nil {
		return nil
	}
	return &roster.File{Path: string(cfg.Roster.File), Fingerprint: cfg.Roster.Fingerprint}
}

func verifier(signers config.Signers, setting string) (*signature.Verifier, error) {
	text, err := signers.Text()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", setting, err)
	}
	v, err := signature.ParseAllowedSigners(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", setting, err)
	}
	return v, nil
}

func recipients(cfg *config.Config) (list []age.Recipient, names []string, err error) {
	for _, r := range cfg.Keys.Recipients {
		names = append(names, r.Recipient)
	}
	list, err = seal.ParseRecipients(names)
	if err != nil {
		return nil, nil, fmt.Errorf("keys.recipients: %w", err)
	}
	return list, names, nil
}
