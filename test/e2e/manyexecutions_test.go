package e2e

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"go.temporal.io/sdk/client"
	"golang.org/x/sync/errgroup"

	"github.com/lifeboat-dr/lifeboat/internal/plan"
	"github.com/lifeboat-dr/lifeboat/runbooks"
	"github.com/lifeboat-dr/lifeboat/workflows"
)

const (
	manyExecutions = 500
	manySteps      = 5
	manyWithin     = 15 * time.Minute
)

// TestChaosManyExecutions starts 500 live executions of five steps at once, on one worker with the default settings, real
// vaults and an embedded Temporal. All complete, and each step happened once. Only LIFEBOAT_CHAOS=full runs it.
func TestChaosManyExecutions(t *testing.T) {
	if !full() {
		return
	}
	var mu sync.Mutex
	calls := map[string]int{}
	service := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		calls[r.Header.Get("Idempotency-Key")]++
	}))
	t.Cleanup(service.Close)
	r := newRig(t, 1<<20, func(config string) string {
		return section(config, "endpoints", "  service: {url: {file: keys/service.url}}\n")
	})
	if err := os.WriteFile(filepath.Join(r.stack.Dir, "keys", "service.url"), []byte(service.URL), 0o600); err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	text.WriteString("apiVersion: lifeboat/v1\nname: many\ntitle: Many\nscenario: maintenance\ndescription: For tests.\ntarget: ${inputs.target}\ninputs:\n" +
		"  target: {type: string, title: target, required: true}\nlimits: {duration: 2h}\nsteps:\n")
	for i := range manySteps {
		fmt.Fprintf(&text, "  - {id: step-%d, type: http, title: Call, effect: none, with: {method: POST, endpoint: service}}\n", i)
	}
	now := time.Now().UTC().Truncate(time.Second)
	dockets := make([]string, manyExecutions)
	id := func(i int) string { return workflows.ExecutionID("many", "target-"+strconv.Itoa(i), now) }
	for i := range manyExecutions {
		dockets[i] = r.docket(t, id(i), []byte(text.String()), plan.Brief{
			Format: 1, Runbook: "many", RunbookDigest: runbooks.Digest([]byte(text.String())), Application: "medlink", Mode: plan.ModeLive, Target: "target-" + strconv.Itoa(i),
			Approach: plan.Graceful, Inputs: map[string]any{"target": "target-" + strconv.Itoa(i)}, Until: now.Add(time.Hour),
		})
	}

	r.startProgram()
	began := time.Now()
	ctx, cancel := context.WithTimeout(t.Context(), manyWithin)
	defer cancel()
	group, ctx := errgroup.WithContext(ctx)
	for i := range manyExecutions {
		group.Go(func() error {
			run, err := r.client.ExecuteWorkflow(ctx, client.StartWorkflowOptions{ID: id(i), TaskQueue: workflows.Queue}, workflows.RunbookName, workflows.RunbookInput{Docket: dockets[i]})
			if err != nil {
				return err
			}
			return run.Get(ctx, nil)
		})
	}
	if err := group.Wait(); err != nil {
		t.Fatal(err)
	}
	took := time.Since(began)
	mu.Lock()
	defer mu.Unlock()
	if len(calls) != manyExecutions*manySteps {
		t.Errorf("%d steps were done, want %d", len(calls), manyExecutions*manySteps)
	}
	for key, n := range calls {
		if n != 1 {
			t.Errorf("%s was called %d times", key, n)
		}
	}
	t.Logf("%d executions of %d steps in %s: %s of them a second; the worker used %d MiB at most", manyExecutions, manySteps, took.Round(100*time.Millisecond),
		strconv.FormatFloat(float64(manyExecutions*manySteps)/took.Seconds(), 'f', 1, 64), r.peakRSS()>>10)
}
