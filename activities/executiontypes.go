package activities

import (
	"time"

	"github.com/lifeboat-dr/lifeboat/internal/execution"
	"github.com/lifeboat-dr/lifeboat/internal/plan"
	"github.com/lifeboat-dr/lifeboat/runbooks"
)

// AdmitInput asks whether an execution may begin.
type AdmitInput struct {
	Execution string `json:"execution"`
	// Docket is what it begins with, packed.
	Docket string `json:"docket"`
	// Journal is empty for a new execution; for one that goes on after Temporal was lost it is the end of
	// the journal that was read.
	Journal JournalHead `json:"journal,omitzero"`
}

// Admitted is what an execution follows: read from the signed texts, never from the workflow's input.
type Admitted struct {
	// Runbook has the steps of the runbooks inside of it; RunbookDigest is that of the outermost text.
	Runbook       runbooks.Runbook `json:"runbook"`
	RunbookDigest string           `json:"runbook_digest"`
	Brief         plan.Brief       `json:"brief"`
	BriefDigest   string           `json:"brief_digest"`
	// Planned are the changes that the execution is bound to, where its brief names a plan.
	Planned []plan.PlannedChange `json:"planned,omitempty"`
	// Commander is who signed the start, by the roster's id.
	Commander string `json:"commander"`
	// Command is the id of the start command, which is used up, and Accepted the receipt that dates it.
	Command  string       `json:"command"`
	Accepted plan.Receipt `json:"accepted"`
	// Started is when the start was accepted, RFC 3339.
	Started string `json:"started"`
	// Policies are the roster's escalation policies, by name, as they are now.
	Policies map[string]plan.Policy `json:"policies,omitempty"`
	// Site is where the target is; empty for none, and when the runbook supposes that site to be gone.
	Site string `json:"site,omitempty"`
	// Doors are the sites of doors, by the door's name: a step that works a door runs at its site.
	Doors map[string]string `json:"doors,omitempty"`
	// Slack says that gates have cards there.
	Slack bool `json:"slack,omitempty"`
	// Events is the journal of an execution that goes on.
	Events []execution.Event `json:"events,omitempty"`
}

// JournalHead is the end of a journal.
type JournalHead struct {
	Seq  int64  `json:"seq"`
	Hash string `json:"hash,omitempty"`
}

// JournalInput asks to continue a journal.
type JournalInput struct {
	Guard  plan.Guard        `json:"guard"`
	Head   JournalHead       `json:"head"`
	Events []execution.Event `json:"events"`
}

// Journaled says where the journal stands.
type Journaled struct {
	Head   JournalHead `json:"head"`
	Vaults []string    `json:"vaults"`
	Missed []string    `json:"missed,omitempty"`
}

// HealInput asks to fill the gaps of an execution's journal.
type HealInput struct {
	Guard plan.Guard `json:"guard"`
}

// Healed says which vaults still lack entries.
type Healed struct {
	Filled int      `json:"filled"`
	Left   []string `json:"left,omitempty"`
}

// GateInput asks to put into words what people decide about.
type GateInput struct {
	Guard plan.Guard `json:"guard"`
	Facts plan.Facts `json:"facts"`
	// Receipts are those of the steps before the gate; their digests become part of the facts.
	Receipts []plan.Receipt `json:"receipts,omitempty"`
}

// GatePrepared is the exact text that people decide about.
type GatePrepared struct {
	Facts  string `json:"facts"`
	Digest string `json:"digest"`
}

// JudgeInput asks whether a command counts.
type JudgeInput struct {
	Execution string             `json:"execution"`
	Signed    plan.SignedCommand `json:"signed"`
	// Brief is the digest of the execution's brief, which commands that steer are bound to.
	Brief     string     `json:"brief"`
	Commander string     `json:"commander"`
	Requester string     `json:"requester"`
	Gates     []OpenGate `json:"gates,omitempty"`
	Used      []string   `json:"used,omitempty"`
	Now       time.Time  `json:"now"`
}

// OpenGate is a gate that waits.
type OpenGate struct {
	Step             string    `json:"step"`
	Digest           string    `json:"digest"`
	Roles            []string  `json:"roles,omitempty"`
	ExcludeRequester bool      `json:"exclude_requester,omitempty"`
	Confirm          bool      `json:"confirm,omitempty"`
	Voted            []string  `json:"voted,omitempty"`
	Opened           time.Time `json:"opened"`
	Deadline         time.Time `json:"deadline,omitzero"`
	// Requires is how many have to say yes. Grave says that what the gate lets through cannot be taken back, and
	// Signed that somebody approved there with their own key.
	Requires int  `json:"requires,omitempty"`
	Grave    bool `json:"grave,omitempty"`
	Signed   bool `json:"signed,omitempty"`
}

// Judged is what became of a command.
type Judged struct {
	Accepted bool `json:"accepted"`
	// Cause is why it was refused, as a code; Message says it to people.
	Cause   string `json:"cause,omitempty"`
	Message string `json:"message,omitempty"`
	// Command is what the person said; when it was refused, only as far as it could be read.
	Command plan.Command `json:"command"`
	// Receipt dates an accepted command.
	Receipt *plan.Receipt `json:"receipt,omitempty"`
}

// StepInput is what the activity of a step gets: the guard, and the step's parameters beside it. The types
// of the steps' activities have the same JSON, with fields of their own.
type StepInput struct {
	Guard plan.Guard     `json:"guard"`
	With  map[string]any `json:"with"`
}

// StepDone is what the activity of a step returns.
type StepDone struct {
	// Outputs are those that the catalogue promises.
	Outputs map[string]any `json:"outputs"`
	// Receipt is the proof that a worker of the fleet made them; in mode plan it has none.
	Receipt *plan.Receipt `json:"receipt,omitempty"`
	// Intended is what would have been done, in mode plan.
	Intended map[string]any `json:"intended,omitempty"`
}
