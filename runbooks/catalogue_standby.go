package runbooks

import (
	"time"

	"github.com/lifeboat-dr/lifeboat/internal/plan"
)

// The actions of a work order that change what follows what.
const (
	// ActionReprotect makes a component's database at one site follow the one at another; ActionUnprotect ends that.
	ActionReprotect plan.Action = "standby.establish"
	ActionUnprotect plan.Action = "standby.remove"
	// ActionPromote makes a standby a primary of its own.
	ActionPromote plan.Action = "standby.promote"
)

// fromSite and toSite say which of a component's two databases is the primary and which follows it.
var (
	fromSite = Param{Name: "from", Kind: KindSite, Required: true, Uses: []Use{UseSite}, Doc: "the site of the primary"}
	toSite   = Param{Name: "to", Kind: KindSite, Required: true, Uses: []Use{UseSite}, Doc: "the site of the standby"}
)

// standbyTypes are the steps that keep a second database at another site and let it take over.
var standbyTypes = []Type{
	{
		Name: "reprotect", Title: "Follow the primary",
		Doc: "Lets a component's database at one site follow the one at another, by PostgreSQL's logical replication, and waits until every table " +
			"does. The standby has to be empty, or to be the one in which this was begun. What is wrong with either is told at once, before anything is changed. " +
			"It goes on where it was when it was interrupted. Only in live executions.",
		ByHand: "Copy the schema with pg_dump --schema-only; CREATE PUBLICATION on the primary, CREATE SUBSCRIPTION on the standby; wait until all of pg_subscription_rel is 'r'.",
		Effect: EffectReversible, Actions: []plan.Action{ActionReprotect}, Activity: "Reprotect", Skippable: true, Anywhere: true,
		Timeout: 24 * time.Hour, Retry: RetryPatient, Long: true, UndoTypes: []string{"unprotect", "exec", "http", "manual"},
		Params: []Param{
			componentParam(), fromSite, toSite,
			{Name: "copy", Kind: KindBoolean, Default: true, Doc: "whether everything is copied into an empty database. Without it the standby has every row already, as the old primary after a planned move: both are compared in whole while nobody writes to the primary, so its door has to be held"},
		},
		Outputs: []Output{
			{"replication", KindString, "the name of the slot and the subscription"},
			{"tables", KindInteger, "how many tables follow"},
			{"gaps", KindString, "what replication does not carry, as kinds and counts"},
			{"waived", KindInteger, "how many entries of the schema the role could not make"},
			{"took", KindDuration, "how long it took"},
		},
	},
	{
		Name: "unprotect", Title: "End following the primary",
		Doc: "Takes the replication to a standby away: subscription, slot and publication. The standby keeps its rows, and can follow again only when it " +
			"is emptied. A primary that does not answer is no failure: its slot stays, and keeps its log, until this is repeated. A database that was promoted is left alone. Only in live executions.",
		ByHand: "On the standby: ALTER SUBSCRIPTION … DISABLE; ALTER SUBSCRIPTION … SET (slot_name = NONE); DROP SUBSCRIPTION …. On the primary: SELECT pg_drop_replication_slot(…); DROP PUBLICATION ….",
		Effect: EffectIrreversible, Actions: []plan.Action{ActionUnprotect}, Activity: "Unprotect", Skippable: true, Probe: true, Anywhere: true,
		Timeout: 30 * time.Minute, Retry: RetryPatient,
		Params: []Param{componentParam(), fromSite, toSite},
		Outputs: []Output{
			{"left", KindBoolean, "whether the primary did not answer, so that its slot is still there"},
			{"took", KindDuration, "how long it took"},
		},
	},
	{
		Name: "standby", Title: "Look at the standby",
		Doc: "Measures how far behind a standby is, by a mark in the primary's log, and compares the schemas. It fails when the standby is not whole, when replication has " +
			"stopped, or when the mark is not confirmed within the time.",
		ByHand: "On the primary: pg_current_wal_lsn() against confirmed_flush_lsn in pg_replication_slots. On the standby: pg_subscription_rel, and its server's log.",
		Effect: EffectNone, Activity: "LookAtStandby", Skippable: true, Anywhere: true, Timeout: 15 * time.Minute, Retry: RetryQuick,
		Params: []Param{
			componentParam(), fromSite, toSite,
			{Name: "within", Kind: KindDuration, Default: "30s", Min: ptr(1), Max: ptr(240), Doc: "how long a transaction of the primary may take to be safe on the standby"},
		},
		Outputs: []Output{
			{"lag", KindDuration, "how long a transaction of the primary took to be safe on the standby"},
			{"bytes", KindInteger, "how much of the primary's log is not confirmed"},
			{"kept", KindInteger, "how much of its log the primary keeps for the standby, in bytes of its disk"},
			{"tables", KindInteger, "how many tables follow"},
			{"drift", KindInteger, "how many objects of the two schemas differ without stopping it"},
			{"reached", KindString, "the position of the primary's log that is confirmed"},
		},
	},
	{
		Name: "drain", Title: "Drain the standby",
		Doc: "Waits until a standby has everything that the primary committed, and proves it by a position of the primary's log: a mark was confirmed, and no transaction came between. " +
			"The door has to be held or closed before: as long as somebody writes to the primary it fails. It can compare every row besides. Plans and drills look at the lag.",
		ByHand: "Close every way to the primary; read pg_current_wal_lsn() there; wait until confirmed_flush_lsn of the slot is at least that.",
		Effect: EffectNone, Activity: "DrainStandby", Skippable: false, Anywhere: true, Timeout: 8 * time.Hour, Retry: RetryPatient, Long: true,
		Params: []Param{
			componentParam(), fromSite, toSite,
			{Name: "within", Kind: KindDuration, Default: "5m", Min: ptr(1), Max: ptr(3600), Doc: "how long it may take until everything is confirmed"},
			{Name: "compare", Kind: KindBoolean, Default: false, Doc: "whether every row of both databases is read and compared; the door stays held meanwhile"},
		},
		Outputs: []Output{
			{"lsn", KindString, "the position of the primary's log up to which the standby has everything; empty in plans and drills"},
			{"compared", KindInteger, "how many tables were compared"},
			{"took", KindDuration, "how long it took"},
		},
	},
	{
		Name: "promote", Title: "Promote the standby",
		Doc: "Makes a standby a primary of its own: the subscription ends, sequences are advanced past all that the old primary can have given, foreign keys are checked, " +
			"materialized views refreshed. Nothing in it keeps the old primary from being written to: fence it before, and let fenced refer to that step. A standby whose first copy is not whole is " +
			"refused. It cannot follow again until it is emptied. A drill promotes a branch of the standby and removes it; a plan looks whether it could be done.",
		ByHand: "On the standby: ALTER SUBSCRIPTION … DISABLE, SET (slot_name = NONE), DROP SUBSCRIPTION; then setval of every sequence past the largest number in use.",
		Effect: EffectReversible, Actions: []plan.Action{ActionPromote}, Activity: "PromoteStandby", Skippable: false, Anywhere: true,
		Timeout: 4 * time.Hour, Retry: RetryPatient, Long: true, UndoTypes: []string{"exec", "http", "manual"},
		Params: []Param{
			componentParam(),
			{Name: "at", Kind: KindSite, Required: true, Uses: []Use{UseSite}, Doc: "the site of the standby"},
			{Name: "from", Kind: KindSite, Uses: []Use{UseSite}, Doc: "the site of the old primary, whose slot is dropped; leave it out when it is fenced or gone"},
			{Name: "fenced", Kind: KindScalar, Doc: "a result of the step that fenced the old primary, such as ${steps.fence.confirmed}: then nothing is promoted without that step's receipt"},
			{Name: "margin", Kind: KindInteger, Default: 1000.0, Min: ptr(0), Max: ptr(1e9), Doc: "how many steps sequences are advanced past the last number that is known"},
			{Name: "check", Kind: KindBoolean, Default: true, Doc: "whether every row with a foreign key is looked at"},
		},
		Outputs: []Output{
			{"promoted", KindTime, "when, by the standby's clock; the first time, when it is repeated"},
			{"reached", KindString, "the position of the old primary's log that it certainly has"},
			{"exact", KindBoolean, "whether that is the very last transaction; else a little more may be there"},
			{"sequences", KindInteger, "how many sequences were advanced"},
			{"unknown", KindInteger, "how many sequences nothing is known of: look at them"},
			{"constraints", KindInteger, "how many foreign keys were checked"},
			{"stale", KindInteger, "how many materialized views could not be refreshed"},
			{"left", KindBoolean, "whether the old primary still has the slot"},
			{"took", KindDuration, "how long it took"},
		},
	},
}
