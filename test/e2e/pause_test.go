package e2e

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.temporal.io/sdk/client"

	"github.com/lifeboat-dr/lifeboat/internal/execution"
	"github.com/lifeboat-dr/lifeboat/internal/plan"
	"github.com/lifeboat-dr/lifeboat/internal/store/fault"
	"github.com/lifeboat-dr/lifeboat/runbooks"
	"github.com/lifeboat-dr/lifeboat/workflows"
)

// pauseWithin is how soon a person hears that an execution pauses, whatever else goes on.
const pauseWithin = 5 * time.Second

const sleepingRunbook = `apiVersion: lifeboat/v1
name: sleeping
title: Sleep
scenario: maintenance
description: For tests.
target: ${inputs.target}
inputs:
  target: {type: string, title: target, required: true}
limits: {duration: 2h}
steps:
  - {id: sleep, type: exec, title: Sleep, effect: none, with: {program: sleep, args: ["600"]}}
  - {id: after, type: wait, title: Never reached, with: {duration: 1h}}
`

// TestPauseAnswers pauses executions while every slot of the worker runs a program, and while both vaults hang, and
// while they are away. Each person hears of it within seconds, and in the end the journals tell all of it.
func TestPauseAnswers(t *testing.T) {
	var proxies []*fault.Proxy
	r := newRig(t, 1<<20, func(config string) string {
		config = section(config, "programs", "  sleep: {path: /bin/sleep}\n")
		for line := range strings.Lines(config) {
			at, found := strings.CutPrefix(strings.TrimSpace(line), "endpoint: ")
			if !found {
				continue
			}
			proxy, err := fault.NewProxy(at)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(proxy.Close)
			proxies = append(proxies, proxy)
			config = strings.Replace(config, at, proxy.URL(), 1)
		}
		return config
	})
	if len(proxies) != 2 {
		t.Fatalf("%d vaults are behind proxies", len(proxies))
	}
	// One target is at a site whose four slots are taken by others, the rest is at none.
	var sleepers []*sleeper
	for i := range 6 {
		sleepers = append(sleepers, r.sleep(t, fmt.Sprintf("target-%d", i), i))
	}
	for _, s := range sleepers {
		r.awaitStep(t, s.id, "sleep", plan.StepRunning)
	}

	r.command(t, sleepers, plan.CommandPause, "while programs run")
	r.command(t, sleepers, plan.CommandResume, "while programs run")

	hang := func(hangs bool) {
		for _, p := range proxies {
			if p.Heal(); hangs {
				p.Inject(-1, nil, fault.Hang(time.Hour))
			}
		}
	}
	hang(true)
	r.command(t, sleepers, plan.CommandPause, "while the vaults hang")
	r.command(t, sleepers, plan.CommandResume, "while the vaults hang")
	hang(false)

	for _, p := range proxies {
		p.Heal()
		p.Inject(-1, nil, fault.Reset())
	}
	r.command(t, sleepers, plan.CommandPause, "while the vaults are away")
	r.command(t, sleepers, plan.CommandCancel, "while the vaults are away")
	hang(false)
	for _, s := range sleepers {
		var result workflows.RunbookResult
		if err := r.end(s.run, &result); err == nil || !strings.Contains(err.Error(), "canceled") {
			t.Errorf("%s ended with %v", s.id, err)
		}
		want := []string{"paused", "continued", "paused", "continued", "paused", "judged"}
		if got := r.steered(t, s.id); !slices.Equal(got, want) {
			t.Errorf("the journal of %s tells %v, want %v", s.id, got, want)
		}
	}
}

// sleeper is an execution that runs a program that does not end.
type sleeper struct {
	id, brief string
	run       client.WorkflowRun
}

func (r *rig) sleep(t *testing.T, target string, second int) *sleeper {
	t.Helper()
	text := []byte(sleepingRunbook)
	now := time.Now().UTC().Truncate(time.Second)
	s := &sleeper{id: workflows.ExecutionID("sleeping", target, now.Add(time.Duration(second)*time.Second))}
	b := plan.Brief{
		Format: 1, Runbook: "sleeping", RunbookDigest: runbooks.Digest(text), Application: "medlink", Mode: plan.ModeLive, Target: target,
		Approach: plan.Graceful, Inputs: map[string]any{"target": target}, Until: now.Add(time.Hour),
	}
	told, err := json.Marshal(b)
	if err != nil {
		t.Fatal(err)
	}
	s.brief = runbooks.Digest(told)
	s.run, err = r.client.ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{ID: s.id, TaskQueue: workflows.Queue}, workflows.RunbookName, workflows.RunbookInput{Docket: r.docket(t, s.id, text, b)})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// command tells all of them the same at once, and measures the slowest answer.
func (r *rig) command(t *testing.T, all []*sleeper, kind plan.CommandKind, when string) {
	t.Helper()
	took := make([]time.Duration, len(all))
	var wg sync.WaitGroup
	for i, s := range all {
		signed := r.signed(t, s.id, "bob", kind, "", s.brief)
		wg.Go(func() {
			began := time.Now()
			outcome, err := r.update(t, s.id, signed)
			took[i] = time.Since(began)
			if err != nil || !outcome.Accepted {
				t.Errorf("%s %s: %+v: %v", kind, when, outcome, err)
			}
		})
	}
	wg.Wait()
	slowest := slices.Max(took)
	t.Logf("%s %s: the slowest of %d answers took %s", kind, when, len(all), slowest.Round(time.Millisecond))
	if slowest > pauseWithin {
		t.Errorf("%s %s: the answer took %s, want %s", kind, when, slowest, pauseWithin)
	}
}

// steered are the events of a journal by which people steered.
func (r *rig) steered(t *testing.T, id string) (kinds []string) {
	t.Helper()
	read, err := r.engine.Journal(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range read.Entries {
		switch execution.Kind(entry.Kind) {
		case execution.Paused, execution.Continued, execution.Judged, execution.CommandRefused:
			kinds = append(kinds, entry.Kind)
		}
	}
	return kinds
}
