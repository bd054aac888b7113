package activities_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"go.temporal.io/sdk/temporal"

	"github.com/lifeboat-dr/lifeboat/activities"
	"github.com/lifeboat-dr/lifeboat/internal/execution"
	"github.com/lifeboat-dr/lifeboat/internal/plan"
	"github.com/lifeboat-dr/lifeboat/internal/roster"
)

// TestADrillTouchesNoProduction: a drill that people approved names a program and an endpoint that have nothing
// for drills: it neither runs nor calls them. Looking is allowed, for it changes nothing.
func TestADrillTouchesNoProduction(t *testing.T) {
	h := newHeist(t, plan.ModeDrill)
	drills := h.steps.DrillPrograms
	h.steps.DrillPrograms, h.steps.DrillEndpoints = nil, nil
	h.refuses(t, "a drill", "RunProgram", h.input(t, "run"))
	h.refuses(t, "a drill", "CallHTTP", h.input(t, "post"))
	if _, err := h.env.ExecuteActivity("CallHTTP", h.input(t, "get")); err != nil || h.touched != 1 {
		t.Errorf("a look in a drill: %v", err)
	}
	h.steps.DrillPrograms = drills
	live := h.steps.Programs
	h.steps.Programs = map[string]activities.Program{"scale": forbidden{t}}
	if _, err := h.env.ExecuteActivity("RunProgram", h.input(t, "run")); err != nil {
		t.Errorf("a drill with a program of its own: %v", err)
	}
	h.steps.Programs = live
	// Nobody makes a live step of a drill's papers, or the other way round.
	for _, d := range ways {
		in := h.input(t, d.step)
		in.Guard.Mode = plan.ModeLive
		h.refuses(t, "a drill's papers, live", d.activity, in)
	}
}

// forbidden is what must not be run.
type forbidden struct{ t *testing.T }

func (forbidden) Site() string { return "" }

func (f forbidden) Run(_ context.Context, _ []string) (int, string, error) {
	f.t.Error("a drill ran the live program")
	return 0, "", nil
}

// TestAPlanTouchesNothing: in mode plan no activity acts, with papers or without.
func TestAPlanTouchesNothing(t *testing.T) {
	h := newHeist(t, plan.ModePlan)
	for _, d := range ways {
		h.touched = 0
		in := h.input(t, d.step)
		_, err := h.env.ExecuteActivity(d.activity, in)
		switch {
		case d.step == "save":
			if err == nil { // in a plan no workflow does anything
				t.Errorf("%s vouched for a step of a plan", d.activity)
			}
		case d.step == "follow" || d.step == "crown" || d.step == "rows": // they look at the databases, which are not there
			if err == nil || h.touched != 1 {
				t.Errorf("a plan may look: %s of step %s: %v, looked %d times", d.activity, d.step, err, h.touched)
			}
		case d.gated && (err != nil || h.touched > 0):
			t.Errorf("%s of step %s: %v, touched %d times", d.activity, d.step, err, h.touched)
		case d.step == "get" && (err != nil || h.touched != 1):
			t.Errorf("a plan may look: %v, looked %d times", err, h.touched)
		}
		in.Guard.Work = nil
		if slices.Contains([]string{"get", "ask", "ready", "hold", "move", "open", "back", "lost", "switch", "rows", "follow", "unfollow", "crown", "lag", "drained"}, d.step) { // the others only note what they would do
			h.refuses(t, "a plan without papers", d.activity, in)
		}
	}
}

// TestStepsUnderAnotherRoster: the roster of now decides. An older one, an edited one and one that cannot be read
// are none; who was removed or lost a key does not count any more, whatever they signed before and nobody dated.
func TestStepsUnderAnotherRoster(t *testing.T) {
	for name, change := range map[string]func(h *heist){
		"a roster that is not the newest": func(h *heist) { h.orders.People = noRoster(roster.ErrDowngraded) },
		"a roster that was edited":        func(h *heist) { h.orders.People = noRoster(roster.ErrUnsigned) },
		"another roster":                  func(h *heist) { h.orders.People = noRoster(roster.ErrForeign) },
		"no roster":                       func(h *heist) { h.orders.People = nil },
	} {
		h := newHeist(t, plan.ModeLive)
		change(h)
		for _, d := range ways {
			_, err := h.env.ExecuteActivity(d.activity, h.input(t, d.step))
			var refused *temporal.ApplicationError
			if !errors.As(err, &refused) || refused.Type() != activities.TypeConfiguration || !refused.NonRetryable() || h.touched > 0 {
				t.Errorf("%s: %s ended with %v, touched %d times", name, d.activity, err, h.touched)
			}
		}
	}
	for name, change := range map[string]func(v *roster.Version) error{
		"an approver was removed":   func(v *roster.Version) error { return v.Remove("carol") },
		"an approver lost the role": func(v *roster.Version) error { return v.DropRole("carol", plan.RoleApprover) },
		"who started it was removed": func(v *roster.Version) error {
			v.Put(roster.Person{ID: "frank", Roles: []string{plan.RoleCommander}})
			return v.Remove("alice")
		},
		"an owner of the runbook was removed": func(v *roster.Version) error { return v.Remove("alice") },
	} {
		h := newHeist(t, plan.ModeLive)
		h.clock = h.clock.Add(time.Minute)
		h.change(t, change)
		for _, d := range ways {
			if d.gated {
				h.refuses(t, name, d.activity, h.input(t, d.step))
			}
		}
	}
}

func noRoster(why error) func() (*roster.Roster, error) {
	return func() (*roster.Roster, error) { return nil, why }
}

// TestJournalsAreAttacked: nobody writes into a journal without an execution that a commander started.
func TestJournalsAreAttacked(t *testing.T) {
	h := newHeist(t, plan.ModeLive)
	for name, spoil := range h.lies(t) {
		in := h.input(t, "run")
		spoil(&in)
		if in.Guard.Work != nil && in.Guard.Order == h.a.BriefDigest && in.Guard.Target == "database" && in.Guard.Execution == scaleExecution && in.Guard.Mode == plan.ModeLive && len(in.Guard.Work.Receipts) == 1 && in.Guard.Work.Receipts[0].Step != "ask" && in.Guard.Work.Docket == h.docket {
			continue // it is only wrong for a step
		}
		for activity, input := range map[string]any{
			"AppendJournal": activities.JournalInput{Guard: in.Guard, Events: []execution.Event{{Kind: execution.StepStarted, Step: "run", Time: h.clock}}},
			"HealJournal":   activities.HealInput{Guard: in.Guard},
		} {
			_, err := h.env.ExecuteActivity(activity, input)
			var refused *temporal.ApplicationError
			if !errors.As(err, &refused) || refused.Type() != activities.TypeNotAllowed {
				t.Errorf("%s: %s ended with %v", name, activity, err)
			}
		}
	}
}
