package workflows

import (
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"github.com/lifeboat-dr/lifeboat/activities"
	"github.com/lifeboat-dr/lifeboat/internal/execution"
	"github.com/lifeboat-dr/lifeboat/internal/plan"
	"github.com/lifeboat-dr/lifeboat/runbooks"
)

// How people reach an execution. The update is the main road; the signal of the same name is for the hours
// in which no worker runs; the plain signal is what the Temporal UI can send, and may only pause.
const (
	CommandUpdate = "command"
	CommandSignal = "command"
	PauseSignal   = "pause"
	ViewQuery     = "execution"
)

// maxCommand bounds a signed command, in bytes.
const maxCommand = 16 << 10

// CommandOutcome is what a person hears at once.
type CommandOutcome struct {
	Accepted bool `json:"accepted"`
	// Cause is why it was refused, as a code; Message says it in words.
	Cause   string              `json:"cause,omitempty"`
	Message string              `json:"message,omitempty"`
	State   plan.ExecutionState `json:"state"`
}

// answer registers what people ask and what they say by updates, before anything else: who asks in the first moment waits
// until the execution is admitted, and is not told that nobody knows what an update is.
func (e *engine) answer(ctx workflow.Context) error {
	if err := workflow.SetQueryHandlerWithOptions(ctx, ViewQuery, e.viewed,
		workflow.QueryHandlerOptions{Description: "Where the execution stands: steps, gates, who is waited for"}); err != nil {
		return err
	}
	return workflow.SetUpdateHandlerWithOptions(ctx, CommandUpdate, e.command, workflow.UpdateHandlerOptions{
		// Only size and shape: what a command is worth needs the roster, and refusals have to be recorded.
		Validator: func(_ workflow.Context, signed plan.SignedCommand) error {
			if len(signed.Signed)+len(signed.Signature)+len(signed.Voucher) > maxCommand {
				return temporal.NewNonRetryableApplicationError("the command is too large", activities.TypeInvalidInput, nil)
			}
			if signed.Signed == "" {
				return temporal.NewNonRetryableApplicationError("the command is empty", activities.TypeInvalidInput, nil)
			}
			return nil
		},
		Description: "One signed command of a person: approve, reject, pause, …",
	})
}

// listen hears signals. It comes after the state is there.
func (e *engine) listen(ctx workflow.Context) {
	commands := workflow.GetSignalChannelWithOptions(ctx, CommandSignal, workflow.SignalChannelOptions{Description: "As the update, for hours without a worker"})
	pause := workflow.GetSignalChannelWithOptions(ctx, PauseSignal, workflow.SignalChannelOptions{Description: "Starts no new step. Needs no signature; going on does"})
	e.unheard = func() int { return commands.Len() + pause.Len() }
	workflow.Go(ctx, func(ctx workflow.Context) {
		for {
			var signed plan.SignedCommand
			stop := false
			workflow.NewSelector(ctx).
				AddReceive(commands, func(c workflow.ReceiveChannel, _ bool) { c.Receive(ctx, &signed) }).
				AddReceive(pause, func(c workflow.ReceiveChannel, _ bool) { c.Receive(ctx, nil); stop = true }).
				AddReceive(ctx.Done(), func(workflow.ReceiveChannel, bool) {}).
				Select(ctx)
			switch {
			case ctx.Err() != nil:
				return
			case stop && !e.state.Paused:
				e.apply(ctx, execution.Event{Kind: execution.Paused, Cause: "the unsigned signal"})
			case signed.Signed != "" && len(signed.Signed)+len(signed.Signature)+len(signed.Voucher) <= maxCommand:
				_, _ = e.command(ctx, signed)
			}
		}
	})
}

// viewed is the answer to the query.
func (e *engine) viewed() (View, error) {
	if e.state == nil {
		return View{}, activities.NotFound("ask again in a moment", "execution %s is not admitted yet", e.id)
	}
	return e.view(), nil
}

// command judges one command and does what it says. Commands are judged one after the other.
func (e *engine) command(ctx workflow.Context, signed plan.SignedCommand) (CommandOutcome, error) {
	if err := workflow.Await(ctx, func() bool { return e.state != nil }); err != nil {
		return CommandOutcome{}, err
	}
	if err := e.judging.Lock(ctx); err != nil {
		return CommandOutcome{}, err
	}
	defer e.judging.Unlock()
	judged, err := e.judged(ctx, signed)
	if err != nil {
		return CommandOutcome{}, err
	}
	c := judged.Command
	cause, message := judged.Cause, judged.Message
	if judged.Accepted {
		cause, message = e.obey(ctx, c, signed, judged.Receipt)
	}
	if cause != "" {
		e.apply(ctx, execution.Event{Kind: execution.CommandRefused, Step: knownStep(e.runbook, c.Step), Person: c.Person, Cause: cause, Reason: message, Command: &signed})
	}
	return CommandOutcome{Accepted: cause == "", Cause: cause, Message: message, State: e.state.Status(e.runbook)}, nil
}

// judged asks what a command is worth now. A person waits for it, so it waits for no slot.
func (e *engine) judged(ctx workflow.Context, signed plan.SignedCommand) (judged activities.Judged, err error) {
	const summary = "Check a command"
	var executions *activities.Executions
	in := activities.JudgeInput{
		Execution: e.id, Signed: signed, Brief: e.admitted.BriefDigest, Commander: e.state.Commander, Requester: e.state.Requester,
		Gates: e.openGates(), Used: e.state.Used, Now: workflow.Now(ctx),
	}
	if workflow.GetVersion(ctx, "2026-11-25-judge-here", workflow.DefaultVersion, 1) == workflow.DefaultVersion {
		err = workflow.ExecuteActivity(judgement.on(ctx, "", summary), executions.JudgeCommand, in).Get(ctx, &judged)
	} else {
		err = workflow.ExecuteLocalActivity(judgement.here(ctx, summary), executions.JudgeCommand, in).Get(ctx, &judged)
	}
	return judged, err
}

// The causes for which the engine itself refuses a command that is signed well.
const (
	causeState        = "wrongState"
	causeNotSkippable = "notSkippable"
	causeReturnless   = "pointOfNoReturn"
	causeEnded        = "ended"
)

// obey does what a valid command says. A cause says why it cannot be done now.
func (e *engine) obey(ctx workflow.Context, c plan.Command, signed plan.SignedCommand, receipt *plan.Receipt) (cause, message string) {
	if e.state.Final != "" || e.broken != nil {
		return causeEnded, "the execution has ended"
	}
	event := execution.Event{Step: c.Step, Person: c.Person, Reason: c.Reason, Command: &signed, Used: c.ID}
	at := e.state.Step(c.Step)
	switch c.Kind {
	case plan.CommandApprove, plan.CommandReject, plan.CommandConfirm:
		if at.State == plan.StepUndoing && c.Kind == plan.CommandConfirm {
			e.confirmed[c.Step] = confirmation{c, signed}
			e.dirty = true
			return "", ""
		}
		if at.State != plan.StepAwaitingApproval {
			return causeState, "the gate is not open any more"
		}
		event.Kind, event.Command = execution.Decided, nil
		event.Decision = &execution.Decision{Person: c.Person, Kind: c.Kind, Reason: c.Reason, Time: workflow.Now(ctx).UTC(), Command: signed, Accepted: receipt}
	case plan.CommandPause:
		event.Kind = execution.Paused
	case plan.CommandResume:
		event.Kind = execution.Continued
	case plan.CommandRetry:
		event.Kind = execution.Retried
	case plan.CommandSkip:
		if kind := runbooks.TypeNamed(e.runbook.Step(c.Step).Type); !kind.Skippable {
			return causeNotSkippable, "a step of type " + kind.Name + " cannot be skipped: retry, undo or cancel"
		}
		event.Kind = execution.Skipped
	case plan.CommandUndo:
		if e.state.Returnless != "" {
			return causeReturnless, "step " + e.state.Returnless + " cannot be taken back: what now goes back is a failback, with a runbook of its own"
		}
		event.Kind, event.Verdict = execution.Judged, execution.VerdictUndo
	case plan.CommandCancel:
		event.Kind, event.Verdict = execution.Judged, execution.VerdictCancel
	case plan.CommandUngraceful:
		event.Kind, event.Approach, event.Receipt = execution.Switched, plan.Ungraceful, receipt
	case plan.CommandHandover:
		event.Kind, event.Person, event.Cause = execution.HandedOver, c.To, "handed over by "+c.Person
	case plan.CommandAcknowledge:
		event.Kind = execution.Acknowledged
		e.acknowledged[c.Step] = c
	default:
		return causeState, string(c.Kind) + " is no command for an execution that runs"
	}
	done := false
	if event.Kind == execution.Judged {
		done = e.judge(ctx, event)
	} else {
		done = e.apply(ctx, event)
	}
	if !done {
		return causeState, string(c.Kind) + " cannot follow now: the execution is " + string(e.state.Status(e.runbook)) + ", the step " + string(at.State)
	}
	if c.Kind == plan.CommandUngraceful {
		e.leaveGraceful(ctx)
	}
	return "", ""
}

// leaveGraceful stops the steps that only a reachable primary needs, also those that failed for it.
func (e *engine) leaveGraceful(ctx workflow.Context) {
	for _, step := range e.runbook.Steps {
		if step.When == nil || step.When.Approach != plan.Graceful {
			continue
		}
		if stop := e.running[step.ID]; stop != nil {
			stop()
		} else if e.state.Step(step.ID).State == plan.StepFailed {
			e.apply(ctx, execution.Event{Kind: execution.StepNotApplicable, Step: step.ID})
		}
	}
}

// openGates are the gates that wait, and the steps whose undo a person has to confirm.
func (e *engine) openGates() (open []activities.OpenGate) {
	for _, step := range e.runbook.Steps {
		at := e.state.Step(step.ID)
		switch {
		case at.State == plan.StepAwaitingApproval:
			g := at.Gate
			gate := activities.OpenGate{
				Step: step.ID, Digest: g.Digest, Roles: g.Roles, ExcludeRequester: g.ExcludeRequester, Confirm: g.Confirm, Opened: g.Opened, Deadline: g.Deadline,
				Requires: max(1, g.Requires), Grave: activities.Grave(e.runbook, step.ID, e.admitted.Brief.Mode),
			}
			for _, d := range g.Decisions {
				gate.Voted = append(gate.Voted, d.Person)
				gate.Signed = gate.Signed || d.Command.Voucher == ""
			}
			open = append(open, gate)
		case at.State == plan.StepUndoing && step.Undo.Type == typeManual:
			open = append(open, activities.OpenGate{Step: step.ID, Digest: e.admitted.BriefDigest, Roles: textList(step.Undo.With["roles"]), Confirm: true, Opened: at.Ended})
		}
	}
	return open
}

func knownStep(r *runbooks.Runbook, id string) string {
	if r.Step(id) == nil {
		return ""
	}
	return id
}
