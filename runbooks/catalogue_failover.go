package runbooks

import (
	"time"

	"github.com/lifeboat-dr/lifeboat/internal/plan"
)

// The actions of a work order that belong to a failover.
const (
	// ActionTakeEpoch takes the next epoch: from then on executions that were begun before do nothing any more.
	ActionTakeEpoch plan.Action = "epoch.take"
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
}

// TakenEpoch is the epoch that a step of a type took, by its outputs.
func TakenEpoch(kind string, outputs map[string]any) (int64, bool) {
	taken, ok := outputs["epoch"].(float64)
	return int64(taken), ok && kind == TypeTakeEpoch
}
