package e2e

import (
	"slices"
	"strings"

	"github.com/lifeboat-dr/lifeboat/internal/plan"
)

// stageRow is one boundary of one step.
type stageRow struct {
	step, boundary string
	at             func(moment) bool
	// part is what data the execution moves: save, prove, bring or past, or that it is a failover, over, or that a standby
	// takes over, follow; empty for none.
	part string
	// undo says that it is canceled at its last gate, and the boundary is one of its undo.
	undo bool
	// quiet keeps people from answering the step before the boundary is reached.
	quiet bool
}

func (r stageRow) String() string {
	name := r.step
	if r.undo {
		name = "undo of " + name
	}
	return name + ", " + r.boundary
}

// stageKind is what makes undisturbed executions differ.
type stageKind struct {
	part string
	undo bool
}

func (r stageRow) kind() stageKind { return stageKind{r.part, r.undo} }

// inputs are those of an execution that comes by the boundary; what is proved is saved first.
func (r stageRow) inputs() map[string]any {
	return map[string]any{"save": r.part == "save" || r.part == "prove", "prove": r.part == "prove", "bring": r.part == "bring", "past": r.part == "past", "over": r.part == "over", "follow": r.part == "follow"}
}

// inner is the step whose child workflow an activity belongs to; empty for the execution's own.
func (m moment) inner() string {
	parts := strings.Split(m.Execution, "/")
	if len(parts) < 5 {
		return ""
	}
	return parts[3]
}

// own is an activity of the execution for a step.
func own(activity, step, when string, about ...string) func(moment) bool {
	return func(m moment) bool {
		if m.inner() != "" || m.Activity != activity || m.Step != step || m.When != when || slices.Contains(m.About, "undo") != slices.Contains(about, "undo") {
			return false
		}
		for _, word := range about {
			if !slices.Contains(m.About, word) {
				return false
			}
		}
		return true
	}
}

// child is an activity of a step's child workflow.
func child(activity, step, when string) func(moment) bool {
	return func(m moment) bool { return m.inner() == step && m.Activity == activity && m.When == when }
}

// written is the journal's entry of an event.
func written(event, when string) func(moment) bool {
	return func(m moment) bool {
		return m.Activity == "AppendJournal" && m.When == when && slices.Contains(m.About, event)
	}
}

// stageRows are all boundaries: a worker has what the step begins with and nothing happened; it happened and nobody was
// told; the step is in the journal and the next one has not begun.
func stageRows() []stageRow {
	rows := []stageRow{
		{step: "(start)", boundary: "before", at: own("AdmitExecution", "", "before")},
		{step: "(start)", boundary: "after", at: own("AdmitExecution", "", "after")},
		{step: "(start)", boundary: "between", at: written("started ", "after")},
	}
	add := func(part, step string, before, after func(moment) bool) {
		rows = append(rows, stageRow{step: step, boundary: "before", at: before, part: part}, stageRow{step: step, boundary: "after", at: after, part: part},
			stageRow{step: step, boundary: "between", at: written("stepCompleted "+step, "after"), part: part})
	}
	activity := func(part, step, name string) {
		add(part, step, own(name, step, "before"), own(name, step, "after"))
	}
	activity("", "readiness", "CheckReadiness")
	add("", "allow", own("PrepareGate", "allow", "before"), own("JudgeCommand", "allow", "after", string(plan.CommandApprove)))
	rows = append(rows, stageRow{step: "allow", boundary: "asked", at: own("SendAlert", "allow", "after", "gate.open"), quiet: true},
		stageRow{step: "allow", boundary: "opened", at: written("gateOpened allow", "before"), quiet: true},
		stageRow{step: "allow", boundary: "decided", at: own("JudgeCommand", "allow", "before", string(plan.CommandApprove))})
	activity("", "tell", "SendNotice")
	add("", "call", own("SendAlert", "call", "before", "page"), own("SendAlert", "call", "after", "page"))
	rows[len(rows)-3].quiet, rows[len(rows)-2].quiet = true, true
	rows = append(rows, stageRow{step: "call", boundary: "taken", at: own("JudgeCommand", "call", "after", string(plan.CommandAcknowledge))})
	activity("", "ask", "CheckSQL")
	activity("", "scale", "CallHTTP")
	activity("", "freeze", "RunProgram")
	activity("", "once", "RunProgram")
	// Its time passes in Temporal; what can be disturbed is the journal's entry before and after it.
	add("", "nap", written("stepStarted nap", "before"), written("stepStarted nap", "after"))
	activity("", "ready", "CallHTTP")
	activity("", "inside.mark", "CallHTTP")
	activity("", "inside.say", "SendNotice")
	activity("", "probe", "ProbePrimary")
	activity("", "hold", "HoldDoor")
	activity("", "move", "MoveDoor")
	activity("", "close", "CloseDoor")
	add("", "look", own("PrepareGate", "look", "before"), own("JudgeCommand", "look", "after", string(plan.CommandConfirm)))
	activity("", "open", "OpenDoor")
	activity("", "observe", "CallHTTP")
	rows = append(rows,
		stageRow{step: "(end)", boundary: "before", at: written("ended ", "before")},
		stageRow{step: "(end)", boundary: "after", at: written("ended ", "after")},
		stageRow{step: "(end)", boundary: "told", at: own("SendAlert", "", "after", "execution.ended")})
	undo := func(step, name string) {
		rows = append(rows, stageRow{step: step, boundary: "before", at: own(name, step, "before", "undo"), undo: true},
			stageRow{step: step, boundary: "after", at: own(name, step, "after", "undo"), undo: true},
			stageRow{step: step, boundary: "between", at: written("undoCompleted "+step, "after"), undo: true})
	}
	undo("look", "CallHTTP")
	undo("close", "HoldDoor")
	undo("move", "MoveDoor")
	undo("hold", "OpenDoor")
	undo("inside.mark", "CallHTTP")
	undo("once", "RunProgram")
	undo("freeze", "RunProgram")
	undo("scale", "CallHTTP")

	add("save", "save", child("OpenSnapshot", "save", "before"), child("CommitManifest", "save", "after"))
	rows = append(rows, stageRow{step: "save", boundary: "opened", at: child("OpenSnapshot", "save", "after"), part: "save"},
		stageRow{step: "save", boundary: "removed", at: child("RemoveSnapshot", "save", "after"), part: "save"})
	add("prove", "prove", child("OpenTarget", "prove", "before"), child("RecordVerified", "prove", "after"))
	rows = append(rows, stageRow{step: "prove", boundary: "opened", at: child("OpenTarget", "prove", "after"), part: "prove"})
	add("bring", "bring", child("OpenTarget", "bring", "before"), child("FinishTarget", "bring", "after"))
	rows = append(rows, stageRow{step: "bring", boundary: "opened", at: child("OpenTarget", "bring", "after"), part: "bring"})
	for _, step := range []string{"save", "prove", "bring"} {
		rows = append(rows, stageRow{step: step, boundary: "vouched", at: own("VouchWorkflow", step, "after"), part: step})
	}
	activity("bring", "tables", "CheckSQL")
	activity("past", "past", "MakeBranch")
	activity("past", "lost", "MeasureLostWindow")
	activity("past", "gone", "DropBranch")
	rows = append(rows, stageRow{step: "bring", boundary: "before", at: written("undoStarted bring", "before"), part: "bring", undo: true},
		stageRow{step: "bring", boundary: "after", at: own("JudgeCommand", "bring", "after", string(plan.CommandConfirm)), part: "bring", undo: true},
		stageRow{step: "bring", boundary: "between", at: written("undoCompleted bring", "after"), part: "bring", undo: true})
	activity("over", "epoch", "TakeEpoch")
	activity("over", "fence", "FencePrimary")
	activity("over", "lift", "UnfencePrimary")
	for _, row := range []stageRow{
		{boundary: "before", at: own("DropBranch", "past", "before", "undo")}, {boundary: "after", at: own("DropBranch", "past", "after", "undo")},
		{boundary: "between", at: written("undoCompleted past", "after")},
	} {
		row.step, row.part, row.undo = "past", "past", true
		rows = append(rows, row)
	}
	for step, name := range map[string]string{"epoch": "TakeEpoch", "fence": "UnfencePrimary", "lift": "FencePrimary"} {
		rows = append(rows, stageRow{step: step, boundary: "before", at: own(name, step, "before", "undo"), part: "over", undo: true},
			stageRow{step: step, boundary: "after", at: own(name, step, "after", "undo"), part: "over", undo: true},
			stageRow{step: step, boundary: "between", at: written("undoCompleted "+step, "after"), part: "over", undo: true})
	}
	activity("follow", "follow", "Reprotect")
	activity("follow", "lag", "LookAtStandby")
	activity("follow", "drain", "DrainStandby")
	activity("follow", "crown", "PromoteStandby")
	activity("follow", "unfollow", "Unprotect")
	for _, row := range []stageRow{
		{step: "crown", boundary: "before", at: own("CallHTTP", "crown", "before", "undo")}, {step: "crown", boundary: "after", at: own("CallHTTP", "crown", "after", "undo")},
		{step: "crown", boundary: "between", at: written("undoCompleted crown", "after")},
		{step: "follow", boundary: "before", at: own("Unprotect", "follow", "before", "undo")}, {step: "follow", boundary: "after", at: own("Unprotect", "follow", "after", "undo")},
		{step: "follow", boundary: "between", at: written("undoCompleted follow", "after")},
	} {
		row.part, row.undo = "follow", true
		rows = append(rows, row)
	}
	return rows
}
