package assemble

import (
	"context"
	"errors"
	"fmt"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/interceptor"
	"go.temporal.io/sdk/temporal"

	"github.com/lifeboat-dr/lifeboat/activities"
)

// unknownAttempts is how often an activity is tried whose error nobody gave a type. What is known to pass
// (a store that is away, a busy project) is typed and waited for; a surprise that stays is told to people
// in minutes, not after the whole budget.
const unknownAttempts = 8

func interceptors() []interceptor.WorkerInterceptor {
	return []interceptor.WorkerInterceptor{&giveUp{}, &ownWork{}}
}

// giveUp makes untyped errors final after some attempts, and sees to it that a type counts also below what was
// wrapped around it: Temporal looks at the outermost error only, and would try for ever what is final.
type giveUp struct {
	interceptor.WorkerInterceptorBase
}

func (g *giveUp) InterceptActivity(_ context.Context, next interceptor.ActivityInboundInterceptor) interceptor.ActivityInboundInterceptor {
	return &giveUpInbound{interceptor.ActivityInboundInterceptorBase{Next: next}}
}

type giveUpInbound struct {
	interceptor.ActivityInboundInterceptorBase
}

func (g *giveUpInbound) ExecuteActivity(ctx context.Context, in *interceptor.ExecuteActivityInput) (any, error) {
	result, err := g.Next.ExecuteActivity(ctx, in)
	var typed *temporal.ApplicationError
	if errors.As(err, &typed) {
		return result, outermost(err, typed)
	}
	if err == nil || temporal.IsCanceledError(err) || ctx.Err() != nil {
		return result, err
	}
	if activity.GetInfo(ctx).Attempt < unknownAttempts {
		return result, err
	}
	return result, temporal.NewApplicationErrorWithOptions(fmt.Sprintf("%v (gave up after %d attempts)", err, unknownAttempts), activities.TypeUnexpected,
		temporal.ApplicationErrorOptions{NonRetryable: true, Cause: err})
}

// outermost gives err the type that typed has.
func outermost(err error, typed *temporal.ApplicationError) error {
	if err == error(typed) { //nolint:errorlint // it is about the outermost error
		return err
	}
	options := temporal.ApplicationErrorOptions{NonRetryable: typed.NonRetryable(), Cause: err}
	var hint string
	if typed.HasDetails() && typed.Details(&hint) == nil {
		options.Details = []any{hint}
	}
	return temporal.NewApplicationErrorWithOptions(err.Error(), typed.Type(), options)
}
