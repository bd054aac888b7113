package assemble

import (
	"context"
	"fmt"

	"github.com/lifeboat-dr/lifeboat/activities"
	"github.com/lifeboat-dr/lifeboat/internal/config"
	"github.com/lifeboat-dr/lifeboat/internal/notify"
	"github.com/lifeboat-dr/lifeboat/internal/notify/deadman"
	"github.com/lifeboat-dr/lifeboat/internal/notify/webhook"
	"github.com/lifeboat-dr/lifeboat/internal/secret"
)

// alerting makes the roads to people. The log is always one of them.
func (e *Engine) alerting(cfg *config.Config) error {
	receivers := []notify.Receiver{{Name: "log", Notifier: notify.Log{Logger: e.opt.Log}}}
	for i, w := range cfg.Alerts.Webhooks {
		secrets := make([]func() (secret.String, error), len(w.Secrets))
		for j, ref := range w.Secrets {
			secrets[j] = ref.Resolve
		}
		hook, err := webhook.New(webhook.Config{URL: w.URL.Resolve, Secrets: secrets})
		if err != nil {
			return fmt.Errorf("alerts.webhooks[%d]: %w", i, err)
		}
		if err := hook.Check(); err != nil {
			return fmt.Errorf("alerts.webhooks[%d]: %w", i, err)
		}
		receivers = append(receivers, notify.Receiver{Name: w.Name, Notifier: hook})
	}
	if e.slack != nil {
		receivers = append(receivers, notify.Receiver{Name: "slack", Notifier: e.slack})
	}
	multi, err := notify.NewMulti(e.opt.Log, receivers...)
	if err != nil {
		return err
	}
	e.teller = teller{multi}
	if cfg.Alerts.Deadman == nil {
		return nil
	}
	watch, err := deadman.New(deadman.Config{URL: cfg.Alerts.Deadman.URL.Resolve})
	if err != nil {
		return fmt.Errorf("alerts.deadman: %w", err)
	}
	if err := watch.Check(); err != nil {
		return fmt.Errorf("alerts.deadman: %w", err)
	}
	e.pinger = watch
	return nil
}

// teller brings an activity's alert to the receivers.
type teller struct{ notifier notify.Notifier }

func (t teller) Tell(ctx context.Context, a activities.Alert) error {
	return t.notifier.Notify(ctx, notify.Message{
		ID: a.ID, Kind: a.Kind, Severity: notify.Severity(a.Severity), Component: a.Component, Site: a.Site,
		Title: a.Title, Text: a.Text, Fields: a.Fields, Time: a.Time, Execution: a.Execution, Carded: a.Carded,
	})
}
