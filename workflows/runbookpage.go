package workflows

import (
	"time"

	"go.temporal.io/sdk/workflow"

	"github.com/lifeboat-dr/lifeboat/activities"
	"github.com/lifeboat-dr/lifeboat/internal/execution"
	"github.com/lifeboat-dr/lifeboat/internal/plan"
	"github.com/lifeboat-dr/lifeboat/runbooks"
)

// page calls people by an escalation policy, level after level, until somebody acknowledges. The policy is
// the one that the roster had when the execution started.
func (e *engine) page(ctx workflow.Context, step *runbooks.Step, with map[string]any) execution.Event {
	began := workflow.Now(ctx)
	name := textValue(with["policy"])
	if name == "" {
		name = e.runbook.Escalation
	}
	policy, ok := e.admitted.Policies[name]
	if !ok {
		return failed(activities.TypeNotFound, "the roster had no escalation policy "+name+" when this started", "skip it and call people by hand")
	}
	if e.admitted.Brief.Mode == plan.ModePlan {
		return execution.Event{Kind: execution.StepIntended, With: with, Outputs: map[string]any{"by": "nobody", "level": 0.0, "waited": "0s"}}
	}
	taken := func() bool { return e.acknowledged[step.ID].ID != "" }
	tells := workflow.GetVersion(ctx, "2026-11-25-page-taken", workflow.DefaultVersion, 1) != workflow.DefaultVersion
	defer func() {
		if !tells {
			delete(e.called, step.ID)
		}
	}()
	done := func(level int) execution.Event {
		if c := e.acknowledged[step.ID]; tells && c.ID != "" {
			e.takenBy(ctx, step, c)
		}
		return execution.Event{Kind: execution.StepCompleted, Outputs: map[string]any{
			"by": e.acknowledged[step.ID].Person, "level": float64(level), "waited": workflow.Now(ctx).Sub(began).Round(time.Second).String(),
		}}
	}
	delete(e.acknowledged, step.ID)
	for round := 0; round <= policy.Repeat; round++ {
		for i, level := range policy.Levels {
			delay := time.Duration(level.Delay)
			if round > 0 && i == 0 {
				delay = max(delay, lastCall) // those who were called last need time to answer
			}
			if inTime, err := workflow.AwaitWithTimeout(ctx, delay, taken); err != nil {
				return ended(err)
			} else if inTime || taken() {
				return done(i)
			}
			if len(level.Targets) == 0 {
				continue
			}
			e.callLevel(ctx, step, level, i, round, message{
				kind: "page", severity: textValue(with["severity"]), title: step.Title, text: textValue(with["message"]), fields: map[string]string{},
			})
			if with["wait"] == false {
				return done(i + 1)
			}
		}
	}
	if inTime, err := workflow.AwaitWithTimeout(ctx, lastCall, taken); err != nil {
		return ended(err)
	} else if inTime {
		return done(len(policy.Levels))
	}
	return failed("NobodyAcknowledged", "everybody of "+name+" was called, and nobody acknowledged", "call people by phone, then skip this step or retry it")
}

// lastCall is how long the last level has to acknowledge, before all are called again or the page has failed.
const lastCall = 10 * time.Minute
