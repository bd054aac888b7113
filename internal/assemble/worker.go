package assemble

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"time"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/worker"

	"github.com/lifeboat-dr/lifeboat/activities"
	"github.com/lifeboat-dr/lifeboat/internal/codec"
	"github.com/lifeboat-dr/lifeboat/internal/config"
	"github.com/lifeboat-dr/lifeboat/internal/manifest"
	"github.com/lifeboat-dr/lifeboat/internal/temporalclient"
	"github.com/lifeboat-dr/lifeboat/workflows"
)

// Find finds a backup that a person named, in the vault of its component.
func (e *Engine) Find(ctx context.Context, component, backup string) (*activities.Backup, error) {
	return e.FindIn(ctx, component, "", backup)
}

// FindIn is Find in another of the component's vaults; an empty one means its own.
func (e *Engine) FindIn(ctx context.Context, component, vault, backup string) (*activities.Backup, error) {
	c, err := e.Crew.ComponentIn(component, vault)
	if err != nil {
		return nil, err
	}
	found, err := e.Finder.Find(ctx, c, backup)
	if errors.Is(err, activities.ErrNoBackup) {
		return nil, activities.NotFound("list what there is: lifeboat backups", "%v", err)
	}
	return found, err
}

// Activities are the activities of a worker.
func (e *Engine) Activities() *activities.All {
	return &activities.All{
		Components: &activities.Components{Crew: e.Crew, Orders: e.orders},
		Snapshots:  &activities.Snapshots{Crew: e.Crew, Orders: e.orders, Finder: e.Finder},
		Dumps:      &activities.Dumps{Crew: e.Crew, Orders: e.orders, Keys: e.keys},
		Records:    &activities.Records{Crew: e.Crew, Orders: e.orders, Finder: e.Finder, Signer: e.signer, Keys: e.keys},
		Restores:   &activities.Restores{Crew: e.Crew, Orders: e.orders, Finder: e.Finder, Keys: e.keys},
		Replicas:   &activities.Replicas{Crew: e.Crew, Orders: e.orders, Finder: e.Finder, Signer: e.signer, Keys: e.keys},
		Executions: e.executions(),
		Steps:      e.steps(),
		Cards:      e.cards(),
		Alerts:     &activities.Alerts{Crew: e.Crew, Finder: e.Finder, Teller: e.teller, Deadman: e.pinger, LateAfter: e.Config.Alerts.LateAfter, Epochs: e.Epochs()},
	}
}

// Workers are the workers of this process: one for workflows and what any worker can do, and one for each
// site it is responsible for.
type Workers []worker.Worker

// cancelWithin is how long an activity may go on before it hears that it was canceled: it hears of it when a heartbeat
// is answered, and Temporal's client would hold heartbeats back for 24 s.
const cancelWithin = 5 * time.Second

// lightSlots is how many activities run at the same time that belong to no site: journals, messages, small
// questions. They wait for vaults and receivers more than they work, and while a vault hangs the journals of some
// executions must not keep the others from theirs. What moves data runs at a site, within worker.concurrency.
const lightSlots = 64

// Workers makes them; the engine must be a working one.
func (e *Engine) Workers(c client.Client) (Workers, error) {
	if e.orders == nil {
		return nil, errors.New("this engine was not made to work")
	}
	options := worker.Options{
		MaxConcurrentActivityExecutionSize: e.Config.Worker.Concurrency,
		WorkerStopTimeout:                  e.Config.Worker.StopTimeout,
		MaxHeartbeatThrottleInterval:       cancelWithin,
		Interceptors:                       interceptors(),
	}
	all := e.Activities()
	light := options
	light.MaxConcurrentActivityExecutionSize = max(lightSlots, options.MaxConcurrentActivityExecutionSize)
	general := worker.New(c, workflows.Queue, light)
	workflows.Register(general)
	all.Register(general)
	made := Workers{general}
	sites := e.Config.Worker.Sites
	if len(sites) == 0 {
		sites = slices.Sorted(maps.Keys(e.Config.Sites))
	}
	for _, site := range sites {
		options := options
		options.DisableWorkflowWorker = true
		w := worker.New(c, workflows.SiteQueue(site), options)
		all.Register(w)
		made = append(made, w)
	}
	return made, nil
}

// Start starts all workers, or none.
func (w Workers) Start() error {
	for i, one := range w {
		if err := one.Start(); err != nil {
			w[:i].Stop()
			return err
		}
	}
	return nil
}

// Stop lets running activities end within the stop timeout and stops all workers.
func (w Workers) Stop() {
	done := make(chan struct{})
	for _, one := range w {
		go func() {
			one.Stop()
			done <- struct{}{}
		}()
	}
	for range w {
		<-done
	}
}

// Dial connects to Temporal as the configuration and the TEMPORAL_* variables say. Payloads are encrypted
// with the fleet's keys.
func Dial(ctx context.Context, cfg *config.Config, log *slog.Logger) (client.Client, error) {
	keys, err := FleetKeys(cfg)
	if err != nil {
		return nil, err
	}
	converter, err := codec.DataConverter(keys)
	if err != nil {
		return nil, err
	}
	failures, err := codec.FailureConverter(keys)
	if err != nil {
		return nil, err
	}
	return temporalclient.Dial(ctx, temporalclient.Settings{
		Address: cfg.Temporal.Address, Namespace: cfg.Temporal.Namespace, Profile: cfg.Temporal.Profile, ConfigFile: string(cfg.Temporal.ConfigFile),
		DataConverter: converter, FailureConverter: failures, Log: log,
	})
}

// Open opens a backup's sealed contents, for people who hold a key.
func (e *Engine) Open(ctx context.Context, component, backup string) (*activities.Backup, *manifest.Contents, error) {
	return e.OpenIn(ctx, component, "", backup)
}

// OpenIn is Open in another of the component's vaults; an empty one means its own.
func (e *Engine) OpenIn(ctx context.Context, component, vault, backup string) (*activities.Backup, *manifest.Contents, error) {
	b, err := e.FindIn(ctx, component, vault, backup)
	if err != nil {
		return nil, nil, err
	}
	c, err := e.Crew.ComponentIn(component, vault)
	if err != nil {
		return nil, nil, err
	}
	contents, err := e.Crew.Contents(ctx, c, b)
	return b, contents, err
}

// Protection is how well each component is protected, read from the vaults alone.
func (e *Engine) Protection(ctx context.Context) (activities.Protection, error) {
	alerts := activities.Alerts{Crew: e.Crew, Finder: e.Finder, LateAfter: e.Config.Alerts.LateAfter}
	return alerts.EvaluateProtection(ctx)
}
