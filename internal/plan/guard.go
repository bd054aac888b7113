// Package plan is the pure arithmetic of recovery: who may do what under which order, what is late,
// what the restore point objective means. No clock, no I/O.
package plan

// Mode says what an activity may act upon.
type Mode string

const (
	// ModeStanding is scheduled or routine work under a standing order: create-only vault writes, and
	// branches and databases of Lifeboat's own names. Nothing else.
	ModeStanding Mode = "standing"
	// ModePlan checks everything and changes nothing.
	ModePlan Mode = "plan"
	// ModeDrill acts on isolated copies.
	ModeDrill Mode = "drill"
	// ModeLive acts on production.
	ModeLive Mode = "live"
)

// Guard is embedded in the input of every activity that changes anything. The activity checks it again
// before it acts, because workflow code is no border: whoever owns the Temporal namespace can start any
// activity with any input.
type Guard struct {
	// Execution is the workflow id on whose behalf the activity acts.
	Execution string `json:"execution"`
	// Step names the unit of work in it.
	Step string `json:"step"`
	// Target is the component or the named restore target acted upon.
	Target string `json:"target"`
	Mode   Mode   `json:"mode"`
	// Epoch is the epoch the execution believes in, from its brief or from a receipt of its own; 0 where no failover
	// has ever been.
	Epoch int64 `json:"epoch"`
	// Order is the SHA-256 (hex) of the standing order that allows it, or of the brief of an execution.
	Order string `json:"order"`
	// Work is what an execution of a runbook shows; nil under a standing order.
	Work *WorkOrder `json:"work,omitempty"`
}
