package stack

import (
	"bytes"
	_ "embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"text/template"
	"time"

	"crypto/rand"
	"encoding/hex"

	"github.com/lifeboat-dr/lifeboat/internal/keyring"
	"github.com/lifeboat-dr/lifeboat/internal/plan"
	"github.com/lifeboat-dr/lifeboat/internal/roster"
	"github.com/lifeboat-dr/lifeboat/internal/signature"
)

//go:embed lifeboat.yaml.tmpl
var configText string

var configTemplate = template.Must(template.New("lifeboat.yaml").Parse(configText))

type secrets struct{ neonKey, webhook string }

func (s *Stack) keys() string { return filepath.Join(s.Dir, "keys") }

// secrets makes the keys of a new stack, or reads those of one that is used again.
func (s *Stack) secrets() (secrets, error) {
	if _, err := os.Stat(filepath.Join(s.keys(), keyring.Fleet)); errors.Is(err, fs.ErrNotExist) {
		if _, err := keyring.Generate(s.keys(), "worker@medlink.example", "owner@medlink.example"); err != nil {
			return secrets{}, err
		}
	}
	key, err := s.secret("neon")
	if err != nil {
		return secrets{}, err
	}
	webhook, err := os.ReadFile(filepath.Join(s.keys(), keyring.WebhookSecret))
	if err != nil {
		return secrets{}, fmt.Errorf("read webhook secret: %w", err)
	}
	return secrets{neonKey: key, webhook: strings.TrimSpace(string(webhook))}, nil
}

// secret is a random secret that is made once and kept in a file below keys.
func (s *Stack) secret(name string) (string, error) {
	path := filepath.Join(s.keys(), name+".secret")
	data, err := os.ReadFile(path)
	if err == nil {
		return strings.TrimSpace(string(data)), nil
	}
	var random [20]byte
	_, _ = rand.Read(random[:]) // it never fails since Go 1.24
	text := hex.EncodeToString(random[:])
	if err := s.keep(path, text); err != nil {
		return "", err
	}
	return text, nil
}

func (s *Stack) keep(path, text string) error {
	if err := os.WriteFile(path, []byte(text+"\n"), 0o600); err != nil {
		return fmt.Errorf("keep secret %s: %w", filepath.Base(path), err)
	}
	return nil
}

// configure writes the configuration, and the standing order that lets routine work begin.
func (s *Stack) configure(in secrets) error {
	for name, text := range map[string]string{"webhook-url": in.inboxURL(s, "/alerts"), "deadman-url": in.inboxURL(s, "/ping")} {
		if err := s.keep(filepath.Join(s.keys(), name+".secret"), text); err != nil {
			return err
		}
	}
	fingerprint, err := s.people()
	if err != nil {
		return err
	}
	if err := s.signOrder(); err != nil {
		return err
	}
	if err := s.signRunbooks(); err != nil {
		return err
	}
	if s.Temporal == "" {
		if s.Temporal, err = s.temporalAddress(); err != nil {
			return err
		}
	}
	recipient := func(name string) (string, error) {
		data, err := os.ReadFile(filepath.Join(s.keys(), name))
		if err != nil {
			return "", fmt.Errorf("read key: %w", err)
		}
		first, _, _ := strings.Cut(string(data), "\n")
		return strings.TrimPrefix(first, "# public key: "), nil
	}
	verification, err := recipient(keyring.Verification)
	if err != nil {
		return err
	}
	escrow, err := recipient(keyring.Escrow)
	if err != nil {
		return err
	}
	var text bytes.Buffer
	err = configTemplate.Execute(&text, map[string]any{
		"Sites": s.Sites, "WriterKey": WriterKey, "Verification": verification, "Escrow": escrow, "Temporal": s.Temporal, "Fingerprint": fingerprint, "Slack": s.Slack.URL, "SlackTeam": slackTeam,
		"Archive": s.archive, "ArchiveBucket": archiveBucket,
	})
	if err != nil {
		return fmt.Errorf("render configuration: %w", err)
	}
	if err := s.keepDoors(); err != nil {
		return err
	}
	if err := s.keep(filepath.Join(s.keys(), "s3-user.secret"), WriterKey); err != nil {
		return err
	}
	if err := os.WriteFile(s.Config, text.Bytes(), 0o600); err != nil {
		return fmt.Errorf("write configuration: %w", err)
	}
	return nil
}

func (secrets) inboxURL(s *Stack, path string) string { return s.Inbox.URL() + path }

// signOrder lets the stack's owners allow routine work for a year. An order that is there is kept, and signed
// where it is not.
func (s *Stack) signOrder() error {
	path := filepath.Join(s.Dir, "order.json")
	order, err := readOrder(path, time.Now().UTC().Truncate(time.Second))
	if err != nil {
		return err
	}
	for _, id := range signers {
		signer, err := signature.OpenKey(personKey(s.Dir, id), signature.Terminal{})
		if err != nil {
			return err
		}
		if order.SignedBy(signature.PublicKey(signer.PublicKey())) {
			continue
		}
		if err := order.Sign(signer); err != nil {
			return err
		}
	}
	data, err := order.Bytes()
	if err != nil {
		return err
	}
	if err := os.WriteFile(path, data, 0o644); err != nil {
		return fmt.Errorf("write order: %w", err)
	}
	return nil
}

// readOrder is the order that is there, or a new one, also where the old one is from before there were replicas.
func readOrder(path string, now time.Time) (*roster.Signed, error) {
	data, err := os.ReadFile(path)
	if err == nil && bytes.Contains(data, []byte(plan.CopyToVault)) {
		return roster.ParseSigned(data)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("read order: %w", err)
	}
	var vaults []string
	for _, site := range layout {
		vaults = append(vaults, site.name)
	}
	return roster.NewSigned(plan.Order{
		Format: 1, Kind: "standing", Application: "medlink", Actions: plan.StandingActions,
		// Names that the stack does not have yet, but that its visitors add.
		Components: []string{"database", "reporting"}, Targets: []string{"spare"}, Vaults: append(vaults, "archive"), Issued: now, Expires: now.AddDate(1, 0, 0),
	})
}

// temporalAddress is where Temporal's frontend will listen: the same as before while it is free, so that
// other terminals keep working over a restart.
func (s *Stack) temporalAddress() (string, error) {
	path := filepath.Join(s.Dir, "temporal.address")
	if data, err := os.ReadFile(path); err == nil && isFree(strings.TrimSpace(string(data))) {
		return strings.TrimSpace(string(data)), nil
	}
	address, err := freeAddress()
	if err != nil {
		return "", err
	}
	return address, s.keep(path, address)
}
