package activities_test

import (
	"context"
	"errors"
	"reflect"
	"testing"
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"

	"github.com/lifeboat-dr/lifeboat/activities"
	"github.com/lifeboat-dr/lifeboat/internal/plan"
)

// unguarded activities only read, or only tell people; everything else has to carry a guard.
var unguarded = map[string]bool{
	"DescribeComponent": true, "DescribeTarget": true, "FindBackup": true, "SelectTables": true, "EvaluateProtection": true,
	"SendAlert": true, "PingDeadman": true,
	// Of runbooks, under work orders instead (workorders_test.go): these only look, or put into words.
	"AdmitExecution": true, "JudgeCommand": true, "PrepareGate": true, "DigestPlan": true, "CheckSQL": true, "CheckReadiness": true, "SendNotice": true,
	// These change something, under a work order.
	"AppendJournal": true, "CallHTTP": true, "RunProgram": true,
}

// TestEveryActivityChecksItsOrder calls each activity that Temporal can start with an order that has ended.
// One that was added without a guard, or that does not look at it, fails here.
func TestEveryActivityChecksItsOrder(t *testing.T) {
	expired, guard := signedOrder(t, time.Now().Add(-time.Minute))
	refusedByEvery(t, expired, guard, "database")
}

// TestAGuardIsForOneComponent calls each activity with an order that holds, for another component than the
// order and the guard name.
func TestAGuardIsForOneComponent(t *testing.T) {
	orders, guard := signedOrder(t, time.Now().Add(time.Hour))
	refusedByEvery(t, orders, guard, "payroll")
}

// refusedByEvery fails the test unless every activity that changes something refuses to work on a component.
func refusedByEvery(t *testing.T, orders *activities.Orders, guard plan.Guard, component string) {
	t.Helper()
	crew := newOffice(t, "postgresql://nobody@127.0.0.1:1/none").dumps.Crew
	all := &activities.All{
		Components: &activities.Components{Crew: crew, Orders: orders}, Snapshots: &activities.Snapshots{Crew: crew, Orders: orders},
		Dumps: &activities.Dumps{Crew: crew, Orders: orders}, Records: &activities.Records{Crew: crew, Orders: orders},
		Restores: &activities.Restores{Crew: crew, Orders: orders}, Alerts: &activities.Alerts{Crew: crew}, Executions: &activities.Executions{Crew: crew, Orders: orders}, Steps: &activities.Steps{Crew: crew, Orders: orders},
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
			t.Run(name, func(t *testing.T) {
				method := of.Method(j).Type()
				if method.NumIn() != 2 || method.In(0) != reflect.TypeFor[context.Context]() {
					t.Fatalf("%s takes no single input with a guard, and is not among those that change nothing", name)
				}
				in := reflect.New(method.In(1)).Elem()
				if field := in.FieldByName("Guard"); field.IsValid() && field.Type() == reflect.TypeFor[plan.Guard]() {
					field.Set(reflect.ValueOf(guard))
				} else {
					t.Fatalf("the input of %s has no guard", name)
				}
				about := in
				if attempt := in.FieldByName("Attempt"); attempt.IsValid() {
					about = attempt
				}
				about.FieldByName("Component").SetString(component)
				if target := in.FieldByName("Target"); target.IsValid() && target.Type() == reflect.TypeFor[activities.Target]() {
					target.FieldByName("Kind").SetString(string(activities.ScratchTarget))
				}
				_, err := env.ExecuteActivity(name, in.Interface())
				var failed *temporal.ApplicationError
				if !errors.As(err, &failed) || failed.Type() != activities.TypeNotAllowed || !failed.NonRetryable() {
					t.Errorf("under an order that does not allow it: %v", err)
				}
			})
		}
	}
	if checked < 15 {
		t.Errorf("only %d activities were looked at", checked)
	}
}
