package plan

import (
	"encoding/json"
	"time"
)

// WorkOrder is the evidence that an activity demands before it changes something for an execution of a
// runbook. Nothing in it is believed because the workflow says so: signatures are checked against the
// roster, receipts against the fleet's key, parameters against the runbook's text.
type WorkOrder struct {
	// Docket is the packed [Docket] of the execution.
	Docket string `json:"docket"`
	// Gates are the decisions at the gates that the step stands behind.
	Gates []GateEvidence `json:"gates,omitempty"`
	// Receipts are the results of earlier steps that the step's parameters, its condition or its gates refer
	// to, and those that date the commands ([Acceptance]).
	Receipts []Receipt `json:"receipts,omitempty"`
	// Ungraceful is the command that switched the execution to ungraceful, when somebody gave it.
	Ungraceful *SignedCommand `json:"ungraceful,omitempty"`
	// Undo says that the step's undo is meant, not the step.
	Undo bool `json:"undo,omitempty"`
}

// Docket is what an execution began with, as it was signed.
type Docket struct {
	// Runbook is the text of the runbook's file, and Signatures those of its owners over it.
	Runbook    string   `json:"runbook"`
	Signatures []string `json:"signatures"`
	// Brief is the exact text that Start's digest is of.
	Brief string `json:"brief"`
	// Start is the commander's command.
	Start SignedCommand `json:"start"`
	// Nested are the runbooks that the runbook runs, and those that these run, each once; the brief has their digests.
	Nested []NestedText `json:"nested,omitempty"`
	// Plan is the exact text of the changes ([PlannedChange]) that the execution is bound to; the brief has its
	// digest. Empty for one that is bound to no plan.
	Plan string `json:"plan,omitempty"`
}

// NestedText is a runbook inside of another, as it was signed.
type NestedText struct {
	// Text is that of its file, and Signatures those of the owners over it.
	Text       string   `json:"text"`
	Signatures []string `json:"signatures"`
}

// PlannedChange is one change that a live run would make. What only the run itself can know stands in it as a
// reference.
type PlannedChange struct {
	Step string         `json:"step"`
	Type string         `json:"type"`
	With map[string]any `json:"with,omitempty"`
}

// SignedCommand is a command with its signature: the exact text, and an SSHSIG over it in the namespace of
// commands, so that `jq -j .signed | ssh-keygen -Y verify` checks it.
type SignedCommand struct {
	Signed    string `json:"signed"`
	Signature string `json:"signature"`
	// Voucher is a worker's signature over the text in place of the person's own, for a click in Slack.
	Voucher string `json:"voucher,omitempty"`
}

// GateEvidence is what happened at one gate: the exact text of its [Facts], and the decisions bound to it.
type GateEvidence struct {
	Gate      string          `json:"gate"`
	Facts     string          `json:"facts"`
	Decisions []SignedCommand `json:"decisions"`
}

// Receipt is the result of a step, with proof that a worker of the fleet made it for this execution.
type Receipt struct {
	Execution string `json:"execution"`
	Step      string `json:"step"`
	// Outputs is the exact JSON text of the step's outputs.
	Outputs json.RawMessage `json:"outputs"`
	// MAC authenticates the fields above, under the fleet's key.
	MAC string `json:"mac"`
}

// Acceptance is the outputs of the receipt that a worker makes when it accepted a command. Commands expire
// and keys are revoked while an execution goes on; the receipt dates a command by a clock its signer cannot set.
type Acceptance struct {
	// Command is the SHA-256 (hex) of the command's text.
	Command  string    `json:"command"`
	Accepted time.Time `json:"accepted"`
}

// AcceptanceStep is the step in the receipt of an accepted command.
func AcceptanceStep(commandID string) string { return "command:" + commandID }
