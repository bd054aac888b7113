// Package pagerduty calls people by PagerDuty's Events API v2. An event has a key of its own (dedup_key), so that
// repeating one changes nothing: the same key is the same incident, which is triggered, acknowledged and resolved.
package pagerduty

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/lifeboat-dr/lifeboat/internal/notify"
	"github.com/lifeboat-dr/lifeboat/internal/notify/outbound"
	"github.com/lifeboat-dr/lifeboat/internal/secret"
)

// Action is what an event does to its incident.
type Action string

// The actions.
const (
	Trigger     Action = "trigger"
	Acknowledge Action = "acknowledge"
	Resolve     Action = "resolve"
)

// The longest texts that PagerDuty takes, in characters.
const (
	mostKey     = 255
	mostSummary = 1024
)

// Config says which service is called.
type Config struct {
	// API is where events go.
	API string
	// RoutingKey is the service's integration key. It is read for each event, so that a rotated one is picked up.
	RoutingKey func() (secret.String, error)
	// Sender may be nil.
	Sender *outbound.Sender
}

// Pager is one service.
type Pager struct{ cfg Config }

// New makes a pager. It sends nothing.
func New(cfg Config) (*Pager, error) {
	if cfg.API == "" || cfg.RoutingKey == nil {
		return nil, errors.New("make pager: it needs the API's address and a routing key")
	}
	if cfg.Sender == nil {
		cfg.Sender = &outbound.Sender{}
	}
	return &Pager{cfg}, nil
}

// Check reads the routing key and says what is wrong with it or the address. It sends nothing.
func (p *Pager) Check() error {
	key, err := p.cfg.RoutingKey()
	if err != nil {
		return fmt.Errorf("check pager: %w", err)
	}
	if key.Empty() {
		return errors.New("check pager: the routing key is empty")
	}
	if _, err := outbound.Parse(secret.New(p.cfg.API)); err != nil {
		return fmt.Errorf("check pager: %w", err)
	}
	return nil
}

// Key names the incident of a gate or step of an execution. It is as long as PagerDuty takes, and two that differ stay
// different.
func Key(execution, step string) string {
	key := execution + "/" + step
	if len(key) <= mostKey {
		return key
	}
	sum := sha256.Sum256([]byte(key))
	tail := "/" + hex.EncodeToString(sum[:16])
	return key[:mostKey-len(tail)] + tail
}

type body struct {
	RoutingKey string   `json:"routing_key"`
	Action     Action   `json:"event_action"`
	Key        string   `json:"dedup_key"`
	Client     string   `json:"client,omitempty"`
	Payload    *payload `json:"payload,omitempty"`
}

type payload struct {
	Summary   string            `json:"summary"`
	Source    string            `json:"source"`
	Severity  string            `json:"severity"`
	Timestamp time.Time         `json:"timestamp"`
	Component string            `json:"component,omitempty"`
	Class     string            `json:"class,omitempty"`
	Details   map[string]string `json:"custom_details,omitempty"`
}

// Send does something to the incident of a key, with a message that says what is the matter. Repeating it is safe. Only
// what may leave is sent.
func (p *Pager) Send(ctx context.Context, action Action, key string, m notify.Message) error {
	if err := m.Check(); err != nil {
		return err
	}
	m, _ = m.Allowed()
	routing, err := p.cfg.RoutingKey()
	if err != nil {
		return fmt.Errorf("call the pager: %w", err)
	}
	event := body{RoutingKey: routing.Reveal(), Action: action, Key: key, Client: "Lifeboat"}
	if action == Trigger {
		details := map[string]string{"execution": m.Execution, "text": m.Text}
		for name, value := range m.Fields {
			details[name] = value
		}
		source := m.Site
		if source == "" {
			source = "lifeboat"
		}
		event.Payload = &payload{
			Summary: clip(m.Title), Source: source, Severity: string(m.Severity), Timestamp: m.Time.UTC(), Component: m.Component, Class: m.Kind, Details: details,
		}
	}
	text, err := json.Marshal(event)
	if err != nil {
		return fmt.Errorf("encode event for the pager: %w", err)
	}
	err = p.cfg.Sender.Send(ctx, outbound.Request{Method: http.MethodPost, URL: secret.New(p.cfg.API), Body: text, Header: func() (http.Header, error) {
		return http.Header{"Content-Type": []string{"application/json"}}, nil
	}})
	if err != nil {
		return fmt.Errorf("call the pager: %w", err)
	}
	return nil
}

func clip(text string) string {
	if runes := []rune(text); len(runes) > mostSummary {
		return string(runes[:mostSummary-1]) + "…"
	}
	return text
}
