package e2e

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
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
		config = section(config, "programs", "  sleep: {path: /bin/sleep}\n  shell: {path: /bin/sh}\n")
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

	stumbled := r.stumble(t)

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
	proxies[0].Heal()
	r.command(t, sleepers, plan.CommandCancel, "while one vault is away")
	until(t, "an entry that only one vault has", func() bool { return len(r.viewOf(t, sleepers[0].id).Missed) > 0 })
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

	r.canceledNotFailed(t, stumbled)
	r.record(t)
}

// stumble cancels an execution whose program fails before it hears that it is to stop.
func (r *rig) stumble(t *testing.T) *sleeper {
	t.Helper()
	dir := t.TempDir()
	begun, fail := filepath.Join(dir, "begun"), filepath.Join(dir, "fail")
	script := fmt.Sprintf(`["-c", "touch %s; while [ ! -e %s ]; do sleep 0.05; done; exit 1"]`, begun, fail)
	s := r.startSleeping(t, strings.Replace(sleepingRunbook, `sleep, args: ["600"]`, "shell, args: "+script, 1), "target-7", 7)
	until(t, "the program", func() bool {
		_, err := os.Stat(begun)
		return err == nil
	})
	r.command(t, []*sleeper{s}, plan.CommandCancel, "while a program is about to fail")
	if err := os.WriteFile(fail, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	return s
}

// canceledNotFailed expects that nobody was called for a step that failed because it was stopped, or meanwhile.
func (r *rig) canceledNotFailed(t *testing.T, s *sleeper) {
	t.Helper()
	var result workflows.RunbookResult
	_ = r.end(s.run, &result)
	var stopped execution.Event
	read, err := r.engine.Journal(t.Context(), s.id)
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range read.Entries {
		if entry.Kind == string(execution.StepCanceled) {
			if err := json.Unmarshal(entry.Data, &stopped); err != nil {
				t.Fatal(err)
			}
		}
		if entry.Kind == string(execution.StepFailed) {
			t.Errorf("a step that was stopped counts as failed: %s", entry.Data)
		}
	}
	// Unless it heard of it in the very moment.
	if stopped.Kind == "" || stopped.Failure != nil && !strings.Contains(stopped.Failure.Message, "status 1") {
		t.Errorf("the journal does not tell how the program ended: %+v", stopped)
	}
	if n := r.told("step.failed"); n > 0 {
		t.Errorf("people were called %d times for what they stopped themselves", n)
	}
}

// viewOf is what an execution says of itself; zero while it says nothing.
func (r *rig) viewOf(t *testing.T, id string) (v workflows.View) {
	t.Helper()
	if value, err := r.client.QueryWorkflow(t.Context(), id, "", workflows.ViewQuery); err == nil {
		_ = value.Get(&v)
	}
	return v
}

// sleeper is an execution that runs a program that does not end.
type sleeper struct {
	id, brief string
	run       client.WorkflowRun
}

func (r *rig) sleep(t *testing.T, target string, second int) *sleeper {
	t.Helper()
	return r.startSleeping(t, sleepingRunbook, target, second)
}

func (r *rig) startSleeping(t *testing.T, runbook, target string, second int) *sleeper {
	t.Helper()
	text := []byte(runbook)
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
