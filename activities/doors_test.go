package activities_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"go.temporal.io/sdk/temporal"

	"github.com/lifeboat-dr/lifeboat/activities"
	"github.com/lifeboat-dr/lifeboat/internal/plan"
	"github.com/lifeboat-dr/lifeboat/internal/secret"
	"github.com/lifeboat-dr/lifeboat/internal/traffic"
	"github.com/lifeboat-dr/lifeboat/runbooks"
)

const doorRunbook = `apiVersion: lifeboat/v1
name: scale
title: Scale
scenario: maintenance
description: For tests.
target: database
inputs:
  size: {type: integer, title: size, required: true}
limits: {duration: 8h}
steps:
  - id: hold
    type: hold-door
    title: Hold
    with: {door: claims, drain: 7s, busy: kill, lasts: 10m}
    undo: {type: open-door, with: {door: claims}}
  - id: move
    type: move-door
    title: Move
    with: {door: claims, to: {target: spare}}
    undo: {type: move-door, with: {door: claims, to: {target: spare}}}
  - {id: open, type: open-door, title: Open, with: {door: claims}}
  - {id: shut, type: close-door, title: Close, with: {door: claims}, undo: {type: hold-door, with: {door: claims}}}
`

// witnessed is a door that notes what was asked of it.
type witnessed struct {
	asked  []string
	report traffic.Report
	err    error
}

func (w *witnessed) note(verb string, c traffic.Change, more any) (traffic.Report, error) {
	w.asked = append(w.asked, fmt.Sprintf("%s by %s %v", verb, c.By, more))
	return w.report, w.err
}

func (w *witnessed) State(context.Context) (traffic.Report, error) { return w.report, w.err }
func (w *witnessed) Hold(_ context.Context, r traffic.HoldRequest) (traffic.Report, error) {
	return w.note("hold", r.Change, fmt.Sprint(r.Drain, r.Kill))
}
func (w *witnessed) Move(_ context.Context, r traffic.MoveRequest) (traffic.Report, error) {
	return w.note("move", r.Change, r.Address.Reveal())
}
func (w *witnessed) Open(_ context.Context, r traffic.OpenRequest) (traffic.Report, error) {
	return w.note("open", r.Change, r.Back)
}
func (w *witnessed) Close(_ context.Context, c traffic.Change) (traffic.Report, error) {
	return w.note("close", c, "")
}

// doorCourt is a court with a door, and a way to make the input of a step.
func doorCourt(t *testing.T, mode plan.Mode) (live, drill *witnessed, c *court, input func(step string, undo bool) activities.StepInput) {
	t.Helper()
	c = newCourt(t)
	c.runbook = doorRunbook
	c.signRunbook(t)
	to := &traffic.Destination{Database: "spare"}
	live, drill = &witnessed{report: traffic.Report{To: to, Patience: 5 * time.Minute}}, &witnessed{report: traffic.Report{To: to, Waiting: 3, Cut: 2, System: "7"}}
	c.steps.Doors, c.steps.DrillDoors = map[string]traffic.Door{"claims": live}, map[string]traffic.Door{"claims": drill}
	c.x.Crew.Targets = map[string]activities.NamedPlace{"spare": {Place: namedAddress{text: "postgres://spare"}}}
	docket, _ := c.docket(t, "alice", mode)
	a := call[activities.Admitted](t, c, "AdmitExecution", activities.AdmitInput{Execution: scaleExecution, Docket: docket})
	signed, err := runbooks.Parse([]byte(c.runbook))
	must(t, err)
	return live, drill, c, func(step string, undo bool) activities.StepInput {
		with := signed.Step(step).With
		if undo {
			with = signed.Step(step).Undo.With
		}
		return activities.StepInput{With: with, Guard: plan.Guard{
			Execution: scaleExecution, Step: step, Target: "database", Mode: mode, Order: a.BriefDigest,
			Work: &plan.WorkOrder{Docket: docket, Receipts: []plan.Receipt{a.Accepted}, Undo: undo},
		}}
	}
}

// namedAddress is a place that is only asked for its address.
type namedAddress struct {
	activities.Place
	text string
}

func (n namedAddress) Address(context.Context, activities.Target) (secret.String, error) {
	return secret.New(n.text), nil
}

// TestADrillWorksTheDrillDoor: the same steps as live, and production's door is never asked.
func TestADrillWorksTheDrillDoor(t *testing.T) {
	live, drill, c, input := doorCourt(t, plan.ModeDrill)
	held := call[activities.StepDone](t, c, "HoldDoor", input("hold", false))
	if held.Receipt == nil || held.Outputs["waiting"] != 3.0 || held.Outputs["cut"] != 2.0 || held.Outputs["patience"] != "0s" {
		t.Errorf("%+v", held)
	}
	if moved := call[activities.StepDone](t, c, "MoveDoor", input("move", false)); moved.Outputs["system"] != "7" || moved.Outputs["database"] != "spare" {
		t.Errorf("%+v", moved)
	}
	call[activities.StepDone](t, c, "OpenDoor", input("open", false))
	call[activities.StepDone](t, c, "CloseDoor", input("shut", false))
	call[activities.StepDone](t, c, "OpenDoor", input("hold", true))
	want := fmt.Sprint([]string{
		"hold by " + scaleExecution + "/hold 7s true", "move by " + scaleExecution + "/move postgres://spare", "open by " + scaleExecution + "/open false",
		"close by " + scaleExecution + "/shut ", "open by " + scaleExecution + "/hold/undo true",
	})
	if fmt.Sprint(drill.asked) != want || len(live.asked) > 0 {
		t.Errorf("the drill door was asked %q, production's %q", drill.asked, live.asked)
	}
	c.steps.DrillDoors = nil
	refusedDoor(t, c, "HoldDoor", input("hold", false), activities.TypeNotAllowed)
}

// TestADoorAsksForItsWorkOrder: no verb is done for a step of another type, without an order, or with other
// parameters than were signed.
func TestADoorAsksForItsWorkOrder(t *testing.T) {
	live, drill, c, input := doorCourt(t, plan.ModeDrill)
	for verb, step := range map[string]string{"HoldDoor": "hold", "MoveDoor": "move", "OpenDoor": "open", "CloseDoor": "shut"} {
		for name, spoil := range map[string]func(in *activities.StepInput){
			"no work order":    func(in *activities.StepInput) { in.Guard.Work = nil },
			"live":             func(in *activities.StepInput) { in.Guard.Mode = plan.ModeLive },
			"a standing order": func(in *activities.StepInput) { in.Guard.Mode = plan.ModeStanding },
			"another step": func(in *activities.StepInput) {
				in.Guard.Step = map[string]string{"hold": "open", "move": "hold", "open": "hold", "shut": "open"}[step]
			},
			"another door": func(in *activities.StepInput) {
				with := map[string]any{"door": "reports"}
				for k, v := range in.With {
					if k != "door" {
						with[k] = v
					}
				}
				in.With = with
			},
		} {
			t.Run(verb+" "+name, func(t *testing.T) {
				in := input(step, false)
				spoil(&in)
				refusedDoor(t, c, verb, in, activities.TypeNotAllowed)
			})
		}
	}
	if len(live.asked)+len(drill.asked) > 0 {
		t.Errorf("a door was asked %q %q", live.asked, drill.asked)
	}
}

// TestAPlanOnlyLooks: and says when the door would not let clients wait for long enough.
func TestAPlanOnlyLooks(t *testing.T) {
	live, drill, c, input := doorCourt(t, plan.ModePlan)
	refusedDoor(t, c, "HoldDoor", input("hold", false), activities.TypeConfiguration)
	live.report.Patience = 0
	for verb, step := range map[string]string{"HoldDoor": "hold", "MoveDoor": "move", "OpenDoor": "open", "CloseDoor": "shut"} {
		if done := call[activities.StepDone](t, c, verb, input(step, false)); done.Intended == nil || done.Receipt != nil {
			t.Errorf("%s: %+v", verb, done)
		}
	}
	if len(live.asked)+len(drill.asked) > 0 {
		t.Errorf("a door was asked %q %q", live.asked, drill.asked)
	}
}

// TestFailuresAtADoorHaveTypes: only a door that does not answer is waited for.
func TestFailuresAtADoorHaveTypes(t *testing.T) {
	_, drill, c, input := doorCourt(t, plan.ModeDrill)
	for kind, want := range map[error]string{
		traffic.ErrBusy: activities.TypeDoorBusy, traffic.ErrState: activities.TypeConflict, traffic.ErrOvertaken: activities.TypeConflict,
		traffic.ErrWrongServer: activities.TypeMismatch, traffic.ErrUnfit: activities.TypeConfiguration, traffic.ErrDenied: activities.TypePermission,
		traffic.ErrInvalid: activities.TypeInvalidInput,
	} {
		drill.err = traffic.Fail("hold door", kind, "do this", "seen that")
		refusedDoor(t, c, "HoldDoor", input("hold", false), want)
	}
	drill.err = traffic.Fail("hold door", traffic.ErrUnavailable, "do this", "seen that")
	_, err := c.env.ExecuteActivity("HoldDoor", input("hold", false))
	var failed *temporal.ApplicationError
	if !errors.As(err, &failed) || failed.Type() != activities.TypeUnavailable || failed.NonRetryable() {
		t.Errorf("%v", err)
	}
}

func refusedDoor(t *testing.T, c *court, verb string, in activities.StepInput, kind string) {
	t.Helper()
	_, err := c.env.ExecuteActivity(verb, in)
	var failed *temporal.ApplicationError
	if !errors.As(err, &failed) || failed.Type() != kind || !failed.NonRetryable() {
		t.Errorf("%s ended with %v, want %s", verb, err, kind)
	}
}
