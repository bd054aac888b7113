package activities_test

import (
	"encoding/json"
	"errors"
	"testing"
	"time"

	"go.temporal.io/sdk/temporal"

	"github.com/lifeboat-dr/lifeboat/activities"
	"github.com/lifeboat-dr/lifeboat/internal/database"
	"github.com/lifeboat-dr/lifeboat/internal/plan"
	"github.com/lifeboat-dr/lifeboat/internal/secret"
	"github.com/lifeboat-dr/lifeboat/internal/store/storetest"
	"github.com/lifeboat-dr/lifeboat/runbooks"
	"github.com/lifeboat-dr/lifeboat/test/lab"
)

const broughtRunbook = `apiVersion: lifeboat/v1
name: scale
title: Bring
scenario: maintenance
description: For tests.
target: database
inputs:
  size: {type: integer, title: size, required: true}
roles:
  approver: {title: Approver}
limits: {duration: 8h}
steps:
  - {id: save, type: backup, title: Save, with: {component: database}}
  - {id: prove, type: verify, title: Prove, with: {component: database, backup: "${steps.save.backup}"}}
  - {id: bring, type: restore, title: Bring, with: {component: database, backup: "${steps.save.backup}", to: {site: west}}, undo: {type: manual, with: {roles: [approver], instructions: remove it}}}
`

// brought is an execution whose backup, verification and restore were really done, each by a workflow of its own.
type brought struct {
	*court
	w      *lab.Worker
	a      activities.Admitted
	docket string
	backup string
	// saved is the receipt of the first step.
	saved    plan.Receipt
	compared activities.Receipt
}

func newBrought(t *testing.T) *brought {
	t.Helper()
	l := lab.New(t, storetest.Dir(t))
	l.Fill(t, "CREATE TABLE claims AS SELECT g AS id FROM generate_series(1, 100) g")
	b := &brought{court: newCourt(t), backup: "20261123T020000Z-k3v7qa"}
	b.runbook, b.fleet, b.steps.Keys, b.x.Keys = broughtRunbook, l.Keys, l.Keys, l.Keys
	b.signRunbook(t)
	b.docket, _ = b.court.docket(t, "alice", plan.ModeLive)
	b.a = call[activities.Admitted](t, b.court, "AdmitExecution", activities.AdmitInput{Execution: scaleExecution, Docket: b.docket})

	b.w = l.Worker(t)
	b.w.Crew.Branches = map[string]activities.Place{"west": &database.ServerScratch{URL: secret.Ref{File: l.File("source.url")}}}
	b.steps.Crew, b.steps.Finder = b.w.Crew, b.w.All.Records.Finder
	b.w.Backup(t, b.backup)
	in := l.Scratch(b.backup, "brought")
	in.Execution = scaleExecution + "/bring/1"
	in.Target = activities.Target{Kind: activities.BranchTarget, Site: "west", Branch: "lifeboat/b/x", Database: "lifeboat_scratch_brought"}
	b.w.Restore(t, in)
	compared, err := b.w.Compare(in)
	must(t, err)
	b.compared = compared.Receipt
	if _, err := lab.Do[string](b.w, b.w.All.Records.RecordVerified, b.w.Verified(t, l.Scratch(b.backup, "proven"))); err != nil {
		t.Fatal(err)
	}
	return b
}

// in is what somebody is asked to vouch for when everything is in order.
func (b *brought) in(step string) activities.VouchInput {
	with, err := runbooks.Resolve(b.a.Runbook.Step(step).With, runbooks.Scope{Inputs: map[string]any{"size": 3.0}, Outputs: map[string]map[string]any{"save": {"backup": b.backup}}})
	if err != nil {
		panic(err)
	}
	in := activities.VouchInput{With: with, Workflow: scaleExecution + "/" + step + "/1", Backup: b.backup, Took: time.Minute, Guard: plan.Guard{
		Execution: scaleExecution, Step: step, Target: "database", Mode: plan.ModeLive, Order: b.a.BriefDigest,
		Work: &plan.WorkOrder{Docket: b.docket, Receipts: []plan.Receipt{b.a.Accepted}},
	}}
	if step != "save" {
		in.Guard.Work.Receipts = append(in.Guard.Work.Receipts, b.saved)
	}
	if step == "bring" {
		in.Compared = b.compared
	}
	return in
}

// TestWorkflowsOfStepsAreVouchedFor: the receipts say what the vault and the workers say, and nothing that somebody
// made up who owns the Temporal namespace.
func TestWorkflowsOfStepsAreVouchedFor(t *testing.T) {
	b := newBrought(t)
	vouch := func(step string) map[string]any {
		done := call[activities.StepDone](t, b.court, "VouchWorkflow", b.in(step))
		if done.Receipt == nil || !activities.GenuineReceipt(b.fleet, *done.Receipt) {
			t.Fatalf("step %s has the receipt %+v", step, done.Receipt)
		}
		if step == "save" {
			b.saved = *done.Receipt
		}
		var outputs map[string]any
		must(t, json.Unmarshal(done.Receipt.Outputs, &outputs))
		for _, o := range runbooks.TypeNamed(b.a.Runbook.Step(step).Type).Outputs {
			if outputs[o.Name] == nil {
				t.Errorf("step %s says nothing of %s", step, o.Name)
			}
		}
		return outputs
	}
	if saved := vouch("save"); saved["backup"] != b.backup || saved["rows"] != 100.0 || saved["took"] != "1m0s" {
		t.Errorf("the backup's receipt says %v", saved)
	}
	if proven := vouch("prove"); proven["checks"].(float64) < 3 || proven["record"] == "" {
		t.Errorf("the verification's receipt says %v", proven)
	}
	if brought := vouch("bring"); brought["site"] != "west" || brought["branch"] != "lifeboat/b/x" || brought["database"] != "lifeboat_scratch_brought" || brought["rows"] != 100.0 {
		t.Errorf("the restore's receipt says %v", brought)
	}

	const old, later = "20261122T020000Z-k3v7qa", "20261123T030000Z-k3v7qa"
	b.w.Backup(t, later)
	for name, lie := range map[string]struct {
		step string
		tell func(in *activities.VouchInput)
	}{
		"a backup that is not there":          {"save", func(in *activities.VouchInput) { in.Backup = old }},
		"the verification of another":         {"prove", func(in *activities.VouchInput) { in.Backup = later }},
		"a restore of another":                {"bring", func(in *activities.VouchInput) { in.Backup = later }},
		"a branch that was made up":           {"bring", func(in *activities.VouchInput) { in.Compared.Target.Branch = "lifeboat/b/production" }},
		"a site that was made up":             {"bring", func(in *activities.VouchInput) { in.Compared.Target.Site = "east" }},
		"rows that were made up":              {"bring", func(in *activities.VouchInput) { in.Compared.Rows = 1 }},
		"no comparison":                       {"bring", func(in *activities.VouchInput) { in.Compared = activities.Receipt{} }},
		"a restore of somebody else":          {"bring", func(in *activities.VouchInput) { in.Workflow = "restore/database/20261125T020000Z" }},
		"a restore of another try":            {"bring", func(in *activities.VouchInput) { in.Workflow = scaleExecution + "/bring/2" }},
		"a restore of a try that is no one":   {"bring", func(in *activities.VouchInput) { in.Workflow = scaleExecution + "/bring/01" }},
		"a restore whose id leads out of it":  {"bring", func(in *activities.VouchInput) { in.Workflow = scaleExecution + "/bring/1/open" }},
		"a backup that the step does not say": {"bring", func(in *activities.VouchInput) { in.With["backup"] = later; in.Backup = later }},
		"a step without a receipt of before":  {"bring", func(in *activities.VouchInput) { in.Guard.Work.Receipts = in.Guard.Work.Receipts[:1] }},
		"a restore as a backup":               {"save", func(in *activities.VouchInput) { in.Guard.Step = "bring" }},
	} {
		in := b.in(lie.step)
		lie.tell(&in)
		_, err := b.env.ExecuteActivity("VouchWorkflow", in)
		var refused *temporal.ApplicationError
		if !errors.As(err, &refused) || !refused.NonRetryable() {
			t.Errorf("%s: %v", name, err)
		}
	}

	b.clock = b.clock.Add(time.Hour) // an execution that is started now has made none of this
	b.docket, _ = b.court.docket(t, "alice", plan.ModeLive)
	b.a = call[activities.Admitted](t, b.court, "AdmitExecution", activities.AdmitInput{Execution: scaleExecution, Docket: b.docket})
	for _, step := range []string{"save", "prove"} {
		if _, err := b.env.ExecuteActivity("VouchWorkflow", b.in(step)); err == nil {
			t.Errorf("step %s: somebody vouched for what was there before the execution began", step)
		}
	}
}
