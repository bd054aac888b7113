package e2e

import (
	"context"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"os"
	"regexp"
	"sync/atomic"
	"syscall"
	"time"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/interceptor"

	"github.com/lifeboat-dr/lifeboat/internal/assemble"
	"github.com/lifeboat-dr/lifeboat/internal/codec"
	"github.com/lifeboat-dr/lifeboat/internal/config"
	"github.com/lifeboat-dr/lifeboat/internal/store"
	"github.com/lifeboat-dr/lifeboat/internal/temporalclient"
)

// deathVariable tells a worker when to die: "after activity CopyChunks", "before create \.work$", or with a
// number behind it, at which occurrence. The third word is a regular expression for the activity's name, or
// for the key of an object that is created, opened or whose lock is extended; in a replica the vault's name and a colon
// stand before it.
const deathVariable = "LIFEBOAT_TEST_DEATH"

// death is the moment at which a worker ends as if by kill -9: no deferred call runs, no answer is sent.
type death struct {
	when, what string
	which      *regexp.Regexp
	left       atomic.Int64
}

func parseDeath(text string) (*death, error) {
	if text == "" {
		return nil, nil
	}
	var when, what, which string
	nth := int64(1)
	if n, _ := fmt.Sscan(text, &when, &what, &which, &nth); n < 3 {
		return nil, fmt.Errorf("%s=%q: it is a moment, a kind and a pattern", deathVariable, text)
	}
	pattern, err := regexp.Compile(which)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", deathVariable, err)
	}
	d := &death{when: when, what: what, which: pattern}
	d.left.Store(nth)
	return d, nil
}

// comes ends this process when the moment is there.
func (d *death) comes(when, what, which string) {
	if d == nil || d.when != when || d.what != what || !d.which.MatchString(which) || d.left.Add(-1) != 0 {
		return
	}
	_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
	select {} // the signal is on its way
}

// dial connects like a worker, with activities that die.
func (d *death) dial(ctx context.Context, cfg *config.Config, log *slog.Logger) (client.Client, error) {
	if d == nil && staged() == "" {
		return assemble.Dial(ctx, cfg, log)
	}
	keys, err := assemble.FleetKeys(cfg)
	if err != nil {
		return nil, err
	}
	settings := temporalclient.Settings{Address: cfg.Temporal.Address, Namespace: cfg.Temporal.Namespace, Log: log}
	if settings.DataConverter, err = codec.DataConverter(keys); err != nil {
		return nil, err
	}
	if settings.FailureConverter, err = codec.FailureConverter(keys); err != nil {
		return nil, err
	}
	options, err := temporalclient.Options(settings)
	if err != nil {
		return nil, err
	}
	options.Interceptors = append(options.Interceptors, &dyingActivities{death: d})
	if url := staged(); url != "" {
		if err := stageOptions(&options, url); err != nil {
			return nil, err
		}
	}
	return client.DialContext(ctx, options)
}

// dyingActivities die before an activity begins, or after it ended and before anybody is told.
type dyingActivities struct {
	interceptor.InterceptorBase
	death *death
}

func (a *dyingActivities) InterceptActivity(_ context.Context, next interceptor.ActivityInboundInterceptor) interceptor.ActivityInboundInterceptor {
	return &dyingActivity{ActivityInboundInterceptorBase: interceptor.ActivityInboundInterceptorBase{Next: next}, death: a.death}
}

type dyingActivity struct {
	interceptor.ActivityInboundInterceptorBase
	death *death
}

func (a *dyingActivity) ExecuteActivity(ctx context.Context, in *interceptor.ExecuteActivityInput) (any, error) {
	name := activity.GetInfo(ctx).ActivityType.Name
	a.death.comes("before", "activity", name)
	result, err := a.Next.ExecuteActivity(ctx, in)
	a.death.comes("after", "activity", name)
	return result, err
}

// wrap makes every vault one that takes its worker along.
func (d *death) wrap(engine *assemble.Engine) {
	if d == nil {
		return
	}
	for _, c := range engine.Crew.Components {
		c.Vault.Store = &dyingStore{Store: c.Vault.Store, death: d}
		for i := range c.Replicas {
			v := &c.Replicas[i]
			v.Store = &dyingStore{Store: v.Store, death: d, name: v.Name + ":"}
		}
	}
}

type dyingStore struct {
	store.Store
	death *death
	// name stands before the keys of a replica, so that moments can be told apart.
	name string
}

func (s *dyingStore) Create(ctx context.Context, key string, body []byte, opt store.CreateOptions) (store.Object, error) {
	s.death.comes("before", "create", s.name+key)
	o, err := s.Store.Create(ctx, key, body, opt)
	s.death.comes("after", "create", s.name+key)
	return o, err
}

func (s *dyingStore) Open(ctx context.Context, key, version string) (io.ReadCloser, store.Object, error) {
	s.death.comes("before", "open", s.name+key)
	r, o, err := s.Store.Open(ctx, key, version)
	s.death.comes("after", "open", s.name+key)
	return r, o, err
}

func (s *dyingStore) Extend(ctx context.Context, key, version string, until time.Time) error {
	s.death.comes("before", "extend", s.name+key)
	err := s.Store.Extend(ctx, key, version, until)
	s.death.comes("after", "extend", s.name+key)
	return err
}

func (s *dyingStore) Versions(ctx context.Context, prefix string) iter.Seq2[store.Object, error] {
	s.death.comes("before", "list", s.name+prefix)
	return s.Store.Versions(ctx, prefix)
}
