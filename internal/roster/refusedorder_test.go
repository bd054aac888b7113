package roster_test

import (
	"encoding/json"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/lifeboat-dr/lifeboat/internal/plan"
	"github.com/lifeboat-dr/lifeboat/internal/roster"
	"github.com/lifeboat-dr/lifeboat/internal/signature"
)

// TestWorkOrdersThatDoNotHold is what somebody who owns the Temporal namespace could try.
func TestWorkOrdersThatDoNotHold(t *testing.T) {
	drill := func(o *order) {
		o.brief.Mode, o.facts.Mode, o.guard.Mode = plan.ModeDrill, plan.ModeDrill, plan.ModeDrill
	}
	second := func(change func(*plan.Command)) func(*order) { return func(o *order) { change(&o.decisions[1]) } }
	for _, tc := range []struct {
		name   string
		change func(*order)
		cause  roster.Cause
	}{
		{"none", func(o *order) { o.last = func(g *plan.Guard) { g.Work = nil } }, roster.CauseNoWorkOrder},
		{"a plan", func(o *order) { o.guard.Mode = plan.ModePlan }, roster.CauseNoWorkOrder},
		{"the standing mode", func(o *order) { o.guard.Mode = plan.ModeStanding }, roster.CauseNoWorkOrder},
		{"no docket", func(o *order) { o.last = func(g *plan.Guard) { g.Work.Docket = "AAAA" } }, roster.CauseNoWorkOrder},
		{"another brief", func(o *order) { o.guard.Order = sum("another") }, roster.CauseWrongBrief},
		{"a brief that was changed with its digest", func(o *order) { o.start.Digest = sum("the old one") }, roster.CauseWrongDigest},
		{"a brief that cannot be read", func(o *order) {
			o.docket = func(d *plan.Docket) { d.Brief = "{" }
			o.guard.Order = sum("{")
		}, roster.CauseWrongBrief},
		{"another application", func(o *order) { o.brief.Application = "billing" }, roster.CauseWrongBrief},
		{"a drill's papers for a live step", func(o *order) { drill(o); o.guard.Mode = plan.ModeLive }, roster.CauseWrongBrief},
		{"live papers for a drill's step", func(o *order) { o.guard.Mode = plan.ModeDrill }, roster.CauseWrongBrief},
		{"too late", func(o *order) { o.now, o.accept = o.brief.Until, true }, roster.CauseOver},
		{"a start for ever", func(o *order) { o.brief.Until = now.AddDate(1, 0, 0) }, roster.CauseWrongBrief},
		{"longer than the runbook allows", func(o *order) { o.brief.Until = now.Add(48 * time.Hour) }, roster.CauseWrongBrief},
		{"another target", func(o *order) { o.guard.Target = "us-west" }, roster.CauseWrongTarget},
		{"a target that the rule forbids", func(o *order) {
			drill(o)
			o.bench.Target = func(plan.Brief, plan.Guard) error { return errors.New("a drill never touches production") }
		}, roster.CauseWrongTarget},
		{"started by an approver", func(o *order) { o.start.Person, o.starter = "anna", "anna" }, roster.CauseWrongRole},
		{"started by a stranger", func(o *order) { o.starter = "stranger" }, roster.CauseBadSignature},
		{"started for another execution", func(o *order) { o.start.Execution = "another" }, roster.CauseWrongExecution},
		{"an approval as a start", func(o *order) {
			o.start.Kind, o.start.Step, o.start.Reason = plan.CommandApprove, "go", "go"
		}, roster.CauseWrongKind},
		{"started by a key that was revoked", func(o *order) {
			o.add(o.next(func(v *roster.Version) { find(v, "carla").Keys[0].ValidBefore = v.Issued }), "olga", "omar")
		}, roster.CauseRevokedKey},
		{"a start that expired, undated", func(o *order) { o.now = now.Add(2 * time.Hour) }, roster.CauseExpired},
		{"a start that expired before it was accepted", func(o *order) {
			o.now, o.start.Expires = now.Add(2*time.Hour), now
			o.docket = func(d *plan.Docket) { o.accepted(d.Start, now.Add(time.Minute)) }
		}, roster.CauseExpired},
		{"no owner signed the runbook", func(o *order) { o.signers = nil }, roster.CauseRunbookUnsigned},
		{"one owner signed it", func(o *order) { o.signers = []string{"olga", "olga"} }, roster.CauseRunbookUnsigned},
		{"the commander signed it", func(o *order) { o.signers = []string{"olga", "carla"} }, roster.CauseRunbookUnsigned},
		{"an edited runbook", func(o *order) { o.book += "# harmless\n" }, roster.CauseRunbookUnsigned},
		{"another runbook than the brief's", func(o *order) { o.brief.RunbookDigest = sum("another") }, roster.CauseWrongBrief},
		{"another name than the brief's", func(o *order) { o.brief.Runbook = "data-deletion" }, roster.CauseWrongBrief},
		{"a step that the runbook does not have", func(o *order) { o.guard.Step = "erase" }, roster.CauseWrongStep},
		{"a step that cannot be put back, without a gate", func(o *order) { o.modes = "[drill]" }, roster.CauseNoGate},
		{"a gate that was passed by", func(o *order) { o.last = func(g *plan.Guard) { g.Work.Gates = nil } }, roster.CauseNoGate},
		{"another gate's evidence", func(o *order) { o.last = func(g *plan.Guard) { g.Work.Gates[0].Gate = "commit" } }, roster.CauseNoGate},
		{"nobody decided", func(o *order) { o.decisions = nil }, roster.CauseTooFew},
		{"one decided", func(o *order) { o.decisions = o.decisions[:1] }, roster.CauseTooFew},
		{"one decided twice", second(func(c *plan.Command) { c.Person = "anna" }), roster.CauseDuplicatePerson},
		{"one command twice", func(o *order) { o.decisions[1] = o.decisions[0] }, roster.CauseReplayed},
		{"whoever started it decided", second(func(c *plan.Command) { c.Person = "carla" }), roster.CauseRequester},
		{"an operator decided", second(func(c *plan.Command) { c.Person = "opal" }), roster.CauseWrongRole},
		{"a forged decision", func(o *order) {
			o.sign = func(c plan.Command) plan.SignedCommand { return o.say(c, "anna") }
		}, roster.CauseBadSignature},
		{"a decision for another gate", second(func(c *plan.Command) { c.Step = "commit" }), roster.CauseWrongStep},
		{"a decision of another execution", second(func(c *plan.Command) { c.Execution = "another" }), roster.CauseWrongExecution},
		{"a decision about other facts", second(func(c *plan.Command) { c.Digest = sum("round 0") }), roster.CauseWrongDigest},
		{"a decision before the gate opened", second(func(c *plan.Command) { c.Issued = now.Add(-13 * time.Minute) }), roster.CauseOutsideGate},
		{"a decision after the deadline", func(o *order) {
			o.now = now.Add(22 * time.Minute)
			o.decisions[1].Issued = now.Add(21 * time.Minute)
		}, roster.CauseOutsideGate},
		{"a decision dated back, accepted after the deadline", func(o *order) {
			o.now = now.Add(22 * time.Minute)
			o.sign = func(c plan.Command) plan.SignedCommand {
				s := o.say(c, c.Person)
				o.accepted(s, now.Add(21*time.Minute))
				return s
			}
		}, roster.CauseOutsideGate},
		{"a decision by a key that was revoked, dated back", func(o *order) {
			o.add(o.next(func(v *roster.Version) {
				v.Issued = now.Add(-time.Minute)
				find(v, "anna").Keys[0].ValidBefore = v.Issued
			}), "olga", "omar")
		}, roster.CauseRevokedKey},
		{"somebody said no", func(o *order) {
			c := o.decisions[0]
			c.Kind, c.Person, c.ID = plan.CommandReject, "aida", roster.NewCommandID()
			o.decisions = append(o.decisions[:1], c)
		}, roster.CauseRejected},
		{"somebody said no after yes", func(o *order) {
			c := o.decisions[0]
			c.Kind, c.ID = plan.CommandReject, roster.NewCommandID()
			o.decisions = slices.Insert(o.decisions, 1, c)
		}, roster.CauseRejected},
		{"everybody only clicked", func(o *order) { o.bench.Vouchers, o.sign = o.workers(), o.vouch }, roster.CauseNoOwnSignature},
		{"clicks where no worker may vouch", func(o *order) { o.sign = o.vouch }, roster.CauseNotVouchable},
		{"facts of another execution", func(o *order) { o.facts.Execution = "another" }, roster.CauseWrongFacts},
		{"facts of another gate", func(o *order) { o.facts.Gate = "commit" }, roster.CauseWrongFacts},
		{"facts of another brief", func(o *order) { o.facts.Brief = sum("another") }, roster.CauseWrongFacts},
		{"facts of a drill", func(o *order) { o.facts.Mode = plan.ModeDrill }, roster.CauseWrongFacts},
		{"facts that ask fewer people", func(o *order) { o.facts.Requires = 1 }, roster.CauseWrongFacts},
		{"facts that ask others", func(o *order) { o.facts.Roles = []string{plan.RoleOperator} }, roster.CauseWrongFacts},
		{"facts that show less", func(o *order) { o.facts.Steps = nil }, roster.CauseWrongFacts},
		{"facts of a gate that has not opened", func(o *order) { o.facts.Opened = now.Add(time.Hour) }, roster.CauseWrongFacts},
		{"facts that cannot be read", func(o *order) { o.last = func(g *plan.Guard) { g.Work.Gates[0].Facts = "{" } }, roster.CauseWrongFacts},
		{"another result than people were shown", func(o *order) {
			o.facts.Outputs = map[string]string{"measure": sum(`{"rows":7}`)}
			o.receipts = []plan.Receipt{{Execution: execution, Step: "measure", Outputs: json.RawMessage(`{"rows":7000}`), MAC: "genuine"}}
		}, roster.CauseWrongFacts},
		{"a forged receipt", func(o *order) {
			o.receipts = []plan.Receipt{{Execution: execution, Step: "measure", Outputs: json.RawMessage(`{}`), MAC: "forged"}}
		}, roster.CauseBadReceipt},
		{"a receipt of another execution", func(o *order) {
			o.receipts = []plan.Receipt{{Execution: "another", Step: "measure", Outputs: json.RawMessage(`{}`), MAC: "genuine"}}
		}, roster.CauseBadReceipt},
		{"receipts that nobody can check", func(o *order) { o.bench.Genuine, o.accept = nil, true }, roster.CauseBadReceipt},
		{"a receipt of another command", func(o *order) {
			o.receipts = []plan.Receipt{{Execution: execution, Step: plan.AcceptanceStep(o.start.ID), MAC: "genuine",
				Outputs: json.RawMessage(text(o.t, plan.Acceptance{Command: sum("another"), Accepted: now}))}}
		}, roster.CauseBadReceipt},
		{"a start accepted in the future", func(o *order) {
			o.docket = func(d *plan.Docket) { o.accepted(d.Start, now.Add(10*time.Minute)) }
		}, roster.CauseBadReceipt},
		{"nobody answered, live", func(o *order) {
			o.timeout, o.decisions, o.now = "proceed", nil, now.Add(21*time.Minute)
		}, roster.CauseTooFew},
		{"nobody answered in a drill that does not go on by itself", func(o *order) {
			drill(o)
			o.decisions, o.now = nil, now.Add(21*time.Minute)
		}, roster.CauseTooFew},
		{"nobody answered yet in a drill", func(o *order) {
			drill(o)
			o.timeout, o.decisions = "proceed", nil
		}, roster.CauseTooFew},
		{"a runbook that cannot be read", func(o *order) {
			o.book = "name: region-outage\n"
			o.docket = func(d *plan.Docket) {
				for i, id := range []string{"olga", "otto"} {
					armored, _ := o.keys[id].Sign(signature.Runbook, []byte(o.book))
					d.Signatures[i] = string(armored)
				}
			}
		}, roster.CauseWrongBrief},
		{"an input that the runbook does not have", func(o *order) { o.brief.Inputs["force"] = true }, roster.CauseWrongBrief},
		{"an input that says another target", func(o *order) { o.brief.Inputs["site"] = "us-west" }, roster.CauseWrongBrief},
		{"a step that does not apply", func(o *order) { o.guard.Step = "announce" }, roster.CauseWrongStep},
		{"facts that hide the step", func(o *order) { o.facts.Steps = o.facts.Steps[1:] }, roster.CauseWrongFacts},
		{"facts that belittle the step", func(o *order) { o.facts.Steps[0].Effect = "reversible" }, roster.CauseWrongFacts},
		{"facts that call the step another", func(o *order) { o.facts.Steps[0].Type = "sql" }, roster.CauseWrongFacts},
		{"facts with a step of another gate", func(o *order) {
			o.facts.Steps = append(o.facts.Steps, plan.FactStep{ID: "copy", Type: "http", Effect: "reversible"})
		}, roster.CauseWrongFacts},
		{"ungraceful, and nobody was asked about the loss", func(o *order) { o.brief.Approach = plan.Ungraceful }, roster.CauseNoGate},
		{"switched to ungraceful, and nobody was asked about the loss", func(o *order) { o.ungraceful("cyril") }, roster.CauseNoGate},
		{"switched to ungraceful by an approver", func(o *order) { o.ungraceful("anna") }, roster.CauseWrongRole},
		{"outputs that are no object", func(o *order) {
			o.receipts = []plan.Receipt{{Execution: execution, Step: "measure", Outputs: json.RawMessage(`[]`), MAC: "genuine"}}
		}, roster.CauseBadReceipt},
	} {
		t.Run(tc.name, func(t *testing.T) {
			o := newOrder(t)
			tc.change(o)
			permit, err := o.check()
			if cause := roster.CauseOf(err); cause != tc.cause {
				t.Fatalf("%v: cause %q, want %q", err, cause, tc.cause)
			}
			if permit.Runbook != nil || permit.Decisions != nil {
				t.Errorf("a refused order permits something: %+v", permit)
			}
		})
	}
}
