package execution

import (
	"time"

	"github.com/lifeboat-dr/lifeboat/internal/plan"
	"github.com/lifeboat-dr/lifeboat/runbooks"
)

// Ready are the steps that can begin now, in the runbook's order. While the execution is paused, by a
// person or by a step that failed, and after a verdict, nothing begins.
func (s *State) Ready(r *runbooks.Runbook) (ids []string) {
	if s.Paused || s.Verdict != "" || s.Final != "" || s.FailedStep(r) != "" {
		return nil
	}
	for _, step := range r.Steps {
		if s.Step(step.ID).State == plan.StepNotStarted && s.settled(step.Needs) {
			ids = append(ids, step.ID)
		}
	}
	return ids
}

func (s *State) settled(needs []string) bool {
	for _, need := range needs {
		if !s.Step(need).State.Settled() {
			return false
		}
	}
	return true
}

// FailedStep is the first step that failed and waits for a person; empty when there is none.
func (s *State) FailedStep(r *runbooks.Runbook) string { return s.first(r, plan.StepFailed) }

// Done says that every step is settled: nothing is left to do.
func (s *State) Done(r *runbooks.Runbook) bool {
	for _, step := range r.Steps {
		if !s.Step(step.ID).State.Settled() {
			return false
		}
	}
	return true
}

// Interrupted are the steps that had begun and not ended: after a resume they are begun again.
func (s *State) Interrupted(r *runbooks.Runbook) (ids []string) {
	for _, step := range r.Steps {
		if at := s.Step(step.ID).State; at == plan.StepRunning || at == plan.StepAwaitingApproval {
			ids = append(ids, step.ID)
		}
	}
	return ids
}

// Undoable are the steps whose undo has to run, the last one begun first. A step that failed or was
// canceled half-way may have done something, so it counts. After the point of no return there are none.
func (s *State) Undoable(r *runbooks.Runbook) (ids []string) {
	if s.Returnless != "" {
		return nil
	}
	for i := len(s.Sequence) - 1; i >= 0; i-- {
		id := s.Sequence[i]
		if r.Step(id).Undo == nil {
			continue
		}
		switch s.Step(id).State {
		case plan.StepCompleted, plan.StepFailed, plan.StepFailedIgnored, plan.StepCanceled, plan.StepSkipped, plan.StepRunning, plan.StepUndoing:
			ids = append(ids, id)
		}
	}
	return ids
}

// Status is the state that people see.
func (s *State) Status(r *runbooks.Runbook) plan.ExecutionState {
	switch {
	case s.Final != "":
		return s.Final
	case s.Began.IsZero():
		return plan.ExecutionPending
	case s.Verdict != "":
		return plan.ExecutionRunning
	case s.FailedStep(r) != "":
		return plan.ExecutionPausedByFailedStep
	case s.Paused:
		return plan.ExecutionPausedByOperator
	case s.first(r, plan.StepAwaitingApproval) != "":
		return plan.ExecutionAwaitingApproval
	}
	return plan.ExecutionRunning
}

func (s *State) first(r *runbooks.Runbook, state plan.StepState) string {
	for _, step := range r.Steps {
		if s.Step(step.ID).State == state {
			return step.ID
		}
	}
	return ""
}

// Outcome is how an execution ends when nothing is left to do.
func (s *State) Outcome(r *runbooks.Runbook) plan.ExecutionState {
	switch s.Verdict {
	case VerdictFailed:
		return plan.ExecutionFailed
	case VerdictUndo, VerdictCancel:
		return plan.ExecutionCanceled
	case VerdictTimedOut:
		return plan.ExecutionTimedOut
	}
	for _, step := range r.Steps {
		if s.Step(step.ID).State.Exception() {
			return plan.ExecutionCompletedWithExceptions
		}
	}
	return plan.ExecutionCompleted
}

// Waited is how long the execution did nothing but wait for people: the time in which a gate was open and no
// other step ran, as measured by the gates; parallel gates count once for each.
func (s *State) Waited(r *runbooks.Runbook, now time.Time) (total time.Duration) {
	for _, step := range r.Steps {
		at := s.Step(step.ID)
		total += at.Waited
		if at.State == plan.StepAwaitingApproval && at.Gate != nil {
			total += now.Sub(at.Gate.Opened)
		}
	}
	return total
}

// Verdict of a gate: whether enough people said yes, or one said no.
func (g *Gate) Verdict() (approved, rejected bool) {
	yes := 0
	for _, d := range g.Decisions {
		switch d.Kind {
		case plan.CommandReject:
			rejected = true
		case plan.CommandApprove, plan.CommandConfirm:
			yes++
		}
	}
	return !rejected && yes >= max(1, g.Requires), rejected
}

// Voted says whether a person has decided at the gate.
func (g *Gate) Voted(person string) bool {
	for _, d := range g.Decisions {
		if d.Person == person {
			return true
		}
	}
	return false
}
