package activities_test

import (
	"context"
	"iter"
	"testing"
	"time"

	"github.com/lifeboat-dr/lifeboat/activities"
	"github.com/lifeboat-dr/lifeboat/internal/epoch"
	"github.com/lifeboat-dr/lifeboat/internal/manifest"
	"github.com/lifeboat-dr/lifeboat/internal/plan"
	"github.com/lifeboat-dr/lifeboat/internal/roster"
	"github.com/lifeboat-dr/lifeboat/internal/signature"
	"github.com/lifeboat-dr/lifeboat/internal/store"
	"github.com/lifeboat-dr/lifeboat/internal/traffic"
	"github.com/lifeboat-dr/lifeboat/runbooks"
)

const epochRunbook = `apiVersion: lifeboat/v1
name: scale
title: Scale
scenario: maintenance
description: For tests.
target: database
inputs:
  size: {type: integer, title: size, required: true}
limits: {duration: 8h}
steps:
  - id: epoch
    type: take-epoch
    title: Epoch
    with: {component: database, to: us-west-2}
    undo: {type: take-epoch, with: {component: database, to: us-east-1}}
  - {id: shut, type: close-door, title: Close, with: {door: claims}, undo: {type: hold-door, with: {door: claims}}}
`

// failingOver is a court whose activities ask vaults about failovers.
type failingOver struct {
	*court
	t      *testing.T
	door   *witnessed
	ledger *epoch.Ledger
	docket string
	a      activities.Admitted
}

func newFailingOver(t *testing.T, mode plan.Mode) *failingOver {
	t.Helper()
	f := &failingOver{court: newCourt(t), t: t, door: &witnessed{report: traffic.Report{To: &traffic.Destination{Database: "medlink"}}}}
	f.runbook = epochRunbook
	f.signRunbook(t)
	f.steps.Doors, f.steps.DrillDoors = map[string]traffic.Door{"claims": f.door}, map[string]traffic.Door{"claims": f.door}
	f.x.Crew.Components = map[string]*activities.Component{"database": {Name: "database", Site: "us-east-1", Standby: &tripwire{}, StandbySite: "us-west-2"}}
	f.ledger = &epoch.Ledger{Application: "medlink", Signer: f.keys["erin"], Signers: f.x.Signers}
	for _, name := range []string{"east", "west", "third"} {
		f.ledger.Vaults = append(f.ledger.Vaults, epoch.Vault{Name: name, Store: emptyVault(t)})
	}
	f.orders.Epochs = f.ledger
	f.docket, _ = f.court.docket(t, "alice", mode)
	f.a = call[activities.Admitted](t, f.court, "AdmitExecution", activities.AdmitInput{Execution: scaleExecution, Docket: f.docket})
	return f
}

// input is what a step's activity gets in an epoch, with the receipts that prove it.
func (f *failingOver) input(step string, undo bool, believed int64, receipts ...plan.Receipt) activities.StepInput {
	f.t.Helper()
	signed, err := runbooks.Parse([]byte(f.runbook))
	must(f.t, err)
	with := signed.Step(step).With
	if undo {
		with = signed.Step(step).Undo.With
	}
	return activities.StepInput{With: with, Guard: plan.Guard{
		Execution: scaleExecution, Step: step, Target: "database", Mode: f.a.Brief.Mode, Order: f.a.BriefDigest, Epoch: believed,
		Work: &plan.WorkOrder{Docket: f.docket, Receipts: append([]plan.Receipt{f.a.Accepted}, receipts...), Undo: undo},
	}}
}

func (f *failingOver) other(believed int64) epoch.Record {
	f.t.Helper()
	r, err := f.ledger.Take(context.Background(), epoch.Claim{
		Believed: believed, Primaries: map[string]string{"database": "us-west-2"}, Execution: "other/database/20261125T120000Z", Brief: sha("other"),
	})
	must(f.t, err)
	return r
}

func TestAnEpochIsTakenAndGoesOn(t *testing.T) {
	f := newFailingOver(t, plan.ModeLive)
	call[activities.StepDone](t, f.court, "CloseDoor", f.input("shut", false, 0))
	took := call[activities.StepDone](t, f.court, "TakeEpoch", f.input("epoch", false, 0))
	again := call[activities.StepDone](t, f.court, "TakeEpoch", f.input("epoch", false, 0))
	if took.Outputs["epoch"] != 1.0 || took.Outputs["from"] != "us-east-1" || again.Outputs["epoch"] != 1.0 || again.Outputs["from"] != "us-east-1" {
		t.Fatalf("took %v, again %v", took.Outputs, again.Outputs)
	}
	// From then on it acts in the new epoch, which its receipt proves and nothing else does.
	call[activities.StepDone](t, f.court, "CloseDoor", f.input("shut", false, 1, *took.Receipt))
	refusedDoor(t, f.court, "CloseDoor", f.input("shut", false, 1), activities.TypeNotAllowed)
	refusedDoor(t, f.court, "CloseDoor", f.input("shut", false, 2, *took.Receipt), activities.TypeNotAllowed)
	// What is taken back is taken back by the next epoch, also when it is tried twice.
	for range 2 {
		back := call[activities.StepDone](t, f.court, "TakeEpoch", f.input("epoch", true, 1, *took.Receipt))
		if back.Outputs["epoch"] != 2.0 || back.Outputs["from"] != "us-west-2" {
			t.Fatalf("back: %v", back.Outputs)
		}
	}
	if seen, err := f.ledger.LookNow(t.Context()); err != nil || seen.Primary("database", "") != "us-east-1" {
		t.Errorf("after the undo it lives at %q, %v", seen.Primary("database", ""), err)
	}
	call[activities.StepDone](t, f.court, "HoldDoor", f.input("shut", true, 1, *took.Receipt))
}

// TestAnOldExecutionDoesNothing: whoever was begun before a failover neither acts nor undoes.
func TestAnOldExecutionDoesNothing(t *testing.T) {
	f := newFailingOver(t, plan.ModeLive)
	f.other(0)
	asked := len(f.door.asked)
	refusedDoor(t, f.court, "CloseDoor", f.input("shut", false, 0), activities.TypeOvertaken)
	refusedDoor(t, f.court, "HoldDoor", f.input("shut", true, 0), activities.TypeOvertaken)
	refusedDoor(t, f.court, "TakeEpoch", f.input("epoch", false, 0), activities.TypeOvertaken)
	if len(f.door.asked) != asked {
		t.Errorf("the door was asked: %q", f.door.asked)
	}
	late, _ := f.court.docket(t, "alice", plan.ModeLive)
	if _, err := f.env.ExecuteActivity("AdmitExecution", activities.AdmitInput{Execution: scaleExecution, Docket: late}); kindOf(err) != activities.TypeOvertaken {
		t.Errorf("a start from before the failover: %v", err)
	}
	// A new one that knows of it may.
	b := f.brief(plan.ModeLive)
	b.Epoch = 1
	f.docket, _ = f.docketOf(t, "alice", b)
	f.a = call[activities.Admitted](t, f.court, "AdmitExecution", activities.AdmitInput{Execution: scaleExecution, Docket: f.docket})
	call[activities.StepDone](t, f.court, "CloseDoor", f.input("shut", false, 1))
	// And one that believes in a failover that never was may not: it would lock out all others at the doors.
	b.Epoch = 7
	f.docket, _ = f.docketOf(t, "alice", b)
	if _, err := f.env.ExecuteActivity("AdmitExecution", activities.AdmitInput{Execution: scaleExecution, Docket: f.docket}); kindOf(err) != activities.TypeNotAllowed {
		t.Errorf("a start in an epoch that nobody took: %v", err)
	}
}

func TestADrillTakesNoEpochOfProduction(t *testing.T) {
	f := newFailingOver(t, plan.ModeDrill)
	took := call[activities.StepDone](t, f.court, "TakeEpoch", f.input("epoch", false, 0))
	if took.Outputs["epoch"] != 0.0 || took.Outputs["from"] != "us-east-1" {
		t.Errorf("a drill took %v", took.Outputs)
	}
	if seen, err := f.ledger.LookNow(t.Context()); err != nil || seen.Highest != 0 {
		t.Errorf("after a drill production's epoch is %d, %v", seen.Highest, err)
	}
	rehearsed, err := f.ledger.In(manifest.RehearsedEpochsPrefix(scaleExecution + "/epoch")).LookNow(t.Context())
	if err != nil || rehearsed.Current.Number != 1 || len(rehearsed.Reached) != 3 {
		t.Errorf("it did not rehearse: %+v, %v", rehearsed.Current, err)
	}
	call[activities.StepDone](t, f.court, "CloseDoor", f.input("shut", false, 0, *took.Receipt))
}

func TestAPlanSaysWhetherAnEpochCouldBeTaken(t *testing.T) {
	f := newFailingOver(t, plan.ModePlan)
	would := call[activities.StepDone](t, f.court, "TakeEpoch", f.input("epoch", false, 0))
	if would.Receipt != nil || would.Intended == nil || would.Outputs["epoch"] != 1.0 {
		t.Errorf("%+v", would)
	}
	f.ledger.Vaults = append(f.ledger.Vaults, epoch.Vault{Name: "gone", Store: gone{}}, epoch.Vault{Name: "gone, too", Store: gone{}}, epoch.Vault{Name: "and this", Store: gone{}})
	if _, err := f.env.ExecuteActivity("TakeEpoch", f.input("epoch", false, 0)); kindOf(err) != activities.TypeUnavailable {
		t.Errorf("three of six vaults are gone: %v", err)
	}
}

// TestAStepWaitsWhileAFailoverMayBeOverlooked: on the wrong side of a cut network nobody goes on as if alone.
func TestAStepWaitsWhileAFailoverMayBeOverlooked(t *testing.T) {
	f := newFailingOver(t, plan.ModeLive)
	f.ledger.Vaults[1].Store = gone{}
	call[activities.StepDone](t, f.court, "CloseDoor", f.input("shut", false, 0))
	f.ledger.Vaults[2].Store = gone{}
	if _, err := f.env.ExecuteActivity("CloseDoor", f.input("shut", false, 0)); kindOf(err) != activities.TypeUnavailable {
		t.Errorf("one of three vaults answers: %v", err)
	}
}

// TestTheOldPrimaryIsNotBackedUp: what a failover has given up would be taken for the newest backup.
func TestTheOldPrimaryIsNotBackedUp(t *testing.T) {
	f := newFailingOver(t, plan.ModeLive)
	f.other(0)
	f.orders.Standing, f.orders.Owners, f.orders.Required = standingOrder(t, f.court)
	snapshots := &activities.Snapshots{Crew: f.x.Crew, Orders: f.orders}
	f.env.RegisterActivity(snapshots)
	_, err := f.env.ExecuteActivity("OpenSnapshot", activities.OpenSnapshotInput{
		Guard:     plan.Guard{Execution: "backup/database", Step: "freeze", Target: "database", Mode: plan.ModeStanding, Order: f.orders.Standing.Digest()},
		Component: "database", Backup: "20261125T120000Z-abcdef",
	})
	if kindOf(err) != activities.TypeOvertaken {
		t.Errorf("the old primary is backed up: %v", err)
	}
}

func standingOrder(t *testing.T, c *court) (*roster.Signed, *signature.Verifier, int) {
	t.Helper()
	order, err := roster.NewSigned(plan.Order{
		Format: 1, Kind: "standing", Application: "medlink", Actions: plan.StandingActions, Components: []string{"database"}, Issued: c.clock.Add(-time.Hour), Expires: c.clock.Add(time.Hour),
	})
	must(t, err)
	must(t, order.Sign(c.keys["alice"]))
	owners, err := signature.ParseAllowedSigners([]byte("alice " + c.keys["alice"].PublicKey() + "\n"))
	must(t, err)
	return order, owners, 1
}

// gone is a vault that does not answer.
type gone struct{ store.Store }

func (gone) Versions(context.Context, string) iter.Seq2[store.Object, error] {
	return func(yield func(store.Object, error) bool) {
		yield(store.Object{}, &store.Error{Op: "list", Kind: store.ErrUnavailable})
	}
}

func kindOf(err error) string { return activities.TypeOf(err) }
