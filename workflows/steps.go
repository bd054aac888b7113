package workflows

import (
	"errors"
	"fmt"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/lifeboat-dr/lifeboat/activities"
	"github.com/lifeboat-dr/lifeboat/internal/plan"
)

// describe fetches what the configuration says of a component, once per execution.
func describe(ctx workflow.Context, component string) (settings activities.Settings, err error) {
	return describeIn(ctx, component, "")
}

// describeIn is describe for work in one of the component's vaults; an empty one is its own.
func describeIn(ctx workflow.Context, component, vault string) (settings activities.Settings, err error) {
	var components *activities.Components
	err = workflow.ExecuteActivity(lookup.on(ctx, "", "Read the configuration of "+component), components.DescribeComponent,
		activities.DescribeInput{Component: component, Vault: vault}).Get(ctx, &settings)
	return settings, err
}

// standing is the guard of routine work.
func standing(ctx workflow.Context, step, target, order string) plan.Guard {
	return plan.Guard{
		Execution: workflow.GetInfo(ctx).WorkflowExecution.ID,
		Step:      step, Target: target, Mode: plan.ModeStanding, Order: order,
	}
}

// randomSuffix makes the random end of a backup id; a side effect, so a replay sees the same.
func randomSuffix(ctx workflow.Context) string {
	var suffix string
	_ = workflow.SideEffect(ctx, func(workflow.Context) any { return activities.RandomSuffix() }).Get(&suffix)
	return suffix
}

// fanOut runs n pieces of work on lanes at a time. The first failure cancels the others, which are
// waited for, and is returned.
func fanOut(ctx workflow.Context, lanes, n int, work func(workflow.Context, int) error) error {
	ctx, cancel := workflow.WithCancel(ctx)
	defer cancel()
	lanes = max(1, min(lanes, n))
	next := 0
	var first error
	wg := workflow.NewWaitGroup(ctx)
	wg.Add(lanes)
	for range lanes {
		workflow.Go(ctx, func(ctx workflow.Context) {
			defer wg.Done()
			for first == nil && next < n {
				i := next
				next++
				if err := work(ctx, i); err != nil && first == nil {
					first = err
					cancel()
				}
			}
		})
	}
	wg.Wait(ctx)
	return first
}

// batchBounds gives the chunks [from, to) of batch i.
func batchBounds(batches []int, i int) (from, to int) {
	if i > 0 {
		from = batches[i-1]
	}
	return from, batches[i]
}

func summaryOfChunks(verb string, from, to, all int) string {
	if to-from == 1 {
		return fmt.Sprintf("%s chunk %d of %d", verb, to, all)
	}
	return fmt.Sprintf("%s chunks %d–%d of %d", verb, from+1, to, all)
}

func copiedText(c activities.Copied) string {
	text := fmt.Sprintf("%d rows, %d MB read, %d MB stored", c.Rows, c.PlainBytes/1e6, c.StoredBytes/1e6)
	if c.Resumed > 0 {
		text += fmt.Sprintf(" (%d chunks were already there)", c.Resumed)
	}
	return text
}

// alert tells people, and never fails the work it tells of.
func alert(ctx workflow.Context, a activities.Alert) {
	info := workflow.GetInfo(ctx)
	a.Execution, a.Time = info.WorkflowExecution.ID, workflow.Now(ctx)
	if a.ID == "" {
		a.ID = info.WorkflowExecution.RunID + "/" + a.Kind
	}
	var alerts *activities.Alerts
	if err := workflow.ExecuteActivity(report.on(ctx, "", "Tell people: "+a.Title), alerts.SendAlert, a).Get(ctx, nil); err != nil {
		workflow.GetLogger(ctx).Error("send alert", "kind", a.Kind, "error", err)
	}
}

// errorText splits a failure into what a record holds: its type, what happened, and what to do.
func errorText(err error) (kind, message, hint string) {
	var app *temporal.ApplicationError
	if !errors.As(err, &app) {
		var timeout *temporal.TimeoutError
		if errors.As(err, &timeout) {
			return "Timeout", timeout.Error(), "look at the execution in the Temporal UI: the last failure of the activity is there"
		}
		return "Internal", err.Error(), ""
	}
	if app.HasDetails() {
		_ = app.Details(&hint)
	}
	return app.Type(), app.Message(), hint
}
