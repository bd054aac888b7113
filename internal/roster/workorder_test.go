package roster_test

import (
	"encoding/json"
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
	gate           string // whose evidence is shown
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
		town: w, book: runbookText, starter: "carla", signers: []string{"olga", "otto"}, now: now, modes: "[drill, live]", timeout: "deny", gate: "go",
		brief: plan.Brief{Format: 1, Runbook: "region-outage", Application: "medlink", Mode: plan.ModeLive, Target: "us-east",
			Approach: plan.Graceful, Inputs: map[string]any{"site": "us-east"}, Until: now.Add(47 * time.Hour)},
		start: plan.Command{Format: 1, Kind: plan.CommandStart, ID: roster.NewCommandID(), Execution: execution, Person: "carla",
			Issued: now.Add(-time.Hour), Expires: now.Add(time.Hour)},
		facts: plan.Facts{Format: 1, Execution: execution, Gate: "go", Round: 1, Mode: plan.ModeLive, Target: "us-east", Summary: "Promote us-west?",
			Steps: []plan.FactStep{{ID: "promote", Type: "http", Effect: "irreversible"}, {ID: "announce", Type: "http", Effect: "reversible"}}, Requires: 2, Roles: []string{plan.RoleApprover},
			Opened: now.Add(-10 * time.Minute), Deadline: now.Add(20 * time.Minute)},
		guard: plan.Guard{Execution: execution, Step: "promote", Target: "us-east", Mode: plan.ModeLive, Work: &plan.WorkOrder{}},
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
	evidence := plan.GateEvidence{Gate: o.gate, Facts: facts}
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
