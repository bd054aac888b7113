package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"github.com/lifeboat-dr/lifeboat/internal/config"
	"github.com/lifeboat-dr/lifeboat/workflows"
)

func scheduleID(name string) string { return workflows.ScheduleID(name) }

// scheduleChange is one thing that apply did.
type scheduleChange struct {
	Name string `json:"name"`
	What string `json:"what"` // "created", "updated" or "deleted"
}

// applySchedules makes Temporal's schedules equal to the configuration. A schedule that people paused
// stays paused. Schedules that are not Lifeboat's are left alone. It is safe to repeat.
func applySchedules(ctx context.Context, c client.Client, cfg *config.Config) ([]scheduleChange, error) {
	changes := []scheduleChange{}
	for _, name := range slices.Sorted(maps.Keys(cfg.Schedules)) {
		change, err := applySchedule(ctx, c, name, cfg.Schedules[name])
		if err != nil {
			return changes, fmt.Errorf("apply schedule %s: %w", name, explained(err))
		}
		changes = append(changes, change)
	}
	existing, err := listSchedules(ctx, c)
	if err != nil {
		return changes, err
	}
	for _, s := range existing {
		if _, wanted := cfg.Schedules[s.Name]; wanted {
			continue
		}
		if err := c.ScheduleClient().GetHandle(ctx, scheduleID(s.Name)).Delete(ctx); err != nil {
			return changes, fmt.Errorf("delete schedule %s: %w", s.Name, err)
		}
		changes = append(changes, scheduleChange{s.Name, "deleted"})
	}
	return changes, nil
}

func applySchedule(ctx context.Context, c client.Client, name string, s config.Schedule) (scheduleChange, error) {
	options := scheduleOptions(name, s)
	_, err := c.ScheduleClient().Create(ctx, options)
	if err == nil {
		return scheduleChange{name, "created"}, nil
	}
	if !errors.Is(err, temporal.ErrScheduleAlreadyRunning) {
		return scheduleChange{}, err
	}
	err = c.ScheduleClient().GetHandle(ctx, options.ID).Update(ctx, client.ScheduleUpdateOptions{
		DoUpdate: func(in client.ScheduleUpdateInput) (*client.ScheduleUpdate, error) {
			now := in.Description.Schedule
			now.Spec, now.Action = &options.Spec, options.Action
			now.Policy = &client.SchedulePolicies{Overlap: options.Overlap, CatchupWindow: options.CatchupWindow, PauseOnFailure: options.PauseOnFailure}
			if s.Paused {
				now.State.Paused, now.State.Note = true, "paused in the configuration"
			}
			return &client.ScheduleUpdate{Schedule: &now}, nil
		},
	})
	return scheduleChange{name, "updated"}, err
}

func scheduleOptions(name string, s config.Schedule) client.ScheduleOptions {
	spec := client.ScheduleSpec{Jitter: s.Jitter, TimeZoneName: s.TimeZone}
	if s.Cron != "" {
		spec.CronExpressions = []string{s.Cron}
	} else {
		spec.Intervals = []client.ScheduleIntervalSpec{{Every: s.Every}}
	}
	options := client.ScheduleOptions{
		ID: scheduleID(name), Spec: spec, Overlap: enums.SCHEDULE_OVERLAP_POLICY_SKIP,
		CatchupWindow: s.CatchUp, PauseOnFailure: s.PauseOnFailure, Paused: s.Paused,
		Action: scheduleAction(name, s),
	}
	if s.Paused {
		options.Note = "paused in the configuration"
	}
	return options
}

func scheduleAction(name string, s config.Schedule) *client.ScheduleWorkflowAction {
	action := &client.ScheduleWorkflowAction{
		ID:                    workflows.ScheduledID(string(s.Run), s.Component, name),
		TaskQueue:             workflows.Queue,
		TypedSearchAttributes: workflows.Attributes(string(s.Run), s.Component),
		StaticSummary:         strings.TrimSpace(fmt.Sprintf("%s %s, schedule %s", s.Run, s.Component, name)),
	}
	switch s.Run {
	case config.RunBackup:
		action.Workflow, action.Args = workflows.BackupName, []any{workflows.BackupInput{Component: s.Component}}
	case config.RunVerify:
		action.Workflow, action.Args = workflows.VerifyName, []any{workflows.VerifyInput{Component: s.Component, Backup: "latest"}}
	case config.RunReplicate:
		action.Workflow, action.Args = workflows.ReplicateName, []any{workflows.ReplicateInput{Component: s.Component}}
	default:
		action.Workflow = workflows.EvaluateName
	}
	return action
}

// scheduleInfo is a schedule as Temporal has it.
type scheduleInfo struct {
	Name   string    `json:"name"`
	Runs   string    `json:"runs"`
	Paused bool      `json:"paused"`
	Note   string    `json:"note,omitempty"`
	Last   time.Time `json:"last,omitzero"`
	Next   time.Time `json:"next,omitzero"`
}

func (s scheduleInfo) state() string {
	if s.Paused {
		return "paused"
	}
	return "active"
}

func listSchedules(ctx context.Context, c client.Client) ([]scheduleInfo, error) {
	list := []scheduleInfo{}
	iter, err := c.ScheduleClient().List(ctx, client.ScheduleListOptions{})
	if err != nil {
		return nil, fmt.Errorf("list schedules: %w", err)
	}
	for iter.HasNext() {
		entry, err := iter.Next()
		if err != nil {
			return nil, fmt.Errorf("list schedules: %w", err)
		}
		name, ours := strings.CutPrefix(entry.ID, scheduleID(""))
		if !ours {
			continue
		}
		info := scheduleInfo{Name: name, Runs: entry.WorkflowType.Name, Paused: entry.Paused, Note: entry.Note}
		if n := len(entry.RecentActions); n > 0 {
			info.Last = entry.RecentActions[n-1].ActualTime
		}
		if len(entry.NextActionTimes) > 0 {
			info.Next = entry.NextActionTimes[0]
		}
		list = append(list, info)
	}
	slices.SortFunc(list, func(a, b scheduleInfo) int { return strings.Compare(a.Name, b.Name) })
	return list, nil
}
