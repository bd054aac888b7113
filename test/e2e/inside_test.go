package e2e

import (
	"cmp"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"go.temporal.io/sdk/client"

	"github.com/lifeboat-dr/lifeboat/activities"
	"github.com/lifeboat-dr/lifeboat/internal/execution"
	"github.com/lifeboat-dr/lifeboat/internal/plan"
	"github.com/lifeboat-dr/lifeboat/internal/store"
	"github.com/lifeboat-dr/lifeboat/runbooks"
	"github.com/lifeboat-dr/lifeboat/workflows"
)

// noteProgram is a program that a runbook may run, in drills, too.
const noteProgram = "\nprograms:\n  note: {path: /bin/echo, drill: /bin/echo}\n"

const quarterlyRunbook = `apiVersion: lifeboat/v1
name: quarterly
title: Every quarter
scenario: maintenance
target: ${inputs.component}
inputs:
  component: {type: component, title: component, required: true}
  words: {type: string, title: what is told, default: Noted}
limits: {duration: 2h}
steps:
  - id: ask
    type: sql
    title: Ask
    with: {on: {component: "${inputs.component}"}, query: "SELECT QUERY", expect: {rows: 1}}
  - {id: run, type: runbook, title: Note it, with: {name: noting, inputs: {component: "${execution.target}", word: "n${steps.ask.value}"}}}
  - {id: tell, type: notify, title: Tell, with: {message: "${inputs.words} ${steps.run.note.line}"}}
`

const notingRunbook = `apiVersion: lifeboat/v1
name: noting
title: Note a word
scenario: maintenance
target: ${inputs.component}
inputs:
  component: {type: component, title: component, required: true}
  word: {type: string, title: word, required: true, pattern: "n[0-9.]+"}
roles:
  incident-commander: {title: decides}
steps:
  - {id: allow, type: approval, title: "Note it?", with: {requires: 1, roles: [incident-commander], message: "Note ${inputs.word}?"}}
  - id: note
    type: exec
    title: Note
    with: {program: note, args: ["${inputs.word}"]}
    effect: reversible
    undo: {type: exec, with: {program: note, args: [undone]}}
`

// quarter is what one run of the runbook with another one inside differs in.
type quarter struct {
	// second keeps ids apart.
	second int
	mode   plan.Mode
	// query is what its text asks, words what it is to tell.
	query, words string
	// planned is the plan that it is bound to, if any.
	planned string
}

// quarterly starts the runbook that has another one inside. It does not look whether the plan fits, as lifeboat run does:
// the workers have to.
func (r *rig) quarterly(t *testing.T, q quarter) (id string, run client.WorkflowRun, brief string) {
	t.Helper()
	text := strings.Replace(quarterlyRunbook, "QUERY", q.query, 1)
	now := time.Now().UTC().Truncate(time.Second)
	id = workflows.ExecutionID("quarterly", "database", now.Add(time.Duration(q.second)*time.Second))
	b := plan.Brief{
		Format: 1, Runbook: "quarterly", RunbookDigest: runbooks.Digest([]byte(text)), Application: "medlink", Mode: q.mode, Target: "database", Approach: plan.Graceful,
		Inputs: map[string]any{"component": "database", "words": cmp.Or(q.words, "Noted")}, Until: now.Add(time.Hour), Nested: map[string]string{"noting": runbooks.Digest([]byte(notingRunbook))},
	}
	docket := plan.Docket{Runbook: text, Nested: []plan.NestedText{{Text: notingRunbook}}}
	if q.planned != "" {
		planned, err := activities.ReadPlan(t.Context(), r.engine.JournalVaults(), r.engine.Finder.Signers, q.planned)
		if err != nil {
			t.Fatal(err)
		}
		b.Plan, b.PlanExecution, docket.Plan = planned.Digest, q.planned, planned.Text
	}
	told, err := json.Marshal(b)
	if err != nil {
		t.Fatal(err)
	}
	run, err = r.client.ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{ID: id, TaskQueue: workflows.Queue}, workflows.RunbookName, workflows.RunbookInput{Docket: r.packed(t, id, docket, b)})
	if err != nil {
		t.Fatal(err)
	}
	return id, run, runbooks.Digest(told)
}

// insideAndPlanned plans and drills a runbook with another one inside, whose gate is decided while a worker is lost.
func (r *rig) insideAndPlanned(t *testing.T) {
	id, run, _ := r.quarterly(t, quarter{second: 10, mode: plan.ModeDrill, query: "7", planned: r.plannedQuarter(t, 0, "7")})
	gate := r.awaitGate(t, id, "run.allow")
	if !strings.Contains(gate.Facts, "Note n7?") || !strings.Contains(gate.Facts, `"run.note"`) {
		t.Errorf("people are shown %s", gate.Facts)
	}
	r.worker.Kill()
	r.startWorker()
	r.noted(t, id, run, gate, "n7")
}

// plannedQuarter makes a plan, and returns the id of the execution that made it.
func (r *rig) plannedQuarter(t *testing.T, second int, query string) string {
	t.Helper()
	id, run, _ := r.quarterly(t, quarter{second: second, mode: plan.ModePlan, query: query})
	var result workflows.RunbookResult
	if err := r.end(run, &result); err != nil {
		t.Fatal(err)
	}
	read, err := activities.ReadPlan(t.Context(), r.engine.JournalVaults(), r.engine.Finder.Signers, id)
	if err != nil || result.Plan == "" || read.Digest != result.Plan {
		t.Fatalf("the plan ended with digest %q, its journal gives %q: %v", result.Plan, read.Digest, err)
	}
	return id
}

// noted lets bob approve, and waits for the program to have written a word.
func (r *rig) noted(t *testing.T, id string, run client.WorkflowRun, gate workflows.ViewGate, word string) {
	t.Helper()
	if got := r.tell(t, id, "bob", plan.CommandApprove, "run.allow", gate.Digest); !got.Accepted {
		t.Fatalf("bob approves: %+v", got)
	}
	var result workflows.RunbookResult
	if err := r.end(run, &result); err != nil {
		t.Fatal(err)
	}
	if result.State != plan.ExecutionCompleted || result.Steps["run.note"] != plan.StepCompleted {
		t.Errorf("ended as %+v", result)
	}
	if got := r.outputs(t, id, "run.note")["line"]; got != word {
		t.Errorf("the program wrote %v", got)
	}
}

// livePlanned runs live what was planned, and nothing else: an edited runbook and another input are refused before
// anything begins, and what turns out to be something else pauses before it is done.
func (r *rig) livePlanned(t *testing.T) {
	planned := r.plannedQuarter(t, 40, "7")
	for name, other := range map[string]quarter{
		"an edited runbook": {second: 41, query: "7 + 0"},
		"another input":     {second: 42, query: "7", words: "Something else:"},
	} {
		other.mode, other.planned = plan.ModeLive, planned
		id, run, _ := r.quarterly(t, other)
		if err := r.end(run, nil); err == nil || !strings.Contains(err.Error(), activities.TypePlanMismatch) {
			t.Errorf("%s: the execution ended with %v", name, err)
		}
		if begun := r.begun(t, id); len(begun) > 0 {
			t.Errorf("%s: the steps %v began", name, begun)
		}
	}
	id, run, _ := r.quarterly(t, quarter{second: 43, mode: plan.ModeLive, query: "7", planned: planned})
	r.noted(t, id, run, r.awaitGate(t, id, "run.allow"), "n7")

	const clock = "(100 * pg_catalog.date_part('epoch', pg_catalog.clock_timestamp()))::bigint"
	id, run, brief := r.quarterly(t, quarter{second: 51, mode: plan.ModeLive, query: clock, planned: r.plannedQuarter(t, 50, clock)})
	gate := r.awaitGate(t, id, "run.allow")
	if got := r.tell(t, id, "bob", plan.CommandApprove, "run.allow", gate.Digest); !got.Accepted {
		t.Fatalf("bob approves: %+v", got)
	}
	if failure := r.awaitPause(t, id, "run.note"); !strings.Contains(failure, activities.TypePlanMismatch) || !strings.Contains(failure, "args[0]: planned") {
		t.Errorf("it waits for %s", failure)
	}
	if got := r.outputs(t, id, "run.note"); got != nil {
		t.Errorf("the program ran: %v", got)
	}
	if got := r.tell(t, id, "alice", plan.CommandCancel, "", brief); !got.Accepted {
		t.Fatalf("alice cancels: %+v", got)
	}
	if err := r.end(run, nil); err == nil || !strings.Contains(err.Error(), "canceled") {
		t.Errorf("the canceled execution ended with %v", err)
	}
}

// begun are the steps of an execution that began, by the journal.
func (r *rig) begun(t *testing.T, id string) (steps []string) {
	t.Helper()
	read, err := r.engine.Journal(t.Context(), id)
	if errors.Is(err, store.ErrNotFound) {
		return nil // it was not even admitted
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range read.Entries {
		var event execution.Event
		if err := json.Unmarshal(entry.Data, &event); err != nil {
			t.Fatal(err)
		}
		if event.Kind == execution.StepStarted {
			steps = append(steps, event.Step)
		}
	}
	return steps
}

// outputs are those of a step, by the journal.
func (r *rig) outputs(t *testing.T, id, step string) (outputs map[string]any) {
	t.Helper()
	read, err := r.engine.Journal(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range read.Entries {
		var event execution.Event
		if err := json.Unmarshal(entry.Data, &event); err != nil {
			t.Fatal(err)
		}
		if event.Step == step && event.Kind == execution.StepCompleted {
			outputs = event.Outputs
		}
	}
	return outputs
}

// awaitPause waits until a failed step keeps an execution waiting, and returns why it failed.
func (r *rig) awaitPause(t *testing.T, id, step string) string {
	t.Helper()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(200 * time.Millisecond) {
		var v workflows.View
		value, err := r.client.QueryWorkflow(t.Context(), id, "", workflows.ViewQuery)
		if err != nil || value.Get(&v) != nil || v.State != plan.ExecutionPausedByFailedStep {
			continue
		}
		for _, s := range v.Steps {
			if s.ID == step {
				return s.Error
			}
		}
	}
	t.Fatalf("%s does not wait because of step %s", id, step)
	return ""
}
