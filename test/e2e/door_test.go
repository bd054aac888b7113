package e2e

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"go.temporal.io/sdk/client"

	"github.com/lifeboat-dr/lifeboat/internal/devstack/medlink"
	"github.com/lifeboat-dr/lifeboat/internal/neon"
	"github.com/lifeboat-dr/lifeboat/internal/plan"
	"github.com/lifeboat-dr/lifeboat/internal/traffic"
	"github.com/lifeboat-dr/lifeboat/runbooks"
	"github.com/lifeboat-dr/lifeboat/workflows"
)

const moveRunbook = `apiVersion: lifeboat/v1
name: move
title: Move the application to a branch
scenario: maintenance
description: For tests.
target: database
inputs:
  branch: {type: string, title: branch, required: true}
roles:
  incident-commander: {title: Incident commander}
limits: {duration: 2h}
steps:
  - id: hold
    type: hold-door
    title: Hold
    with: {door: us-east-1}
    undo: {type: open-door, with: {door: us-east-1}}
  - {id: gate, type: approval, title: Gate, with: {requires: 1, roles: [incident-commander], message: The branch is there}}
  - id: move
    type: move-door
    title: Move
    with: {door: us-east-1, to: {branch: {site: us-east-1, name: "${inputs.branch}", database: medlink}}}
    undo: {type: move-door, with: {door: us-east-1, to: {component: database}}}
  - {id: last, type: approval, title: Last gate, with: {requires: 1, roles: [incident-commander], message: No way back}}
  - {id: open, type: open-door, title: Open, with: {door: us-east-1}}
`

const moveBranch = "lifeboat/move-test/copy"

// TestARunbookMovesTheApplication runs a drill, a live execution that is taken back, and one that goes
// through, with people and workers that are killed on the way. The application writes all the time, sees no
// error and loses nothing.
func TestARunbookMovesTheApplication(t *testing.T) {
	r := newRig(t, 1<<20, nil)
	door, err := r.stack.Sites[0].Door(r.stack, "medlink")
	if err != nil {
		t.Fatal(err)
	}
	look := func(want traffic.State) traffic.Report {
		t.Helper()
		report, err := door.State(t.Context())
		if err != nil || report.State != want || !report.Settled() {
			t.Fatalf("production's door: %+v, %v; want %s", report, err, want)
		}
		return report
	}
	led := look(traffic.Open)

	// A drill works the drill door, and the application does not notice.
	drill := r.startMove(t, plan.ModeDrill, 0)
	gate := r.awaitGate(t, drill.id, "gate")
	if now := look(traffic.Open); now.By != led.By {
		t.Errorf("a drill changed production's door: %+v", now)
	}
	r.makeBranch(t)
	r.approve(t, drill.id, "gate", gate.Digest)
	r.approve(t, drill.id, "last", r.awaitGate(t, drill.id, "last").Digest)
	r.completes(t, drill)
	if now := look(traffic.Open); now.By != led.By || !now.To.Same(*led.To) {
		t.Errorf("a drill changed production's door: %+v", now)
	}

	// Taken back before the point of no return, with a worker that dies on the way.
	back := r.startMove(t, plan.ModeLive, 1)
	r.approve(t, back.id, "gate", r.awaitGate(t, back.id, "gate").Digest)
	r.worker.Kill()
	r.startWorker()
	r.awaitGate(t, back.id, "last")
	look(traffic.Held)
	if got := r.tell(t, back.id, "alice", plan.CommandCancel, "", back.brief); !got.Accepted {
		t.Fatalf("alice cancels: %+v", got)
	}
	if err := r.end(back.run, nil); err == nil || !strings.Contains(err.Error(), "canceled") {
		t.Errorf("the canceled execution ended with %v", err)
	}
	if now := look(traffic.Open); !now.To.Same(*led.To) || !strings.HasSuffix(now.By, "/hold/undo") {
		t.Errorf("taken back, the door leads to another place: %+v", now)
	}

	// And now for real: the branch is made anew while the application waits.
	forth := r.startMove(t, plan.ModeLive, 2)
	gate = r.awaitGate(t, forth.id, "gate")
	before := r.acknowledged(t, 1)
	r.makeBranch(t)
	r.approve(t, forth.id, "gate", gate.Digest)
	r.approve(t, forth.id, "last", r.awaitGate(t, forth.id, "last").Digest)
	r.completes(t, forth)
	if now := look(traffic.Open); now.To.Same(*led.To) || now.By != forth.id+"/open" {
		t.Errorf("the door: %+v", now)
	}
	all := r.acknowledged(t, len(before)+20)
	address, err := r.branchAddress(t)
	if err != nil {
		t.Fatal(err)
	}
	conn, err := pgx.Connect(t.Context(), address)
	if err != nil {
		t.Fatal("the branch does not answer")
	}
	defer conn.Close(context.Background())
	if lost, err := medlink.Missing(t.Context(), conn, all); err != nil || len(lost) > 0 {
		t.Errorf("%d of %d acknowledged claims are lost: %v", len(lost), len(all), err)
	}
	if said, err := os.ReadFile(filepath.Join(r.stack.Dir, "application.log")); err != nil || len(said) > 0 {
		t.Errorf("the application saw errors: %s %v", said, err)
	}
}

// moving is an execution of the runbook.
type moving struct {
	id, brief string
	run       client.WorkflowRun
}

func (r *rig) startMove(t *testing.T, mode plan.Mode, n int) moving {
	t.Helper()
	text := []byte(moveRunbook)
	started := time.Now().UTC().Truncate(time.Second).Add(time.Duration(n) * time.Second)
	id := workflows.ExecutionID("move", "database", started)
	brief := plan.Brief{
		Format: 1, Runbook: "move", RunbookDigest: runbooks.Digest(text), Application: "medlink", Mode: mode, Target: "database",
		Approach: plan.Graceful, Inputs: map[string]any{"branch": moveBranch}, Until: time.Now().UTC().Truncate(time.Second).Add(time.Hour),
	}
	run, err := r.client.ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{ID: id, TaskQueue: workflows.Queue}, workflows.RunbookName,
		workflows.RunbookInput{Docket: r.docket(t, id, text, brief)})
	if err != nil {
		t.Fatal(err)
	}
	return moving{id: id, brief: briefDigest(t, brief), run: run}
}

func (r *rig) approve(t *testing.T, id, step, digest string) {
	t.Helper()
	if got := r.tell(t, id, "bob", plan.CommandApprove, step, digest); !got.Accepted {
		t.Fatalf("bob approves %s: %+v", step, got)
	}
}

func (r *rig) completes(t *testing.T, m moving) {
	t.Helper()
	var result workflows.RunbookResult
	if err := r.end(m.run, &result); err != nil || result.State != plan.ExecutionCompleted {
		t.Fatalf("%s ended as %+v, %v", m.id, result, err)
	}
}

// makeBranch makes the branch anew, of production as it is.
func (r *rig) makeBranch(t *testing.T) {
	t.Helper()
	site := r.stack.Sites[0]
	neonClient, err := site.Neon()
	if err != nil {
		t.Fatal(err)
	}
	if err := neonClient.DeleteBranchByName(t.Context(), site.Project, moveBranch); err != nil && !neon.IsNotFound(err) {
		t.Fatal(err)
	}
	if _, err := neonClient.EnsureBranch(t.Context(), neon.BranchSpec{Project: site.Project, Name: moveBranch, Endpoint: neon.ReadWrite}); err != nil {
		t.Fatal(err)
	}
}

func (r *rig) branchAddress(t *testing.T) (string, error) {
	t.Helper()
	site := r.stack.Sites[0]
	neonClient, err := site.Neon()
	if err != nil {
		return "", err
	}
	b, err := neonClient.BranchByName(t.Context(), site.Project, moveBranch)
	if err != nil {
		return "", err
	}
	address, err := neonClient.ConnectionURI(t.Context(), neon.ConnectionSpec{Project: site.Project, Branch: b.ID, Database: "medlink", Role: "medlink_owner"})
	return address.Reveal(), err
}

// acknowledged waits until the application was told of so many claims that they are safe.
func (r *rig) acknowledged(t *testing.T, least int) []medlink.Entry {
	t.Helper()
	deadline := time.Now().Add(time.Minute)
	for {
		entries, err := medlink.Acknowledged(r.stack.Ledger)
		if err == nil && len(entries) >= least {
			return entries
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d claims were acknowledged, want %d: %v", len(entries), least, err)
		}
		time.Sleep(100 * time.Millisecond)
	}
}

func briefDigest(t *testing.T, b plan.Brief) string {
	t.Helper()
	text, err := json.Marshal(b)
	if err != nil {
		t.Fatal(err)
	}
	return runbooks.Digest(text)
}
