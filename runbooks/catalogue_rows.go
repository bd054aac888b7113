package runbooks

import (
	"time"

	"github.com/lifeboat-dr/lifeboat/internal/plan"
)

// ActionPutRowsBack is the action of a work order that inserts rows of a branch into a component's database.
const ActionPutRowsBack plan.Action = "rows.put-back"

// ActionWriteSynthetic is the action that writes rows to a component's database and removes them again.
const ActionWriteSynthetic plan.Action = "rows.synthetic"

// What becomes of triggers when rows are put back.
const (
	// TriggersRefuse refuses tables that have some, TriggersFire lets them fire.
	TriggersRefuse = "refuse"
	TriggersFire   = "fire"
)

// TypeLedger is the type of the step that keeps a lost window.
const TypeLedger = "ledger"

// rowTypes are the steps that work with rows.
var rowTypes = []Type{
	{
		Name: "put-back", Title: "Put deleted rows back",
		Doc: "Inserts the rows of some tables that a branch of this execution has and the database has not any more, in one transaction, parents before children. Rows that " +
			"are there stay as they are, changed or not. Rows whose place is taken, and rows whose parent is gone, are not put back but counted. With rehearse it does all that " +
			"to a branch of this execution. In a drill it acts on the copy.",
		ByHand: "Connect to the branch, \\copy the missing rows of each table to a file, parents first, and \\copy them into a temporary table of production; from there INSERT … ON CONFLICT DO NOTHING.",
		Effect: EffectReversible, Actions: []plan.Action{ActionPutRowsBack}, Activity: "PutRowsBack", Skippable: false,
		Timeout: 8 * time.Hour, Retry: RetryPatient, UndoTypes: []string{"drop-branch", "exec", "http", "manual"}, Long: true,
		Params: []Param{
			componentParam(UseSource),
			{Name: "from", Kind: KindName, Required: true, Literal: true, Doc: "the purpose of the branch that has the rows, made by a step of this execution from this component"},
			{Name: "rehearse", Kind: KindName, Literal: true, Doc: "the purpose of a branch of this execution, with compute read-write, that is written in the place of the component"},
			{Name: "tables", Kind: KindStrings, Required: true, Doc: "the tables whose deleted rows come back, as schema.table; all deleted rows come back, also those that were meant to go"},
			{Name: "triggers", Kind: KindString, Default: TriggersRefuse, Enum: []string{TriggersRefuse, TriggersFire}, Literal: true, Doc: "what happens when a table has triggers or rules for INSERT: refuse fails before anything is written, fire lets them do what they do"},
		},
		Outputs: []Output{
			{"found", KindInteger, "rows that were deleted since the point"},
			{"rows", KindInteger, "how many of them were put back"},
			{"conflicts", KindInteger, "how many were not, as another row has their key or another value that is to be unique"},
			{"orphans", KindInteger, "how many were not, as the row that they refer to is gone"},
			{"unlisted", KindInteger, "tables that are not in tables and whose rows go, or forget, when rows of those are deleted"},
			{"detail", KindString, "for each table how many of its rows that were found are back"},
			{"took", KindDuration, "how long it took"},
		},
	},
	{
		Name: "synthetic", Title: "Synthetic reads and writes",
		Doc: "Writes rows in a range that no application uses, reads them on another connection, and removes them, by the statements of the configuration (synthetic of the component). " +
			"It refuses when there is something in the range that it did not write, and fails when the rows are not found or not gone. In a drill it acts on the copy.",
		ByHand: "With psql: write a row that nobody else uses, read it on another connection, and delete it.",
		Effect: EffectReversible, Actions: []plan.Action{ActionWriteSynthetic}, Activity: "WriteSynthetic", Skippable: false,
		Timeout: 10 * time.Minute, Retry: RetryPatient, UndoTypes: []string{"exec", "http", "manual"},
		Params: []Param{componentParam(UseSource)},
		Outputs: []Output{
			{"written", KindInteger, "how many rows the statements wrote"},
			{"reads", KindInteger, "how many queries found what they should"},
			{"took", KindDuration, "how long it took"},
		},
	},
	{
		Name: TypeLedger, Title: "Lost-window ledger",
		Doc: "Keeps the rows that are lost when one state is given up for another: what was inserted and changed since the point, as it was and as it became, and what was " +
			"deleted. They are sealed to the recipients of backups and written to the component's vault; lifeboat ledger opens them for who has the key. Both states are read once " +
			"in whole; let them be branches, or hold the door. In a drill nothing is locked.",
		ByHand: "Keep the branch with the state that is given up, and do not let it expire, until everything in it was entered again or written off.",
		Effect: EffectNone, Actions: []plan.Action{plan.CreateInVault}, Activity: "WriteLedger", Skippable: true,
		Timeout: 8 * time.Hour, Retry: RetryPatient, Long: true,
		Params: []Param{
			componentParam(UseSource, UseVault),
			whichDatabase("keep", "the state that is kept"),
			whichDatabase("lose", "the state that is given up"),
		},
		Outputs: []Output{
			{"vault", KindVault, "the vault that it lies in"},
			{"inserted", KindInteger, "rows that were inserted after the point"},
			{"updated", KindInteger, "rows that were changed after the point"},
			{"deleted", KindInteger, "rows that were deleted after the point"},
			{"parts", KindInteger, "how many sealed parts it has"},
			{"digest", KindString, "the SHA-256 of its index, by which it is known again"},
			{"took", KindDuration, "how long it took"},
		},
	},
}
