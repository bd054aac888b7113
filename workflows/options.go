package workflows

import (
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"
)

// profile is a named set of timeouts and retries. Names are words, and the words have reasons.
type profile struct {
	// attempt bounds one try, so that a hung call is noticed.
	attempt time.Duration
	// budget bounds all tries together: after it, people have to know.
	budget time.Duration
	// heartbeat is how soon a dead worker is noticed; zero where a try is short enough by itself.
	heartbeat   time.Duration
	first, most time.Duration
	// tries bounds how often it is tried; zero is no bound.
	tries int32
}

var (
	// lookup reads configuration or one small object: it answers in seconds or not at all.
	lookup = profile{attempt: 30 * time.Second, budget: 15 * time.Minute, first: time.Second, most: 30 * time.Second}
	// control is for control planes (Neon's operations take minutes at worst and are serial per project,
	// so a busy project is waited for).
	control = profile{attempt: 10 * time.Minute, budget: time.Hour, heartbeat: 30 * time.Second, first: 2 * time.Second, most: time.Minute}
	// bulk is for data: hours are fine as long as it says that it is alive, and a store that is away for
	// an evening is waited for.
	bulk = profile{attempt: 12 * time.Hour, budget: 20 * time.Hour, heartbeat: 30 * time.Second, first: 2 * time.Second, most: time.Minute}
	// cleanup has to succeed: what it leaves behind costs money or holds patients' data in a scratch
	// database. It is tried for a day; after that the branch's own expiry is the last resort.
	cleanup = profile{attempt: 10 * time.Minute, budget: 24 * time.Hour, heartbeat: 30 * time.Second, first: 2 * time.Second, most: 5 * time.Minute}
	// report writes a record or tells people. It never holds up the outcome for long.
	report = profile{attempt: time.Minute, budget: 30 * time.Minute, first: time.Second, most: time.Minute}
)

// within is the profile with the configuration's budget instead of its own.
func (p profile) within(budget time.Duration) profile {
	if budget > 0 {
		p.budget, p.attempt = budget, min(p.attempt, budget)
	}
	return p
}

// on gives a context whose activities run at a site with this profile and show summary in the UI. An
// empty site means any worker.
func (p profile) on(ctx workflow.Context, site, summary string) workflow.Context {
	return workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		TaskQueue:              SiteQueue(site),
		StartToCloseTimeout:    p.attempt,
		ScheduleToCloseTimeout: p.budget,
		HeartbeatTimeout:       p.heartbeat,
		// A cancelled activity is waited for: what it works on is removed afterwards.
		WaitForCancellation: true,
		Summary:             summary,
		RetryPolicy: &temporal.RetryPolicy{
			InitialInterval:    p.first,
			MaximumInterval:    p.most,
			BackoffCoefficient: 2,
			MaximumAttempts:    p.tries,
		},
	})
}

// here gives a context whose local activities run in the worker that has the workflow, beside all queues: for what
// changes nothing, reads nothing far away, and somebody waits for. No slot has to be free for it, however many
// activities hang on a vault.
func (p profile) here(ctx workflow.Context, summary string) workflow.Context {
	return workflow.WithLocalActivityOptions(ctx, workflow.LocalActivityOptions{
		StartToCloseTimeout: p.attempt, ScheduleToCloseTimeout: p.budget, Summary: summary,
		RetryPolicy: &temporal.RetryPolicy{InitialInterval: p.first, MaximumInterval: p.most, BackoffCoefficient: 2},
	})
}

// journaling is for the journal: short tries, and the engine itself comes back when no vault answers.
var journaling = profile{attempt: 30 * time.Second, budget: 2 * time.Minute, first: 500 * time.Millisecond, most: 5 * time.Second}

// judgement is for commands: a person waits for the answer.
var judgement = profile{attempt: 10 * time.Second, budget: time.Minute, first: 200 * time.Millisecond, most: 2 * time.Second}

// mending fills gaps of the journal when an execution has ended: a vault that is away must not keep it.
var mending = profile{attempt: 2 * time.Minute, budget: 2 * time.Minute, first: time.Second, most: 5 * time.Second, tries: 2}
