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
}
