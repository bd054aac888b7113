// Package traffic is the contract of a door: the only way on which applications reach PostgreSQL. A door
// can hold them (they wait and nothing fails), move them to another server while they wait, let them through,
// or close (they are refused). Packages below fulfil the contract.
//
// The package decides nothing about when a door is to be held or opened, and asks nobody for leave:
// activities check work orders before they call it.
package traffic

import (
	"context"
	"time"

	"github.com/lifeboat-dr/lifeboat/internal/secret"
)

// State is what applications meet at a door.
type State string

// The states of a door.
const (
	// Open: queries go through to the server that the door leads to.
	Open State = "open"
	// Held: who connects and who asks waits. Nothing reaches any server, and nothing is refused until the
	// door's own limits of waiting are over (see [Report.Patience]).
	Held State = "held"
	// Closed: who connects is refused, and who was connected was cut off.
	Closed State = "closed"
)

// Door is one door to one database, as applications call it. Every verb looks first, acts, and looks again;
// each may be repeated, be killed half-way and be repeated then. What it returns is what was seen at the
// door afterwards, never what was meant to be. Its errors are of type [*Error].
//
// The state outlives the door's process: a door that was held or closed comes up held or closed.
type Door interface {
	// State looks, and changes nothing.
	State(ctx context.Context) (Report, error)
	// Hold makes new queries wait and lets running transactions end, within [HoldRequest.Drain]. When they do
	// not end the door is as it was before, and the error is [ErrBusy] and says who stood in the way; with
	// Kill they are cut off instead. When Hold has returned, nothing that passed through this door is
	// running on any server. A closed door that is held no longer refuses.
	Hold(ctx context.Context, r HoldRequest) (Report, error)
	// Move makes a door that is held or closed lead to another server, and proves it: what the door
	// reaches is the very server and database that the address reaches. It opens nothing.
	Move(ctx context.Context, r MoveRequest) (Report, error)
	// Open lets traffic through, and proves it by a query. From then on applications write: there is no way
	// back but a failback.
	Open(ctx context.Context, r OpenRequest) (Report, error)
	// Close cuts everybody off and refuses from then on, and proves it: an attempt to get in was refused.
	// An attempt without an answer proves nothing.
	Close(ctx context.Context, c Change) (Report, error)
}

// Change is who changes a door.
type Change struct {
	// By is the execution and step, kept where the door keeps its state.
	By string
	// Epoch is what the execution believes in. A door that was changed in a later epoch is not changed any
	// more: whoever asks was overtaken by a failover.
	Epoch int64
}

// HoldRequest asks for a hold.
type HoldRequest struct {
	Change
	// Drain is how long running transactions may take to end; it has to be above zero.
	Drain time.Duration
	// Kill cuts off who is still at it when Drain is over. Their transactions roll back, unless their commit
	// was just being done: what they know of it is nothing.
	Kill bool
}

// MoveRequest asks to lead elsewhere.
type MoveRequest struct {
	Change
	// Address is the connection string of the server and database to lead to.
	Address secret.String
}

// OpenRequest asks to open.
type OpenRequest struct {
	Change
	// Back opens only if the door leads where it led before it was held: it takes back a hold, and must not
	// become a failover by accident.
	Back bool
}

// Report is what was seen at a door.
type Report struct {
	State State
	// Recorded is the state that the door comes up with after a crash. It differs from State when an
	// operation was interrupted, or somebody changed the door by hand; then Note says what.
	Recorded State
	Note     string
	// Database is the name that applications connect to, To where it leads: nobody for a closed door that
	// never led anywhere. To has no password.
	Database string
	To       *Destination
	// System is the system identifier of the server that To was proven to be; empty where it was not.
	System string
	// Waiting counts those who wait, Active the connections to servers that are in use.
	Waiting, Active int
	// Patience is how long the door lets a query wait before it ends the client's connection; zero is for ever.
	Patience time.Duration
	// Since and By say when the recorded state began and who made it.
	Since time.Time
	By    string
	Epoch int64
	// Cut counts the connections that this very operation cut off.
	Cut int
}

// Settled says that what is seen is what would be seen after a crash.
func (r Report) Settled() bool { return r.State == r.Recorded && r.Note == "" }
