package slack

import (
	"context"
	"strings"
	"time"

	api "github.com/slack-go/slack"

	"github.com/lifeboat-dr/lifeboat/internal/plan"
	"github.com/lifeboat-dr/lifeboat/internal/roster"
)

// clickLives is how long a command that came of a click counts.
const clickLives = 5 * time.Minute

// take says what Slack is answered at once, and what is done afterwards. It asks nobody.
func (l *listener) take(in api.InteractionCallback) (answer []any, work func(context.Context)) {
	switch {
	case in.Type == api.InteractionTypeBlockActions && len(in.ActionCallback.BlockActions) > 0:
		return nil, func(ctx context.Context) { l.clicked(ctx, in) }
	case in.Type == api.InteractionTypeViewSubmission && in.View.CallbackID == dialogDecide:
		return l.submitted(in)
	}
	return nil, nil
}

// clicked opens the dialog of a decision, or takes a page.
func (l *listener) clicked(ctx context.Context, in api.InteractionCallback) {
	action := in.ActionCallback.BlockActions[0]
	t, err := l.open(action.Value)
	if err != nil {
		l.cfg.Log.WarnContext(ctx, "a button that is not ours was pressed", "user", in.User.ID, "error", err)
		l.whisper(ctx, in.Channel.ID, in.User.ID, "That did not count: "+err.Error()+".")
		return
	}
	t.User, t.Channel, t.Expires = in.User.ID, in.Channel.ID, l.now().Add(dialogLives)
	switch {
	case action.ActionID == actionApprove && !t.Page:
		t.Kind = plan.CommandApprove
	case action.ActionID == actionReject && !t.Page:
		t.Kind = plan.CommandReject
	case action.ActionID == actionAcknowledge && t.Page:
		t.Kind = plan.CommandAcknowledge
	default:
		return
	}
	if _, why := l.person(in); why != "" {
		l.refuse(ctx, t, in, why)
		return
	}
	if t.Page {
		l.decide(ctx, t, in, "", in.Message.Timestamp+"/"+action.ActionTs)
		return
	}
	view, err := l.dialog(t)
	if err == nil {
		_, err = l.api.OpenViewContext(ctx, in.TriggerID, view)
	}
	if err != nil {
		l.cfg.Log.WarnContext(ctx, "open a dialog in Slack", "user", in.User.ID, "error", reason(err))
		l.whisper(ctx, in.Channel.ID, in.User.ID, "The dialog could not be opened. Press again, or decide from the command line: `lifeboat approve`.")
	}
}

// submitted looks at what a person wrote; what is wrong with it is said in the dialog.
func (l *listener) submitted(in api.InteractionCallback) (answer []any, work func(context.Context)) {
	t, err := l.open(in.View.PrivateMetadata)
	if err != nil || t.User != in.User.ID || t.Kind == "" {
		return []any{api.NewErrorsViewSubmissionResponse(map[string]string{inputReason: "This dialog is not yours. Close it and press the button again."})}, nil
	}
	if l.now().After(t.Expires) {
		return []any{api.NewErrorsViewSubmissionResponse(map[string]string{inputReason: "This dialog lay open for too long. Close it, look at the card again, and press the button."})}, nil
	}
	reason, errs := filled(t, in.View.State)
	if len(errs) > 0 {
		return []any{api.NewErrorsViewSubmissionResponse(errs)}, nil
	}
	return nil, func(ctx context.Context) { l.decide(ctx, t, in, reason, in.View.ID) }
}

// person finds who clicked, by ids only. Otherwise it says in words why nobody vouches for them.
func (l *listener) person(in api.InteractionCallback) (p roster.Person, why string) {
	if in.Team.ID != l.cfg.Team || in.User.TeamID != "" && in.User.TeamID != l.cfg.Team {
		return p, ofAnotherTeam
	}
	people, err := l.cfg.People()
	if err != nil {
		return p, "the roster cannot be read by this worker now. Decide from the command line: `lifeboat approve`."
	}
	p, ok := people.PersonBySlack(l.cfg.Team, in.User.ID)
	if !ok {
		return p, notInRoster
	}
	return p, ""
}

// account says in words why an account is not one to vouch for; Slack knows it, and is asked each time.
func (l *listener) account(ctx context.Context, user string) (why string, err error) {
	u, err := l.api.GetUserInfoContext(ctx, user)
	switch {
	case err != nil:
		return "", err
	case u.Deleted:
		return deletedUser, nil
	case u.IsBot:
		return botUser, nil
	case u.IsRestricted, u.IsUltraRestricted:
		return guestUser, nil
	case u.IsStranger, u.TeamID != "" && u.TeamID != l.cfg.Team:
		return foreignUser, nil
	}
	return "", nil
}

// decide vouches for a click and brings it to its execution. dialog names the click: the same one makes the same command.
func (l *listener) decide(ctx context.Context, t ticket, in api.InteractionCallback, why, dialog string) {
	p, stranger := l.person(in)
	if stranger != "" {
		l.refuse(ctx, t, in, stranger)
		return
	}
	switch unfit, err := l.account(ctx, in.User.ID); {
	case err != nil:
		l.cfg.Log.WarnContext(ctx, "ask Slack about an account", "user", in.User.ID, "error", reason(err))
		l.whisper(ctx, t.Channel, in.User.ID, "That did not count: Slack does not say now whether your account may decide. Press again in a minute, or decide from the command line: `lifeboat approve`.")
		return
	case unfit != "":
		l.refuse(ctx, t, in, unfit)
		return
	}
	outcome, err := l.say(ctx, l.command(t, p.ID, why, l.commandID(dialog, in.User.ID)))
	switch {
	case err != nil:
		l.cfg.Log.ErrorContext(ctx, "bring a click to its execution", "execution", t.Execution, "gate", t.Gate, "person", p.ID, "error", err)
		l.whisper(ctx, t.Channel, in.User.ID, "It is not known whether that counted: the execution did not answer. The card shows it as soon as it does; else press again, or use the command line: `lifeboat approve`.")
	case outcome.Accepted && t.Page:
		l.whisper(ctx, t.Channel, in.User.ID, "You took it: nobody else is called. It decides nothing.")
	case !outcome.Accepted && outcome.Cause == string(roster.CauseReplayed):
		// The same click, delivered twice: the first one was answered.
	case !outcome.Accepted:
		l.cfg.Log.InfoContext(ctx, "a click was refused", "execution", t.Execution, "gate", t.Gate, "person", p.ID, "cause", outcome.Cause)
		l.whisper(ctx, t.Channel, in.User.ID, refusal(outcome.Cause, outcome.Message))
	}
}

func (l *listener) command(t ticket, person, why, id string) plan.Command {
	now := l.now().UTC().Truncate(time.Second)
	return plan.Command{
		Format: 1, Kind: t.Kind, ID: id, Execution: t.Execution, Step: t.Gate, Digest: t.Digest, Person: person, Reason: why, Issued: now, Expires: now.Add(clickLives),
	}
}

func (l *listener) say(ctx context.Context, c plan.Command) (Outcome, error) {
	signed, err := roster.VouchCommand(c, l.cfg.Signer)
	if err != nil {
		return Outcome{}, err
	}
	return l.executions.Command(ctx, c.Execution, signed)
}

// Refusals of accounts are recorded once in a while each: nobody fills a journal with clicks.
const (
	recordEvery  = time.Minute
	mostRecorded = 1000
)

// refuse tells a person in words that nobody vouches for their account, and has the execution record it: the command
// names the account, which is nobody in any roster, so it is refused there and stands in the journal.
func (l *listener) refuse(ctx context.Context, t ticket, in api.InteractionCallback, why string) {
	account := "slack:" + in.Team.ID + "/" + in.User.ID
	l.cfg.Log.WarnContext(ctx, "a click was refused", "execution", t.Execution, "gate", t.Gate, "account", account, "why", why)
	l.whisper(ctx, t.Channel, in.User.ID, "That did not count: "+why)
	if !l.mayRecord(t, account) {
		return
	}
	if _, err := l.say(ctx, l.command(t, account, "refused in Slack: "+strings.TrimSuffix(why, "."), roster.NewCommandID())); err != nil {
		l.cfg.Log.ErrorContext(ctx, "record a refused click", "execution", t.Execution, "account", account, "error", err)
	}
}

func (l *listener) mayRecord(t ticket, account string) bool {
	l.Client.mu.Lock()
	defer l.Client.mu.Unlock()
	now, key := l.now(), account+" "+t.Execution+" "+t.Gate
	for k, at := range l.hits {
		if now.Sub(at) > recordEvery {
			delete(l.hits, k)
		}
	}
	if _, lately := l.hits[key]; lately || len(l.hits) >= mostRecorded {
		return false
	}
	l.hits[key] = now
	return true
}
