package roster_test

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lifeboat-dr/lifeboat/internal/plan"
	"github.com/lifeboat-dr/lifeboat/internal/roster"
	"github.com/lifeboat-dr/lifeboat/internal/signature"
)

// runbookText has a step before its gate, one behind it that cannot be put back, and a gate for the case that
// the primary cannot be reached.
const runbookText = `apiVersion: lifeboat/v1
name: region-outage
title: A region is down
scenario: region-outage
objectives: {rpo: 4h, rto: 24h}
target: ${inputs.site}
inputs:
  site: {type: site, title: the site, required: true}
  announce: {type: boolean, title: tell customers, default: false}
roles:
  approver: {title: decides}
limits: {duration: 48h}
steps:
  - id: measure
    type: sql
    title: How much would be lost?
    with: {on: {component: database}, query: SELECT 1, expect: {rows: 1}}
  - id: copy
    type: http
    title: Copy
    with: {endpoint: copier, method: POST}
    effect: reversible
  - id: loss
    type: approval
    title: Is the loss acceptable?
    when: {approach: ungraceful}
    with: {requires: 1, roles: [approver]}
  - id: go
    type: approval
    title: Promote?
    when: {mode: MODES}
    with: {requires: 2, roles: [approver], expires: 30m, onTimeout: TIMEOUT}
  - id: promote
    type: http
    title: Promote
    with: {endpoint: promoter, method: POST}
    effect: irreversible
  - id: announce
    type: http
    title: Tell customers
    when: {equals: {"${inputs.announce}": true}}
    with: {endpoint: news, method: POST}
    effect: reversible
`

// order is a work order that holds, in parts that a test may spoil before it is put together.
type order struct {
	*town
	bench          roster.Bench
	book           string
	modes, timeout string
	brief          plan.Brief
	start          plan.Command
	starter        string
	signers        []string
	facts          plan.Facts
	// decisions are who approves, in their own name.
	decisions []plan.Command
	sign      func(plan.Command) plan.SignedCommand
	receipts  []plan.Receipt
	accept    bool // whether workers dated the commands
	guard     plan.Guard
	now       time.Time
	// last changes what was put together.
	last func(*plan.Guard)
	// docket changes the docket before it is packed.
	docket func(*plan.Docket)
}

func newOrder(t *testing.T) *order {
	w := newTown(t)
	o := &order{
		town: w, book: runbookText, starter: "carla", signers: []string{"olga", "otto"}, now: now, modes: "[drill, live]", timeout: "deny",
		brief: plan.Brief{Format: 1, Runbook: "region-outage", Application: "medlink", Mode: plan.ModeLive, Target: "us-east",
			Approach: plan.Graceful, Inputs: map[string]any{"site": "us-east"}, Until: now.Add(47 * time.Hour)},
		start: plan.Command{Format: 1, Kind: plan.CommandStart, ID: roster.NewCommandID(), Execution: execution, Person: "carla",
			Issued: now.Add(-time.Hour), Expires: now.Add(time.Hour)},
		facts: plan.Facts{Format: 1, Execution: execution, Gate: "go", Round: 1, Mode: plan.ModeLive, Target: "us-east", Summary: "Promote us-west?",
			Steps: []plan.FactStep{{ID: "promote", Type: "http", Effect: "irreversible"}, {ID: "announce", Type: "http", Effect: "reversible"}}, Requires: 2, Roles: []string{plan.RoleApprover},
			Opened: now.Add(-10 * time.Minute), Deadline: now.Add(20 * time.Minute)},
		guard: plan.Guard{Execution: execution, Step: "promote", Target: "us-east", Mode: plan.ModeLive, Epoch: 4, Work: &plan.WorkOrder{}},
	}
	for _, person := range []string{"anna", "amir"} {
		o.decisions = append(o.decisions, plan.Command{Format: 1, Kind: plan.CommandApprove, ID: roster.NewCommandID(), Execution: execution, Step: "go",
			Person: person, Reason: "go", Issued: now.Add(-5 * time.Minute), Expires: now.Add(25 * time.Minute)})
	}
	o.sign = func(c plan.Command) plan.SignedCommand { return o.say(c, c.Person) }
	o.bench = roster.Bench{Application: "medlink",
		Genuine: func(r plan.Receipt) bool { return r.MAC == "genuine" },
	}
	return o
}

func text(t *testing.T, v any) string {
	t.Helper()
	data, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func (o *order) accepted(s plan.SignedCommand, at time.Time) {
	c, err := roster.PeekCommand(s)
	if err != nil {
		return
	}
	o.receipts = append(o.receipts, plan.Receipt{Execution: execution, Step: plan.AcceptanceStep(c.ID), MAC: "genuine",
		Outputs: json.RawMessage(text(o.t, plan.Acceptance{Command: sum(s.Signed), Accepted: at}))})
}

// check puts the order together and asks the bench.
func (o *order) check() (roster.Permit, error) {
	o.t.Helper()
	fill := strings.NewReplacer("MODES", o.modes, "TIMEOUT", o.timeout)
	o.book = fill.Replace(o.book)
	if o.brief.RunbookDigest == "" {
		o.brief.RunbookDigest = sum(o.book)
	}
	brief := text(o.t, o.brief)
	if o.start.Digest == "" {
		o.start.Digest = sum(brief)
	}
	if o.guard.Order == "" {
		o.guard.Order = sum(brief)
	}
	if o.facts.Brief == "" {
		o.facts.Brief = sum(brief)
	}
	facts := text(o.t, o.facts)
	docket := plan.Docket{Runbook: o.book, Brief: brief, Start: o.say(o.start, o.starter)}
	for _, id := range o.signers {
		armored, err := o.keys[id].Sign(signature.Runbook, []byte(fill.Replace(runbookText)))
		if err != nil {
			o.t.Fatal(err)
		}
		docket.Signatures = append(docket.Signatures, string(armored))
	}
	if o.accept {
		o.accepted(docket.Start, o.start.Issued.Add(time.Second))
	}
	evidence := plan.GateEvidence{Gate: "go", Facts: facts}
	for _, c := range o.decisions {
		if c.Digest == "" {
			c.Digest = sum(facts)
		}
		s := o.sign(c)
		if o.accept {
			o.accepted(s, c.Issued.Add(time.Second))
		}
		evidence.Decisions = append(evidence.Decisions, s)
	}
	if o.docket != nil {
		o.docket(&docket)
	}
	packed, err := roster.PackDocket(docket)
	if err != nil {
		o.t.Fatal(err)
	}
	o.guard.Work.Docket, o.guard.Work.Gates, o.guard.Work.Receipts = packed, []plan.GateEvidence{evidence}, o.receipts
	if o.last != nil {
		o.last(&o.guard)
	}
	o.bench.Roster = o.roster()
	return o.bench.Check(o.guard, o.now)
}

// ungraceful lets somebody switch the execution.
func (o *order) ungraceful(by string) {
	o.last = func(g *plan.Guard) {
		s := o.say(plan.Command{Format: 1, Kind: plan.CommandUngraceful, ID: roster.NewCommandID(), Execution: execution, Digest: g.Order,
			Person: by, Reason: "it does not answer", Issued: now.Add(-20 * time.Minute), Expires: now.Add(time.Hour)}, by)
		g.Work.Ungraceful = &s
	}
}

func TestWorkOrdersThatHold(t *testing.T) {
	for name, change := range map[string]func(*order){
		"as it should be": func(*order) {},
		"an owner more":   func(o *order) { o.signers = []string{"otto", "omar", "olga"} },
		"one clicked": func(o *order) {
			o.bench.Vouchers = o.workers()
			o.sign = func(c plan.Command) plan.SignedCommand {
				if c.Person == "amir" {
					return o.vouch(c)
				}
				return o.say(c, c.Person)
			}
		},
		"both clicked, where that is enough": func(o *order) {
			o.bench.Vouchers, o.bench.ClicksSuffice, o.sign = o.workers(), true, o.vouch
		},
		"both clicked in a drill": func(o *order) {
			o.brief.Mode, o.facts.Mode, o.guard.Mode = plan.ModeDrill, plan.ModeDrill, plan.ModeDrill
			o.bench.Vouchers, o.sign = o.workers(), o.vouch
		},
		"both clicked for its undo": func(o *order) {
			o.bench.Vouchers, o.sign, o.guard.Work.Undo = o.workers(), o.vouch, true
		},
		"a step before the gate": func(o *order) { o.guard.Step, o.decisions = "copy", nil },
		"a stranger's approval more": func(o *order) {
			c := o.decisions[0]
			c.Person = "opal"
			o.decisions = append([]plan.Command{c}, o.decisions...)
		},
		"long after the commands expired, for workers dated them": func(o *order) { o.now, o.accept = now.Add(10*time.Hour), true },
		"with a key that was revoked since": func(o *order) {
			o.accept = true
			o.add(o.next(func(v *roster.Version) {
				v.Issued = now.Add(-time.Minute)
				find(v, "anna").Keys[0].ValidBefore = v.Issued
			}), "olga", "omar")
		},
		"nobody answered in a drill that goes on by itself": func(o *order) {
			o.brief.Mode, o.facts.Mode, o.guard.Mode = plan.ModeDrill, plan.ModeDrill, plan.ModeDrill
			o.timeout, o.decisions, o.now = "proceed", nil, now.Add(21*time.Minute)
		},
		"with the result that people were shown": func(o *order) {
			o.facts.Outputs = map[string]string{"measure": sum(`{"rows":7}`)}
			o.receipts = []plan.Receipt{{Execution: execution, Step: "measure", Outputs: json.RawMessage(`{"rows":7}`), MAC: "genuine"}}
		},
		"a step that applies":                             func(o *order) { o.brief.Inputs["announce"], o.guard.Step = true, "announce" },
		"the undo of a step that does not apply any more": func(o *order) { o.guard.Step, o.guard.Work.Undo = "announce", true },
		"switched to ungraceful, and people were asked about the loss": func(o *order) {
			o.ungraceful("cyril")
			switched := o.last
			o.last = func(g *plan.Guard) {
				switched(g)
				facts := o.facts
				facts.Gate, facts.Requires = "loss", 1
				facts.Steps = []plan.FactStep{{ID: "go", Type: "approval", Effect: "none"}}
				c := o.decisions[0]
				c.Step, c.ID, c.Digest = "loss", roster.NewCommandID(), sum(text(o.t, facts))
				g.Work.Gates = append(g.Work.Gates, plan.GateEvidence{Gate: "loss", Facts: text(o.t, facts), Decisions: []plan.SignedCommand{o.say(c, "anna")}})
			}
		},
		"a target that the rule allows": func(o *order) {
			o.guard.Target = "scratch"
			o.bench.Target = func(b plan.Brief, g plan.Guard) error {
				if b.Target != "us-east" || g.Target != "scratch" {
					t.Errorf("%+v %+v", b, g)
				}
				return nil
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			o := newOrder(t)
			change(o)
			permit, err := o.check()
			if err != nil {
				t.Fatal(err)
			}
			if permit.Brief.Target != "us-east" || permit.Start.Person.ID != "carla" || permit.Runbook.Name != "region-outage" || permit.Scope.Inputs["site"] != "us-east" {
				t.Errorf("%+v %+v", permit.Brief, permit.Scope)
			}
			if got, want := len(permit.Decisions), min(len(o.decisions), 2); got < want {
				t.Errorf("%d decisions count, want %d", got, want)
			}
		})
	}
}

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
