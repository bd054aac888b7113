package runbooks

import "time"

// What a gate's timeout means.
const (
	// TimeoutHold keeps the gate open and tells people again; TimeoutDeny rejects; TimeoutProceed goes on,
	// in drills only.
	TimeoutHold    = "hold"
	TimeoutDeny    = "deny"
	TimeoutProceed = "proceed"
)

var severities = []string{"info", "warning", "critical"}

// peopleTypes are the steps that talk to people, or wait for them.
var peopleTypes = []Type{
	{
		Name: "approval", Title: "Approval",
		Doc: "A gate: waits until enough distinct people of the named roles have approved, or one has rejected. They see the mode, " +
			"the target, the parameters of every step behind the gate and the values under shows, and their decisions are bound to these.",
		ByHand: "Reach the people by phone. Read the facts to them. Write down who decided, when, how they were recognised and why; " +
			"both sign afterwards. Whoever started the runbook does not count.",
		Effect: EffectNone, Control: true, Skippable: false,
		Params: []Param{
			{Name: "requires", Kind: KindInteger, Default: 1.0, Min: ptr(1), Max: ptr(10), Literal: true, Doc: "how many distinct people have to approve"},
			{Name: "roles", Kind: KindNames, Required: true, Of: "role", Literal: true, Doc: "whoever holds one of these roles may decide"},
			{Name: "excludeRequester", Kind: KindBoolean, Default: true, Literal: true, Doc: "whoever started the execution may not approve it"},
			{Name: "expires", Kind: KindDuration, Literal: true, Min: ptr(60), Max: ptr(7 * 24 * 3600), Doc: "how long the gate waits; without it, as long as the execution may last"},
			{Name: "onTimeout", Kind: KindString, Default: TimeoutHold, Enum: []string{TimeoutHold, TimeoutDeny, TimeoutProceed}, Literal: true, Doc: "what happens after that: hold waits on and pages again, deny rejects, proceed goes on and is for drills only"},
			{Name: "message", Kind: KindString, Doc: "what people are asked"},
			{Name: "shows", Kind: KindValues, Doc: "values that have to be seen before deciding, each with a label"},
		},
		Outputs: []Output{
			{"approvals", KindInteger, "how many people approved"},
			{"waited", KindDuration, "how long it took, which does not count as recovery time"},
		},
	},
	{
		Name: "notify", Title: "Notice",
		Doc:    "Tells people something. It waits for delivery, not for an answer. Ids, counts and times only: no data of patients.",
		ByHand: "Send the text yourself, by the road that works: phone, e-mail, the status page.",
		Effect: EffectNone, Activity: "SendNotice", Skippable: true, Timeout: 5 * time.Minute, Retry: RetryPatient,
		Params: []Param{
			{Name: "to", Kind: KindNames, Of: "receiver", Literal: true, Doc: "receivers of the configuration; all of them when it is left out"},
			{Name: "severity", Kind: KindString, Default: "info", Enum: severities, Doc: "how loud it is"},
			{Name: "message", Kind: KindString, Required: true, Doc: "the text"},
			{Name: "facts", Kind: KindValues, Doc: "values below the text, each with a label"},
		},
		Outputs: []Output{{"delivered", KindInteger, "how many receivers took it"}},
	},
	{
		Name: "page", Title: "Page",
		Doc:    "Calls people by an escalation policy, level after level, until somebody acknowledges. Acknowledging approves nothing.",
		ByHand: "Call the people of the policy one after the other; wait a few minutes at each before the next.",
		Effect: EffectNone, Control: true, Skippable: true, Timeout: time.Hour, Retry: RetryPatient,
		Params: []Param{
			{Name: "policy", Kind: KindName, Of: "policy", Literal: true, Doc: "the escalation policy; the runbook's own when it is left out"},
			{Name: "severity", Kind: KindString, Default: "critical", Enum: severities, Doc: "how loud it is"},
			{Name: "message", Kind: KindString, Required: true, Doc: "what has happened, and what is wanted"},
			{Name: "facts", Kind: KindValues, Doc: "values below the text, each with a label"},
			{Name: "wait", Kind: KindBoolean, Default: true, Doc: "true waits for somebody to acknowledge; false goes on at once while paging continues"},
		},
		Outputs: []Output{
			{"by", KindString, "who acknowledged"},
			{"level", KindInteger, "the level that was reached"},
			{"waited", KindDuration, "how long it took"},
		},
	},
	{
		Name: "manual", Title: "Task for a person",
		Doc:    "A task that people do outside of Lifeboat. Somebody of the named roles confirms with a note that it was done.",
		ByHand: "Do what the instructions say, and write down who did it, when, and what was seen.",
		Effect: EffectNone, Control: true, Skippable: true,
		UndoTypes: []string{"exec", "http", "manual"},
		Params: []Param{
			{Name: "instructions", Kind: KindString, Required: true, Doc: "what to do, in steps, and how to see that it worked"},
			{Name: "roles", Kind: KindNames, Required: true, Of: "role", Literal: true, Doc: "whoever holds one of these roles may confirm"},
			{Name: "shows", Kind: KindValues, Doc: "values that are needed for it, each with a label"},
		},
		Outputs: []Output{
			{"by", KindString, "who confirmed"},
			{"at", KindTime, "when"},
			{"note", KindString, "what was written with it"},
			{"waited", KindDuration, "how long it took"},
		},
	},
}
