package activities_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/lifeboat-dr/lifeboat/activities"
	"github.com/lifeboat-dr/lifeboat/internal/neon"
	"github.com/lifeboat-dr/lifeboat/internal/plan"
	"github.com/lifeboat-dr/lifeboat/runbooks"
)

const fenceRunbook = `apiVersion: lifeboat/v1
name: scale
title: Scale
scenario: maintenance
description: For tests.
target: database
inputs:
  size: {type: integer, title: size, required: true}
limits: {duration: 8h}
steps:
  - {id: probe, type: probe, title: T, with: {component: database, at: east, door: claims}}
  - {id: down, type: probe, title: T, with: {component: database, at: east, expect: down}}
  - {id: despite, type: probe, title: T, with: {component: database, at: east, expect: down, despite: true}}
  - {id: up, type: probe, title: T, with: {component: database, at: east, expect: up}}
  - {id: fence, type: fence, title: T, with: {component: database, at: east, within: 20s}, undo: {type: unfence, with: {component: database, at: east}}}
  - {id: short, type: fence, title: T, with: {component: database, at: east, within: 5s}, undo: {type: unfence, with: {component: database, at: east}}}
`

// primary is a component whose database can be fenced, and an execution that does.
type primary struct {
	*court
	t       *testing.T
	project *project
	mode    plan.Mode
	docket  string
	a       activities.Admitted
}

func newPrimary(t *testing.T, mode plan.Mode, addresses string) *primary {
	t.Helper()
	p := &primary{court: newCourt(t), t: t, project: newProject(t, addresses), mode: mode}
	p.runbook = fenceRunbook
	p.signRunbook(t)
	p.x.Crew.Components = map[string]*activities.Component{"database": {Name: "database", Site: "east", Source: p.project.source()}}
	p.docket, _ = p.court.docket(t, "alice", mode)
	p.a = call[activities.Admitted](t, p.court, "AdmitExecution", activities.AdmitInput{Execution: scaleExecution, Docket: p.docket})
	return p
}

func (p *primary) input(step string, undo bool) activities.StepInput {
	p.t.Helper()
	signed, err := runbooks.Parse([]byte(p.runbook))
	must(p.t, err)
	with := signed.Step(step).With
	if undo {
		with = signed.Step(step).Undo.With
	}
	return activities.StepInput{With: with, Guard: plan.Guard{
		Execution: scaleExecution, Step: step, Target: "database", Mode: p.mode, Order: p.a.BriefDigest,
		Work: &plan.WorkOrder{Docket: p.docket, Receipts: []plan.Receipt{p.a.Accepted}, Undo: undo},
	}}
}

func (p *primary) do(activity, step string, undo bool) activities.StepDone {
	p.t.Helper()
	return call[activities.StepDone](p.t, p.court, activity, p.input(step, undo))
}

// opens says whether a connection string lets somebody in.
func opens(t *testing.T, uri string) bool {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), uri)
	if err != nil {
		return false
	}
	_, err = conn.Exec(t.Context(), "SELECT 1")
	_ = conn.Close(context.Background())
	return err == nil
}

func TestAFenceShutsEverybodyOutAndProvesIt(t *testing.T) {
	p := newPrimary(t, plan.ModeLive, "127.94.1.0/24")
	p.project.exec(t, "CREATE ROLE auditor LOGIN PASSWORD 'a-long-password-of-ours'; CREATE ROLE readers NOLOGIN")
	auditor := strings.Replace(p.project.uri, strings.SplitN(p.project.uri, "@", 2)[0], "postgresql://auditor:a-long-password-of-ours", 1)
	if !opens(t, auditor) || !opens(t, p.project.uri) {
		t.Fatal("nobody gets in before the fence")
	}
	if l := p.do("ProbePrimary", "probe", false); l.Outputs["healthy"] != true || l.Outputs["reachable"] != true {
		t.Errorf("a healthy primary: %v", l.Outputs)
	}
	if _, err := p.env.ExecuteActivity("ProbePrimary", p.input("down", false)); kindOf(err) != activities.TypeUnexpected {
		t.Errorf("a healthy primary is expected to be down: %v", err)
	}
	p.do("ProbePrimary", "despite", false)
	for range 2 { // also when it is repeated
		done := p.do("FencePrimary", "fence", false)
		how, _ := done.Outputs["how"].(string)
		if done.Outputs["confirmed"] != true || done.Outputs["unconfirmed"] != "" || !strings.Contains(how, "auditor: ") || !strings.Contains(how, "claims_owner: ") {
			t.Fatalf("the fence: %v", done.Outputs)
		}
	}
	if _, err := p.project.main.Exec(t.Context(), "SELECT 1"); err == nil {
		t.Error("a session that was open goes on")
	}
	branch, err := p.project.client.DefaultBranch(t.Context(), p.project.id)
	must(t, err)
	computes, err := p.project.client.Endpoints(t.Context(), p.project.id, branch.ID)
	must(t, err)
	// Neon opens what is disabled now and then: the old passwords must not open it even then.
	must(t, p.project.emulator.CheckAvailability(p.project.id, computes[0].ID, time.Minute))
	if opens(t, auditor) || opens(t, p.project.uri) {
		t.Error("the old passwords open while Neon checks the compute")
	}
	if _, err := p.env.ExecuteActivity("ProbePrimary", p.input("up", false)); err != nil && kindOf(err) != activities.TypeUnexpected {
		t.Errorf("a fenced primary is expected to be up: %v", err)
	}
	p.do("UnfencePrimary", "fence", true)
	p.do("UnfencePrimary", "fence", true)
	if l := p.do("ProbePrimary", "up", false); l.Outputs["healthy"] != true {
		t.Errorf("after the fence was lifted: %v", l.Outputs)
	}
	if opens(t, auditor) || opens(t, p.project.uri) {
		t.Error("the old passwords open after the fence was lifted")
	}
}

// TestNoAnswerProvesNothing: a primary that does not answer is not called fenced.
func TestNoAnswerProvesNothing(t *testing.T) {
	t.Parallel()
	p := newPrimary(t, plan.ModeLive, "127.94.2.0/24")
	p.project.api.CloseClientConnections()
	p.project.api.Close()
	done := p.do("FencePrimary", "short", false)
	reason, _ := done.Outputs["unconfirmed"].(string)
	if done.Outputs["confirmed"] != false || !strings.HasPrefix(reason, "fenceUnconfirmed: ") || done.Receipt == nil {
		t.Errorf("nothing answers: %v", done.Outputs)
	}
	if l := p.do("ProbePrimary", "down", false); l.Outputs["healthy"] != false || l.Outputs["reachable"] != false {
		t.Errorf("nothing answers: %v", l.Outputs)
	}
}

// TestADrillFencesItsOwnBranch: production is not touched, and nothing is left.
func TestADrillFencesItsOwnBranch(t *testing.T) {
	t.Parallel()
	p := newPrimary(t, plan.ModeDrill, "127.94.3.0/24")
	if done := p.do("FencePrimary", "fence", false); done.Outputs["confirmed"] != true || done.Outputs["roles"] != 1.0 {
		t.Errorf("a drill's fence: %v", done.Outputs)
	}
	p.do("UnfencePrimary", "fence", true)
	p.project.exec(t, "INSERT INTO claims (n) VALUES (1)")
	if !opens(t, p.project.uri) {
		t.Error("production's password was rotated by a drill")
	}
	all, err := p.project.client.Branches(t.Context(), p.project.id)
	must(t, err)
	for _, b := range all {
		if neon.Own(b.Name) {
			t.Errorf("branch %s is left", b.Name)
		}
	}
}
