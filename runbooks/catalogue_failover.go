package runbooks

import (
	"time"

	"github.com/lifeboat-dr/lifeboat/internal/plan"
)

// The actions of a work order that belong to a failover.
const (
	// ActionTakeEpoch takes the next epoch: from then on executions that were begun before do nothing any more.
	ActionTakeEpoch plan.Action = "epoch.take"
	// ActionFence shuts a database against everybody, ActionUnfence lets connections in again.
	ActionFence   plan.Action = "fence.shut"
	ActionUnfence plan.Action = "fence.lift"
)

// What a step probe takes for a success.
const (
	ExpectUp   = "up"
	ExpectDown = "down"
)

var (
	// atParam is not a site that has to be there: these steps are for one that may be gone.
	atParam = Param{Name: "at", Kind: KindSite, Required: true, Doc: "the site whose database of the component is meant"}
	byParam = Param{Name: "by", Kind: KindSite, Uses: []Use{UseSite}, Doc: "the site whose worker does it; any worker when it is left out"}
)

// TypeTakeEpoch is the type of the step that takes an epoch.
const TypeTakeEpoch = "take-epoch"

// failoverTypes are the steps that decide where a component lives, and make sure that it lives nowhere else.
var failoverTypes = []Type{
	{
		Name: TypeTakeEpoch, Title: "Take the next epoch",
		Doc: "Writes down in a majority of all vaults that the component lives at another site from now on. Only one execution can: another one " +
			"that was begun at the same time, or before, is refused from then on, also what it would undo. It is taken back by the next epoch, which says the " +
			"old site. In a drill the record is written to the same vaults, where it counts for nothing.",
		ByHand: "Tell everybody who could work on a failover that you do, from this minute on, and that all else has to stop. Write down the minute.",
		Effect: EffectReversible, Actions: []plan.Action{ActionTakeEpoch}, Activity: "TakeEpoch", Skippable: false, Anywhere: true,
		Timeout: 15 * time.Minute, Retry: RetryPatient, UndoTypes: []string{TypeTakeEpoch, "manual"},
		Params: []Param{
			componentParam(),
			{Name: "to", Kind: KindSite, Required: true, Doc: "the site where it lives from then on"},
		},
		Outputs: []Output{
			{"epoch", KindInteger, "the epoch in which the execution acts from then on"},
			{"taken", KindTime, "when it was taken"},
			{"from", KindString, "the site where the component lived before"},
			{"took", KindDuration, "how long it took"},
		},
	},
	{
		Name: "probe", Title: "Is it well?",
		Doc: "Asks from where a worker is whether the database of a component at a site is well: the service about its compute, the server by a session of its own that " +
			"could write, and the door. One answer says little, so it asks three times before it calls it down; let workers of several sites ask. A healthy primary is no case for a " +
			"failover: expected to be down, the step fails, and the switchover loses nothing.",
		ByHand: "From two networks: log in to the database and SELECT pg_is_in_recovery(), look into Neon's console and status page, and ask the application's own checks. Write down what each said.",
		Effect: EffectNone, Activity: "ProbePrimary", Skippable: false, Probe: true, Anywhere: true, By: "by",
		Timeout: 10 * time.Minute, Retry: RetryQuick,
		Params: []Param{
			componentParam(), atParam, byParam,
			{Name: "door", Kind: KindName, Of: "door", Doc: "the door to it, when it is to be asked, too"},
			{Name: "expect", Kind: KindString, Enum: []string{ExpectUp, ExpectDown}, Literal: true, Doc: "what it has to be; left out, the step says what it is and goes on"},
			{Name: "despite", Kind: KindBoolean, Default: false, Doc: "go on although it is healthy and was expected to be down: for a primary that answers and must be given up all the same. Show it at the gate"},
		},
		Outputs: []Output{
			{"healthy", KindBoolean, "whether a session could be opened that could write"},
			{"reachable", KindBoolean, "whether anything answered at all"},
			{"sql", KindString, "what the server said"},
			{"service", KindString, "what the service said of its compute"},
			{"door", KindString, "what the door said; empty when it was not asked"},
			{"took", KindDuration, "how long it took"},
		},
	},
	{
		Name: "fence", Title: "Fence",
		Doc: "Shuts the database of a component at a site against every application: passwords of all roles are rotated, sessions end, the compute is disabled. Then it is proven: with the " +
			"old password of each role somebody tries to get in, and the server or the service's proxy has to refuse. No answer proves nothing: then confirmed is false, and no single primary is claimed. " +
			"In a drill it fences a branch that it makes, and removes it.",
		ByHand: "In Neon's console: reset the password of every role of the branch, then suspend and disable its compute. Try to log in with each old password and write down the refusal. A time-out proves nothing.",
		Effect: EffectReversible, Actions: []plan.Action{ActionFence}, Activity: "FencePrimary", Skippable: false, Probe: true, Anywhere: true, By: "by",
		Timeout: time.Hour, Retry: RetryPatient, Long: true, UndoTypes: []string{"unfence", "exec", "http", "manual"},
		Params: []Param{
			componentParam(), atParam, byParam,
			{Name: "within", Kind: KindDuration, Default: "1m", Min: ptr(5), Max: ptr(86400), Doc: "how long it is tried before it counts as not confirmed"},
		},
		Outputs: []Output{
			{"confirmed", KindBoolean, "whether every role was refused"},
			{"how", KindString, "each role and who refused it"},
			{"roles", KindInteger, "how many roles were refused"},
			{"unconfirmed", KindString, "why it is not confirmed; empty when it is"},
			{"took", KindDuration, "how long it took"},
		},
	},
	{
		Name: "unfence", Title: "Lift the fence",
		Doc: "Lets connections into the database of a component at a site again. The passwords stay the new ones, and the door does not lead there by that: " +
			"after a fence without promotion the site is put back with a new epoch. In a drill there is nothing to lift.",
		ByHand: "In Neon's console: enable the compute. Give the new passwords to nobody before the door leads there again.",
		Effect: EffectReversible, Actions: []plan.Action{ActionUnfence}, Activity: "UnfencePrimary", Skippable: false, Anywhere: true, By: "by",
		Timeout: time.Hour, Retry: RetryPatient, Long: true, UndoTypes: []string{"fence", "exec", "http", "manual"},
		Params: []Param{
			componentParam(), atParam, byParam,
			{Name: "within", Kind: KindDuration, Default: "5m", Min: ptr(5), Max: ptr(1800), Doc: "how long one try may take"},
		},
		Outputs: []Output{{"took", KindDuration, "how long it took"}},
	},
}

// TakenEpoch is the epoch that a step of a type took, by its outputs.
func TakenEpoch(kind string, outputs map[string]any) (int64, bool) {
	taken, ok := outputs["epoch"].(float64)
	return int64(taken), ok && kind == TypeTakeEpoch
}
