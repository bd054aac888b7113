package runbooks

import (
	"time"

	"github.com/lifeboat-dr/lifeboat/internal/plan"
)

// The computes that a branch can be made with.
const (
	ComputeNone      = "none"
	ComputeReadOnly  = "read-only"
	ComputeReadWrite = "read-write"
)

// purposeParam is the last part of a branch's name. It is written in the runbook, so that a step only ever names
// branches of its own execution.
var purposeParam = Param{Name: "purpose", Kind: KindName, Required: true, Literal: true, Doc: "what it is for: the branch is named lifeboat/EXECUTION/PURPOSE"}

// whichDatabase says of a parameter which database it means, as the queries' on does.
func whichDatabase(name, doc string) Param {
	return Param{Name: name, Kind: KindObject, Required: true, Doc: doc, OneOf: sqlParams[0].OneOf, Fields: sqlParams[0].Fields}
}

// branchTypes are the steps that go back to a minute without touching what is there.
var branchTypes = []Type{
	{
		Name: "branch", Title: "Branch",
		Doc: "Makes a branch of a component's database as it was at a point, or as it is now, and reads back what it holds. Production is " +
			"not touched, also not in a live execution, and a drill does just the same. A point T includes what committed at or before T. " +
			"It has a name of this execution, expires by itself, and is found again when the step is repeated.",
		ByHand: "In Neon's console: create a branch of the branch that production uses, from a time or a log position, and look into it before you use it.",
		Effect: EffectReversible, Actions: []plan.Action{plan.OwnBranches}, Activity: "MakeBranch", Skippable: false,
		Timeout: 30 * time.Minute, Retry: RetryPatient, UndoTypes: []string{"drop-branch", "exec", "http", "manual"},
		Params: []Param{
			componentParam(UseSource),
			purposeParam,
			{Name: "at", Kind: KindTime, Doc: "the point as a time, to the millisecond; leave out both at and lsn for the newest state"},
			{Name: "lsn", Kind: KindLSN, Doc: "the point as a log position, instead of a time"},
			{Name: "compute", Kind: KindString, Default: ComputeReadOnly, Enum: []string{ComputeNone, ComputeReadOnly, ComputeReadWrite}, Literal: true, Doc: "what it is reached by; none costs least, and nobody can look into it"},
			{Name: "keep", Kind: KindDuration, Default: "7d", Min: ptr(3600), Max: ptr(30 * 86400), Doc: "how long it stays; then Neon deletes it"},
			{Name: "newest", Kind: KindString, Literal: true, Doc: "one SELECT that gives the time, by the server's clock, of the newest row in the branch, such as SELECT max(created_at) FROM public.claims; it is read back, and the step fails when it is later than at. It needs a compute"},
		},
		Outputs: []Output{
			{"site", KindSite, "the site whose project has the branch"},
			{"branch", KindString, "its name"},
			{"database", KindString, "the component's database in it"},
			{"lsn", KindLSN, "the log position of production up to which it holds everything, as Neon says"},
			{"newest", KindString, "what the query newest gave, RFC 3339; empty without one, and when there are no rows"},
			{"expires", KindTime, "when Neon deletes it"},
			{"took", KindDuration, "how long it took"},
		},
	},
	{
		Name: "drop-branch", Title: "Remove a branch",
		Doc: "Removes a branch that a step of this execution made, with everything in it. It is no error when there is none. A branch of any other " +
			"name cannot be named.",
		ByHand: "In Neon's console: delete the branch, after you read its name twice.",
		Effect: EffectIrreversible, Actions: []plan.Action{plan.OwnBranches}, Activity: "DropBranch", Skippable: true,
		Timeout: 30 * time.Minute, Retry: RetryPatient,
		Params: []Param{componentParam(UseSource), purposeParam},
		Outputs: []Output{
			{"branch", KindString, "its name"},
			{"took", KindDuration, "how long it took"},
		},
	},
	{
		Name: "lost-window", Title: "Lost window",
		Doc: "Compares the state that is to be kept with the one that is to be given up, row by row and by primary key, and counts what would be lost: rows " +
			"that only the later state has, rows that it has otherwise, and rows that were deleted there. It keeps no row. Both are read once in whole; " +
			"let them be branches, so that production is spared and neither changes.",
		ByHand: "Make both branches, and count in both: SELECT count(*), max(updated_at) of each table that matters. Write the numbers down before anything is given up.",
		Effect: EffectNone, Activity: "MeasureLostWindow", Skippable: true, Timeout: 8 * time.Hour, Retry: RetryPatient, Long: true,
		Params: []Param{
			whichDatabase("keep", "the state that is kept: the branch at the point"),
			whichDatabase("lose", "the state that is given up: the branch of the damaged head"),
			{Name: "tables", Kind: KindStrings, Doc: "the tables whose counts are told one by one, as schema.table; all are compared, and the others told together"},
			{Name: "value", Kind: KindObject, Doc: "what rows of one table are worth, such as the amount of a claim", Fields: []Param{
				{Name: "table", Kind: KindString, Required: true, Literal: true, Doc: "the table, as schema.table"},
				{Name: "column", Kind: KindString, Required: true, Literal: true, Doc: "its column, a number"},
			}},
		},
		Outputs: []Output{
			{"inserted", KindInteger, "rows that were inserted after the point: lost with the later state"},
			{"updated", KindInteger, "rows that were changed after the point: they are again what they were"},
			{"deleted", KindInteger, "rows that were deleted after the point: they are there again, also those that were meant to go"},
			{"tables", KindInteger, "how many tables were compared"},
			{"keyless", KindInteger, "how many of them have no primary key and differ: an updated row of theirs counts as one deleted and one inserted"},
			{"reshaped", KindInteger, "how many tables have other columns, or are in one of the states only"},
			{"valued", KindInteger, "rows inserted or changed in the table of value; 0 without one"},
			{"value", KindString, "what those inserted are worth, and by how much those changed are worth more; empty without value"},
			{"detail", KindString, "the counts of the tables that were asked for: inserted +, changed ~, deleted -; and of all others"},
			{"took", KindDuration, "how long it took"},
		},
	},
}
