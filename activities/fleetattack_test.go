package activities_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/lifeboat-dr/lifeboat/activities"
	"github.com/lifeboat-dr/lifeboat/internal/plan"
	"github.com/lifeboat-dr/lifeboat/internal/roster"
	"github.com/lifeboat-dr/lifeboat/internal/workrecord"
)

// mint makes a receipt as whoever stole a worker can: the fleet's key lies on it.
func (h *heist) mint(t *testing.T, step string, outputs any) plan.Receipt {
	t.Helper()
	text, err := json.Marshal(outputs)
	must(t, err)
	box, err := workrecord.New(h.fleet, "executions", scaleExecution)
	must(t, err)
	return plan.Receipt{Execution: scaleExecution, Step: step, Outputs: text, MAC: box.MAC("step "+step, string(text))}
}

// dateAll mints a receipt for every decision in a work order: that it was accepted at a moment.
func (h *heist) dateAll(t *testing.T, in *activities.StepInput, at time.Time) {
	t.Helper()
	for _, gate := range in.Guard.Work.Gates {
		for _, d := range gate.Decisions {
			if c, err := roster.PeekCommand(d); err == nil {
				in.Guard.Work.Receipts = append(in.Guard.Work.Receipts, h.mint(t, plan.AcceptanceStep(c.ID), plan.Acceptance{Command: sha(d.Signed), Accepted: at}))
			}
		}
	}
}

// TestAStolenFleetKeySignsForNobody: whoever stole a worker can make receipts at will. They take no person's
// place: all that is wrong with decisions stays wrong. What they can do is to say when a command was accepted: a
// decision that somebody really made, about these very facts, counts also when its time is over.
func TestAStolenFleetKeySignsForNobody(t *testing.T) {
	h := newHeist(t, plan.ModeLive)
	for name, spoil := range h.forgeries(t) {
		for _, d := range ways {
			if !d.gated {
				continue
			}
			in := h.input(t, d.step)
			spoil(&in)
			if name == "a decision that has expired" {
				continue
			}
			h.dateAll(t, &in, h.clock)
			in.Guard.Work.Receipts = append(in.Guard.Work.Receipts, h.mint(t, "gate", map[string]any{"approvals": 2}), h.mint(t, d.step, map[string]any{}))
			h.refuses(t, name+", with every receipt", d.activity, in)
		}
	}
	// A whole execution of the thief's own making: a start that nobody signed.
	in := h.input(t, "run")
	brief := h.brief(plan.ModeLive)
	brief.Inputs = map[string]any{"size": 99.0}
	in.Guard.Work.Docket, in.Guard.Order = h.docketOf(t, "erin", brief) // erin's key is the worker's here
	h.dateAll(t, &in, h.clock)
	h.refuses(t, "a start by a worker", "RunProgram", in)

	in = h.input(t, "run")
	h.clock = h.clock.Add(2 * time.Hour) // the decisions' hour is over, the gate's deadline, too
	h.refuses(t, "decisions whose time is over", "RunProgram", in)
	h.dateAll(t, &in, h.clock.Add(-2*time.Hour))
	if _, err := h.env.ExecuteActivity("RunProgram", in); err != nil || h.touched != 1 {
		t.Errorf("the limit that docs/security.md speaks of is none any more, so the page has to say so: %v", err)
	}
}

// TestReceiptsComeFromTheStepsOwnActivity: an activity gives no receipt in the name of another step, which a gate
// or a parameter would then believe.
func TestReceiptsComeFromTheStepsOwnActivity(t *testing.T) {
	h := newHeist(t, plan.ModeLive)
	for _, d := range ways {
		for _, other := range ways {
			if d.activity == other.activity {
				continue
			}
			in := h.input(t, d.step)
			in.Guard.Step = other.step
			_, err := h.env.ExecuteActivity(d.activity, in)
			if err == nil || !strings.Contains(err.Error(), activities.TypeNotAllowed) || h.touched > 0 {
				t.Errorf("%s spoke for step %s: %v", d.activity, other.step, err)
			}
		}
	}
}
