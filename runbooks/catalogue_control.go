package runbooks

import "time"

// controlTypes are the steps that wait, and those that other runbooks take the place of.
var controlTypes = []Type{
	{
		Name: "wait", Title: "Wait",
		Doc: "Waits for a time to pass, for a moment, or until a query or an HTTP answer is as expected. The step's timeout bounds " +
			"the polling: then it fails, and says what it saw last.",
		ByHand: "Set an alarm; or run the query or call the address again and again until the answer is as expected.",
		Effect: EffectNone, Control: true, Skippable: true, Timeout: time.Hour, Retry: RetryPatient,
		OneOf: [][]string{{"duration", "until", "sql", "http"}},
		Params: []Param{
			{Name: "duration", Kind: KindDuration, Min: ptr(1), Doc: "how long"},
			{Name: "until", Kind: KindTime, Doc: "the moment; one in the past does not wait"},
			{Name: "sql", Kind: KindObject, Fields: sqlParams, Doc: "a query as of a step of type sql, asked until it holds"},
			{Name: "http", Kind: KindObject, Fields: pollParams, Doc: "a call as of a step of type http, made until the answer is as expected; GET and HEAD only"},
			{Name: "every", Kind: KindDuration, Default: "30s", Min: ptr(1), Max: ptr(3600), Doc: "how long it pauses between two tries of sql and http"},
		},
		Outputs: []Output{
			{"waited", KindDuration, "how long it took"},
			{"tries", KindInteger, "how often was asked"},
		},
	},
	{
		Name: typeRunbook, Title: "Runbook",
		Doc: "Does what another runbook says, with its gates: when the execution starts, the steps of that runbook take the place of " +
			"this one, with ids that begin with this one's and a dot. It acts on the same target.",
		ByHand: "Take the printed page of the other runbook, work through it and come back.",
		Effect: EffectNone, Control: true, Skippable: false, Retry: RetryNever,
		Params: []Param{
			{Name: "name", Kind: KindRunbook, Required: true, Literal: true, Doc: "the runbook"},
			{Name: "inputs", Kind: KindValues, Doc: "its inputs"},
			{Name: "digest", Kind: KindString, Literal: true, Doc: "SHA-256 of its text in hex, when only this very version may run"},
		},
	},
}
