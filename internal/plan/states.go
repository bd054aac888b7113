package plan

// ExecutionState is where an execution of a runbook is.
type ExecutionState string

// The states of an execution.
const (
	ExecutionPending          ExecutionState = "pending"
	ExecutionRunning          ExecutionState = "running"
	ExecutionAwaitingApproval ExecutionState = "awaitingApproval"
	// ExecutionPausedByOperator starts no new step; what runs goes on to its end.
	ExecutionPausedByOperator ExecutionState = "pausedByOperator"
	// ExecutionPausedByFailedStep waits for retry, skip, undo or cancel.
	ExecutionPausedByFailedStep ExecutionState = "pausedByFailedStep"
	ExecutionCompleted          ExecutionState = "completed"
	// ExecutionCompletedWithExceptions says that a step was skipped, or failed and was ignored.
	ExecutionCompletedWithExceptions ExecutionState = "completedWithExceptions"
	ExecutionFailed                  ExecutionState = "failed"
	ExecutionCanceled                ExecutionState = "canceled"
	ExecutionTimedOut                ExecutionState = "timedOut"
)

// Ended says that nothing more will happen in the execution.
func (s ExecutionState) Ended() bool {
	switch s {
	case ExecutionCompleted, ExecutionCompletedWithExceptions, ExecutionFailed, ExecutionCanceled, ExecutionTimedOut:
		return true
	}
	return false
}

// StepState is where a step of an execution is.
type StepState string

// The states of a step.
const (
	StepNotStarted StepState = "notStarted"
	// StepNotApplicable says that the step's condition is false. It is no exception.
	StepNotApplicable    StepState = "notApplicable"
	StepRunning          StepState = "running"
	StepAwaitingApproval StepState = "awaitingApproval"
	StepCompleted        StepState = "completed"
	StepFailed           StepState = "failed"
	// StepFailedIgnored says that the step failed and its runbook lets the execution go on.
	StepFailedIgnored StepState = "failedIgnored"
	// StepSkipped says that a person decided to go on without it.
	StepSkipped    StepState = "skipped"
	StepUndoing    StepState = "undoing"
	StepUndone     StepState = "undone"
	StepUndoFailed StepState = "undoFailed"
	StepCanceled   StepState = "canceled"
)

// Settled says that steps which need this one may go on.
func (s StepState) Settled() bool {
	switch s {
	case StepNotApplicable, StepCompleted, StepFailedIgnored, StepSkipped:
		return true
	}
	return false
}

// Exception says that an execution with such a step ends as completedWithExceptions, never as completed.
func (s StepState) Exception() bool {
	return s == StepFailedIgnored || s == StepSkipped || s == StepUndone || s == StepUndoFailed
}

// Approach says whether the primary can be reached.
type Approach string

// The approaches of an execution; an operator may switch from graceful to ungraceful while it runs.
const (
	Graceful   Approach = "graceful"
	Ungraceful Approach = "ungraceful"
)
