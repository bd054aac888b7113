package activities

import (
	"time"

	"github.com/lifeboat-dr/lifeboat/internal/execution"
	"github.com/lifeboat-dr/lifeboat/internal/plan"
	"github.com/lifeboat-dr/lifeboat/runbooks"
)

// KeepCardInput asks to show a gate as it is now. The guard's step is the gate.
type KeepCardInput struct {
	Guard plan.Guard `json:"guard"`
	// Facts is the exact text that decisions are bound to.
	Facts     string `json:"facts"`
	State     string `json:"state"`
	Commander string `json:"commander"`
	// Decisions are those of the gate; each shows its signature.
	Decisions []execution.Decision `json:"decisions,omitempty"`
	// At is where the card is; empty for one that was not posted yet, or of which nobody knows.
	At CardPlace `json:"at,omitzero"`
	// Look says that it may have been posted.
	Look  bool       `json:"look,omitempty"`
	Lines []CardLine `json:"lines,omitempty"`
}

// CardKept says where the card is.
type CardKept struct {
	At CardPlace `json:"at"`
}

// CardPlace is where a card is.
type CardPlace struct {
	Channel string `json:"channel,omitempty"`
	TS      string `json:"ts,omitempty"`
}

// CardDecision is what one person said at a gate.
type CardDecision struct {
	Person string
	Kind   plan.CommandKind
	Reason string
	Time   time.Time
	// Clicked says that a worker vouched for it.
	Clicked bool
}

// CardLine is something that happened, to be told below a card. Numbers count up through the execution.
type CardLine struct {
	Number int            `json:"number"`
	Time   time.Time      `json:"time"`
	Kind   execution.Kind `json:"kind"`
	Step   string         `json:"step,omitempty"`
	Person string         `json:"person,omitempty"`
	// Detail is the type of an error, or a state.
	Detail string `json:"detail,omitempty"`
}

// CardsPrefix begins the id of the workflow that goes on with the cards of an execution that has ended; the execution's
// id follows.
const CardsPrefix = "cards/"

// The states of a card.
const (
	CardOpen      = "open"
	CardApproved  = "approved"
	CardRejected  = "rejected"
	CardConfirmed = "confirmed"
	CardExpired   = "expired"
	CardEnded     = "ended"
)

// Card is a gate as people see it, of what was signed and of where the gate stands.
type Card struct {
	Facts string
	// Title and Message are the step's, as the runbook's owners signed them: Message is a template, as are Shows by label.
	Title, Message string
	Shows          map[string]string
	// Means names what a reference in them stands for, in the words of the allow-list; empty for what nobody vouches is
	// no data.
	Means     func(runbooks.Reference) string
	Runbook   string
	Commander string
	Requester string
	// Task says that a person reports what was done.
	Task bool
	// Grave says that what the gate lets through cannot be taken back.
	Grave         bool
	ClicksSuffice bool
	State         string
	Decisions     []CardDecision
	Look          bool
}
