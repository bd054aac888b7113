package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/lifeboat-dr/lifeboat/internal/plan"
	"github.com/lifeboat-dr/lifeboat/workflows"
)

// marks are what a person sees of a step's state at a glance.
var marks = map[plan.StepState]string{
	plan.StepNotStarted: "·", plan.StepNotApplicable: "-", plan.StepRunning: ">", plan.StepAwaitingApproval: "?", plan.StepCompleted: "✓",
	plan.StepFailed: "✗", plan.StepFailedIgnored: "!", plan.StepSkipped: "!", plan.StepUndoing: "<", plan.StepUndone: "↶", plan.StepUndoFailed: "✗", plan.StepCanceled: "x",
}

// tree shows an execution with its steps, each below what it needs.
func tree(v workflows.View) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s  %s  %s\n", strings.ToUpper(string(v.Mode)), v.Title, v.Execution)
	end := v.Now
	if !v.Ended.IsZero() {
		end = v.Ended
	}
	elapsed := end.Sub(v.Began).Round(time.Second)
	fmt.Fprintf(&b, "%s  target %s  %s  commander %s  elapsed %s", v.State, v.Target, v.Approach, v.Commander, elapsed)
	if v.RTO > 0 {
		fmt.Fprintf(&b, " of %s", v.RTO)
	}
	if v.Waited > 0 {
		fmt.Fprintf(&b, " (people %s)", v.Waited.Round(time.Second))
	}
	b.WriteString("\n")
	if v.Late != "" {
		fmt.Fprintf(&b, "! %s\n", v.Late)
	}
	if v.Returnless != "" {
		fmt.Fprintf(&b, "! past the point of no return since %s\n", v.Returnless)
	}
	b.WriteString("\n")
	width := 24
	for _, s := range v.Steps {
		width = max(width, min(len(s.ID), 48)) // steps of runbooks inside have long ids
	}
	for _, s := range v.Steps {
		took := ""
		if !s.Began.IsZero() && !s.Ended.IsZero() {
			took = s.Ended.Sub(s.Began).Round(10 * time.Millisecond).String()
		}
		fmt.Fprintf(&b, "  %s %-*s %-18s %8s  %s\n", marks[s.State], width, s.ID, s.State, took, s.Title)
		if g := s.Gate; g != nil && s.State == plan.StepAwaitingApproval {
			fmt.Fprintf(&b, "      waits for %s: %d of %d", strings.Join(g.Roles, " or "), len(g.Decisions), g.Requires)
			if !g.Deadline.IsZero() {
				fmt.Fprintf(&b, ", until %s", g.Deadline.Format(time.RFC3339))
			}
			b.WriteString("\n")
		}
		if s.Error != "" {
			fmt.Fprintf(&b, "      %s\n", s.Error)
			if s.Hint != "" && !strings.Contains(s.Error, s.Hint) {
				fmt.Fprintf(&b, "      %s\n", s.Hint)
			}
		}
	}
	return b.String()
}
