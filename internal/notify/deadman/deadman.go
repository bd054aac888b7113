// Package deadman pings a watcher outside, in the style of healthchecks.io, which raises the alarm when
// the pings stop. It is the only road that also works when the engine itself is gone, so the watcher
// must not live with what it watches.
package deadman

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/lifeboat-dr/lifeboat/internal/notify/outbound"
	"github.com/lifeboat-dr/lifeboat/internal/secret"
)

// Config says where pings go.
type Config struct {
	// URL is read for each ping. Whoever knows it can keep the watcher quiet: it never gets into an error.
	// It must be https, except to loopback addresses.
	URL func() (secret.String, error)
	// FailSuffix is appended to the URL's path to raise the alarm at once, for example "/fail". Empty where
	// the watcher has no such thing.
	FailSuffix string
	// Method is GET when empty.
	Method string
	// Sender may be nil.
	Sender *outbound.Sender
}

// Switch is the watcher's near end.
type Switch struct{ cfg Config }

// New makes a switch. It reads and sends nothing; see [Switch.Check].
func New(cfg Config) (*Switch, error) {
	if cfg.URL == nil {
		return nil, errors.New("make dead-man's switch: it needs a URL")
	}
	if cfg.Method == "" {
		cfg.Method = http.MethodGet
	}
	if cfg.Sender == nil {
		cfg.Sender = &outbound.Sender{}
	}
	return &Switch{cfg: cfg}, nil
}

// Check reads the URL and says what is wrong with it. It sends nothing.
func (s *Switch) Check() error {
	address, err := s.cfg.URL()
	if err == nil {
		_, err = outbound.Parse(address)
	}
	if err != nil {
		return fmt.Errorf("check dead-man's switch: %w", err)
	}
	return nil
}

// Ping says that all is well. It returns nil only when the watcher took it; safe to repeat.
func (s *Switch) Ping(ctx context.Context) error { return s.send(ctx, "") }

// Fail raises the alarm at once. Without a FailSuffix it does nothing: then the alarm is raised by the
// pings that do not come.
func (s *Switch) Fail(ctx context.Context) error {
	if s.cfg.FailSuffix == "" {
		return nil
	}
	return s.send(ctx, s.cfg.FailSuffix)
}

func (s *Switch) send(ctx context.Context, suffix string) error {
	address, err := s.cfg.URL()
	if err == nil {
		err = s.cfg.Sender.Send(ctx, outbound.Request{Method: s.cfg.Method, URL: address, Suffix: suffix})
	}
	if err != nil {
		return fmt.Errorf("ping dead-man's switch: %w", err)
	}
	return nil
}
