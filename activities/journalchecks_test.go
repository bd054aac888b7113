package activities_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"go.temporal.io/sdk/temporal"

	"github.com/lifeboat-dr/lifeboat/activities"
	"github.com/lifeboat-dr/lifeboat/internal/execution"
	"github.com/lifeboat-dr/lifeboat/internal/plan"
	"github.com/lifeboat-dr/lifeboat/internal/roster"
)

// TestTheJournalHoldsOnlyWhatWasSaidAndDone: whoever owns the Temporal namespace can ask a worker to journal
// anything. What people are said to have said has to bear their signatures, and what workers are said to have
// done, their receipts.
func TestTheJournalHoldsOnlyWhatWasSaidAndDone(t *testing.T) {
	c := newCourt(t)
	docket, a, facts := c.admitted(t, plan.ModeDrill)
	approval := c.command(t, "bob", plan.CommandApprove, "gate", facts.Digest)
	receipt := *c.judge(t, a, facts, approval).Receipt
	in := c.input(t, docket, a, facts, approval, receipt)
	done := call[activities.StepDone](t, c, "RunProgram", in)
	vouched, err := roster.VouchCommand(plan.Command{
		Format: 1, Kind: plan.CommandApprove, ID: roster.NewCommandID(), Execution: scaleExecution, Step: "gate", Digest: facts.Digest, Person: "bob", Reason: "clicked",
		Issued: c.clock, Expires: c.clock.Add(60e9),
	}, c.keys["erin"])
	must(t, err)
	say := func(who string, kind plan.CommandKind, step string) *plan.SignedCommand {
		s := c.command(t, who, kind, step, a.BriefDigest)
		return &s
	}
	elsewhere := func(who string, kind plan.CommandKind) *plan.SignedCommand {
		s, err := roster.SignCommand(plan.Command{
			Format: 1, Kind: kind, ID: roster.NewCommandID(), Execution: "scale/database/20261125T040000Z", Digest: a.BriefDigest, Person: who, Reason: "because",
			Issued: c.clock, Expires: c.clock.Add(60e9),
		}, c.keys[who])
		must(t, err)
		return &s
	}
	decided := func(person string, kind plan.CommandKind, s plan.SignedCommand) execution.Event {
		return execution.Event{Kind: execution.Decided, Step: "gate", Person: person, Decision: &execution.Decision{Person: person, Kind: kind, Time: c.clock, Command: s, Accepted: &receipt}}
	}
	forged := approval
	forged.Signed = strings.Replace(forged.Signed, `"bob"`, `"carol"`, 1)
	outputs := func(text string) (m map[string]any) {
		must(t, json.Unmarshal([]byte(text), &m))
		return m
	}
	held := map[string]execution.Event{
		"the start":                   {Kind: execution.Started, Person: "alice", Docket: docket},
		"a decision":                  decided("bob", plan.CommandApprove, approval),
		"a step that was done":        {Kind: execution.StepCompleted, Step: "scale", Outputs: outputs(string(done.Receipt.Outputs)), Receipt: done.Receipt},
		"a gate that was passed":      {Kind: execution.StepCompleted, Step: "gate"},
		"the unsigned pause":          {Kind: execution.Paused, Cause: "the unsigned signal"},
		"a signed pause":              {Kind: execution.Paused, Person: "carol", Command: say("carol", plan.CommandPause, "")},
		"going on":                    {Kind: execution.Continued, Person: "bob", Command: say("bob", plan.CommandResume, "")},
		"a cancellation":              {Kind: execution.Judged, Verdict: execution.VerdictCancel, Person: "alice", Command: say("alice", plan.CommandCancel, "")},
		"the time that is over":       {Kind: execution.Judged, Verdict: execution.VerdictTimedOut},
		"an undo that a worker did":   {Kind: execution.UndoCompleted, Step: "scale"},
		"a page that was taken":       {Kind: execution.Acknowledged, Step: "gate", Person: "carol", Command: say("carol", plan.CommandAcknowledge, "gate")},
		"a command that was refused":  {Kind: execution.CommandRefused, Person: "mallory", Cause: "unknownPerson", Command: &plan.SignedCommand{Signed: "approve, please"}},
		"what a step's failure is":    {Kind: execution.StepFailed, Step: "scale", Failure: &execution.Failure{Type: "Unexpected", Message: "x"}},
		"a retry by the commander":    {Kind: execution.Retried, Step: "scale", Person: "alice", Command: say("alice", plan.CommandRetry, "scale")},
		"a step that was left undone": {Kind: execution.Skipped, Step: "scale", Person: "alice", Command: say("alice", plan.CommandSkip, "scale")},
	}
	untrue := map[string]execution.Event{
		"a start by somebody else":            {Kind: execution.Started, Person: "bob", Docket: docket},
		"a start with another docket":         {Kind: execution.Started, Person: "alice", Docket: "x"},
		"a decision of nobody":                {Kind: execution.Decided, Step: "gate", Person: "bob"},
		"a decision without a signature":      decided("bob", plan.CommandApprove, plan.SignedCommand{}),
		"a forged decision":                   decided("carol", plan.CommandApprove, forged),
		"a decision in another's name":        decided("carol", plan.CommandApprove, approval),
		"a rejection made of an approval":     decided("bob", plan.CommandReject, approval),
		"a click that nobody may vouch for":   decided("bob", plan.CommandApprove, vouched),
		"a decision about another step":       {Kind: execution.Decided, Step: "scale", Person: "bob", Decision: decided("bob", plan.CommandApprove, approval).Decision},
		"a step that nobody did":              {Kind: execution.StepCompleted, Step: "scale", Outputs: map[string]any{"exit": 0.0}},
		"a step with another's receipt":       {Kind: execution.StepCompleted, Step: "scale", Receipt: &receipt},
		"a step with another result":          {Kind: execution.StepCompleted, Step: "scale", Outputs: map[string]any{"exit": 1.0}, Receipt: done.Receipt},
		"a step that is not in the runbook":   {Kind: execution.StepCompleted, Step: "fence"},
		"what a drill would do":               {Kind: execution.StepIntended, Step: "scale", With: in.With},
		"going on, unsigned":                  {Kind: execution.Continued},
		"going on by another's command":       {Kind: execution.Continued, Person: "alice", Command: say("bob", plan.CommandResume, "")},
		"going on by a pause":                 {Kind: execution.Continued, Person: "bob", Command: say("bob", plan.CommandPause, "")},
		"a pause of another execution":        {Kind: execution.Paused, Person: "bob", Command: elsewhere("bob", plan.CommandPause)},
		"a pause in somebody's name":          {Kind: execution.Paused, Person: "bob"},
		"a skip, unsigned":                    {Kind: execution.Skipped, Step: "scale"},
		"a skip of another step":              {Kind: execution.Skipped, Step: "gate", Person: "alice", Command: say("alice", plan.CommandSkip, "scale")},
		"an undo that nobody decided":         {Kind: execution.Judged, Verdict: execution.VerdictUndo},
		"an undo made of a cancellation":      {Kind: execution.Judged, Verdict: execution.VerdictUndo, Person: "alice", Command: say("alice", plan.CommandCancel, "")},
		"ungraceful, unsigned":                {Kind: execution.Switched, Approach: plan.Ungraceful},
		"a handover, unsigned":                {Kind: execution.HandedOver, Person: "carol"},
		"an undo that somebody is said to do": {Kind: execution.UndoCompleted, Step: "scale", Person: "carol"},
	}
	journal := func(e execution.Event) error {
		e.Time = c.clock
		g := plan.Guard{Execution: scaleExecution, Step: "journal", Target: "database", Mode: plan.ModeDrill, Order: a.BriefDigest, Work: &plan.WorkOrder{Docket: docket, Receipts: []plan.Receipt{a.Accepted}}}
		c.freshJournal(t)
		_, err := c.env.ExecuteActivity("AppendJournal", activities.JournalInput{Guard: g, Events: []execution.Event{e}})
		return err
	}
	for name, e := range held {
		if err := journal(e); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, e := range untrue {
		var refused *temporal.ApplicationError
		if err := journal(e); !errors.As(err, &refused) || refused.Type() != activities.TypeNotAllowed || !refused.NonRetryable() {
			t.Errorf("%s ended with %v", name, err)
		}
	}
}

// freshJournal begins with an empty vault.
func (c *court) freshJournal(t *testing.T) {
	t.Helper()
	c.x.Journal.Vaults[0].Store = emptyVault(t)
}
