package assemble

import (
	"context"
	"fmt"
	"reflect"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/interceptor"

	"github.com/lifeboat-dr/lifeboat/activities"
	"github.com/lifeboat-dr/lifeboat/internal/plan"
)

// ownWork refuses an activity that was not started by the workflow that its guard names. Else whoever owns the
// namespace could take a sealed input out of a history, which they cannot read, and start the activity with it
// once more. It is no border, only one wall more: who runs a worker of their own can give a workflow any name.
type ownWork struct {
	interceptor.WorkerInterceptorBase
}

func (*ownWork) InterceptActivity(_ context.Context, next interceptor.ActivityInboundInterceptor) interceptor.ActivityInboundInterceptor {
	return &ownWorkInbound{interceptor.ActivityInboundInterceptorBase{Next: next}}
}

type ownWorkInbound struct {
	interceptor.ActivityInboundInterceptorBase
}

func (o *ownWorkInbound) ExecuteActivity(ctx context.Context, in *interceptor.ExecuteActivityInput) (any, error) {
	by := activity.GetInfo(ctx).WorkflowExecution.ID
	for _, arg := range in.Args {
		// What an execution that has ended left to be shown in Slack is shown by a workflow of its own.
		if guard, ok := guardOf(arg); ok && guard.Execution != by && activities.CardsPrefix+guard.Execution != by {
			return nil, activities.NotAllowed(fmt.Errorf("its guard names execution %q, and %q started it", guard.Execution, by), activity.GetInfo(ctx).ActivityType.Name)
		}
	}
	return o.Next.ExecuteActivity(ctx, in)
}

// guardOf finds the guard in an activity's input.
func guardOf(input any) (plan.Guard, bool) {
	v := reflect.ValueOf(input)
	if v.Kind() == reflect.Pointer {
		v = v.Elem()
	}
	if v.Kind() != reflect.Struct {
		return plan.Guard{}, false
	}
	field := v.FieldByName("Guard")
	if !field.IsValid() || field.Type() != reflect.TypeFor[plan.Guard]() {
		return plan.Guard{}, false
	}
	guard, ok := field.Interface().(plan.Guard)
	return guard, ok
}
