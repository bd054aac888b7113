package roster

import (
	"errors"
	"fmt"
)

// Cause is why something signed was refused, as journals record it. The words are kept: evidence holds them.
type Cause string

// The causes of a command's refusal.
const (
	// CauseMalformed says that it is not what Lifeboat writes.
	CauseMalformed Cause = "malformed"
	// CauseUnknownPerson says that the roster has nobody of that id.
	CauseUnknownPerson Cause = "unknownPerson"
	// CauseBadSignature says that no key of the person made the signature over this text for this use.
	CauseBadSignature Cause = "badSignature"
	// CauseRevokedKey says that the key did not count at that moment.
	CauseRevokedKey Cause = "revokedKey"
	// CauseWrongKind says that such a command means nothing now.
	CauseWrongKind      Cause = "wrongKind"
	CauseWrongRole      Cause = "wrongRole"
	CauseWrongExecution Cause = "wrongExecution"
	CauseWrongStep      Cause = "wrongStep"
	// CauseWrongDigest says that the person saw something else than what is to be decided.
	CauseWrongDigest Cause = "wrongDigest"
	CauseExpired     Cause = "expired"
	CauseNotYet      Cause = "notYet"
	// CauseReplayed says that the command was used before.
	CauseReplayed Cause = "replayed"
	// CauseRequester says that somebody decides about their own request.
	CauseRequester Cause = "requester"
	// CauseDuplicatePerson says that the person decided at this gate already.
	CauseDuplicatePerson Cause = "duplicatePerson"
	// CauseNotVouchable says that this needs the person's own signature.
	CauseNotVouchable Cause = "notVouchable"
)

// The causes of a work order's refusal, beside those of the commands in it.
const (
	// CauseNoWorkOrder says that there is none, or none that can be read.
	CauseNoWorkOrder Cause = "noWorkOrder"
	// CauseRunbookUnsigned says that too few owners signed the runbook's text.
	CauseRunbookUnsigned Cause = "runbookUnsigned"
	// CauseWrongBrief says that the brief is not what the guard or the runbook says.
	CauseWrongBrief Cause = "wrongBrief"
	// CauseOver says that the time for which the start allows anything is over.
	CauseOver Cause = "over"
	// CauseWrongTarget says that a drill would touch what is live, or the other way round.
	CauseWrongTarget Cause = "wrongTarget"
	// CauseNoGate says that a gate lacks evidence, or that nobody is asked about something irreversible.
	CauseNoGate Cause = "noGate"
	// CauseWrongFacts says that those who decided saw something else than what is to be done.
	CauseWrongFacts Cause = "wrongFacts"
	// CauseWrongPlan says that what is about to be done is not what the plan intended.
	CauseWrongPlan Cause = "wrongPlan"
	// CauseWrongEpoch says that the guard's epoch is neither the brief's nor one that the execution took.
	CauseWrongEpoch Cause = "wrongEpoch"
	// CauseTooFew says that too few people consented.
	CauseTooFew Cause = "tooFewDecisions"
	// CauseRejected says that somebody who may decide said no.
	CauseRejected Cause = "rejected"
	// CauseOutsideGate says that a decision was made before the gate opened or after its deadline.
	CauseOutsideGate Cause = "outsideGate"
	// CauseNoOwnSignature says that for an irreversible live step everybody only clicked.
	CauseNoOwnSignature Cause = "noOwnSignature"
	// CauseBadReceipt says that a receipt was not made by a worker of this fleet for this execution.
	CauseBadReceipt Cause = "badReceipt"
)

// Refusal is why something signed does not count. Trying again with the same thing never helps.
type Refusal struct {
	Cause  Cause
	Reason string
}

func (r *Refusal) Error() string { return r.Reason }

// CauseOf is the cause of a refusal, or empty for another error.
func CauseOf(err error) Cause {
	if r, ok := errors.AsType[*Refusal](err); ok {
		return r.Cause
	}
	return ""
}

// Refuse makes a [Refusal], for those who check what this package cannot see.
func Refuse(cause Cause, format string, args ...any) error { return refuse(cause, format, args...) }

func refuse(cause Cause, format string, args ...any) error {
	return &Refusal{cause, fmt.Sprintf(format, args...)}
}
