package assemble

import (
	"context"
	"errors"
	"fmt"

	"github.com/lifeboat-dr/lifeboat/activities"
	"github.com/lifeboat-dr/lifeboat/internal/config"
	"github.com/lifeboat-dr/lifeboat/internal/notify"
	"github.com/lifeboat-dr/lifeboat/internal/notify/call"
	"github.com/lifeboat-dr/lifeboat/internal/notify/deadman"
	"github.com/lifeboat-dr/lifeboat/internal/notify/pagerduty"
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
	caller, err := e.calling(cfg)
	if err != nil {
		return err
	}
	e.teller = teller{multi, caller}
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

// calling makes the roads by which escalation policies call people.
func (e *Engine) calling(cfg *config.Config) (*call.Caller, error) {
	c := &call.Caller{People: e.orders.People, Pagers: map[string]call.Pager{}, Log: e.opt.Log}
	if e.slack != nil {
		c.Chat = e.slack
	}
	for _, w := range cfg.Alerts.Webhooks {
		c.Webhooks = append(c.Webhooks, w.Name)
	}
	for i, p := range cfg.Alerts.Pagers {
		pager, err := pagerduty.New(pagerduty.Config{API: p.API, RoutingKey: p.RoutingKey.Resolve})
		if err == nil {
			err = pager.Check()
		}
		if err != nil {
			return nil, fmt.Errorf("alerts.pagers[%d]: %w", i, err)
		}
		c.Pagers[p.Name] = pager
	}
	return c, nil
}

// teller brings an activity's alert to the receivers, and to those whom an escalation policy calls.
type teller struct {
	notifier notify.Notifier
	caller   *call.Caller
}

func (t teller) Tell(ctx context.Context, a activities.Alert) error {
	m := notify.Message{
		ID: a.ID, Kind: a.Kind, Severity: notify.Severity(a.Severity), Component: a.Component, Site: a.Site,
		Title: a.Title, Text: a.Text, Fields: a.Fields, Time: a.Time, Execution: a.Execution, Carded: a.Carded,
	}
	if a.Call == nil {
		return t.notifier.Notify(ctx, m)
	}
	called := t.caller.Call(ctx, m, call.Page{
		Action: pagerduty.Action(a.Call.Action), Step: a.Call.Step, Brief: a.Call.Brief, Mode: a.Call.Mode, Target: a.Call.Target,
	}, a.Call.Targets, a.Call.Notify)
	if errors.Is(called, call.ErrNobody) {
		called = nil // it is logged, the receivers hear the message, and nobody is there to call again
	}
	if a.Call.Action == activities.CallResolve {
		return called // nobody is to be woken by what needs nobody any more
	}
	return errors.Join(called, t.notifier.Notify(ctx, m))
}
