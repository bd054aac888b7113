package activities

import (
	"context"
	"encoding/json"
	"fmt"
	"regexp"
	"time"

	"go.temporal.io/sdk/activity"

	"github.com/lifeboat-dr/lifeboat/internal/execution"
	"github.com/lifeboat-dr/lifeboat/internal/plan"
	"github.com/lifeboat-dr/lifeboat/internal/roster"
	"github.com/lifeboat-dr/lifeboat/runbooks"
)

// Board shows people what waits for them, and takes nothing from them: Slack.
type Board interface {
	// Show brings a card to what it is now, and says where it is. Repeating it is safe.
	Show(ctx context.Context, at CardPlace, card Card) (CardPlace, error)
	// Say writes lines below a card, as one message that is named by id. Repeating it is safe.
	Say(ctx context.Context, at CardPlace, id string, since time.Time, lines []string) error
}

// Cards show the gates of executions.
type Cards struct {
	Orders *Orders
	// Board is nil in a worker that has none.
	Board Board
}

// KeepCard brings the card of a gate to what the gate is now, and writes below it what happened since. It shows only
// what a commander started and the runbook's owners signed. Repeating it is safe: a card that was posted before is found.
func (c *Cards) KeepCard(ctx context.Context, in KeepCardInput) (CardKept, error) {
	permit, err := c.Orders.CheckExecution(in.Guard, true)
	if err != nil {
		return CardKept{}, err
	}
	if c.Board == nil {
		return CardKept{}, hintedRetryable(TypeUnavailable, nil, "give every worker the section slack, or none", "this worker has no Slack, so it cannot show the card of %s", in.Guard.Step)
	}
	card, err := cardOf(permit, in)
	if err != nil {
		return CardKept{}, err
	}
	bench, err := c.Orders.bench()
	if err != nil {
		return CardKept{}, err
	}
	card.ClicksSuffice, card.Decisions = c.Orders.ClicksSuffice, said(bench, in)
	card.Look = in.Look || activity.GetInfo(ctx).Attempt > 1
	at, err := c.Board.Show(ctx, in.At, card)
	if err != nil {
		return CardKept{}, unavailable(err, "show the card of gate "+in.Guard.Step)
	}
	if lines := below(permit, bench.Roster, in.Lines); len(lines) > 0 {
		// Which lines there are names the message: a try with more of them is another message.
		first, last := in.Lines[0], in.Lines[len(in.Lines)-1]
		id := fmt.Sprintf("%s/%d-%d", in.Guard.Execution, first.Number, last.Number)
		if err := c.Board.Say(ctx, at, id, first.Time, lines); err != nil {
			return CardKept{}, unavailable(err, "write below the card of gate "+in.Guard.Step)
		}
	}
	return CardKept{At: at}, nil
}

// said are the decisions that people really made: a card never says of somebody what they did not say.
func said(bench *roster.Bench, in KeepCardInput) (all []CardDecision) {
	for _, d := range in.Decisions {
		c, err := bench.Roster.Spoke(d.Command, bench.Vouchers)
		if err != nil || c.Execution != in.Guard.Execution || c.Step != in.Guard.Step {
			continue
		}
		all = append(all, CardDecision{Person: c.Person, Kind: c.Kind, Reason: c.Reason, Time: d.Time, Clicked: d.Command.Voucher != ""})
	}
	return all
}

// happened are the events that are told below a card, in words.
var happened = map[execution.Kind]string{
	execution.StepStarted: "began", execution.StepCompleted: "is done", execution.StepFailed: "failed", execution.StepCanceled: "was stopped",
	execution.Retried: "is tried again", execution.Skipped: "was skipped", execution.GateExpired: "nobody decided in time",
	execution.UndoStarted: "is being undone", execution.UndoCompleted: "is undone", execution.UndoFailed: "could not be undone",
	execution.Paused: "The execution is paused", execution.Continued: "The execution goes on", execution.Switched: "The primary counts as unreachable from now on",
	execution.HandedOver: "The execution has another commander", execution.Judged: "The execution does not go forward any more", execution.Ended: "The execution has ended",
}

// word is what a type of error or a state looks like.
var word = regexp.MustCompile(`^[A-Za-z]{1,60}$`)

// below are lines about what happened, of words of ours and of the signed runbook.
func below(permit roster.Permit, people *roster.Roster, lines []CardLine) (texts []string) {
	for _, l := range lines {
		text, known := happened[l.Kind]
		if !known {
			continue
		}
		if step := permit.Runbook.Step(l.Step); step != nil {
			text = step.Title + " (" + step.ID + ") " + text
		}
		if word.MatchString(l.Detail) {
			text += ": " + l.Detail
		}
		if p, ok := people.Person(l.Person); ok {
			text += " (" + p.Name + ")"
		}
		texts = append(texts, l.Time.UTC().Format(time.TimeOnly)+" "+text)
	}
	return texts
}

func unavailable(err error, what string) error {
	return hintedRetryable(TypeUnavailable, err, "decide from the command line meanwhile: lifeboat approve", "%s", what)
}

// cardOf makes a card of what was signed. What the workflow says in addition is where the gate stands and who decided.
func cardOf(permit roster.Permit, in KeepCardInput) (Card, error) {
	step := permit.Runbook.Step(in.Guard.Step)
	if step == nil {
		return Card{}, InvalidInput("the runbook has no step %q", in.Guard.Step)
	}
	var facts plan.Facts
	if err := json.Unmarshal([]byte(in.Facts), &facts); err != nil {
		return Card{}, InvalidInput("the facts of gate %s cannot be read", in.Guard.Step)
	}
	b := permit.Brief
	if facts.Execution != in.Guard.Execution || facts.Gate != step.ID || facts.Brief != in.Guard.Order || facts.Mode != b.Mode || facts.Target != b.Target {
		return Card{}, InvalidInput("the facts are not those of gate %s of %s", step.ID, in.Guard.Execution)
	}
	// What people are shown to decide about is what the signed text says; whether it still holds is checked again by
	// the activities behind the gate.
	for _, shown := range facts.Steps {
		behind := permit.Runbook.Step(shown.ID)
		if behind == nil || shown.Type != behind.Type || shown.Effect != string(behind.Effect) {
			return Card{}, InvalidInput("the facts of gate %s show a step %q that the runbook has not, or as another", step.ID, shown.ID)
		}
	}
	if gate := runbooks.GateOf(step); step.Type == "approval" && facts.Requires != gate.Requires {
		return Card{}, InvalidInput("the facts of gate %s ask %d people, the runbook asks %d", step.ID, facts.Requires, gate.Requires)
	}
	card := Card{
		Facts: in.Facts, Title: step.Title, Runbook: permit.Runbook.Title, Commander: in.Commander, Requester: permit.Start.Person.ID,
		Task: step.Type == "manual", Grave: Grave(permit.Runbook, step.ID, b.Mode), State: in.State, Shows: map[string]string{}, Means: meanings(permit.Runbook),
	}
	for _, name := range []string{"message", "instructions"} {
		if text, ok := step.With[name].(string); ok {
			card.Message = text
		}
	}
	if shows, ok := step.With["shows"].(map[string]any); ok {
		for label, value := range shows {
			if text, ok := value.(string); ok {
				card.Shows[label] = text
			}
		}
	}
	return card, nil
}

// Grave says that what a gate lets through cannot be taken back, and is not only rehearsed.
func Grave(r *runbooks.Runbook, gate string, mode plan.Mode) bool {
	if mode != plan.ModeLive {
		return false
	}
	for _, id := range r.Behind(gate) {
		if r.Step(id).Effect == runbooks.EffectIrreversible {
			return true
		}
	}
	return false
}

// kinds are what values of a kind are called in the allow-list. A text is called what its output is called, and most of
// these are not on it; numbers count only where Lifeboat counted.
var kinds = map[runbooks.Kind]string{
	runbooks.KindInteger: "count", runbooks.KindBoolean: "answer", runbooks.KindDuration: "duration", runbooks.KindTime: "point", runbooks.KindLSN: "lsn",
	runbooks.KindComponent: "component", runbooks.KindSite: "site", runbooks.KindTarget: "target", runbooks.KindVault: "vault", runbooks.KindBackup: "backup",
}

// meanings says what references of a runbook stand for: a step's output by its kind in the catalogue, an input by the kind
// that it is declared with. What a person typed in as a text or a number could be anything.
func meanings(r *runbooks.Runbook) func(runbooks.Reference) string {
	return func(ref runbooks.Reference) string {
		switch ref.Root {
		case runbooks.RootSteps:
			step := r.Step(ref.Step)
			if step == nil {
				return ""
			}
			for _, output := range runbooks.TypeNamed(step.Type).Outputs {
				if output.Name != ref.Name {
					continue
				}
				if output.Kind == runbooks.KindString {
					return output.Name
				}
				return kinds[output.Kind]
			}
		case runbooks.RootInputs:
			for _, input := range r.Inputs {
				if input.Name == ref.Name && input.Type != runbooks.KindInteger {
					return kinds[input.Type]
				}
			}
		case runbooks.RootExecution:
			if ref.Name == "target" || ref.Name == "mode" {
				return ref.Name
			}
		}
		return ""
	}
}
