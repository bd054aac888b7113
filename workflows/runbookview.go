package workflows

import (
	"strconv"
	"strings"
	"time"

	"go.temporal.io/sdk/workflow"

	"github.com/lifeboat-dr/lifeboat/activities"
	"github.com/lifeboat-dr/lifeboat/internal/plan"
	"github.com/lifeboat-dr/lifeboat/runbooks"
)

// View is where an execution stands, for people and programs that ask.
type View struct {
	Execution string              `json:"execution"`
	State     plan.ExecutionState `json:"state"`
	Runbook   string              `json:"runbook"`
	Title     string              `json:"title"`
	Mode      plan.Mode           `json:"mode"`
	Target    string              `json:"target"`
	Approach  plan.Approach       `json:"approach"`
	Commander string              `json:"commander"`
	// Brief is the digest that steering commands are bound to.
	Brief string    `json:"brief"`
	Began time.Time `json:"began"`
	Ended time.Time `json:"ended,omitzero"`
	Until time.Time `json:"until"`
	// RTO is the runbook's objective, Waited how long gates have been open.
	RTO    time.Duration `json:"rto,omitempty"`
	Waited time.Duration `json:"waited"`
	Steps  []ViewStep    `json:"steps"`
	// Returnless is the step from which on nothing is undone; empty before it was begun.
	Returnless string `json:"returnless,omitempty"`
	Verdict    string `json:"verdict,omitempty"`
	// Undo is what a cancellation would take back now, in its order.
	Undo    []ViewUndo             `json:"undo,omitempty"`
	Journal activities.JournalHead `json:"journal"`
	// Late is why no vault takes the journal; Missed are the vaults that lack entries.
	Late   string    `json:"late,omitempty"`
	Missed []string  `json:"missed,omitempty"`
	Now    time.Time `json:"now"`
}

// ViewStep is where one step stands.
type ViewStep struct {
	ID       string         `json:"id"`
	Title    string         `json:"title"`
	Type     string         `json:"type"`
	Needs    []string       `json:"needs,omitempty"`
	Effect   string         `json:"effect"`
	State    plan.StepState `json:"state"`
	Attempt  int            `json:"attempt,omitempty"`
	Began    time.Time      `json:"began,omitzero"`
	Ended    time.Time      `json:"ended,omitzero"`
	Error    string         `json:"error,omitempty"`
	Hint     string         `json:"hint,omitempty"`
	Undoable bool           `json:"undoable,omitempty"`
	Gate     *ViewGate      `json:"gate,omitempty"`
	Outputs  map[string]any `json:"outputs,omitempty"`
}

// ViewUndo is one undo that a cancellation would run.
type ViewUndo struct {
	Step    string        `json:"step"`
	Type    string        `json:"type"`
	Timeout time.Duration `json:"timeout"`
	Summary string        `json:"summary,omitempty"`
	// Loss is what the undo of this step gives up, in the runbook's words.
	Loss string `json:"loss,omitempty"`
}

// ViewGate is a gate as those see it who decide. Facts is the exact text that decisions are bound to.
type ViewGate struct {
	Facts     string    `json:"facts"`
	Digest    string    `json:"digest"`
	Requires  int       `json:"requires"`
	Roles     []string  `json:"roles,omitempty"`
	Confirm   bool      `json:"confirm,omitempty"`
	Opened    time.Time `json:"opened"`
	Deadline  time.Time `json:"deadline,omitzero"`
	Decisions []string  `json:"decisions,omitempty"`
}

func (e *engine) view() View {
	b := e.admitted.Brief
	v := View{
		Execution: e.id, State: e.state.Status(e.runbook), Runbook: e.runbook.Name, Title: e.runbook.Title, Mode: b.Mode, Target: b.Target,
		Approach: e.state.Approach, Commander: e.state.Commander, Brief: e.admitted.BriefDigest, Began: e.state.Began, Ended: e.state.Ended,
		Until: b.Until, RTO: e.runbook.Objectives.RTO, Waited: e.state.Waited(e.runbook, e.now), Returnless: e.state.Returnless,
		Verdict: string(e.state.Verdict), Journal: e.journal.head, Late: e.journal.late, Missed: e.journal.missed, Now: e.now,
	}
	for _, id := range e.state.Undoable(e.runbook) {
		step := e.runbook.Step(id)
		v.Undo = append(v.Undo, ViewUndo{Step: id, Type: step.Undo.Type, Timeout: step.Undo.Timeout, Summary: step.Undo.Summary, Loss: step.Summary})
	}
	for _, step := range e.runbook.Steps {
		at := e.state.Step(step.ID)
		s := ViewStep{
			ID: step.ID, Title: step.Title, Type: step.Type, Needs: step.Needs, Effect: string(step.Effect), State: at.State,
			Attempt: at.Attempt, Began: at.Began, Ended: at.Ended, Undoable: step.Undo != nil, Outputs: at.Outputs,
		}
		if at.Failure != nil {
			s.Error, s.Hint = at.Failure.Type+": "+at.Failure.Message, at.Failure.Hint
		}
		if g := at.Gate; g != nil {
			s.Gate = &ViewGate{Facts: g.Facts, Digest: g.Digest, Requires: g.Requires, Roles: g.Roles, Confirm: g.Confirm, Opened: g.Opened, Deadline: g.Deadline}
			for _, d := range g.Decisions {
				s.Gate.Decisions = append(s.Gate.Decisions, string(d.Kind)+" by "+d.Person+": "+d.Reason)
			}
		}
		v.Steps = append(v.Steps, s)
	}
	return v
}

// maxDetails bounds what the Temporal UI shows as current details, in bytes.
const maxDetails = 18000

// show brings the Temporal UI up to date: the table for people who look, the attributes for those who search.
func (e *engine) show(ctx workflow.Context) {
	e.now, e.stale = workflow.Now(ctx).UTC(), false
	workflow.SetCurrentDetails(ctx, e.table())
	attributes := e.searchable()
	if attributes == e.shown {
		return
	}
	e.shown = attributes
	if err := workflow.UpsertTypedSearchAttributes(ctx, attributes.updates()...); err != nil {
		workflow.GetLogger(ctx).Warn("label execution", "error", err)
	}
}

// changed notes that there is something to show.
func (e *engine) changed(ctx workflow.Context) {
	if e.stale = true; !e.late {
		e.show(ctx)
	}
}

// keepShown shows what changed, once for all that happened at the same time: each change of the attributes is a write to
// Temporal's database, and a step's end is the beginning of the next.
func (e *engine) keepShown(ctx workflow.Context) {
	ctx, done := workflow.NewDisconnectedContext(ctx)
	defer done()
	for workflow.Await(ctx, func() bool { return e.stale }) == nil {
		e.show(ctx)
	}
}

// table is the execution as Markdown: what is going on, who is waited for, and every step.
func (e *engine) table() string {
	b := e.admitted.Brief
	var t strings.Builder
	write := func(words ...string) {
		for _, w := range words {
			t.WriteString(w)
		}
	}
	kind := "PLAN"
	switch b.Mode {
	case plan.ModeLive:
		kind = "**LIVE**"
	case plan.ModeDrill:
		kind = "DRILL"
	}
	write(kind, " · ", e.runbook.Title, " · target `", b.Target, "` · ", string(e.state.Approach), " · **", string(e.state.Status(e.runbook)), "**\n\n")
	write("Commander ", e.state.Commander, " · began ", e.state.Began.Format(time.RFC3339), " · last change ", e.now.Format(time.RFC3339),
		", after ", e.now.Sub(e.state.Began).Round(time.Second).String(), ", people waited for ", e.state.Waited(e.runbook, e.now).Round(time.Second).String())
	if rto := e.runbook.Objectives.RTO; rto > 0 {
		write(" · the objective ends ", e.state.Began.Add(rto).Format(time.RFC3339))
	}
	write("\n\n")
	if e.journal.late != "" {
		write("**", e.journal.late, "**\n\n")
	}
	if e.state.Returnless != "" {
		write("Past the point of no return since `", e.state.Returnless, "`.\n\n")
	}
	for _, step := range e.runbook.Steps {
		if at := e.state.Step(step.ID); at.State == plan.StepAwaitingApproval {
			write("Waiting for **", strings.Join(at.Gate.Roles, " or "), "** at `", step.ID, "`: ", strconv.Itoa(len(at.Gate.Decisions)), " of ", strconv.Itoa(at.Gate.Requires))
			if !at.Gate.Deadline.IsZero() {
				write(", until ", at.Gate.Deadline.Format(time.RFC3339))
			}
			write("\n\n")
		}
	}
	write("| step | | state | took |\n| --- | --- | --- | --- |\n")
	for i, step := range e.runbook.Steps {
		if t.Len() > maxDetails {
			write("\n… and ", strconv.Itoa(len(e.runbook.Steps)-i), " more: `lifeboat show ", e.id, "`\n")
			break
		}
		at := e.state.Step(step.ID)
		took := ""
		if !at.Began.IsZero() && !at.Ended.IsZero() {
			took = at.Ended.Sub(at.Began).Round(100 * time.Millisecond).String()
		}
		state := string(at.State)
		if at.Failure != nil {
			state += ": " + at.Failure.Type
		}
		write("| `", step.ID, "` | ", cell(step.Title), mark(step), " | ", state, " | ", took, " |\n")
	}
	return t.String()
}

func mark(step runbooks.Step) string {
	if step.Effect == runbooks.EffectIrreversible {
		return " (cannot be undone)"
	}
	return ""
}

func cell(text string) string { return strings.NewReplacer("|", "/", "\n", " ").Replace(text) }
