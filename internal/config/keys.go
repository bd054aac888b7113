package config

import (
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/lifeboat-dr/lifeboat/internal/secret"
)

// Keys are who can open backups, and who vouches for them.
type Keys struct {
	// Recipients are the public keys that every backup is sealed to.
	Recipients []Recipient `yaml:"recipients"`
	// Identities are the private age keys that this worker opens backups with.
	Identities []secret.Ref `yaml:"identities"`
	// SigningKey is an OpenSSH private key that signs manifests and records.
	SigningKey secret.Ref `yaml:"signing_key"`
	// AllowedSigners are whose signatures under manifests and records are believed.
	AllowedSigners Signers `yaml:"allowed_signers"`
	// FleetKeys seal what workers write for each other; the first writes, all of them open.
	FleetKeys []secret.Ref `yaml:"fleet_keys"`
	// AllowNoEscrow turns the refusal to run without an escrow recipient into a warning.
	AllowNoEscrow bool `yaml:"allow_no_escrow"`
}

// Use says what a recipient's identity is for.
type Use string

// The uses of recipients.
const (
	// UseVerification opens backups every night, so its identity is online.
	UseVerification Use = "verification"
	// UseEscrow opens backups when all else is lost; its identity is kept offline.
	UseEscrow Use = "escrow"
)

// Recipient is an age public key.
type Recipient struct {
	Name string `yaml:"name"`
	// Recipient is the key itself, "age1…".
	Recipient string `yaml:"recipient"`
	Use       Use    `yaml:"use"`
}

// Signers are lines of OpenSSH's allowed_signers format, in a file or in the configuration itself.
type Signers struct {
	// File is a path; empty when Lines are given.
	File Path
	// Lines are the lines themselves.
	Lines []string
}

// IsZero says that no signers are configured.
func (s Signers) IsZero() bool { return s.File == "" && len(s.Lines) == 0 }

// Text reads the lines anew, so that an edit of the file takes effect.
func (s Signers) Text() ([]byte, error) {
	if s.File == "" {
		return []byte(strings.Join(s.Lines, "\n") + "\n"), nil
	}
	text, err := os.ReadFile(string(s.File))
	if err != nil {
		return nil, fmt.Errorf("read allowed signers: %w", err)
	}
	return text, nil
}

// Order is the standing order that routine work leans on.
type Order struct {
	// File holds the signed order.
	File Path `yaml:"file"`
	// Owners are whose signatures make an order where there is no roster; where there is one its owners do.
	Owners Signers `yaml:"owners"`
	// Required is how many distinct owners must have signed; 0 where the roster says it.
	Required int `yaml:"required"`
}

// Roster is who may decide: start runbooks, approve, sign.
type Roster struct {
	// File holds the chain of signed versions.
	File Path `yaml:"file"`
	// Fingerprint is the SHA-256 (hex) of the first version, which is all that is believed without a signature.
	Fingerprint string `yaml:"fingerprint"`
	// Vouchers are the workers whose word for a click in Slack counts, by their signing keys; empty takes nobody's.
	// Every worker needs it: each checks for itself who decided.
	Vouchers Signers `yaml:"vouchers"`
	// ClicksSuffice gives up that somebody signs an irreversible live step with their own key.
	ClicksSuffice bool `yaml:"clicks_suffice"`
}

// Alerts are how people are told.
type Alerts struct {
	Webhooks []Webhook `yaml:"webhooks"`
	// Pagers are called by escalation policies only.
	Pagers []Pager `yaml:"pagers"`
	// Deadman is nil when nobody outside watches whether Lifeboat is alive.
	Deadman *Deadman `yaml:"deadman"`
	// LateAfter is the age of the newest verified restore point that alerts; zero is each component's RPO.
	LateAfter time.Duration `yaml:"late_after"`
}

// Pager is a service of PagerDuty that escalation policies call: pager:NAME, or the pager of a person in the roster.
type Pager struct {
	Name string `yaml:"name"`
	// API is where events go.
	API string `yaml:"api"`
	// RoutingKey is the integration key of a service (Events API v2).
	RoutingKey secret.Ref `yaml:"routing_key"`
}

func (p *Pager) defaults() { p.API = "https://events.pagerduty.com/v2/enqueue" }

// Webhook is a receiver of signed alerts.
type Webhook struct {
	Name string `yaml:"name"`
	// URL is a secret, since knowing it is often enough to post there.
	URL secret.Ref `yaml:"url"`
	// Secrets sign each message, all of them, so that one can be rotated out.
	Secrets []secret.Ref `yaml:"secrets"`
}

// Deadman is a watcher outside that raises the alarm when it is no longer pinged. Each run of a schedule
// that evaluates ends in a ping, when the vaults could be read and every message was delivered.
type Deadman struct {
	URL secret.Ref `yaml:"url"`
}

func (o *Order) defaults() { o.Required = 1 }
