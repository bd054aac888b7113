package execution

import (
	"errors"
	"fmt"
	"slices"

	"github.com/lifeboat-dr/lifeboat/internal/plan"
	"github.com/lifeboat-dr/lifeboat/runbooks"
)

// begins are the states of a step that an event can follow.
var begins = map[Kind][]plan.StepState{
	// A worker, or all of Temporal, may be lost while a step runs: then it is begun again.
	StepStarted:       {plan.StepNotStarted, plan.StepRunning, plan.StepAwaitingApproval},
	StepCompleted:     {plan.StepRunning, plan.StepAwaitingApproval},
	StepIntended:      {plan.StepRunning},
	StepFailed:        {plan.StepRunning, plan.StepAwaitingApproval},
	StepCanceled:      {plan.StepRunning, plan.StepAwaitingApproval},
	StepNotApplicable: {plan.StepNotStarted, plan.StepRunning, plan.StepFailed},
	GateOpened:        {plan.StepRunning},
	Decided:           {plan.StepAwaitingApproval},
	Acknowledged:      {plan.StepRunning, plan.StepAwaitingApproval},
	GateExpired:       {plan.StepAwaitingApproval},
	Retried:           {plan.StepFailed},
	Skipped:           {plan.StepFailed, plan.StepNotStarted},
	UndoStarted:       {plan.StepCompleted, plan.StepFailed, plan.StepFailedIgnored, plan.StepCanceled, plan.StepSkipped, plan.StepRunning, plan.StepUndoing},
	UndoCompleted:     {plan.StepUndoing},
	UndoFailed:        {plan.StepUndoing},
}

func (s *State) check(r *runbooks.Runbook, e Event) error {
	if s.Final != "" {
		return errors.New("the execution has ended")
	}
	if (e.Kind == Started) != s.Began.IsZero() {
		return errors.New("an execution starts once, and with that")
	}
	if e.Used != "" && slices.Contains(s.Used, e.Used) {
		return errors.New("the command was used already")
	}
	if e.Kind == CommandRefused {
		return nil
	}
	from, isStep := begins[e.Kind]
	if !isStep {
		if e.Step != "" {
			return errors.New("it is about no step")
		}
		return s.checkWhole(e)
	}
	step := r.Step(e.Step)
	if step == nil {
		return errors.New("the runbook has no such step")
	}
	at := s.Step(e.Step)
	if !slices.Contains(from, at.State) {
		return fmt.Errorf("the step is %s", at.State)
	}
	switch e.Kind {
	case StepStarted:
		for _, need := range step.Needs {
			if !s.Step(need).State.Settled() {
				return fmt.Errorf("it needs %s, which is %s", need, s.Step(need).State)
			}
		}
		if s.Verdict != "" {
			return errors.New("the execution is being undone")
		}
	case GateOpened:
		if e.Gate == nil {
			return errors.New("it shows nothing")
		}
	case Decided:
		if e.Decision == nil {
			return errors.New("it decides nothing")
		}
		for _, d := range at.Gate.Decisions {
			// Whoever consented may still refuse; the other way round the gate is over.
			if d.Person == e.Decision.Person && e.Decision.Kind != plan.CommandReject {
				return fmt.Errorf("%s has decided already", d.Person)
			}
		}
	case UndoStarted:
		if s.Verdict == "" {
			return errors.New("nobody decided to undo")
		}
	}
	return nil
}

func (s *State) checkWhole(e Event) error {
	switch e.Kind {
	case Started, Resumed:
		return nil
	case Paused:
		return unless(!s.Paused, "it is paused already")
	case Continued:
		return unless(s.Paused, "it is not paused")
	case Switched:
		return unless(s.Approach == plan.Graceful && e.Approach == plan.Ungraceful, "only graceful can become ungraceful")
	case HandedOver:
		return unless(e.Person != "", "nobody takes over")
	case Judged:
		return unless(s.Verdict == "" && e.Verdict != "", "it is decided already")
	case Ended:
		return unless(e.State.Ended(), "that is no end")
	}
	return fmt.Errorf("the event is not known")
}

func unless(ok bool, why string) error {
	if ok {
		return nil
	}
	return errors.New(why)
}
