package e2e

import (
	"context"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"go.temporal.io/sdk/client"

	"github.com/lifeboat-dr/lifeboat/activities"
	"github.com/lifeboat-dr/lifeboat/internal/devstack/medlink"
	"github.com/lifeboat-dr/lifeboat/internal/manifest"
	"github.com/lifeboat-dr/lifeboat/internal/neon"
	"github.com/lifeboat-dr/lifeboat/internal/plan"
	"github.com/lifeboat-dr/lifeboat/internal/traffic"
	"github.com/lifeboat-dr/lifeboat/runbooks"
	"github.com/lifeboat-dr/lifeboat/workflows"
)

// badDelete is what the operator ran without thinking; a drill runs the stack's own.
const badDelete = "DELETE FROM public.claim_lines WHERE claim_id % 10 = 3 AND claim_id <= $1"

// TestABadDeleteIsUndone runs the runbook data-deletion as a drill and live, while the application writes and workers
// die on the way: in the middle of the fault, of the switch and of what is cleaned up. Whatever the application was told
// is safe is there afterwards, or in the branch that keeps what was given up.
func TestABadDeleteIsUndone(t *testing.T) {
	r := newRig(t, 1<<20, nil)
	r.acknowledged(t, 20)
	t.Run("planned", func(t *testing.T) { r.planDelete(t) })
	t.Run("rehearsed", func(t *testing.T) { r.rehearseDelete(t) })
	t.Run("undone", func(t *testing.T) { r.undoDelete(t) })
}

// planDelete plans it twice: to a minute that Neon still has, and to one that it has not.
func (r *rig) planDelete(t *testing.T) {
	good := r.startDeletion(t, plan.ModePlan, map[string]any{"at": time.Now().Add(-time.Second).UTC().Truncate(time.Millisecond).Format(time.RFC3339Nano)})
	var result workflows.RunbookResult
	if err := r.end(good.run, &result); err != nil || result.State != plan.ExecutionCompleted || result.Plan == "" {
		t.Errorf("planned: %+v, %v", result, err)
	}
	if left := r.leftovers(); len(left) > 0 {
		t.Errorf("a plan made %v", left)
	}
	late := r.startDeletion(t, plan.ModePlan, nil)
	if failure := r.awaitPause(t, late.id, "at-time"); !strings.Contains(failure, activities.TypeOutOfHistory) {
		t.Errorf("planned to a minute that nobody has: %s", failure)
	}
	if got := r.tell(t, late.id, "alice", plan.CommandCancel, "", late.brief); !got.Accepted {
		t.Errorf("alice cancels: %+v", got)
	}
	_ = r.end(late.run, nil)
}

// rehearseDelete is the drill: it makes its own damage, and production is as it was.
func (r *rig) rehearseDelete(t *testing.T) {
	door, err := r.stack.Sites[0].Door(r.stack, "medlink")
	if err != nil {
		t.Fatal(err)
	}
	before, err := door.State(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	r.worker.Kill()
	r.startMortal("after activity ^CauseFault$")
	drill := r.startDeletion(t, plan.ModeDrill, nil)
	r.dies(t, "")
	gate := r.awaitGate(t, drill.id, "allow")
	r.worker.Kill()
	r.startMortal("after activity ^SwitchBranch$")
	r.allow(t, drill.id, gate.Digest)
	r.dies(t, "before activity ^DropDrillCopy$")
	r.dies(t, "")
	r.completes(t, drill)
	if left := r.leftovers(); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	now, err := door.State(t.Context())
	if err != nil || now.By != before.By || now.State != traffic.Open {
		t.Errorf("the drill worked production's door: %+v, %v", now, err)
	}
	conn := r.production(t)
	if lost, err := medlink.Missing(t.Context(), conn, r.acknowledged(t, 1)); err != nil || len(lost) > 0 {
		t.Errorf("the drill cost production %d claims: %v", len(lost), err)
	}
}

// undoDelete is the real thing.
func (r *rig) undoDelete(t *testing.T) {
	site := r.stack.Sites[0]
	neonClient, err := site.Neon()
	if err != nil {
		t.Fatal(err)
	}
	main, err := neonClient.DefaultBranch(t.Context(), site.Project)
	if err != nil {
		t.Fatal(err)
	}
	conn := r.production(t)
	var newest int64 // what is written after the point is left alone: the kept branch is to have it whole
	if err := conn.QueryRow(t.Context(), "SELECT max(id) FROM public.claims").Scan(&newest); err != nil {
		t.Fatal(err)
	}
	var at, now time.Time
	for at.IsZero() || !now.After(at.Add(time.Millisecond)) {
		if err := conn.QueryRow(t.Context(), "SELECT clock_timestamp()").Scan(&now); err != nil {
			t.Fatal(err)
		}
		if at.IsZero() {
			at = now.Truncate(time.Millisecond).Add(time.Millisecond)
		}
	}
	tag, err := conn.Exec(t.Context(), badDelete, newest)
	if err != nil || tag.RowsAffected() == 0 {
		t.Fatalf("the DELETE deleted %d rows: %v", tag.RowsAffected(), err)
	}
	if broken, err := medlink.Check(t.Context(), conn); err != nil || allHold(broken) {
		t.Fatalf("the DELETE did no damage: %v", err)
	}
	_ = conn.Close(t.Context())
	told := r.acknowledged(t, len(r.acknowledged(t, 1))+20) // work goes on after it

	r.worker.Kill()
	r.startMortal("after activity ^MakeBranch$ 2")
	live := r.startDeletion(t, plan.ModeLive, map[string]any{"at": at.UTC().Format(time.RFC3339Nano)})
	r.dies(t, "")
	gate := r.awaitGate(t, live.id, "allow")
	r.worker.Kill()
	r.startMortal("after activity ^SwitchBranch$")
	r.allow(t, live.id, gate.Digest)
	r.dies(t, "before activity ^OpenDoor$")
	r.dies(t, "")
	r.completes(t, live)
	told = r.acknowledged(t, len(told)+20) // the application goes on by itself

	if same, err := neonClient.DefaultBranch(t.Context(), site.Project); err != nil || same.ID != main.ID {
		t.Errorf("production is another branch: %+v, %v", same, err)
	}
	conn = r.production(t)
	if checks, err := medlink.Check(t.Context(), conn); err != nil || !allHold(checks) {
		t.Errorf("the application cannot work with it: %+v, %v", checks, err)
	}
	lost, err := medlink.Missing(t.Context(), conn, told)
	if err != nil || len(lost) == 0 {
		t.Fatalf("%d claims are lost, although some were written after the point: %v", len(lost), err)
	}
	for _, e := range lost {
		if e.AcknowledgedAt.Before(at) {
			t.Errorf("a claim that was safe before the point is gone: %+v", e)
		}
	}
	kept, err := neonClient.EnsureBranch(t.Context(), neon.BranchSpec{Project: site.Project, Name: "lifeboat/test/kept", Parent: r.keptBranch(t, live.id).ID, Endpoint: neon.ReadOnly})
	if err != nil {
		t.Fatal(err)
	}
	address, err := neonClient.ConnectionURI(t.Context(), neon.ConnectionSpec{Project: site.Project, Branch: kept.Branch.ID, Database: "medlink", Role: "medlink_owner"})
	if err != nil {
		t.Fatal(err)
	}
	there, err := pgx.Connect(t.Context(), address.Reveal())
	if err != nil {
		t.Fatal("what was kept does not answer")
	}
	defer there.Close(context.Background())
	if nowhere, err := medlink.Missing(t.Context(), there, lost); err != nil || len(nowhere) > 0 {
		t.Errorf("%d of %d claims that were given up are nowhere: %v", len(nowhere), len(lost), err)
	}
	t.Logf("%d claims acknowledged, %d of them given up and kept", len(told), len(lost))
}

// keptBranch is the branch that keeps what a switch gave up.
func (r *rig) keptBranch(t *testing.T, id string) neon.Branch {
	t.Helper()
	site := r.stack.Sites[0]
	neonClient, err := site.Neon()
	if err != nil {
		t.Fatal(err)
	}
	b, err := neonClient.BranchByName(t.Context(), site.Project, "lifeboat/"+id+"/point.before")
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func allHold(checks []manifest.Check) bool {
	return !slices.ContainsFunc(checks, func(c manifest.Check) bool { return !c.OK })
}

func (r *rig) production(t *testing.T) *pgx.Conn {
	t.Helper()
	conn, err := r.stack.Sites[0].Connect(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close(context.Background()) })
	return conn
}

// dies waits until the worker has died as it was told to, and starts the next one.
func (r *rig) dies(t *testing.T, next string) {
	t.Helper()
	select {
	case <-r.worker.Done():
	case <-time.After(3 * time.Minute):
		t.Fatal("the worker did not die")
	}
	r.startMortal(next)
}

// allow lets two people approve.
func (r *rig) allow(t *testing.T, id, digest string) {
	t.Helper()
	for _, who := range []string{"bob", "carol"} {
		if got := r.tell(t, id, who, plan.CommandApprove, "allow", digest); !got.Accepted {
			t.Fatalf("%s approves: %+v", who, got)
		}
	}
}

func (r *rig) startDeletion(t *testing.T, mode plan.Mode, inputs map[string]any) moving {
	t.Helper()
	text, _ := runbooks.BuiltinNamed("data-deletion")
	parsed, err := runbooks.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	given := map[string]any{"component": "database", "door": "us-east-1"}
	maps.Copy(given, inputs)
	bound, err := parsed.Bind(given)
	if err != nil {
		t.Fatal(err)
	}
	// No two of them have an id in common, however quickly they follow each other.
	started := time.Now().UTC().Truncate(time.Second)
	if !started.After(r.deletion) {
		started = r.deletion.Add(time.Second)
	}
	r.deletion = started
	id := workflows.ExecutionID("data-deletion", "database", started)
	brief := plan.Brief{
		Format: 1, Runbook: "data-deletion", RunbookDigest: runbooks.Digest(text), Application: "medlink", Mode: mode, Target: "database",
		Approach: plan.Graceful, Inputs: bound, Until: started.Add(time.Hour),
	}
	run, err := r.client.ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{ID: id, TaskQueue: workflows.Queue}, workflows.RunbookName,
		workflows.RunbookInput{Docket: r.docket(t, id, text, brief)})
	if err != nil {
		t.Fatal(err)
	}
	return moving{id: id, brief: briefDigest(t, brief), run: run}
}
