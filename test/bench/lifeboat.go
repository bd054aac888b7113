package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"

	"github.com/lifeboat-dr/lifeboat/activities"
	"github.com/lifeboat-dr/lifeboat/internal/manifest"
	"github.com/lifeboat-dr/lifeboat/workflows"
)

// execute runs one workflow to its end, as "lifeboat backup --follow" does, and takes the memory of the worker.
func (w *world) execute(ctx context.Context, id, name, kind, component string, input, result any) (m measured, run client.WorkflowRun, err error) {
	if err := forgetPeak(w.worker.PID()); err != nil {
		return m, nil, err
	}
	began, used := time.Now(), cpuOf(w.worker.PID())
	run, err = w.client.ExecuteWorkflow(ctx, client.StartWorkflowOptions{
		ID: id, TaskQueue: workflows.Queue, TypedSearchAttributes: workflows.Attributes(kind, component), WorkflowExecutionErrorWhenAlreadyStarted: true,
	}, name, input)
	if err != nil {
		return m, nil, fmt.Errorf("start %s: %w", id, err)
	}
	if err := run.Get(ctx, result); err != nil {
		return m, run, fmt.Errorf("%s: %w", id, err)
	}
	m.took, m.cpu = time.Since(began), cpuOf(w.worker.PID())-used
	m.rss, err = peakRSS(w.worker.PID())
	return m, run, err
}

// backup is one whole workflow: snapshot, chunks, schema, signed manifest, locks.
func (w *world) backup(ctx context.Context, component string) (id string, m measured, err error) {
	var result workflows.BackupResult
	m, _, err = w.execute(ctx, workflows.BackupID(component, time.Now()), workflows.BackupName, workflows.KindBackup, component,
		workflows.BackupInput{Component: component, SkipVerify: true}, &result)
	if err != nil {
		return "", m, err
	}
	m.bytes, err = stored(ctx, w.store.Client(), vaultBucket, manifest.BackupPrefix(component, result.Backup))
	return result.Backup, m, err
}

// restore is one whole workflow into an empty database: tables, rows, indexes, statistics, and the comparison
// of everything. Uncompared is the same run up to the comparison, which is what pg_restore does; statistics come
// after it.
func (w *world) restore(ctx context.Context, component, backup string, into environment) (whole, uncompared measured, err error) {
	if err := w.keep(spare, into.url()); err != nil {
		return whole, uncompared, err
	}
	var result workflows.RestoreResult
	whole, run, err := w.execute(ctx, workflows.RestoreID(component, "target:"+spare), workflows.RestoreBackupName, workflows.KindRestore, component,
		workflows.RestoreInput{Component: component, Backup: backup, Target: activities.Target{Kind: activities.NamedTarget, Name: spare}}, &result)
	if err != nil {
		return whole, uncompared, err
	}
	if whole.bytes, err = stored(ctx, w.store.Client(), vaultBucket, manifest.BackupPrefix(component, backup)); err != nil {
		return whole, uncompared, err
	}
	uncompared = whole
	uncompared.took, err = w.untilCompare(ctx, run)
	return whole, uncompared, err
}

// untilCompare is how long a restore took up to the moment its comparison was scheduled, by Temporal's clock.
func (w *world) untilCompare(ctx context.Context, run client.WorkflowRun) (time.Duration, error) {
	events := w.client.GetWorkflowHistory(ctx, run.GetID(), run.GetRunID(), false, enumspb.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
	var began time.Time
	for events.HasNext() {
		event, err := events.Next()
		if err != nil {
			return 0, fmt.Errorf("read history of %s: %w", run.GetID(), err)
		}
		if began.IsZero() {
			began = event.GetEventTime().AsTime()
		}
		if event.GetActivityTaskScheduledEventAttributes().GetActivityType().GetName() == "CompareTarget" {
			return event.GetEventTime().AsTime().Sub(began), nil
		}
	}
	return 0, errors.New("read history of " + run.GetID() + ": it compared nothing")
}
