package execution

import (
	"fmt"
	"slices"
	"time"

	"github.com/lifeboat-dr/lifeboat/internal/plan"
	"github.com/lifeboat-dr/lifeboat/runbooks"
)

// Step is where one step is.
type Step struct {
	State plan.StepState `json:"state"`
	// Attempt counts how often it was begun.
	Attempt int       `json:"attempt,omitempty"`
	Began   time.Time `json:"began,omitzero"`
	Ended   time.Time `json:"ended,omitzero"`
	// Waited is how long it waited for people, all rounds together.
	Waited  time.Duration  `json:"waited,omitempty"`
	Outputs map[string]any `json:"outputs,omitempty"`
	Receipt *plan.Receipt  `json:"receipt,omitempty"`
	Failure *Failure       `json:"failure,omitempty"`
	Gate    *Gate          `json:"gate,omitempty"`
	// Planned says that it only said what it would have done, in mode plan, and Intended is that; nothing
	// where it has no parameters.
	Planned  bool           `json:"planned,omitempty"`
	Intended map[string]any `json:"intended,omitempty"`
}

// State is where an execution is. It survives JSON unchanged.
type State struct {
	Began     time.Time           `json:"began"`
	Ended     time.Time           `json:"ended,omitzero"`
	Final     plan.ExecutionState `json:"final,omitempty"`
	Approach  plan.Approach       `json:"approach"`
	Commander string              `json:"commander"`
	// Requester is who started it: no decision at a gate that excludes the requester is theirs.
	Requester string           `json:"requester"`
	Steps     map[string]*Step `json:"steps"`
	// Sequence are the steps that were begun, in the order of their first beginning.
	Sequence []string `json:"sequence,omitempty"`
	Paused   bool     `json:"paused,omitempty"`
	PausedBy string   `json:"paused_by,omitempty"`
	Verdict  Verdict  `json:"verdict,omitempty"`
	// Returnless is the first irreversible step that was begun: from there on nothing is undone.
	Returnless string `json:"returnless,omitempty"`
	// Ungraceful is the command that switched the approach, and UngracefulReceipt what dates it; nil where it
	// was so from the beginning.
	Ungraceful        *plan.SignedCommand `json:"ungraceful,omitempty"`
	UngracefulReceipt *plan.Receipt       `json:"ungraceful_receipt,omitempty"`
	// Used are the ids of the commands that were accepted.
	Used []string `json:"used,omitempty"`
}

// Changes are what a plan found that a live run would do, in the runbook's order.
func (s *State) Changes(r *runbooks.Runbook) (all []plan.PlannedChange) {
	for _, step := range r.Steps {
		if at := s.Step(step.ID); at.Planned || at.Intended != nil {
			all = append(all, plan.PlannedChange{Step: step.ID, Type: step.Type, With: at.Intended})
		}
	}
	return all
}

// New is the state before anything happened.
func New() *State { return &State{Steps: map[string]*Step{}} }

// Step is where a step is; one that nothing has happened to is not started.
func (s *State) Step(id string) Step {
	if step := s.Steps[id]; step != nil {
		return *step
	}
	return Step{State: plan.StepNotStarted}
}

// Apply takes an event into account. It refuses what cannot follow, so a journal that was put together by
// hand is found out; then the state is as before.
func (s *State) Apply(r *runbooks.Runbook, e Event) error {
	if err := s.check(r, e); err != nil {
		return fmt.Errorf("apply %s %s: %w", e.Kind, e.Step, err)
	}
	if e.Used != "" {
		s.Used = append(s.Used, e.Used)
	}
	if e.Step != "" {
		s.applyStep(r, e)
		return nil
	}
	switch e.Kind {
	case Started:
		s.Began, s.Approach, s.Commander, s.Requester = e.Time, e.Approach, e.Person, e.Person
	case Paused:
		s.Paused, s.PausedBy = true, e.Person
	case Continued:
		s.Paused, s.PausedBy = false, ""
	case Switched:
		s.Approach, s.Ungraceful, s.UngracefulReceipt = e.Approach, e.Command, e.Receipt
	case HandedOver:
		s.Commander = e.Person
	case Judged:
		s.Verdict = e.Verdict
	case Ended:
		s.Ended, s.Final = e.Time, e.State
	}
	return nil
}

func (s *State) applyStep(r *runbooks.Runbook, e Event) {
	step := s.Steps[e.Step]
	if step == nil {
		step = &Step{State: plan.StepNotStarted}
		s.Steps[e.Step] = step
	}
	switch e.Kind {
	case StepStarted:
		step.State, step.Ended, step.Failure = plan.StepRunning, time.Time{}, nil
		step.Attempt++
		if step.Began.IsZero() {
			step.Began = e.Time
		}
		if !slices.Contains(s.Sequence, e.Step) {
			s.Sequence = append(s.Sequence, e.Step)
		}
		if s.Returnless == "" && r.Step(e.Step).Effect == runbooks.EffectIrreversible {
			s.Returnless = e.Step
		}
	case StepCompleted:
		step.waitedUntil(e.Time)
		step.State, step.Ended, step.Outputs, step.Receipt = plan.StepCompleted, e.Time, e.Outputs, e.Receipt
	case StepIntended:
		step.State, step.Ended, step.Planned, step.Intended, step.Outputs = plan.StepCompleted, e.Time, true, e.With, e.Outputs
	case StepFailed:
		step.waitedUntil(e.Time)
		step.State, step.Ended, step.Failure = plan.StepFailed, e.Time, e.Failure
		if r.Step(e.Step).OnFailure == runbooks.FailureIgnore && (e.Failure == nil || !e.Failure.Holds) {
			step.State = plan.StepFailedIgnored
		}
	case StepCanceled:
		step.waitedUntil(e.Time)
		step.State, step.Ended = plan.StepCanceled, e.Time
	case StepNotApplicable:
		step.State, step.Ended = plan.StepNotApplicable, e.Time
	case GateOpened:
		gate := *e.Gate // the event stays what it was
		step.State, step.Gate = plan.StepAwaitingApproval, &gate
	case Decided:
		step.Gate.Decisions = append(step.Gate.Decisions, *e.Decision)
	case Retried:
		step.State = plan.StepNotStarted
	case Skipped:
		step.State, step.Ended = plan.StepSkipped, e.Time
	case UndoStarted:
		step.State = plan.StepUndoing
	case UndoCompleted:
		step.State, step.Ended = plan.StepUndone, e.Time
	case UndoFailed:
		step.State, step.Ended, step.Failure = plan.StepUndoFailed, e.Time, e.Failure
	}
}

// waitedUntil adds the time that a gate was open.
func (s *Step) waitedUntil(t time.Time) {
	if s.State == plan.StepAwaitingApproval && s.Gate != nil {
		s.Waited += t.Sub(s.Gate.Opened)
	}
}
