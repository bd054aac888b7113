package runbooks

import (
	"time"

	"github.com/lifeboat-dr/lifeboat/internal/plan"
)

// The actions of a work order that put a database back.
const (
	// ActionSwitchBranch puts a component's database back to a branch of its past, ActionSwitchBack back again.
	ActionSwitchBranch plan.Action = "database.switch"
	ActionSwitchBack   plan.Action = "database.switch-back"
	// ActionCauseFault damages a drill's copy.
	ActionCauseFault plan.Action = "drill.fault"
)

// The types that are for drills only.
const (
	TypeDrillCopy     = "drill-copy"
	TypeDropDrillCopy = "drop-drill-copy"
	TypeFault         = "fault"
)

// PurposeProduction is the purpose of the branch that takes the place of production in a drill. No step of another
// type makes or removes a branch of it.
const PurposeProduction = "production"

// switchTypes are the steps that put a database back, and those that let a drill do it to a copy.
var switchTypes = []Type{
	{
		Name: "switch", Title: "Switch to a branch",
		Doc: "Puts a component's database back to the point that a branch of this execution holds. Its connection string stays, connections are dropped, and " +
			"everything written since is kept in another branch that nobody writes to. Hold the door before. In a drill a copy of production is put back.",
		ByHand: "In Neon's console: Restore the branch that production uses to the time or log position, and write down the name under which Neon keeps the old state.",
		Effect: EffectReversible, Actions: []plan.Action{ActionSwitchBranch}, Activity: "SwitchBranch", Skippable: false,
		Timeout: 30 * time.Minute, Retry: RetryPatient, UndoTypes: []string{"switch-back", "exec", "http", "manual"},
		Params: []Param{
			componentParam(UseSource),
			{Name: "purpose", Kind: KindName, Required: true, Literal: true, Doc: "which branch of this execution, made of the same component; what it holds is read from Neon"},
			{Name: "newest", Kind: KindString, Literal: true, Doc: "one SELECT that gives the time of the newest row, asked of the database afterwards and told"},
		},
		Outputs: []Output{
			{"site", KindSite, "the site whose project has the branches"},
			{"kept", KindString, "the branch that keeps the state before, lifeboat/EXECUTION/PURPOSE.before, for ever; it has a compute that reads"},
			{"database", KindString, "the component's database"},
			{"lsn", KindLSN, "the log position that it was put back to"},
			{"system", KindString, "the system identifier of the server that answers now; empty when the role may not see it"},
			{"newest", KindString, "what the query newest gave, RFC 3339; empty without one, and when there are no rows"},
			{"took", KindDuration, "how long it took"},
		},
	},
	{
		Name: "switch-back", Title: "Take a switch back",
		Doc: "Puts the state back that a switch of this execution gave up, and keeps what was written after the switch in a branch beside it. It is no error when " +
			"the switch did nothing. Once applications wrote to the new state, this gives their writes up: it is for before the door opens.",
		ByHand: "In Neon's console: Restore the branch that production uses from the branch that keeps the old state.",
		Effect: EffectReversible, Actions: []plan.Action{ActionSwitchBack}, Activity: "SwitchBack", Skippable: false,
		Timeout: 30 * time.Minute, Retry: RetryPatient, UndoTypes: []string{"manual"},
		Params: []Param{
			componentParam(UseSource),
			{Name: "purpose", Kind: KindName, Required: true, Literal: true, Doc: "the purpose of the switch"},
		},
		Outputs: []Output{
			{"kept", KindString, "the branch with what was written after the switch, lifeboat/EXECUTION/PURPOSE.undone; empty when there was nothing to take back"},
			{"system", KindString, "the system identifier of the server that answers now; empty when the role may not see it"},
			{"took", KindDuration, "how long it took"},
		},
	},
	{
		Name: TypeDrillCopy, Title: "Copy for a drill",
		Doc: "Makes a branch of production as it is now, with a compute that writes. In a runbook that has this step a drill takes the copy for the component from " +
			"the beginning, whatever is changed or measured, and never production. It is for drills only: when: {mode: drill}.",
		ByHand: "In Neon's console: make a branch of production, and rehearse there.",
		Effect: EffectReversible, Actions: []plan.Action{plan.OwnBranches}, Activity: "MakeDrillCopy", Skippable: false, DrillOnly: true,
		Timeout: 30 * time.Minute, Retry: RetryPatient, UndoTypes: []string{TypeDropDrillCopy, "manual"},
		Params: []Param{
			componentParam(UseSource),
			{Name: "keep", Kind: KindDuration, Default: "1d", Min: ptr(3600), Max: ptr(30 * 86400), Doc: "how long it stays when nobody removes it; then Neon deletes it"},
		},
		Outputs: []Output{
			{"site", KindSite, "the site whose project has the copy"},
			{"branch", KindString, "its name, lifeboat/EXECUTION/production"},
			{"database", KindString, "the component's database in it"},
			{"lsn", KindLSN, "the log position of production up to which it holds everything, as Neon says"},
			{"took", KindDuration, "how long it took"},
		},
	},
	{
		Name: TypeDropDrillCopy, Title: "Remove the copy of a drill",
		Doc:    "Removes every branch of this execution: the copy, and what was made and kept of it. Branches of other executions cannot be named. It is for drills only.",
		ByHand: "In Neon's console: delete the branches whose names begin with lifeboat/ and the execution's id, the newest first.",
		Effect: EffectIrreversible, Actions: []plan.Action{plan.OwnBranches}, Activity: "DropDrillCopy", Skippable: true, DrillOnly: true,
		Timeout: 30 * time.Minute, Retry: RetryPatient,
		Params: []Param{componentParam(UseSource)},
		Outputs: []Output{
			{"branches", KindInteger, "how many branches were removed"},
			{"took", KindDuration, "how long it took"},
		},
	},
	{
		Name: TypeFault, Title: "Cause a fault",
		Doc: "Runs a statement of the configuration (drills.faults) in the drill's copy, such as a DELETE without its WHERE, and tells the time just before it. It " +
			"happens once, however often the step is tried. It is for drills only, and knows no way to production.",
		ByHand: "On the copy, and nowhere else: SELECT clock_timestamp(), and then the statement.",
		Effect: EffectReversible, Actions: []plan.Action{ActionCauseFault}, Activity: "CauseFault", Skippable: false, DrillOnly: true,
		Timeout: 10 * time.Minute, Retry: RetryPatient, Long: true, UndoTypes: []string{TypeDropDrillCopy, "manual"},
		Params: []Param{
			componentParam(UseSource),
			{Name: "fault", Kind: KindName, Required: true, Literal: true, Of: "fault", Doc: "the fault, by its name in the configuration"},
		},
		Outputs: []Output{
			{"before", KindTime, "a time before the fault by the server's clock, to the millisecond: a point there holds everything but the fault"},
			{"rows", KindInteger, "how many rows the statement changed"},
			{"took", KindDuration, "how long it took"},
		},
	},
}
