package workflows

import (
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/lifeboat-dr/lifeboat/activities"
	"github.com/lifeboat-dr/lifeboat/internal/execution"
	"github.com/lifeboat-dr/lifeboat/internal/plan"
	"github.com/lifeboat-dr/lifeboat/runbooks"
)

// RunbookInput begins an execution of a runbook, or goes on with one.
type RunbookInput struct {
	// Docket is what the execution begins with, packed: the signed runbook and the signed start. Nothing
	// else in this input is believed.
	Docket string `json:"docket"`
	// Journal is the end of the journal from which `lifeboat resume` goes on; empty for a new execution.
	Journal activities.JournalHead `json:"journal,omitzero"`
	// Carried is what the run before this one has left.
	Carried *Carried `json:"carried,omitempty"`
}

// Carried is what an execution takes along into its next run, when its history grows long.
type Carried struct {
	Admitted activities.Admitted    `json:"admitted"`
	State    *execution.State       `json:"state"`
	Head     activities.JournalHead `json:"head"`
	// Holes says that a vault lacked an entry of the journal at some time.
	Holes bool `json:"holes,omitempty"`
	// Cards are those in Slack.
	Cards Cards `json:"cards,omitzero"`
	// Acknowledged are the calls that somebody has taken, and Called who was called, by step.
	Acknowledged map[string]plan.Command   `json:"acknowledged,omitempty"`
	Called       map[string][]plan.Contact `json:"called,omitempty"`
}

// RunbookResult is how an execution ended.
type RunbookResult struct {
	Execution string              `json:"execution"`
	State     plan.ExecutionState `json:"state"`
	Runbook   string              `json:"runbook"`
	Mode      plan.Mode           `json:"mode"`
	Target    string              `json:"target"`
	// Steps says where each step ended.
	Steps map[string]plan.StepState `json:"steps"`
	// Intended are the changes that mode plan found, in the runbook's order, and Plan their digest.
	Intended []plan.PlannedChange `json:"intended,omitempty"`
	Plan     string               `json:"plan,omitempty"`
	// Took is all of it, Waited the part in which gates were open.
	Took    time.Duration          `json:"took"`
	Waited  time.Duration          `json:"waited"`
	Journal activities.JournalHead `json:"journal"`
}

// Runbook runs a runbook.
//
//  1. Admit: the owners' signatures, the commander's, mode against target. From here on only the signed
//     texts count.
//  2. Live: hold the target, so that one execution at a time acts on it.
//  3. Run the steps, each when those that it needs are settled; people decide, steer and confirm meanwhile.
//  4. When that ends badly, or somebody decides so: undo what was done, the last step first.
//  5. Conclude: the journal's last entry, a message to people.
//
// Every event is journaled in the vaults; a step that changes something begins only when that is written.
func Runbook(ctx workflow.Context, in RunbookInput) (*RunbookResult, error) {
	e := newEngine(ctx, in)
	if err := e.answer(ctx); err != nil {
		return nil, err
	}
	if err := e.admit(ctx); err != nil {
		setState(ctx, string(plan.ExecutionFailed))
		return nil, err
	}
	e.listen(ctx)
	if err := e.hold(ctx); err != nil {
		setState(ctx, string(plan.ExecutionFailed))
		return nil, err
	}
	workflow.Go(ctx, e.keepJournal)
	workflow.Go(ctx, e.watchClock)
	if e.late = workflow.GetVersion(ctx, "2026-11-25-show-late", workflow.DefaultVersion, 1) != workflow.DefaultVersion; e.late {
		workflow.Go(ctx, e.keepShown)
	}
	e.showCards(ctx)
	if e.forward(ctx) == nextRun {
		return nil, e.continueAsNew(ctx)
	}

	// Nothing below may be cut off by a cancellation: it is what makes one safe.
	ctx, done := workflow.NewDisconnectedContext(ctx)
	defer done()
	e.undo(ctx)
	return e.conclude(ctx)
}

// lastWords is how long an execution that has ended waits for its messages to be delivered.
const lastWords = 2 * time.Minute

// engine is one run of a runbook. Its coroutines share it; none keeps a part of it across a wait.
type engine struct {
	in       RunbookInput
	id       string
	admitted activities.Admitted
	runbook  *runbooks.Runbook
	state    *execution.State
	journal  journal
	// running are the steps at work, with what stops each of them.
	running map[string]workflow.CancelFunc
	// judging keeps commands one after the other: each is judged by what the one before has left.
	judging workflow.Mutex
	// draining says that the next run is near: what waits for people or for time stands down.
	draining bool
	// broken ends everything at once: the journal belongs to another engine.
	broken error
	// dirty says that something changed that the loop has to look at.
	dirty bool
	// confirmed are the undos that people did by hand, by step.
	confirmed map[string]confirmation
	// telling counts the messages that are on their way.
	telling int
	// acknowledged are the pages that somebody has taken, by step.
	acknowledged map[string]plan.Command
	// called are those whose pagers do not know yet that nobody is needed, by step.
	called map[string][]plan.Contact
	// ringing stops calls that are under way, by step, and rung counts those that are not any more.
	ringing map[string][]workflow.CancelFunc
	rung    map[string]int
	// cards are those in Slack, where carded says that there are some; keeping that one is being shown.
	cards           Cards
	carded, keeping bool
	stopCards       workflow.CancelFunc
	// now and shown are what the Temporal UI and queries were last given. late says that they are given what changed
	// when everything that could go on has done so, stale that there is something.
	now         time.Time
	shown       labels
	late, stale bool
	// unheard counts the signals that have come and are not judged yet.
	unheard func() int
}

func newEngine(ctx workflow.Context, in RunbookInput) *engine {
	return &engine{
		in: in, id: workflow.GetInfo(ctx).WorkflowExecution.ID,
		running: map[string]workflow.CancelFunc{}, confirmed: map[string]confirmation{}, acknowledged: map[string]plan.Command{}, called: map[string][]plan.Contact{},
		ringing: map[string][]workflow.CancelFunc{}, rung: map[string]int{}, judging: workflow.NewMutex(ctx), now: workflow.Now(ctx).UTC(),
	}
}

// admit finds out what this execution is. The run before, or the journal, may have done so already.
func (e *engine) admit(ctx workflow.Context) error {
	if c := e.in.Carried; c != nil {
		e.admitted, e.state, e.journal.head, e.journal.holes = c.Admitted, c.State, c.Head, c.Holes
		e.runbook = &e.admitted.Runbook
		if c.Acknowledged != nil {
			e.acknowledged = c.Acknowledged
		}
		if c.Called != nil {
			e.called = c.Called
		}
		return e.label(ctx)
	}
	var executions *activities.Executions
	err := workflow.ExecuteActivity(lookup.on(ctx, "", "Check who may start this"), executions.AdmitExecution, activities.AdmitInput{
		Execution: e.id, Docket: e.in.Docket, Journal: e.in.Journal,
	}).Get(ctx, &e.admitted)
	if err != nil {
		return err
	}
	e.runbook, e.state = &e.admitted.Runbook, execution.New()
	for _, event := range e.admitted.Events {
		if err := e.state.Apply(e.runbook, event); err != nil {
			return activities.InvalidInput("the journal of %s cannot be followed: %v", e.id, err)
		}
	}
	e.admitted.Events = nil
	if e.journal.head = e.in.Journal; e.journal.head.Seq > 0 {
		e.apply(ctx, execution.Event{Kind: execution.Resumed})
		return e.label(ctx)
	}
	e.apply(ctx, execution.Event{
		Kind: execution.Started, Person: e.admitted.Commander, Used: e.admitted.Command,
		Approach: e.admitted.Brief.Approach, Docket: e.in.Docket, Receipt: &e.admitted.Accepted,
	})
	return e.label(ctx)
}

// apply takes an event into account, here and in the journal. An event that cannot follow is a mistake in
// this engine: it is refused, so that the journal stays one that can be followed.
func (e *engine) apply(ctx workflow.Context, event execution.Event) bool {
	event.Time = workflow.Now(ctx).UTC()
	if err := e.state.Apply(e.runbook, event); err != nil {
		workflow.GetLogger(ctx).Warn("apply event", "kind", event.Kind, "step", event.Step, "error", err)
		return false
	}
	e.journal.pending = append(e.journal.pending, event)
	e.dirty = true
	e.note(event)
	e.changed(ctx)
	return true
}

// guard says for whom and under what a step's activity acts.
func (e *engine) guard(step string) plan.Guard {
	b := e.admitted.Brief
	return plan.Guard{Execution: e.id, Step: step, Target: b.Target, Mode: b.Mode, Epoch: e.epoch(), Order: e.admitted.BriefDigest}
}

// epoch is what the execution believes in: the epoch that it was started in, or the last that it took.
func (e *engine) epoch() int64 {
	highest := e.admitted.Brief.Epoch
	for _, step := range e.runbook.Steps {
		if at := e.state.Step(step.ID); at.Receipt != nil {
			if taken, ok := runbooks.TakenEpoch(step.Type, at.Outputs); ok {
				highest = max(highest, taken)
			}
		}
	}
	return highest
}

// watchClock ends the way forward when the start's time is over.
func (e *engine) watchClock(ctx workflow.Context) {
	left := e.admitted.Brief.Until.Sub(workflow.Now(ctx))
	if err := workflow.NewTimerWithOptions(ctx, max(left, time.Millisecond), workflow.TimerOptions{Summary: "The start's time is over"}).Get(ctx, nil); err != nil {
		return
	}
	e.judge(ctx, execution.Event{Kind: execution.Judged, Verdict: execution.VerdictTimedOut, Cause: "the time of the start is over"})
}

// judge ends the way forward and stops what runs.
func (e *engine) judge(ctx workflow.Context, event execution.Event) bool {
	if e.state.Verdict != "" || !e.apply(ctx, event) {
		return false
	}
	e.stop()
	return true
}

// stop ends what runs and what waits for people.
func (e *engine) stop() {
	for _, step := range e.runbook.Steps {
		if stop := e.running[step.ID]; stop != nil {
			stop()
		}
	}
}

// conclude ends the execution: the last entry of the journal, the message, the result.
func (e *engine) conclude(ctx workflow.Context) (*RunbookResult, error) {
	if e.broken != nil {
		setState(ctx, string(plan.ExecutionFailed))
		return nil, e.broken
	}
	outcome := e.state.Outcome(e.runbook)
	now := workflow.Now(ctx)
	result := &RunbookResult{
		Execution: e.id, State: outcome, Runbook: e.runbook.Name, Mode: e.admitted.Brief.Mode, Target: e.admitted.Brief.Target,
		Steps: map[string]plan.StepState{}, Took: now.Sub(e.state.Began), Waited: e.state.Waited(e.runbook, now),
	}
	for _, step := range e.runbook.Steps {
		result.Steps[step.ID] = e.state.Step(step.ID).State
	}
	result.Intended = e.state.Changes(e.runbook)
	if result.Mode == plan.ModePlan && outcome == plan.ExecutionCompleted {
		var executions *activities.Executions
		if err := workflow.ExecuteActivity(lookup.on(ctx, "", "Take the plan's digest"), executions.DigestPlan, result.Intended).Get(ctx, &result.Plan); err != nil {
			return nil, err
		}
	}
	e.apply(ctx, execution.Event{Kind: execution.Ended, State: outcome})
	e.show(ctx)
	if err := e.journaled(ctx); err != nil {
		return nil, err
	}
	e.release(ctx)
	for i := range e.runbook.Steps {
		e.callsEnd(ctx, &e.runbook.Steps[i])
	}
	e.tellEnd(ctx, outcome)
	e.heal(ctx)
	result.Journal = e.journal.head
	_ = workflow.Await(ctx, func() bool { return workflow.AllHandlersFinished(ctx) })
	// Messages and cards are waited for, but no receiver that is down keeps an execution from its end.
	_, _ = workflow.AwaitWithTimeout(ctx, lastWords, func() bool { return e.telling == 0 && e.cardsShown() })
	e.closeCards(ctx)
	switch outcome {
	case plan.ExecutionCompleted, plan.ExecutionCompletedWithExceptions:
		return result, nil
	}
	// The result is in the details, so that whoever waits sees where each step ended.
	return nil, temporal.NewNonRetryableApplicationError("the execution ended as "+string(outcome), "Execution"+capital(string(outcome)), nil, result)
}

func capital(s string) string { return string(s[0]-'a'+'A') + s[1:] }
