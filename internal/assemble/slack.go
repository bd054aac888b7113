package assemble

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"

	"github.com/lifeboat-dr/lifeboat/activities"
	"github.com/lifeboat-dr/lifeboat/internal/config"
	"github.com/lifeboat-dr/lifeboat/internal/notify"
	"github.com/lifeboat-dr/lifeboat/internal/notify/slack"
	"github.com/lifeboat-dr/lifeboat/internal/plan"
	"github.com/lifeboat-dr/lifeboat/workflows"
)

// slacking makes the way to Slack, where the configuration has one.
func (e *Engine) slacking(cfg *config.Config) error {
	s := cfg.Slack
	if s == nil {
		return nil
	}
	app, err := s.AppToken.Resolve()
	if err != nil {
		return fmt.Errorf("slack.app_token: %w", err)
	}
	bot, err := s.BotToken.Resolve()
	if err != nil {
		return fmt.Errorf("slack.bot_token: %w", err)
	}
	e.slack, err = slack.New(slack.Config{
		API: s.API, AppToken: app, BotToken: bot, Team: s.Team, Keys: e.keys, Signer: e.signer, People: e.orders.People, Log: e.opt.Log,
		Channels: slack.Channels{Live: s.Channels.Live, Drill: s.Channels.Drill, Severity: map[notify.Severity]string{
			notify.Info: s.Channels.Info, notify.Warning: s.Channels.Warning, notify.Critical: s.Channels.Critical,
		}},
	})
	if err != nil {
		return fmt.Errorf("slack: %w", err)
	}
	return nil
}

// slackPatience is how long Slack is asked at the start who we are. A worker starts without Slack, too.
const slackPatience = 10 * time.Second

// ListenToSlack takes clicks until ctx ends, where the configuration has Slack. It returns at once: nothing waits for
// Slack, and what is wrong with it is logged.
func (e *Engine) ListenToSlack(ctx context.Context, c client.Client) {
	if e.slack == nil {
		return
	}
	go func() {
		ask, done := context.WithTimeout(ctx, slackPatience)
		if err := e.slack.Check(ask); err != nil && ctx.Err() == nil {
			e.opt.Log.ErrorContext(ctx, "Slack", slog.Any("error", err))
		}
		done()
		e.slack.Listen(ctx, executionsBy{c})
	}()
}

// answerWithin is how long an execution may take to answer, before the command goes by signal.
const answerWithin = 15 * time.Second

// executionsBy brings commands to executions, as the command line does: by update, or by signal when no worker answers.
type executionsBy struct{ client client.Client }

func (x executionsBy) Command(ctx context.Context, execution string, signed plan.SignedCommand) (slack.Outcome, error) {
	asked, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	handle, err := x.client.UpdateWorkflow(asked, client.UpdateWorkflowOptions{
		WorkflowID: execution, UpdateName: workflows.CommandUpdate, Args: []any{signed}, WaitForStage: client.WorkflowUpdateStageCompleted,
	})
	var outcome workflows.CommandOutcome
	if err == nil {
		err = handle.Get(asked, &outcome)
	}
	if gone, is := errors.AsType[*serviceerror.NotFound](err); is {
		return slack.Outcome{Cause: "ended", Message: gone.Message}, nil
	}
	_, late := errors.AsType[*client.WorkflowUpdateServiceTimeoutOrCanceledError](err)
	if late || errors.Is(err, context.DeadlineExceeded) {
		if failed := x.client.SignalWorkflow(ctx, execution, "", workflows.CommandSignal, signed); failed == nil {
			return slack.Outcome{}, fmt.Errorf("execution %s did not answer within %s: the command waits there as a signal", execution, answerWithin)
		}
	}
	if err != nil {
		return slack.Outcome{}, fmt.Errorf("send the command to %s: %w", execution, err)
	}
	return slack.Outcome{Accepted: outcome.Accepted, Cause: outcome.Cause, Message: outcome.Message}, nil
}

// cards show gates in Slack.
func (e *Engine) cards() *activities.Cards {
	c := &activities.Cards{Orders: e.orders}
	if e.slack != nil {
		c.Board = slackBoard{e.slack}
	}
	return c
}

// slackBoard is Slack as activities see it.
type slackBoard struct{ client *slack.Client }

func (b slackBoard) Show(ctx context.Context, at activities.CardPlace, card activities.Card) (activities.CardPlace, error) {
	shown := slack.Card{
		Facts: card.Facts, Title: card.Title, Message: card.Message, Shows: card.Shows, Means: card.Means, Runbook: card.Runbook, Commander: card.Commander,
		Requester: card.Requester, Task: card.Task, Grave: card.Grave, ClicksSuffice: card.ClicksSuffice, State: slack.State(card.State), Look: card.Look,
	}
	for _, d := range card.Decisions {
		shown.Decisions = append(shown.Decisions, slack.Decision(d))
	}
	place, err := b.client.Show(ctx, slack.Place(at), shown)
	return activities.CardPlace(place), err
}

func (b slackBoard) Say(ctx context.Context, at activities.CardPlace, id string, since time.Time, lines []string) error {
	return b.client.Say(ctx, slack.Place(at), id, since, lines)
}
