package workflows

import (
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/lifeboat-dr/lifeboat/activities"
	"github.com/lifeboat-dr/lifeboat/internal/execution"
	"github.com/lifeboat-dr/lifeboat/internal/plan"
)

// Cards are the cards of an execution's gates in Slack, and what is to be told below them. Nothing of the execution
// waits for them.
type Cards struct {
	All []CardOf `json:"all,omitempty"`
	// Lines are those that are not told yet, and Number the one of the last.
	Lines  []activities.CardLine `json:"lines,omitempty"`
	Number int                   `json:"number,omitempty"`
}

// CardOf is the card of one round of a gate. Only one whose gate is open is kept once it is up to date.
type CardOf struct {
	Step      string               `json:"step"`
	Round     int                  `json:"round"`
	Facts     string               `json:"facts"`
	State     string               `json:"state"`
	Decisions []execution.Decision `json:"decisions,omitempty"`
	At        activities.CardPlace `json:"at,omitzero"`
	// Stale says that Slack does not show it as it is; Tried that it may have been posted.
	Stale bool `json:"stale,omitempty"`
	Tried bool `json:"tried,omitempty"`
}

// board is for cards: Slack may be away for a night, and is written to when it is back.
var board = profile{attempt: time.Minute, budget: 7 * 24 * time.Hour, first: time.Second, most: 15 * time.Second}

// mostLines bounds what waits to be told below a card; the journal has all of it.
const mostLines = 200

// note takes an event into account that cards show.
func (e *engine) note(event execution.Event) {
	if !e.carded {
		return
	}
	card := e.openCard(event.Step)
	switch event.Kind {
	case execution.GateOpened:
		e.cards.All = append(e.cards.All, CardOf{Step: event.Step, Round: event.Gate.Round, Facts: event.Gate.Facts, State: activities.CardOpen, Stale: true})
		return
	case execution.Decided:
		if card != nil {
			card.Decisions, card.Stale = e.state.Step(event.Step).Gate.Decisions, true
		}
		return
	case execution.CommandRefused, execution.Acknowledged, execution.StepIntended:
		return // the journal has it
	case execution.HandedOver:
		for i := range e.cards.All {
			e.cards.All[i].Stale = e.cards.All[i].Stale || e.cards.All[i].State == activities.CardOpen
		}
	case execution.StepCompleted, execution.StepFailed, execution.StepCanceled, execution.StepNotApplicable, execution.Skipped:
		if card != nil {
			card.State, card.Stale = endOf(card, event), true
		}
	}
	if len(e.cards.All) == 0 || len(e.cards.Lines) >= mostLines {
		return // there is nothing below which it could stand
	}
	e.cards.Number++
	line := activities.CardLine{Number: e.cards.Number, Time: event.Time, Kind: event.Kind, Step: event.Step, Person: event.Person, Detail: string(event.State) + string(event.Verdict)}
	if event.Failure != nil {
		line.Detail = event.Failure.Type
	}
	e.cards.Lines = append(e.cards.Lines, line)
}

// endOf is how a card ends with its step.
func endOf(card *CardOf, event execution.Event) string {
	switch {
	case event.Kind == execution.StepCompleted && len(card.Decisions) > 0 && card.Decisions[0].Kind == plan.CommandConfirm:
		return activities.CardConfirmed
	case event.Kind == execution.StepCompleted && event.Cause == "":
		return activities.CardApproved
	case event.Failure != nil && event.Failure.Type == "Rejected":
		return activities.CardRejected
	case event.Kind == execution.StepFailed, event.Kind == execution.StepCompleted:
		return activities.CardExpired
	}
	return activities.CardEnded
}

// openCard is the card of a step's gate that is open; nil for none.
func (e *engine) openCard(step string) *CardOf {
	for i := range e.cards.All {
		if c := &e.cards.All[i]; c.Step == step && c.State == activities.CardOpen {
			return c
		}
	}
	return nil
}

// staleCard is the first card that has to be brought up to date, or the newest when only something is to be told.
func (e *engine) staleCard() (at int, ok bool) {
	for i := range e.cards.All {
		if e.cards.All[i].Stale {
			return i, true
		}
	}
	return len(e.cards.All) - 1, len(e.cards.Lines) > 0
}

// showCards begins to show gates in Slack, where the workers have one: those that are open already, too.
func (e *engine) showCards(ctx workflow.Context) {
	if !e.admitted.Slack || e.admitted.Brief.Mode == plan.ModePlan || workflow.GetVersion(ctx, "2026-11-25-slack-cards", workflow.DefaultVersion, 1) == workflow.DefaultVersion {
		return
	}
	e.carded = true
	if c := e.in.Carried; c != nil {
		e.cards = c.Cards
	}
	for _, step := range e.runbook.Steps {
		if at := e.state.Step(step.ID); at.State == plan.StepAwaitingApproval && e.openCard(step.ID) == nil {
			e.cards.All = append(e.cards.All, CardOf{
				Step: step.ID, Round: at.Gate.Round, Facts: at.Gate.Facts, State: activities.CardOpen, Decisions: at.Gate.Decisions, Stale: true, Tried: true,
			})
		}
	}
	// A cancellation, too, has to be seen.
	ctx, _ = workflow.NewDisconnectedContext(ctx)
	ctx, e.stopCards = workflow.WithCancel(ctx)
	workflow.Go(ctx, e.keepCards)
}

// keepCards brings cards up to date, one after the other, until it is stopped.
func (e *engine) keepCards(ctx workflow.Context) {
	for workflow.Await(ctx, func() bool { _, stale := e.staleCard(); return stale }) == nil && ctx.Err() == nil {
		at, _ := e.staleCard()
		e.keeping = true
		e.keepCard(ctx, at)
		e.keeping = false
	}
}

// keepCard brings one card up to date. What happens meanwhile makes it stale again.
func (e *engine) keepCard(ctx workflow.Context, at int) {
	card, lines := e.cards.All[at], len(e.cards.Lines)
	in := card.input(e.withDocket(e.guard(card.Step)), e.state.Commander)
	newest := at == len(e.cards.All)-1
	if newest {
		in.Lines = e.cards.Lines[:lines:lines]
	}
	e.cards.All[at].Stale, e.cards.All[at].Tried = false, true
	var kept activities.CardKept
	var cards *activities.Cards
	err := workflow.ExecuteActivity(board.on(ctx, "", "Show "+card.Step+" in Slack"), cards.KeepCard, in).Get(ctx, &kept)
	if temporal.IsCanceledError(err) {
		e.cards.All[at].Stale = true
		return
	}
	if newest {
		e.cards.Lines = e.cards.Lines[lines:]
	}
	if err != nil {
		workflow.GetLogger(ctx).Error("show card", "step", card.Step, "error", err)
		return
	}
	e.cards.All[at].At = kept.At
}

// input asks to show the card.
func (c CardOf) input(guard plan.Guard, commander string) activities.KeepCardInput {
	guard.Step = c.Step
	return activities.KeepCardInput{Guard: guard, Facts: c.Facts, State: c.State, Commander: commander, Decisions: c.Decisions, At: c.At, Look: c.Tried}
}

// cardsShown says that nothing is left to be shown.
func (e *engine) cardsShown() bool {
	_, stale := e.staleCard()
	return !stale && !e.keeping
}

// leaveCards stops showing cards and returns those that the next run goes on with.
func (e *engine) leaveCards(ctx workflow.Context) (left Cards) {
	if !e.carded {
		return left
	}
	e.stopCards()
	_ = workflow.Await(ctx, func() bool { return !e.keeping })
	left.Lines, left.Number = e.cards.Lines, e.cards.Number
	for i, card := range e.cards.All {
		if card.Stale || card.State == activities.CardOpen || i == len(e.cards.All)-1 {
			left.All = append(left.All, card)
		}
	}
	return left
}

// closeCards gives what is not shown when the execution ends to a workflow of its own: Slack may be away for a night,
// and the execution does not wait for it.
func (e *engine) closeCards(ctx workflow.Context) {
	if !e.carded || e.cardsShown() {
		return
	}
	in := CloseCardsInput{Commander: e.state.Commander, Cards: e.leaveCards(ctx)}
	in.Guard = e.withDocket(e.guard("cards"))
	ctx = workflow.WithChildOptions(ctx, workflow.ChildWorkflowOptions{
		WorkflowID: CardsID(e.id), TaskQueue: Queue, ParentClosePolicy: enumspb.PARENT_CLOSE_POLICY_ABANDON,
		StaticSummary: "Show in Slack how " + e.id + " ended",
	})
	if err := workflow.ExecuteChildWorkflow(ctx, CloseCardsName, in).GetChildWorkflowExecution().Get(ctx, nil); err != nil {
		workflow.GetLogger(ctx).Error("go on with cards", "error", err)
	}
}

// CloseCardsInput is what is left to be shown of an execution that has ended.
type CloseCardsInput struct {
	Guard     plan.Guard `json:"guard"`
	Commander string     `json:"commander"`
	Cards     Cards      `json:"cards"`
}

// CloseCards brings the cards of an execution that has ended up to date, when Slack is back: a button that stays is one
// that somebody presses.
func CloseCards(ctx workflow.Context, in CloseCardsInput) error {
	var cards *activities.Cards
	var first error
	for i, card := range in.Cards.All {
		newest := i == len(in.Cards.All)-1
		told := newest && len(in.Cards.Lines) > 0
		if !card.Stale && !told {
			continue
		}
		ask := card.input(in.Guard, in.Commander)
		if newest {
			ask.Lines = in.Cards.Lines
		}
		if err := workflow.ExecuteActivity(board.on(ctx, "", "Show "+card.Step+" in Slack"), cards.KeepCard, ask).Get(ctx, nil); err != nil && first == nil {
			first = err
		}
	}
	return first
}
