package e2e

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"go.temporal.io/sdk/client"

	"github.com/lifeboat-dr/lifeboat/activities"
	"github.com/lifeboat-dr/lifeboat/internal/devstack/medlink"
	"github.com/lifeboat-dr/lifeboat/internal/plan"
	"github.com/lifeboat-dr/lifeboat/internal/secret"
	"github.com/lifeboat-dr/lifeboat/runbooks"
	"github.com/lifeboat-dr/lifeboat/workflows"
)

// thirdVault is one that stands at neither site: two of three can take an epoch when a region is gone.
func thirdVault(text string) string {
	return section(text, "vaults", "  third: {dir: {path: third}}\n")
}

// builtin starts a runbook that Lifeboat brings, live, in the name of alice, in the epoch that the vaults show.
func (r *rig) builtin(t *testing.T, name string, n int, inputs map[string]any) moving {
	t.Helper()
	text, ok := runbooks.BuiltinNamed(name)
	if !ok {
		t.Fatalf("there is no runbook %s", name)
	}
	parsed, err := runbooks.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	if inputs, err = parsed.Bind(inputs); err != nil {
		t.Fatal(err)
	}
	seen, err := r.engine.Epochs().LookNow(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	started := time.Now().UTC().Truncate(time.Second).Add(time.Duration(n) * time.Second)
	id := workflows.ExecutionID(name, "database", started)
	brief := plan.Brief{
		Format: 1, Runbook: name, RunbookDigest: runbooks.Digest(text), Application: "medlink", Mode: plan.ModeLive, Target: "database",
		Approach: plan.Graceful, Inputs: inputs, Until: time.Now().UTC().Truncate(time.Second).Add(4 * time.Hour), Epoch: seen.Highest,
	}
	docket := plan.Docket{Runbook: string(text)}
	for _, step := range parsed.Steps {
		if inner, ok := step.With["name"].(string); ok && step.Type == "runbook" {
			nested, _ := runbooks.BuiltinNamed(inner)
			docket.Nested = append(docket.Nested, plan.NestedText{Text: string(nested)})
			brief.Nested = map[string]string{inner: runbooks.Digest(nested)}
		}
	}
	run, err := r.client.ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{
		ID: id, TaskQueue: workflows.Queue, TypedSearchAttributes: workflows.Attributes(workflows.KindRunbook, "database"),
	}, workflows.RunbookName, workflows.RunbookInput{Docket: r.packed(t, id, docket, brief)})
	if err != nil {
		t.Fatal(err)
	}
	return moving{id: id, brief: briefDigest(t, brief), run: run}
}

func failoverInputs(road string) map[string]any {
	return map[string]any{
		"component": "database", "from": "us-east-1", "to": "us-west-2", "door": "us-west-2", "old-door": "us-east-1", "road": road, "vault": "us-west-2", "watch": "30m",
	}
}

// passes lets bob approve a gate when it opens.
func (r *rig) passes(t *testing.T, m moving, gate string) {
	t.Helper()
	r.approve(t, m.id, gate, r.awaitGate(t, m.id, gate).Digest)
}

// letsIn says whether somebody gets through a door to a database that answers.
func letsIn(t *testing.T, address secret.String) bool {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	cfg, err := pgx.ParseConfig(address.Reveal())
	if err != nil {
		t.Fatal("the door's address cannot be parsed")
	}
	cfg.DefaultQueryExecMode = pgx.QueryExecModeExec
	conn, err := pgx.ConnectConfig(ctx, cfg)
	if err != nil {
		return false
	}
	defer conn.Close(context.Background())
	_, err = conn.Exec(ctx, "SELECT 1")
	return err == nil
}

// missing are the acknowledged claims that a site's door does not lead to.
func (r *rig) missing(t *testing.T, address secret.String) (lost, all []medlink.Entry) {
	t.Helper()
	all, err := medlink.Acknowledged(r.stack.Ledger)
	if err != nil {
		t.Fatal(err)
	}
	cfg, err := pgx.ParseConfig(address.Reveal())
	if err != nil {
		t.Fatal("the door's address cannot be parsed")
	}
	cfg.DefaultQueryExecMode = pgx.QueryExecModeExec
	conn, err := pgx.ConnectConfig(t.Context(), cfg)
	if err != nil {
		t.Fatal("the door lets nobody in")
	}
	defer conn.Close(context.Background())
	if lost, err = medlink.Missing(t.Context(), conn, all); err != nil {
		t.Fatal(err)
	}
	return lost, all
}

// TestARegionIsLostAndABackupTakesItsPlace loses the primary's region with everything in it, also its workers and one of
// three vaults. The newest verified backup is restored at the other site, and the application goes on through that
// site's door; what it lacks is what was written after the backup's point. The old primary comes back and is shut.
func TestARegionIsLostAndABackupTakesItsPlace(t *testing.T) {
	r := newReplicatedRig(t, 1<<20, thirdVault)
	id := r.backup().Backup
	if _, err := r.verify(id); err != nil {
		t.Fatal(err)
	}
	var copied workflows.ReplicateResult
	if err := r.end(r.begin(workflows.ScheduledID(workflows.KindReplicate, "database", "copies"), workflows.ReplicateName, workflows.KindReplicate,
		workflows.ReplicateInput{Component: "database"}), &copied); err != nil {
		t.Fatal(err)
	}
	held, _ := medlink.Acknowledged(r.stack.Ledger)
	r.acknowledged(t, len(held)+20) // the lost window
	r.endRegion(t)

	first := r.builtin(t, "region-failover", 0, failoverInputs("cold"))
	r.awaitGate(t, first.id, "allow")
	second := r.builtin(t, "region-failover", 1, failoverInputs("cold"))
	if err := r.end(second.run, nil); err == nil || !strings.Contains(err.Error(), activities.TypeBusy) {
		t.Errorf("a second failover at the same time: %v", err)
	}
	r.passes(t, first, "allow")
	r.passes(t, first, "unfenced") // nothing answers, and nobody claims that it is shut
	r.passes(t, first, "commit-cold")
	r.awaitStep(t, first.id, "open", plan.StepCompleted)

	before, _ := medlink.Acknowledged(r.stack.Ledger)
	if err := r.stack.MoveApp(r.stack.Sites[1]); err != nil {
		t.Fatal(err)
	}
	r.acknowledged(t, len(before)+20)
	lost, all := r.missing(t, r.stack.Sites[1].AppURL())
	found, err := r.engine.FindIn(t.Context(), "database", "us-west-2", id)
	if err != nil {
		t.Fatal(err)
	}
	point := found.Envelope.Point.Time
	for _, claim := range lost {
		if !claim.AcknowledgedAt.After(point) {
			t.Errorf("claim %s was acknowledged at %s, before the point %s, and is not there", claim.Control, claim.AcknowledgedAt, point)
		}
	}
	if len(lost) < 20 || len(lost) > len(before) {
		t.Errorf("%d of %d claims are lost, which is no window", len(lost), len(all))
	}

	r.returns(t, first)
}

// returns brings the old primary back after a failover: it is shut, its door closed, and nobody backs it up.
func (r *rig) returns(t *testing.T, failover moving) {
	t.Helper()
	if err := r.stack.RestartSite(t.Context(), "us-east-1"); err != nil {
		t.Fatal(err)
	}
	r.worker.Kill()
	r.rewrite(t, func(config string) string { return strings.Replace(config, "  sites: [us-west-2]\n", "", 1) })
	r.startWorker()
	var result workflows.RunbookResult
	if err := r.end(failover.run, &result); err != nil || result.State != plan.ExecutionCompleted {
		t.Fatalf("the failover ended as %+v, %v", result, err)
	}
	if letsIn(t, r.stack.Sites[0].AppURL()) {
		t.Error("the door of the old primary lets somebody in")
	}
	old := r.begin(workflows.BackupID("database", time.Now()), workflows.BackupName, workflows.KindBackup, workflows.BackupInput{Component: "database", SkipVerify: true})
	if err := r.end(old, nil); err == nil || !strings.Contains(err.Error(), activities.TypeOvertaken) {
		t.Errorf("the old primary is backed up: %v", err)
	}
}
