// Package webhook posts messages to any receiver that understands the Standard Webhooks scheme: a JSON
// body, an id that stays the same over repetitions, a time, and signatures that receivers check with
// a library in their language. Each message is signed with every configured secret, so that one can be
// rotated out while receivers still have the other.
package webhook

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/lifeboat-dr/lifeboat/internal/notify"
	"github.com/lifeboat-dr/lifeboat/internal/notify/outbound"
	"github.com/lifeboat-dr/lifeboat/internal/secret"
)

// Secrets of the scheme have 24 to 64 bytes, written as "whsec_" and base64.
const (
	prefix     = "whsec_"
	leastBytes = 24
	mostBytes  = 64
)

// Config says where messages go. URL and Secrets are read for each message, so that a rotated one is
// picked up.
type Config struct {
	// URL must be https, except to loopback addresses.
	URL func() (secret.String, error)
	// Secrets sign each message, all of them; at least one.
	Secrets []func() (secret.String, error)
	// Sender may be nil.
	Sender *outbound.Sender
}

// Webhook is one receiver.
type Webhook struct {
	cfg Config
	now func() time.Time
}

var _ notify.Notifier = (*Webhook)(nil)

// New makes a receiver. It reads and sends nothing; see [Webhook.Check].
func New(cfg Config) (*Webhook, error) {
	if cfg.URL == nil || len(cfg.Secrets) == 0 {
		return nil, errors.New("make webhook: it needs a URL and at least one secret to sign with")
	}
	if cfg.Sender == nil {
		cfg.Sender = &outbound.Sender{}
	}
	return &Webhook{cfg: cfg, now: time.Now}, nil
}

// Check reads the URL and the secrets and says what is wrong with them. It sends nothing.
func (w *Webhook) Check() error {
	address, err := w.cfg.URL()
	if err != nil {
		return fmt.Errorf("check webhook: %w", err)
	}
	if _, err := outbound.Parse(address); err != nil {
		return fmt.Errorf("check webhook: %w", err)
	}
	if _, err := signers(w.cfg.Secrets); err != nil {
		return fmt.Errorf("check webhook: %w", err)
	}
	return nil
}

// payload is the scheme's body. Names are part of the contract with receivers.
type payload struct {
	Type      string    `json:"type"`
	Timestamp time.Time `json:"timestamp"`
	Data      data      `json:"data"`
}

type data struct {
	ID        string            `json:"id"`
	Severity  notify.Severity   `json:"severity"`
	Component string            `json:"component,omitempty"`
	Site      string            `json:"site,omitempty"`
	Title     string            `json:"title"`
	Text      string            `json:"text,omitempty"`
	Fields    map[string]string `json:"fields,omitempty"`
	// DroppedFields counts what was not allowed to leave.
	DroppedFields int    `json:"dropped_fields,omitempty"`
	Execution     string `json:"execution,omitempty"`
}

// Notify posts a message until the receiver takes it, within the sender's budget. Fields that are not
// allowed do not leave, whoever calls. Every try carries the same id and body and the time of the try,
// for receivers refuse old times.
func (w *Webhook) Notify(ctx context.Context, m notify.Message) error {
	if err := m.Check(); err != nil {
		return err
	}
	m, _ = m.Allowed()
	body, err := json.Marshal(payload{Type: m.Kind, Timestamp: m.Time.UTC(), Data: data{
		ID: m.ID, Severity: m.Severity, Component: m.Component, Site: m.Site, Title: m.Title, Text: m.Text,
		Fields: m.Fields, DroppedFields: m.Dropped, Execution: m.Execution,
	}})
	if err != nil {
		return fmt.Errorf("encode message %q: %w", m.ID, err)
	}
	address, err := w.cfg.URL()
	if err != nil {
		return fmt.Errorf("post message %q: %w", m.ID, err)
	}
	keys, err := signers(w.cfg.Secrets)
	if err != nil {
		return fmt.Errorf("sign message %q: %w", m.ID, err)
	}
	id := MessageID(m.ID)
	err = w.cfg.Sender.Send(ctx, outbound.Request{Method: http.MethodPost, URL: address, Body: body, Header: func() (http.Header, error) {
		return sign(keys, id, w.now(), body)
	}})
	if err != nil {
		return fmt.Errorf("post message %q: %w", m.ID, err)
	}
	return nil
}

// MessageID is the id in the header of a message: what is signed is joined by dots, so that the header
// must not hold one, whatever the message's own id looks like. It depends on nothing else.
func MessageID(id string) string {
	sum := sha256.Sum256([]byte(id))
	return "msg_" + hex.EncodeToString(sum[:16])
}

// Sign makes the headers of a request in the scheme, with every secret. Errors count secrets and never quote them.
func Sign(secrets []func() (secret.String, error), id string, at time.Time, body []byte) (http.Header, error) {
	keys, err := signers(secrets)
	if err != nil {
		return nil, err
	}
	return sign(keys, id, at, body)
}

func sign(signers []*standardwebhooks.Webhook, id string, at time.Time, body []byte) (http.Header, error) {
	signatures := make([]string, 0, len(signers))
	for _, s := range signers {
		signature, err := s.Sign(id, at, body)
		if err != nil {
			return nil, errors.New("the message cannot be signed")
		}
		signatures = append(signatures, signature)
	}
	h := http.Header{}
	h.Set("Content-Type", "application/json")
	h.Set(standardwebhooks.HeaderWebhookID, id)
	h.Set(standardwebhooks.HeaderWebhookTimestamp, strconv.FormatInt(at.Unix(), 10))
	h.Set(standardwebhooks.HeaderWebhookSignature, strings.Join(signatures, " "))
	return h, nil
}
