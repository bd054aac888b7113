// Package execution is the state machine of one run of a runbook: pure, without a clock and without I/O.
// Its state is what is left when its events are applied in order, so the journal of an execution is all
// that is needed to go on with it elsewhere: the same events give the same state.
package execution

import (
	"time"

	"github.com/lifeboat-dr/lifeboat/internal/plan"
)

// Kind is the kind of an event. Kinds are durable: they stand in journals.
type Kind string

// The kinds of events.
const (
	// Started is the first: Docket, Person, Approach and the start's Receipt are set.
	Started Kind = "started"
	// Resumed says that the execution goes on from its journal, on another Temporal.
	Resumed Kind = "resumed"

	StepStarted       Kind = "stepStarted"
	StepCompleted     Kind = "stepCompleted"
	StepFailed        Kind = "stepFailed"
	StepCanceled      Kind = "stepCanceled"
	StepNotApplicable Kind = "stepNotApplicable"
	// StepIntended is what a step would have done, in mode plan.
	StepIntended Kind = "stepIntended"

	// GateOpened carries what is shown to those who decide.
	GateOpened Kind = "gateOpened"
	// Decided is one valid decision or confirmation.
	Decided Kind = "decided"
	// Acknowledged stops paging and decides nothing.
	Acknowledged Kind = "acknowledged"
	// GateExpired says that the gate's deadline has passed.
	GateExpired Kind = "gateExpired"

	// CommandRefused records an attempt, with its cause.
	CommandRefused Kind = "commandRefused"
	Paused         Kind = "paused"
	Continued      Kind = "continued"
	Retried        Kind = "retried"
	Skipped        Kind = "skipped"
	Switched       Kind = "switched"
	HandedOver     Kind = "handedOver"
	// Judged ends the way forward: Verdict says why. What was done is undone from here on.
	Judged Kind = "judged"

	UndoStarted   Kind = "undoStarted"
	UndoCompleted Kind = "undoCompleted"
	UndoFailed    Kind = "undoFailed"

	// Ended is the last: State is set.
	Ended Kind = "ended"
)

// Verdict is why an execution does not go forward any more.
type Verdict string

// The verdicts.
const (
	// VerdictFailed is a step that failed and whose runbook says undo.
	VerdictFailed Verdict = "failed"
	// VerdictUndo and VerdictCancel are a person's.
	VerdictUndo   Verdict = "undo"
	VerdictCancel Verdict = "cancel"
	// VerdictTimedOut is the end of the time that the start allowed.
	VerdictTimedOut Verdict = "timedOut"
)

// Failure is why a step failed, without anybody's data.
type Failure struct {
	Type    string `json:"type"`
	Message string `json:"message"`
	Hint    string `json:"hint,omitempty"`
	// Holds says that the execution pauses whatever the runbook says about failures of the step.
	Holds bool `json:"holds,omitempty"`
}

// Gate is what waits for people.
type Gate struct {
	// Round counts how often the step was begun.
	Round int `json:"round"`
	// Facts is the exact text that people decide about, and Digest its SHA-256 (hex).
	Facts  string `json:"facts"`
	Digest string `json:"digest"`
	// Requires is how many people have to say yes; Roles are what they have to hold, any of them.
	Requires         int      `json:"requires"`
	Roles            []string `json:"roles,omitempty"`
	ExcludeRequester bool     `json:"exclude_requester,omitempty"`
	// Confirm says that a person reports what was done, instead of deciding.
	Confirm  bool      `json:"confirm,omitempty"`
	Opened   time.Time `json:"opened"`
	Deadline time.Time `json:"deadline,omitzero"`
	// Decisions are the valid ones, in the order in which they came.
	Decisions []Decision `json:"decisions,omitempty"`
}

// Decision is what one person said at a gate.
type Decision struct {
	Person  string             `json:"person"`
	Kind    plan.CommandKind   `json:"kind"`
	Reason  string             `json:"reason,omitempty"`
	Time    time.Time          `json:"time"`
	Command plan.SignedCommand `json:"command"`
	// Accepted is the receipt of the worker that accepted it; it dates the decision.
	Accepted *plan.Receipt `json:"accepted,omitempty"`
}

// Event is something that happened. Which fields are set depends on the kind.
type Event struct {
	Kind Kind      `json:"kind"`
	Step string    `json:"step,omitempty"`
	Time time.Time `json:"time"`

	// Person is who did it, Reason what they said, Cause why it was refused or by what it was caused.
	Person string `json:"person,omitempty"`
	Reason string `json:"reason,omitempty"`
	Cause  string `json:"cause,omitempty"`

	Docket   string              `json:"docket,omitempty"`
	Approach plan.Approach       `json:"approach,omitempty"`
	Outputs  map[string]any      `json:"outputs,omitempty"`
	With     map[string]any      `json:"with,omitempty"`
	Receipt  *plan.Receipt       `json:"receipt,omitempty"`
	Failure  *Failure            `json:"failure,omitempty"`
	Gate     *Gate               `json:"gate,omitempty"`
	Decision *Decision           `json:"decision,omitempty"`
	Command  *plan.SignedCommand `json:"command,omitempty"`
	Verdict  Verdict             `json:"verdict,omitempty"`
	State    plan.ExecutionState `json:"state,omitempty"`
	// Used is the id of the command that this event uses up.
	Used string `json:"used,omitempty"`
}
