package e2e

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"github.com/lifeboat-dr/lifeboat/activities"
	"github.com/lifeboat-dr/lifeboat/internal/assemble"
	"github.com/lifeboat-dr/lifeboat/internal/embedded"
	"github.com/lifeboat-dr/lifeboat/internal/evidence"
	"github.com/lifeboat-dr/lifeboat/internal/plan"
	"github.com/lifeboat-dr/lifeboat/internal/store"
	"github.com/lifeboat-dr/lifeboat/runbooks"
	"github.com/lifeboat-dr/lifeboat/workflows"
)

const (
	// paceGoal is what the engine may take between two steps on a machine that does nothing else.
	paceGoal = 20 * time.Millisecond
	// paceShare is how often the engine's step may take what Temporal itself takes for two activities, one after the other:
	// the journal's and the step's. It holds on a slow machine, too.
	paceShare = 3
	paceSteps = 60
)

// instantVault takes everything at once and keeps it in memory, so that what is measured is not the vault.
type instantVault struct {
	store.Store
	mu   sync.Mutex
	held map[string]bool
}

func (v *instantVault) Create(_ context.Context, key string, _ []byte, _ store.CreateOptions) (store.Object, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.held[key] {
		return store.Object{}, store.ErrExists
	}
	v.held[key] = true
	return store.Object{Key: key}, nil
}

// clock is an endpoint that does nothing and notes when it was called.
type clock struct{ calls []time.Time }

func (c *clock) Call(context.Context, activities.Request) (activities.Response, error) {
	c.calls = append(c.calls, time.Now())
	return activities.Response{Status: 200}, nil
}

// pace measures the time between two steps that do nothing, on an embedded Temporal on a file, with everything that
// production does but the vault's own time: signatures, work orders, the journal, encrypted payloads.
func (r *rig) pace(t *testing.T, method, target string) (median, bare time.Duration) {
	t.Helper()
	server, err := embedded.Start(t.Context(), embedded.Options{
		StateFile: filepath.Join(t.TempDir(), "temporal.db"), UIAddress: "-", SearchAttributes: workflows.SearchAttributes(),
	})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = server.Stop() }()
	cfg := *r.config
	cfg.Temporal.Address = server.Address()
	c, err := assemble.Dial(t.Context(), &cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	engine, err := assemble.New(t.Context(), &cfg, assemble.Options{Version: "test", Working: true, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	ticks := &clock{}
	all := engine.Activities()
	all.Executions.Journal.Vaults = []evidence.Vault{{Name: "instant", Store: &instantVault{held: map[string]bool{}}}}
	all.Steps.Endpoints["clock"], all.Steps.DrillEndpoints["clock"] = ticks, ticks
	for _, queue := range []string{workflows.Queue, workflows.SiteQueue("us-east-1")} {
		w := worker.New(c, queue, worker.Options{MaxConcurrentActivityExecutionSize: cfg.Worker.Concurrency})
		workflows.Register(w)
		all.Register(w)
		w.RegisterWorkflowWithOptions(bareWorkflow, workflow.RegisterOptions{Name: "bare"})
		w.RegisterActivityWithOptions(func(context.Context) error { return nil }, activity.RegisterOptions{Name: "nothing"})
		if err := w.Start(); err != nil {
			t.Fatal(err)
		}
		defer w.Stop()
	}

	text := []byte(paceRunbook(method, target))
	started := time.Now().UTC().Truncate(time.Second)
	id := workflows.ExecutionID("pace", target, started)
	run, err := c.ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{ID: id, TaskQueue: workflows.Queue}, workflows.RunbookName, workflows.RunbookInput{Docket: r.docket(t, id, text, plan.Brief{
		Format: 1, Runbook: "pace", RunbookDigest: runbooks.Digest(text), Application: "medlink", Mode: plan.ModeDrill, Target: target, Approach: plan.Graceful,
		Inputs: map[string]any{}, Until: started.Add(time.Hour),
	})})
	if err != nil {
		t.Fatal(err)
	}
	if err := run.Get(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	if len(ticks.calls) != paceSteps {
		t.Fatalf("%d steps ran, want %d", len(ticks.calls), paceSteps)
	}
	var gaps []time.Duration
	for i, at := range ticks.calls[1:] {
		gaps = append(gaps, at.Sub(ticks.calls[i]))
	}
	slices.Sort(gaps)
	median = gaps[len(gaps)/2]
	run, err = c.ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{TaskQueue: workflows.Queue}, "bare")
	if err != nil {
		t.Fatal(err)
	}
	if err := run.Get(t.Context(), &bare); err != nil {
		t.Fatal(err)
	}
	t.Logf("%s of %s: %s between two steps (median of %d; the quickest %s, the slowest %s); Temporal alone %s", method, target, median.Round(100*time.Microsecond), len(gaps),
		gaps[0].Round(100*time.Microsecond), gaps[len(gaps)-1].Round(100*time.Microsecond), bare.Round(100*time.Microsecond))
	return median, bare
}

// bareWorkflow does nothing, in as many pairs of activities as the runbook has steps, and says how long a pair took.
func bareWorkflow(ctx workflow.Context) (time.Duration, error) {
	ctx = workflow.WithActivityOptions(ctx, workflow.ActivityOptions{StartToCloseTimeout: time.Minute})
	var all []time.Duration
	for range paceSteps {
		began := workflow.Now(ctx)
		for range 2 {
			if err := workflow.ExecuteActivity(ctx, "nothing").Get(ctx, nil); err != nil {
				return 0, err
			}
		}
		all = append(all, workflow.Now(ctx).Sub(began))
	}
	slices.Sort(all)
	return all[len(all)/2], nil
}

func paceRunbook(method, target string) string {
	var b strings.Builder
	b.WriteString("apiVersion: lifeboat/v1\nname: pace\ntitle: Pace\nscenario: maintenance\ndescription: For tests.\ntarget: " + target + "\nlimits: {duration: 2h}\nsteps:\n")
	for i := range paceSteps {
		fmt.Fprintf(&b, "  - {id: step-%d, type: http, title: Nothing, effect: none, with: {method: %s, endpoint: clock}}\n", i, method)
	}
	return b.String()
}

// TestRunbookPace holds the engine to its pace, for steps that change something, which wait for the journal, and for
// those that only ask. Those of a target at no site are begun by the worker that has the workflow; those at a site are
// handed to its workers by Temporal.
func TestRunbookPace(t *testing.T) {
	r := newWorld(t, 1<<20, nil)
	for _, c := range []struct{ method, target string }{{"POST", "nowhere"}, {"POST", "database"}, {"GET", "nowhere"}} {
		if median, bare := r.pace(t, c.method, c.target); median > max(paceGoal, paceShare*bare) {
			t.Errorf("%s of %s: %s between two steps, more than %d times what Temporal alone takes, %s", c.method, c.target, median, paceShare, bare)
		}
	}
}
