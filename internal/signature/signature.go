// Package signature signs and checks what Lifeboat vouches for, as SSHSIG: the format of
// `ssh-keygen -Y sign`, so that anybody can check it with OpenSSH and without Lifeboat. Each use has a
// namespace of its own: a signature made for one is worth nothing for another. Who may sign, and until
// when, stands in OpenSSH's allowed_signers format (ssh-keygen(1), ALLOWED SIGNERS).
package signature

import "errors"

// Namespace is what a signature is for.
type Namespace string

// The namespaces, one for each use.
const (
	// Manifest is for manifests and the records beside them.
	Manifest Namespace = "manifest@lifeboat-dr"
	// Command is for what people decide.
	Command Namespace = "command@lifeboat-dr"
	// Runbook is for runbooks, by their owners.
	Runbook Namespace = "runbook@lifeboat-dr"
	// Roster is for versions of the roster.
	Roster Namespace = "roster@lifeboat-dr"
	// Journal is for entries of an execution's journal.
	Journal Namespace = "journal@lifeboat-dr"
	// Order is for standing orders, by their owners.
	Order Namespace = "order@lifeboat-dr"
	// Epoch is for the records of failovers.
	Epoch Namespace = "epoch@lifeboat-dr"
)

// ErrUntrusted says that a signature does not hold: made by nobody who may, for something else, too late,
// or over other bytes.
var ErrUntrusted = errors.New("signature does not hold")
