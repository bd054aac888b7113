package runbooks

import (
	"time"

	"github.com/lifeboat-dr/lifeboat/internal/plan"
)

// The actions of a work order that change a door.
const (
	// ActionHoldDoor makes applications wait, ActionMoveDoor leads a door that is shut elsewhere.
	ActionHoldDoor plan.Action = "door.hold"
	ActionMoveDoor plan.Action = "door.move"
	// ActionOpenDoor lets applications through, ActionCloseDoor cuts them off and refuses.
	ActionOpenDoor  plan.Action = "door.open"
	ActionCloseDoor plan.Action = "door.close"
)

// What becomes of transactions that do not end in time.
const (
	// BusyResume lets everything go on as before and fails the step; BusyKill cuts the clients off.
	BusyResume = "resume"
	BusyKill   = "kill"
)

// ofDoor says of a name that it is that of a door.
const ofDoor = "door"

var doorParam = Param{Name: "door", Kind: KindName, Required: true, Of: ofDoor, Uses: []Use{UseDoor}, Doc: "the door, by its name in the configuration; in a drill its drill door is meant"}

// trafficTypes are the steps that work doors: the only way on which applications reach a database.
var trafficTypes = []Type{
	{
		Name: "hold-door", Title: "Hold the door",
		Doc: "Makes applications wait: running transactions end, new queries and connections wait, nothing fails. It is held when no " +
			"connection to the database is in use. A door that is held stays held when its process dies. In a drill it acts on the drill door.",
		ByHand: "On PgBouncer's console: PAUSE and the database. It answers when all transactions have ended; SHOW CLIENTS says who is still at it.",
		Effect: EffectReversible, Actions: []plan.Action{ActionHoldDoor}, Activity: "HoldDoor", Skippable: false,
		Timeout: 15 * time.Minute, Retry: RetryPatient, Long: true, UndoTypes: []string{"open-door", "exec", "http", "manual"},
		Params: []Param{
			doorParam,
			{Name: "drain", Kind: KindDuration, Default: "30s", Min: ptr(1), Max: ptr(600), Doc: "how long running transactions may take to end"},
			{Name: "busy", Kind: KindString, Default: BusyResume, Enum: []string{BusyResume, BusyKill}, Literal: true, Doc: "what happens when they do not: resume opens the door again and fails, naming who is in the way; kill cuts off all clients of the door, whose transactions roll back"},
			{Name: "lasts", Kind: KindDuration, Default: "5m", Min: ptr(1), Doc: "how long the door is going to be held; a plan fails when the door would end waiting clients sooner"},
		},
		Outputs: []Output{
			{"waiting", KindInteger, "how many clients waited when it was held"},
			{"cut", KindInteger, "how many clients were cut off; 0 unless busy is kill"},
			{"patience", KindDuration, "how long the door lets a query wait; 0s is for ever"},
			{"took", KindDuration, "how long it took until nothing was running any more"},
		},
	},
	{
		Name: "move-door", Title: "Move the door",
		Doc: "Makes a door that is held or closed lead to another database, and proves through the door that what it reaches is the very " +
			"server and database that is meant. Nothing gets through yet. In a drill it acts on the drill door.",
		ByHand: "Change host, port and database of the entry in PgBouncer's configuration, RELOAD, and compare SHOW DATABASES. Do not RESUME yet.",
		Effect: EffectReversible, Actions: []plan.Action{ActionMoveDoor}, Activity: "MoveDoor", Skippable: false,
		Timeout: 10 * time.Minute, Retry: RetryPatient, UndoTypes: []string{"move-door", "exec", "http", "manual"},
		Params: []Param{doorParam, {Name: "to", Kind: KindObject, Required: true, Doc: "which database", OneOf: sqlParams[0].OneOf, Fields: sqlParams[0].Fields}},
		Outputs: []Output{
			{"system", KindString, "the system identifier of the server that it leads to; empty when the role may not see it"},
			{"database", KindString, "the database, as the server knows it"},
			{"took", KindDuration, "how long it took"},
		},
	},
	{
		Name: "open-door", Title: "Open the door",
		Doc: "Lets applications through to where the door leads, and proves it by a query. From then on they write there: this is the point of " +
			"no return, after which nothing is undone. As the undo of a hold it opens only where the door led before. In a drill it acts on the drill door.",
		ByHand: "On PgBouncer's console: RESUME and the database; then SELECT 1 through the door. Write down the minute: what is written from now on is only there.",
		Effect: EffectIrreversible, Actions: []plan.Action{ActionOpenDoor}, Activity: "OpenDoor", Skippable: false,
		Timeout: 10 * time.Minute, Retry: RetryPatient,
		Params: []Param{doorParam},
		Outputs: []Output{
			{"system", KindString, "the system identifier of the server that a query reached; empty when it is not known"},
			{"shut", KindDuration, "how long the door was held or closed"},
			{"took", KindDuration, "how long it took"},
		},
	},
	{
		Name: "close-door", Title: "Close the door",
		Doc: "Cuts all applications off and refuses them from then on, and proves that somebody was refused. A door that is closed stays " +
			"closed when its process dies. In a drill it acts on the drill door.",
		ByHand: "Take the entry out of PgBouncer's configuration and RELOAD; then try to connect and see that it is refused. No answer proves nothing.",
		Effect: EffectReversible, Actions: []plan.Action{ActionCloseDoor}, Activity: "CloseDoor", Skippable: false, Probe: true,
		Timeout: 10 * time.Minute, Retry: RetryPatient, UndoTypes: []string{"open-door", "hold-door", "exec", "http", "manual"},
		Params: []Param{doorParam},
		Outputs: []Output{
			{"cut", KindInteger, "how many clients were cut off"},
			{"took", KindDuration, "how long it took"},
		},
	},
}
