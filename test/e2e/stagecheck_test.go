package e2e

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/google/go-cmp/cmp"

	"github.com/lifeboat-dr/lifeboat/internal/plan"
	"github.com/lifeboat-dr/lifeboat/runbooks"
)

// What "at least once" means, by type of step, and what is held against every cell:
//
//	http, not GET  the answer was lost: called twice, both times with the same Idempotency-Key; otherwise once
//	http GET, sql, evaluate  asked twice
//	hold-door, move-door, close-door, open-door  asked twice, in the name of the same step
//	reprotect, unprotect, standby, drain, promote  asked twice; one slot, one promotion, or none
//	exec           with a retry: run twice. With retry: never it is not: the step fails, and runs again when a person says so
//	notify, page, a gate's question  delivered twice, with the same message id
//	approval, manual, the commands of people  judged twice, counted and journaled once
//	backup, verify, restore  one backup, one record, one branch
//	the journal    written once: a second try finds what the first one wrote
//	an undo        as its own type, with a key of its own
//
// The journal of an execution that was disturbed is, event by event, that of one that was not.

// check compares what a cell has left with an undisturbed execution.
func (c *stageCell) check(calm, got ledger) (wrong []string) {
	wrong = append(wrong, c.problems...)
	say := func(format string, args ...any) { wrong = append(wrong, fmt.Sprintf(format, args...)) }
	if c.disturbance == canceled && c.refused == "" {
		return append(wrong, c.checkUndone(calm, got)...)
	}
	if c.refused != "" && c.refused != "ended" {
		say("the cancellation was refused: %s", c.refused)
	}
	if got.state != calm.state {
		say("it ended as %q, undisturbed as %q: %v", got.state, calm.state, c.err)
	}
	events, retried := withoutRetry(got.events, "once")
	if diff := cmp.Diff(calm.events, events); diff != "" {
		say("its journal differs (-undisturbed +this):\n%s", diff)
	}
	if got.door != calm.door {
		say("its door is %s, undisturbed %s", got.door, calm.door)
	}
	if got.standby != calm.standby {
		say("its standby is %q, undisturbed %q", got.standby, calm.standby)
	}
	if got.backups != calm.backups || len(got.branches) != len(calm.branches) {
		say("%d backups and branches %v, undisturbed %d and %v", got.backups, got.branches, calm.backups, calm.branches)
	}
	for _, name := range names(calm.effects, got.effects) {
		least, most := c.allowed(name, calm.effects[name])
		switch {
		case retried && name == "program once":
			most = 2
		case retried && name == "notice step.failed/once/1":
			least, most = 1, 2
		}
		if n := got.effects[name]; n < least || n > most {
			say("%s happened %d times, between %d and %d are right", name, n, least, most)
		}
	}
	return wrong
}

// allowed says how often an effect may be seen in a cell in which an undisturbed execution shows it n times.
func (c *stageCell) allowed(name string, n int) (least, most int) {
	kind, step, _ := strings.Cut(name, " ")
	if kind == "notice" {
		if n == 0 || c.disturbance == canceled {
			return n, n
		}
		return n, n + 1 // it may have been on its way; the id is the same
	}
	mine := c.row.step
	if c.row.undo {
		mine += "/undo"
	}
	if step != mine || c.row.boundary != "after" {
		return n, n
	}
	switch c.disturbance {
	case workerKilled, answerLost:
		return 2 * n, 2 * n
	case temporalKilled:
		return n, 2 * n // the worker keeps its answer until Temporal is back, if that is soon enough
	}
	return n, n
}

// checkUndone expects that everything was taken back that had begun, once, and that nothing else was done.
func (c *stageCell) checkUndone(calm, got ledger) (wrong []string) {
	say := func(format string, args ...any) { wrong = append(wrong, fmt.Sprintf(format, args...)) }
	events, retried := withoutRetry(got.events, "once")
	if got.state != plan.ExecutionCanceled {
		say("it ended as %q: %v", got.state, c.err)
	}
	judged := slices.Index(events, "judged")
	if judged < 0 {
		say("the journal has no verdict: %v", events)
		return wrong
	}
	if before := events[:judged]; !inOrder(calm.events, before) {
		say("before the verdict the journal has %v, undisturbed %v", before, calm.events)
	}
	if len(got.branches) > 0 {
		say("branches are left: %v", got.branches)
	}
	if strings.Contains(got.standby, "slot") {
		say("its standby is %q", got.standby)
	}
	var due []string
	begun := map[string]bool{}
	for _, event := range events {
		kind, step, _ := strings.Cut(event, " ")
		switch {
		case kind == "stepStarted" && step == "open":
			due, begun[step] = nil, true // the point of no return: everything stays as it is
		case kind == "stepStarted":
			begun[step] = true
			if undoOf(step) != nil {
				due = slices.Insert(due, 0, step)
			}
		case kind == "stepFailed", kind == "undoFailed":
			say("%s", event)
		}
	}
	if !begun["open"] && got.door != "" && got.door != "open" {
		say("its door is %s", got.door)
	}
	var undone []string
	for step, state := range got.steps {
		if slices.Contains(due, step) && state != plan.StepUndone {
			say("step %s was begun and is %s", step, state)
		}
	}
	for _, event := range events {
		if step, ok := strings.CutPrefix(event, "undoCompleted "); ok {
			undone = append(undone, step)
		}
	}
	if !slices.Equal(due, undone) {
		say("undone were %v, due %v", undone, due)
	}
	for _, name := range names(calm.effects, got.effects) {
		kind, what, _ := strings.Cut(name, " ")
		if kind == "notice" {
			if n := got.effects[name]; n > 1 || strings.Contains(what, "failed") && !retried {
				say("%s happened %d times", name, n)
			}
			continue
		}
		step, isUndo := strings.CutSuffix(what, "/undo")
		least, most := 0, 0
		switch {
		case isUndo && slices.Contains(due, step):
			least, most = 1, 1
		case begun[step] && retried && step == "once":
			most = 2
		case begun[step]:
			most = 1
		}
		if n := got.effects[name]; n < least || n > most {
			say("%s happened %d times, between %d and %d are right", name, n, least, most)
		}
	}
	return wrong
}

func undoOf(step string) *runbooks.Undo {
	for _, s := range everyStepParsed.Steps {
		if s.ID == step {
			return s.Undo
		}
	}
	return nil
}

// inOrder says that all of some events come, in their order, among others.
func inOrder(all, some []string) bool {
	for _, event := range some {
		i := slices.Index(all, event)
		if i < 0 {
			return false
		}
		all = all[i+1:]
	}
	return true
}

// withoutRetry leaves out that a step failed and a person had it done again, and says whether that was so.
func withoutRetry(events []string, step string) (without []string, retried bool) {
	i := slices.Index(events, "stepFailed "+step)
	if i < 0 || i+3 > len(events) || !slices.Equal(events[i+1:i+3], []string{"retried " + step, "stepStarted " + step}) {
		return events, false
	}
	return slices.Concat(events[:i], events[i+3:]), true
}

func names(all ...map[string]int) []string {
	union := map[string]bool{}
	for _, one := range all {
		for name := range one {
			union[name] = true
		}
	}
	return slices.Sorted(maps.Keys(union))
}
