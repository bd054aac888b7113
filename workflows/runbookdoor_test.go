package workflows_test

import (
	"context"
	"strings"
	"testing"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/converter"

	"github.com/lifeboat-dr/lifeboat/activities"
	"github.com/lifeboat-dr/lifeboat/internal/plan"
	"github.com/lifeboat-dr/lifeboat/workflows"
)

const doorText = `apiVersion: lifeboat/v1
name: rehearsal
title: Rehearsal
scenario: maintenance
description: For tests.
target: database
roles:
  operator: {title: Operator}
steps:
  - id: hold
    type: hold-door
    title: Hold
    with: {door: east}
    undo: {type: open-door, with: {door: east}}
  - id: move
    type: move-door
    title: Move
    with: {door: west, to: {target: spare}}
    onFailure: undo
    undo: {type: move-door, with: {door: west, to: {component: database}}}
  - {id: open, type: open-door, title: Open, with: {door: west}}
  - id: check
    type: sql
    title: Check
    with: {on: {component: database}, query: SELECT 1, expect: {rows: 1}}
    onFailure: undo
`

// withDoors makes the stage know where doors are, and note on which queue each step ran.
func withDoors(s *stage) (queues map[string]string) {
	queues = map[string]string{}
	admit := s.admission
	s.env.RegisterActivityWithOptions(func(ctx context.Context, in activities.AdmitInput) (activities.Admitted, error) {
		a, err := admit(ctx, in)
		a.Doors = map[string]string{"east": "us-east-1", "west": "us-west-2"}
		return a, err
	}, activity.RegisterOptions{Name: "AdmitExecution", DisableAlreadyRegisteredCheck: true})
	s.env.SetOnActivityStartedListener(func(info *activity.Info, _ context.Context, args converter.EncodedValues) {
		var in activities.StepInput
		if strings.HasSuffix(info.ActivityType.Name, "Door") && args.Get(&in) == nil {
			queues[in.Guard.Step] = info.TaskQueue
		}
	})
	return queues
}

// TestADoorIsWorkedAtItsSite: by the worker of the door's site, not of the target's.
func TestADoorIsWorkedAtItsSite(t *testing.T) {
	s := newStage(t, doorText)
	queues := withDoors(s)
	if state, _ := s.run(); state != plan.ExecutionCompleted {
		t.Errorf("it ended %s", state)
	}
	if queues["hold"] != workflows.SiteQueue("us-east-1") || queues["open"] != workflows.SiteQueue("us-west-2") {
		t.Errorf("%v", queues)
	}
}

// TestAMoveThatFailsIsTakenBack: the move first, then the hold, so that the door opens where it led.
func TestAMoveThatFailsIsTakenBack(t *testing.T) {
	s := newStage(t, doorText)
	queues := withDoors(s)
	s.fail["move"] = 1
	state, steps := s.run()
	if state != plan.ExecutionFailed || steps["hold"] != plan.StepUndone || s.acted() != "hold, undo move, undo hold" {
		t.Errorf("it ended %s, did %s, %v", state, s.acted(), steps)
	}
	if queues["hold"] != workflows.SiteQueue("us-east-1") {
		t.Errorf("%v", queues)
	}
}

// TestAfterTheDoorIsOpenNothingIsUndone: opening it is the point of no return.
func TestAfterTheDoorIsOpenNothingIsUndone(t *testing.T) {
	s := newStage(t, doorText)
	withDoors(s)
	s.fail["check"] = 1
	if state, _ := s.run(); state != plan.ExecutionFailed || s.acted() != "hold, move, open" {
		t.Errorf("it ended %s, did %s", state, s.acted())
	}
}

// TestADoorCannotBeSkipped: what is behind it would believe that it was worked.
func TestADoorCannotBeSkipped(t *testing.T) {
	s := newStage(t, strings.Replace(doorText, "onFailure: undo\n    undo: {type: move-door", "undo: {type: move-door", 1))
	withDoors(s)
	s.fail["move"] = 1
	s.send(1e9, by(plan.CommandSkip, "move", "carol"), "notSkippable")
	s.send(2e9, by(plan.CommandCancel, "", "carol"), "")
	if state, _ := s.run(); state != plan.ExecutionCanceled || s.acted() != "hold, undo move, undo hold" {
		t.Errorf("it ended %s, did %s", state, s.acted())
	}
}
