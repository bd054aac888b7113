package plan

import (
	"errors"
	"fmt"
	"slices"
	"time"
)

// CommandKind is what a person tells an execution.
type CommandKind string

// The kinds of commands.
const (
	// CommandStart begins an execution of a runbook.
	CommandStart CommandKind = "start"
	// CommandApprove and CommandReject decide at a gate.
	CommandApprove CommandKind = "approve"
	CommandReject  CommandKind = "reject"
	// CommandConfirm says that a manual task was done, with a note.
	CommandConfirm CommandKind = "confirm"
	// CommandAcknowledge stops paging and decides nothing.
	CommandAcknowledge CommandKind = "acknowledge"
	CommandPause       CommandKind = "pause"
	CommandResume      CommandKind = "resume"
	// CommandRetry and CommandSkip answer a failed step.
	CommandRetry CommandKind = "retry"
	CommandSkip  CommandKind = "skip"
	// CommandUndo takes back what was done, and ends the execution.
	CommandUndo CommandKind = "undo"
	// CommandUngraceful says that the primary cannot be reached any more.
	CommandUngraceful CommandKind = "ungraceful"
	CommandCancel     CommandKind = "cancel"
	// CommandHandover makes somebody else the commander.
	CommandHandover CommandKind = "handover"
)

// CommandKinds are all kinds.
var CommandKinds = []CommandKind{
	CommandStart, CommandApprove, CommandReject, CommandConfirm, CommandAcknowledge, CommandPause, CommandResume,
	CommandRetry, CommandSkip, CommandUndo, CommandUngraceful, CommandCancel, CommandHandover,
}

// stepKinds need a gate or a step.
var stepKinds = []CommandKind{CommandApprove, CommandReject, CommandConfirm, CommandAcknowledge, CommandRetry, CommandSkip}

// Decision says whether the command decides at a gate.
func (k CommandKind) Decision() bool { return k == CommandApprove || k == CommandReject }

// MaxCommandLife is how long a command may be valid at most: a person who decides sees the state of now.
const MaxCommandLife = 7 * 24 * time.Hour

// maxReason bounds what a person writes, in bytes.
const maxReason = 2000

// Command is one message from a person to an execution. It is signed as text (package roster), used once
// and bound to everything that the person saw.
type Command struct {
	Format int         `json:"format"`
	Kind   CommandKind `json:"kind"`
	// ID makes the command single-use: 128 random bits in hex.
	ID string `json:"id"`
	// Execution is the workflow id it is for.
	Execution string `json:"execution"`
	// Step is the gate or step it is about; empty where the kind needs none.
	Step string `json:"step,omitempty"`
	// Digest is the SHA-256 (hex) of what the person saw: of the start's [Brief], or of the gate's facts.
	// Kinds that steer carry the digest of the execution's brief.
	Digest string `json:"digest"`
	// Person is who speaks, by the roster's id.
	Person string `json:"person"`
	// To is the next commander of a handover.
	To     string    `json:"to,omitempty"`
	Reason string    `json:"reason,omitempty"`
	Issued time.Time `json:"issued"`
	// Expires is when it stops being worth anything.
	Expires time.Time `json:"expires"`
}

// Validate reports everything that is wrong with the shape of a command, whoever signed it.
func (c Command) Validate() error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if c.Format != 1 {
		bad("command format %d is not known, only 1", c.Format)
	}
	if !slices.Contains(CommandKinds, c.Kind) {
		bad("command %q is not known", c.Kind)
	}
	if !hexBytes(c.ID, 16) {
		bad("the command's id is not 32 hex digits")
	}
	if !hexBytes(c.Digest, 32) {
		bad("the command's digest is not a SHA-256 in hex")
	}
	if c.Execution == "" || c.Person == "" {
		bad("the command names no execution or no person")
	}
	if slices.Contains(stepKinds, c.Kind) != (c.Step != "") {
		bad("%s %s", c.Kind, map[bool]string{true: "is about no step", false: "needs a step"}[c.Step != ""])
	}
	if (c.Kind == CommandHandover) != (c.To != "") {
		bad("only a handover names the next commander, and it has to")
	}
	if c.Reason == "" && c.Kind != CommandStart && c.Kind != CommandAcknowledge {
		bad("%s needs a reason", c.Kind)
	}
	if len(c.Reason) > maxReason {
		bad("the reason has %d bytes, %d are the most", len(c.Reason), maxReason)
	}
	if !c.Expires.After(c.Issued) || c.Expires.Sub(c.Issued) > MaxCommandLife {
		bad("a command is valid for at most %s after it was issued", MaxCommandLife)
	}
	return errors.Join(errs...)
}

func hexBytes(s string, n int) bool {
	if len(s) != 2*n {
		return false
	}
	for i := range len(s) {
		if c := s[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}

// Brief is what the commander signs with [CommandStart]: everything that decides what an execution does.
type Brief struct {
	Format int `json:"format"`
	// Runbook and RunbookDigest (SHA-256 of its text, hex) say which plan runs.
	Runbook       string `json:"runbook"`
	RunbookDigest string `json:"runbook_digest"`
	Application   string `json:"application"`
	Mode          Mode   `json:"mode"`
	// Target is what is acted upon; one live execution per target.
	Target   string   `json:"target"`
	Approach Approach `json:"approach"`
	// Inputs are the runbook's inputs, checked and with defaults.
	Inputs map[string]any `json:"inputs"`
	// Until is when the start stops allowing anything: no step of the execution changes anything later.
	Until time.Time `json:"until"`
	// Nested are the digests of the runbooks that the runbook runs, by name; empty for one that runs none.
	Nested map[string]string `json:"nested,omitempty"`
	// Plan is the digest of the changes that this run is bound to, and PlanExecution the plan that found them;
	// empty for none.
	Plan          string `json:"plan,omitempty"`
	PlanExecution string `json:"plan_execution,omitempty"`
	// Epoch is the number of the last failover when the execution was started; 0 where there has never been one.
	Epoch int64 `json:"epoch,omitempty"`
}

// Facts is what a gate shows to those who decide, and what their decisions are bound to.
type Facts struct {
	Format    int    `json:"format"`
	Execution string `json:"execution"`
	Gate      string `json:"gate"`
	// Round counts how often the gate was opened, so that a decision of an earlier round is worth nothing.
	Round int `json:"round"`
	// Brief is the digest of the execution's brief.
	Brief string `json:"brief"`
	Mode  Mode   `json:"mode"`
	// Target is what is acted upon, with its identity as it was read (system identifier, project).
	Target string `json:"target"`
	Epoch  int64  `json:"epoch"`
	// Summary is the gate's text, with the values filled in.
	Summary string `json:"summary"`
	// Shows are values of earlier steps that the runbook wants to be seen: restore point, expected loss, …
	Shows map[string]any `json:"shows,omitempty"`
	// Outputs are the digests of the receipts of the steps before the gate, by step: what they found is
	// part of what is approved.
	Outputs map[string]string `json:"outputs,omitempty"`
	// Steps are those that the gate lets through, with their parameters as far as they are known.
	Steps    []FactStep `json:"steps"`
	Requires int        `json:"requires"`
	Roles    []string   `json:"roles"`
	// ExcludeRequester says that whoever started the execution may not approve.
	ExcludeRequester bool      `json:"exclude_requester,omitempty"`
	Opened           time.Time `json:"opened"`
	// Deadline is when the gate's timeout decides; zero for never.
	Deadline time.Time `json:"deadline,omitzero"`
}

// FactStep is one step that a gate lets through.
type FactStep struct {
	ID      string         `json:"id"`
	Type    string         `json:"type"`
	Effect  string         `json:"effect"`
	Summary string         `json:"summary,omitempty"`
	With    map[string]any `json:"with,omitempty"`
}
