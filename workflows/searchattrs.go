package workflows

import (
	enumspb "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"
)

// The search attributes by which people find executions. They are never encrypted: names only.
var (
	AttrComponent = temporal.NewSearchAttributeKeyKeyword("LifeboatComponent")
	AttrSite      = temporal.NewSearchAttributeKeyKeyword("LifeboatSite")
	AttrKind      = temporal.NewSearchAttributeKeyKeyword("LifeboatKind")
	AttrState     = temporal.NewSearchAttributeKeyKeyword("LifeboatState")
	// AttrMissing is how many backups a replica lacks, and AttrLag the age of its newest restore point in seconds.
	AttrMissing = temporal.NewSearchAttributeKeyInt64("LifeboatMissing")
	AttrLag     = temporal.NewSearchAttributeKeyInt64("LifeboatLagSeconds")
)

// SearchAttributes are all of them with their types, to be added to a namespace.
func SearchAttributes() map[string]enumspb.IndexedValueType {
	all := map[string]enumspb.IndexedValueType{}
	for _, key := range []temporal.SearchAttributeKeyKeyword{AttrComponent, AttrSite, AttrKind, AttrState, AttrRunbook, AttrScenario, AttrMode, AttrPhase, AttrCommander} {
		all[key.GetName()] = enumspb.INDEXED_VALUE_TYPE_KEYWORD
	}
	all[AttrMissing.GetName()] = enumspb.INDEXED_VALUE_TYPE_INT
	all[AttrLag.GetName()] = enumspb.INDEXED_VALUE_TYPE_INT
	all[AttrAwaiting.GetName()] = enumspb.INDEXED_VALUE_TYPE_BOOL
	all[AttrDeadline.GetName()] = enumspb.INDEXED_VALUE_TYPE_DATETIME
	return all
}

// Kinds of executions.
const (
	KindBackup    = "backup"
	KindVerify    = "verify"
	KindRestore   = "restore"
	KindReplicate = "replicate"
	KindEvaluate  = "evaluate"
	KindRunbook   = "runbook"
)

// Attributes are the search attributes an execution starts with.
func Attributes(kind, component string) temporal.SearchAttributes {
	updates := []temporal.SearchAttributeUpdate{AttrKind.ValueSet(kind), AttrState.ValueSet("running")}
	if component != "" {
		updates = append(updates, AttrComponent.ValueSet(component))
	}
	return temporal.NewSearchAttributes(updates...)
}

func setSite(ctx workflow.Context, site string) error {
	return workflow.UpsertTypedSearchAttributes(ctx, AttrSite.ValueSet(site))
}

// setState is best effort: an execution does not fail because it could not be labelled.
func setState(ctx workflow.Context, state string) {
	if err := workflow.UpsertTypedSearchAttributes(ctx, AttrState.ValueSet(state)); err != nil {
		workflow.GetLogger(ctx).Warn("label execution", "state", state, "error", err)
	}
}
