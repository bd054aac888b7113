package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"go.temporal.io/api/sdk/v1"
	"go.temporal.io/sdk/client"
)

// followEvery is how often a followed execution is asked for its progress.
const followEvery = time.Second

// follow shows the steps of an execution as they change, until it ends, and decodes its result. An
// interrupted follower leaves the execution running.
func follow(ctx context.Context, c client.Client, run client.WorkflowRun, out io.Writer, result any) error {
	watch, stop := context.WithCancel(ctx)
	watched := make(chan struct{})
	shown := map[string]string{}
	go func() {
		defer close(watched)
		tick := time.NewTicker(followEvery)
		defer tick.Stop()
		for {
			select {
			case <-watch.Done():
				return
			case <-tick.C:
				showChanges(out, details(watch, c, run), shown)
			}
		}
	}()
	err := run.Get(ctx, result)
	stop()
	<-watched
	if ctx.Err() != nil {
		fmt.Fprintf(out, "\nNo longer following. %s goes on in the workers; look at it with: lifeboat status\n", run.GetID())
		return context.Canceled
	}
	if err == nil {
		last, cancel := context.WithTimeout(ctx, 2*time.Second)
		defer cancel()
		showChanges(out, details(last, c, run), shown)
	}
	return err
}

// details asks a worker for the execution's progress table. Without a worker there is none, which is no
// error: the result is what counts.
func details(ctx context.Context, c client.Client, run client.WorkflowRun) string {
	value, err := c.QueryWorkflow(ctx, run.GetID(), run.GetRunID(), "__temporal_workflow_metadata")
	if err != nil {
		return ""
	}
	var meta sdk.WorkflowMetadata
	if err := value.Get(&meta); err != nil {
		return ""
	}
	return meta.GetCurrentDetails()
}

// showChanges prints each row of the progress table that is new or differs from what was shown.
func showChanges(out io.Writer, table string, shown map[string]string) {
	for line := range strings.Lines(table) {
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		if len(cells) != 4 {
			continue
		}
		for i := range cells {
			cells[i] = strings.TrimSpace(strings.ReplaceAll(cells[i], "`", ""))
		}
		name, state := cells[0], cells[1]
		if name == "step" || strings.HasPrefix(name, "---") || state == "waiting" || shown[name] == line {
			continue
		}
		shown[name] = line
		fmt.Fprintf(out, "  %-12s %-15s %8s  %s\n", name, state, cells[2], cells[3])
	}
}
