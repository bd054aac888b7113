package e2e

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"go.temporal.io/sdk/client"

	"github.com/lifeboat-dr/lifeboat/activities"
	"github.com/lifeboat-dr/lifeboat/internal/execution"
	"github.com/lifeboat-dr/lifeboat/internal/plan"
	"github.com/lifeboat-dr/lifeboat/internal/roster"
	"github.com/lifeboat-dr/lifeboat/internal/signature"
	"github.com/lifeboat-dr/lifeboat/runbooks"
	"github.com/lifeboat-dr/lifeboat/workflows"
)

// TestRunbookRehearsal runs a runbook as a drill on real parts: people decide with their own keys, the worker
// is killed while a gate waits and in the middle of a step, and the journal in the vaults tells all of it.
func TestRunbookRehearsal(t *testing.T) {
	r := newRig(t, 2<<20, func(text string) string { return text + noteProgram })
	text, _ := runbooks.BuiltinNamed("backup-restore-rehearsal")
	started := time.Now().UTC().Truncate(time.Second)
	id := workflows.ExecutionID("backup-restore-rehearsal", "database", started)
	docket := r.docket(t, id, text, plan.Brief{
		Format: 1, Runbook: "backup-restore-rehearsal", RunbookDigest: runbooks.Digest(text), Application: "medlink", Mode: plan.ModeDrill,
		Target: "database", Approach: plan.Graceful, Until: started.Add(time.Hour),
		Inputs: map[string]any{"component": "database", "site": "us-west-2", "tables-at-least": 20.0},
	})
	run, err := r.client.ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{
		ID: id, TaskQueue: workflows.Queue, TypedSearchAttributes: workflows.Attributes(workflows.KindRunbook, "database"),
	}, workflows.RunbookName, workflows.RunbookInput{Docket: docket})
	if err != nil {
		t.Fatal(err)
	}

	gate := r.awaitGate(t, id, "allow")
	r.worker.Kill()
	r.startWorker()
	for _, refused := range []struct{ who, cause string }{{"alice", "requester"}, {"erin", "wrongRole"}} {
		if got := r.tell(t, id, refused.who, plan.CommandApprove, "allow", gate.Digest); got.Accepted || got.Cause != refused.cause {
			t.Errorf("%s approves: %+v", refused.who, got)
		}
	}
	if got := r.tell(t, id, "bob", plan.CommandApprove, "allow", gate.Digest); !got.Accepted {
		t.Fatalf("bob approves: %+v", got)
	}
	r.worker.Kill() // somewhere in the restore
	r.startWorker()
	task := r.awaitGate(t, id, "look")
	if got := r.tell(t, id, "dan", plan.CommandConfirm, "look", task.Digest); !got.Accepted {
		t.Fatalf("dan confirms: %+v", got)
	}
	var result workflows.RunbookResult
	if err := r.end(run, &result); err != nil {
		t.Fatal(err)
	}
	// There was no verified restore point before: that was ignored, and so it is no clean completion.
	if result.State != plan.ExecutionCompletedWithExceptions || result.Steps["tables"] != plan.StepCompleted || result.Steps["readiness"] != plan.StepFailedIgnored {
		t.Errorf("ended as %+v", result)
	}

	read, err := r.engine.Journal(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	if len(read.Gaps) > 0 || read.Head.Seq != result.Journal.Seq {
		t.Errorf("the journal ends at %d with gaps %v, the execution at %d", read.Head.Seq, read.Gaps, result.Journal.Seq)
	}
	parsed, err := runbooks.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	state := execution.New()
	refusals := 0
	for _, entry := range read.Entries {
		var event execution.Event
		if err := json.Unmarshal(entry.Data, &event); err != nil {
			t.Fatal(err)
		}
		if err := state.Apply(parsed, event); err != nil {
			t.Fatal(err)
		}
		if event.Kind == execution.CommandRefused {
			refusals++
		}
		for _, word := range []string{"postgresql://", "claim_lines"} {
			if strings.Contains(string(entry.Data), word) {
				t.Errorf("%q stands in entry %d of the journal", word, entry.Seq)
			}
		}
	}
	if state.Final != result.State || refusals != 2 {
		t.Errorf("by the journal it ended as %s after %d refusals", state.Final, refusals)
	}
	t.Run("a runbook inside of another, and a plan", func(t *testing.T) { r.insideAndPlanned(t) })
	t.Run("a live run bound to a plan", func(t *testing.T) { r.livePlanned(t) })
	t.Run("one live execution for each target", func(t *testing.T) { r.holdTarget(t) })
	r.record(t)
}

const holdingRunbook = `apiVersion: lifeboat/v1
name: holding
title: Hold still
scenario: maintenance
description: For tests.
target: database
limits: {duration: 2h}
steps:
  - {id: nap, type: wait, title: Nap, with: {duration: 1h}}
`

// holdTarget starts a live execution: another one of the same target is refused until the first has ended.
func (r *rig) holdTarget(t *testing.T) {
	text := []byte(holdingRunbook)
	start := func(second int) (id string, run client.WorkflowRun, brief string) {
		t.Helper()
		started := time.Now().UTC().Truncate(time.Second).Add(time.Duration(second) * time.Second)
		id = workflows.ExecutionID("holding", "database", started)
		b := plan.Brief{
			Format: 1, Runbook: "holding", RunbookDigest: runbooks.Digest(text), Application: "medlink", Mode: plan.ModeLive, Target: "database",
			Approach: plan.Graceful, Inputs: map[string]any{}, Until: time.Now().UTC().Truncate(time.Second).Add(time.Hour),
		}
		told, err := json.Marshal(b)
		if err != nil {
			t.Fatal(err)
		}
		run, err = r.client.ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{ID: id, TaskQueue: workflows.Queue}, workflows.RunbookName, workflows.RunbookInput{Docket: r.docket(t, id, text, b)})
		if err != nil {
			t.Fatal(err)
		}
		return id, run, runbooks.Digest(told)
	}
	first, run, brief := start(0)
	r.awaitStep(t, first, "nap", plan.StepRunning)
	_, other, _ := start(1)
	if err := r.end(other, nil); err == nil || !strings.Contains(err.Error(), activities.TypeBusy) {
		t.Errorf("a second live execution of the same target ended with %v", err)
	}
	if got := r.tell(t, first, "bob", plan.CommandCancel, "", brief); !got.Accepted {
		t.Fatalf("bob cancels: %+v", got)
	}
	if err := r.end(run, nil); err == nil || !strings.Contains(err.Error(), "canceled") {
		t.Errorf("the canceled execution ended with %v", err)
	}
	third, run, brief := start(2)
	r.awaitStep(t, third, "nap", plan.StepRunning)
	if got := r.tell(t, third, "alice", plan.CommandCancel, "", brief); !got.Accepted {
		t.Fatalf("alice cancels: %+v", got)
	}
	_ = r.end(run, nil)
}

// docket lets alice start a runbook that its owners signed.
func (r *rig) docket(t *testing.T, id string, text []byte, brief plan.Brief) string {
	t.Helper()
	return r.packed(t, id, plan.Docket{Runbook: string(text)}, brief)
}

// packed completes a docket with the signatures of its runbook and of those inside of it, and with alice's start.
func (r *rig) packed(t *testing.T, id string, docket plan.Docket, brief plan.Brief) string {
	t.Helper()
	briefText, err := json.Marshal(brief)
	if err != nil {
		t.Fatal(err)
	}
	owned := func(text string) (sigs []string) {
		for _, who := range []string{"alice", "bob"} {
			sig, err := r.person(t, who).Sign(signature.Runbook, []byte(text))
			if err != nil {
				t.Fatal(err)
			}
			sigs = append(sigs, string(sig))
		}
		return sigs
	}
	docket.Signatures = owned(docket.Runbook)
	for i := range docket.Nested {
		docket.Nested[i].Signatures = owned(docket.Nested[i].Text)
	}
	docket.Brief, docket.Start = string(briefText), r.signed(t, id, "alice", plan.CommandStart, "", runbooks.Digest(briefText))
	packed, err := roster.PackDocket(docket)
	if err != nil {
		t.Fatal(err)
	}
	return packed
}

func (r *rig) person(t *testing.T, who string) *signature.Signer {
	t.Helper()
	signer, err := signature.OpenKey(r.stack.PersonKey(who), signature.Terminal{})
	if err != nil {
		t.Fatal(err)
	}
	return signer
}

func (r *rig) signed(t *testing.T, id, who string, kind plan.CommandKind, step, digest string) plan.SignedCommand {
	t.Helper()
	now := time.Now().UTC().Truncate(time.Second)
	s, err := roster.SignCommand(plan.Command{
		Format: 1, Kind: kind, ID: roster.NewCommandID(), Execution: id, Step: step, Digest: digest, Person: who, Reason: "rehearsal",
		Issued: now, Expires: now.Add(time.Hour),
	}, r.person(t, who))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// tell gives somebody's command to an execution and returns what they hear.
func (r *rig) tell(t *testing.T, id, who string, kind plan.CommandKind, step, digest string) workflows.CommandOutcome {
	t.Helper()
	outcome, err := r.update(t, id, r.signed(t, id, who, kind, step, digest))
	if err != nil {
		t.Fatal(err)
	}
	return outcome
}

// update gives a command to an execution and returns the answer.
func (r *rig) update(t *testing.T, id string, signed plan.SignedCommand) (outcome workflows.CommandOutcome, err error) {
	t.Helper()
	handle, err := r.client.UpdateWorkflow(t.Context(), client.UpdateWorkflowOptions{
		WorkflowID: id, UpdateName: workflows.CommandUpdate, Args: []any{signed}, WaitForStage: client.WorkflowUpdateStageCompleted,
	})
	if err != nil {
		return outcome, err
	}
	err = handle.Get(t.Context(), &outcome)
	return outcome, err
}

// awaitGate waits until an execution waits for people at a step.
func (r *rig) awaitGate(t *testing.T, id, step string) workflows.ViewGate {
	t.Helper()
	return *r.awaitStep(t, id, step, plan.StepAwaitingApproval).Gate
}

// awaitStep waits until a step of an execution is in a state.
func (r *rig) awaitStep(t *testing.T, id, step string, state plan.StepState) workflows.ViewStep {
	t.Helper()
	deadline := time.Now().Add(patience)
	for time.Now().Before(deadline) {
		var v workflows.View
		value, err := r.client.QueryWorkflow(t.Context(), id, "", workflows.ViewQuery)
		if err == nil && value.Get(&v) == nil {
			if v.State.Ended() || v.State == plan.ExecutionPausedByFailedStep {
				t.Fatalf("%s is %s: %+v", id, v.State, v.Steps)
			}
			for _, s := range v.Steps {
				if s.ID == step && s.State == state {
					return s
				}
			}
		}
		time.Sleep(200 * time.Millisecond)
	}
	t.Fatalf("%s: step %s does not become %s", id, step, state)
	return workflows.ViewStep{}
}
