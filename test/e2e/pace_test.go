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

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/worker"

	"github.com/lifeboat-dr/lifeboat/activities"
	"github.com/lifeboat-dr/lifeboat/internal/assemble"
	"github.com/lifeboat-dr/lifeboat/internal/embedded"
	"github.com/lifeboat-dr/lifeboat/internal/evidence"
	"github.com/lifeboat-dr/lifeboat/internal/plan"
	"github.com/lifeboat-dr/lifeboat/internal/store"
	"github.com/lifeboat-dr/lifeboat/runbooks"
	"github.com/lifeboat-dr/lifeboat/workflows"
)

// paceGoal is what the engine may take between two steps, and paceSlack what the test allows for a machine that does other
// things meanwhile.
const (
	paceGoal  = 20 * time.Millisecond
	paceSlack = 10
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
func (r *rig) pace(t *testing.T, method string) time.Duration {
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
		if err := w.Start(); err != nil {
			t.Fatal(err)
		}
		defer w.Stop()
	}

	text := []byte(paceRunbook(method))
	started := time.Now().UTC().Truncate(time.Second)
	id := workflows.ExecutionID("pace", "database", started)
	run, err := c.ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{ID: id, TaskQueue: workflows.Queue}, workflows.RunbookName, workflows.RunbookInput{Docket: r.docket(t, id, text, plan.Brief{
		Format: 1, Runbook: "pace", RunbookDigest: runbooks.Digest(text), Application: "medlink", Mode: plan.ModeDrill, Target: "database", Approach: plan.Graceful,
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
	median := gaps[len(gaps)/2]
	t.Logf("%s: %s between two steps (median of %d; the quickest %s, the slowest %s)", method, median.Round(100*time.Microsecond), len(gaps), gaps[0].Round(100*time.Microsecond), gaps[len(gaps)-1].Round(100*time.Microsecond))
	return median
}

func paceRunbook(method string) string {
	var b strings.Builder
	b.WriteString("apiVersion: lifeboat/v1\nname: pace\ntitle: Pace\nscenario: maintenance\ndescription: For tests.\ntarget: database\nlimits: {duration: 2h}\nsteps:\n")
	for i := range paceSteps {
		fmt.Fprintf(&b, "  - {id: step-%d, type: http, title: Nothing, effect: none, with: {method: %s, endpoint: clock}}\n", i, method)
	}
	return b.String()
}

// TestRunbookPace holds the engine to its pace, for steps that change something, which wait for the journal, and
// for those that only ask.
func TestRunbookPace(t *testing.T) {
	r := newWorld(t, 1<<20, nil)
	for _, method := range []string{"POST", "GET"} {
		if median := r.pace(t, method); median > paceSlack*paceGoal {
			t.Errorf("%s: %s between two steps, the goal is %s and the test allows %d times that", method, median, paceGoal, paceSlack)
		}
	}
}
