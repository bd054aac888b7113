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
	if err == nil || temporal.IsCanceledError(err) {
		return result, err
	}
	if ctx.Err() != nil {
		return result, cutOff(ctx, err)
	}
	var typed *temporal.ApplicationError
	if errors.As(err, &typed) {
		return result, outermost(err, typed)
	}
	if activity.GetInfo(ctx).Attempt < unknownAttempts {
		return result, err
	}
	return result, temporal.NewApplicationErrorWithOptions(fmt.Sprintf("%v (gave up after %d attempts)", err, unknownAttempts), activities.TypeUnexpected,
		temporal.ApplicationErrorOptions{NonRetryable: true, Cause: err})
}

// cutOff is what becomes of an activity that was stopped in the middle: by a cancellation, by the end of its worker,
// or because Temporal was away for longer than a heartbeat may take. What it says of that is no judgement of what it
// was doing, however final: unless it was canceled it is tried again, as often as its retries allow.
func cutOff(ctx context.Context, err error) error {
	return temporal.NewApplicationErrorWithOptions("it was stopped in the middle: "+err.Error(), activities.TypeUnavailable, temporal.ApplicationErrorOptions{Cause: ctx.Err()})
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
