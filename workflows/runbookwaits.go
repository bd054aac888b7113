package workflows

import (
	"time"

	"go.temporal.io/sdk/workflow"

	"github.com/lifeboat-dr/lifeboat/internal/execution"
	"github.com/lifeboat-dr/lifeboat/internal/plan"
	"github.com/lifeboat-dr/lifeboat/runbooks"
)

// wait waits for a time to pass, for a moment, or until an answer is as expected.
func (e *engine) wait(ctx workflow.Context, step *runbooks.Step, with map[string]any) execution.Event {
	if e.admitted.Brief.Mode == plan.ModePlan {
		return execution.Event{Kind: execution.StepIntended, With: with, Outputs: map[string]any{"waited": "0s", "tries": 0.0}}
	}
	began := e.state.Step(step.ID).Began
	until := began.Add(e.durationOf(with["duration"]))
	if text := textValue(with["until"]); text != "" {
		var err error
		if until, err = time.Parse(time.RFC3339, text); err != nil {
			return failed("InvalidInput", "until is no time", "write RFC 3339 with an offset")
		}
	}
	tries := 0.0
	poll, kind := with["sql"], runbooks.TypeNamed("sql")
	if poll == nil {
		poll, kind = with["http"], runbooks.TypeNamed("http")
	}
	if parameters, ok := poll.(map[string]any); ok {
		deadline := began.Add(step.Timeout)
		for {
			tries++
			_, err := e.activity(ctx, onceOf(step), kind, parameters, plan.WorkOrder{})
			if err == nil {
				break
			}
			rest := max(e.durationOf(with["every"]), time.Second)
			if ctx.Err() != nil || !workflow.Now(ctx).Add(rest).Before(deadline) {
				return ended(err)
			}
			if stopped := e.rest(ctx, step, workflow.Now(ctx).Add(rest)); stopped.Kind != "" || e.draining {
				return stopped
			}
		}
	} else if stopped := e.rest(ctx, step, until); stopped.Kind != "" || e.draining && workflow.Now(ctx).Before(until) {
		return stopped
	}
	return execution.Event{Kind: execution.StepCompleted, Outputs: map[string]any{
		"waited": workflow.Now(ctx).Sub(began).Round(time.Millisecond).String(), "tries": tries,
	}}
}

// rest sleeps until a moment, or until the next run is near. Its event has a kind when it was stopped.
func (e *engine) rest(ctx workflow.Context, step *runbooks.Step, until time.Time) execution.Event {
	left := until.Sub(workflow.Now(ctx))
	if left <= 0 {
		return execution.Event{}
	}
	_, err := workflow.AwaitWithOptions(ctx, workflow.AwaitOptions{Timeout: left, TimerOptions: workflow.TimerOptions{Summary: summaryOf(step, false)}}, func() bool { return e.draining })
	if err != nil {
		return ended(err)
	}
	return execution.Event{}
}

// onceOf is a step whose activity is tried once: the pauses between tries are the step's own.
func onceOf(step *runbooks.Step) *runbooks.Step {
	once := *step
	once.Retry, once.Timeout = runbooks.RetryNever, min(step.Timeout, time.Minute)
	return &once
}
