package activities_test

import (
	"context"
	"errors"
	"reflect"
	"sync/atomic"
	"testing"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"

	"github.com/lifeboat-dr/lifeboat/activities"
	"github.com/lifeboat-dr/lifeboat/internal/manifest"
	"github.com/lifeboat-dr/lifeboat/internal/plan"
	"github.com/lifeboat-dr/lifeboat/internal/secret"
	"github.com/lifeboat-dr/lifeboat/internal/store/fault"
)

// unguarded activities stand under no standing order. A new one gets a guard, or a row in docs/security.md
// that says why it needs none.
var unguarded = map[string]bool{
	// These only read, put into words, or judge.
	"DescribeComponent": true, "DescribeTarget": true, "FindBackup": true, "SelectTables": true, "EvaluateProtection": true, "ListMissing": true,
	"AdmitExecution": true, "JudgeCommand": true, "PrepareGate": true, "DigestPlan": true,
	// These tell people or a watcher.
	"SendAlert": true, "PingDeadman": true,
	// These stand under work orders (stepattack_test.go).
	"AppendJournal": true, "HealJournal": true, "KeepCard": true, "CallHTTP": true, "RunProgram": true, "CheckSQL": true, "CheckReadiness": true, "SendNotice": true,
	"HoldDoor": true, "FencePrimary": true, "UnfencePrimary": true, "ProbePrimary": true, "TakeEpoch": true, "MoveDoor": true, "OpenDoor": true, "CloseDoor": true, "MakeBranch": true, "DropBranch": true, "MeasureLostWindow": true, "VouchWorkflow": true,
	"Reprotect": true, "Unprotect": true, "LookAtStandby": true, "DrainStandby": true, "PromoteStandby": true,
	"SwitchBranch": true, "SwitchBack": true, "MakeDrillCopy": true, "DropDrillCopy": true, "CauseFault": true,
	"PutRowsBack": true, "WriteLedger": true, "WriteSynthetic": true,
}

// tripwire is a source and a place that notices that it was asked for anything.
type tripwire struct{ calls atomic.Int64 }

var errTouched = errors.New("it was touched")

func (w *tripwire) touch() error { w.calls.Add(1); return errTouched }

func (w *tripwire) Kind() string { return "neon" }
func (w *tripwire) Identity(context.Context) (manifest.Source, error) {
	return manifest.Source{}, w.touch()
}
func (w *tripwire) Freeze(context.Context, activities.Freeze) (activities.Frozen, error) {
	return activities.Frozen{}, w.touch()
}
func (w *tripwire) Unfreeze(context.Context, string) error { return w.touch() }
func (w *tripwire) Address(context.Context, string) (secret.String, error) {
	return secret.String{}, w.touch()
}

// wiredPlace is the same for restores.
type wiredPlace struct{ *tripwire }

func (w wiredPlace) Open(_ context.Context, t activities.Target, _ manifest.Catalog) (activities.Target, error) {
	return t, w.touch()
}
func (w wiredPlace) Address(context.Context, activities.Target) (secret.String, error) {
	return secret.String{}, w.touch()
}
func (w wiredPlace) Drop(context.Context, activities.Target) error { return w.touch() }

// attempt is what an attacker shows to activities.
type attempt struct {
	orders    *activities.Orders
	guard     plan.Guard
	component string
	target    activities.Target
}

// refusedByEvery fails the test unless every activity under the standing order refuses it, before it touches
// a vault, a source or a place.
func refusedByEvery(t *testing.T, a attempt) {
	t.Helper()
	o := newOffice(t, "postgresql://nobody@127.0.0.1:1/none")
	wire := &tripwire{}
	crew, place := o.dumps.Crew, wiredPlace{wire}
	crew.Components["database"].Source, crew.Components["database"].Scratch = wire, place
	crew.Targets = map[string]activities.NamedPlace{"spare": {Site: "east", Place: place}}
	crew.Branches = map[string]activities.Place{"east": place}
	finder := &activities.Finder{}
	all := &activities.All{
		Components: &activities.Components{Crew: crew, Orders: a.orders}, Snapshots: &activities.Snapshots{Crew: crew, Orders: a.orders, Finder: finder},
		Dumps: &activities.Dumps{Crew: crew, Orders: a.orders}, Records: &activities.Records{Crew: crew, Orders: a.orders, Finder: finder},
		Restores: &activities.Restores{Crew: crew, Orders: a.orders, Finder: finder}, Replicas: &activities.Replicas{Crew: crew, Orders: a.orders, Finder: finder}, Alerts: &activities.Alerts{Crew: crew},
		Executions: &activities.Executions{Crew: crew, Orders: a.orders}, Steps: &activities.Steps{Crew: crew, Orders: a.orders},
	}
	var suite testsuite.WorkflowTestSuite
	env := suite.NewTestActivityEnvironment()
	all.Register(env)
	checked := 0
	structs := reflect.ValueOf(all).Elem()
	for i := range structs.NumField() {
		of := structs.Field(i)
		for j := range of.NumMethod() {
			name := of.Type().Method(j).Name
			if unguarded[name] {
				continue
			}
			checked++
			_, err := env.ExecuteActivity(name, a.input(t, name, of.Method(j).Type()))
			var failed *temporal.ApplicationError
			want := activities.TypeNotAllowed
			if a.guard.Execution == "" || a.guard.Step == "" || a.guard.Target == "" {
				want = activities.TypeInvalidInput
			}
			if !errors.As(err, &failed) || failed.Type() != want || !failed.NonRetryable() {
				t.Errorf("%s ended with %v", name, err)
			}
		}
	}
	if checked < 15 {
		t.Errorf("only %d activities were looked at", checked)
	}
	if n := wire.calls.Load() + int64(o.vault.Calls(fault.Any)); n > 0 {
		t.Errorf("the world was touched %d times", n)
	}
}

// input is what an activity takes, with the attacker's guard in it.
func (a attempt) input(t *testing.T, name string, method reflect.Type) any {
	t.Helper()
	if method.NumIn() != 2 || method.In(0) != reflect.TypeFor[context.Context]() {
		t.Fatalf("%s takes no single input with a guard, and is not among those that need none", name)
	}
	in := reflect.New(method.In(1)).Elem()
	field := in.FieldByName("Guard")
	if !field.IsValid() || field.Type() != reflect.TypeFor[plan.Guard]() {
		t.Fatalf("the input of %s has no guard", name)
	}
	field.Set(reflect.ValueOf(a.guard))
	about := in
	if attempt := in.FieldByName("Attempt"); attempt.IsValid() {
		about = attempt
	}
	about.FieldByName("Component").SetString(a.component)
	if backup := about.FieldByName("Backup"); backup.IsValid() {
		backup.SetString(backupID)
	}
	if target := in.FieldByName("Target"); target.IsValid() && target.Type() == reflect.TypeFor[activities.Target]() {
		target.Set(reflect.ValueOf(a.target))
	}
	return in.Interface()
}
