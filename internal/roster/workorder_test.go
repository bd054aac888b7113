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

// runbook is what package runbooks would read from a text.
type runbook struct {
	name  string
	gates map[string][]roster.Gate
	limit time.Duration
}

func (r runbook) Name() string                            { return r.name }
func (r runbook) Limit() time.Duration                    { return r.limit }
func (r runbook) Irreversible(step string) bool           { return step == "promote" }
func (r runbook) Gates(step string) ([]roster.Gate, bool) { g, ok := r.gates[step]; return g, ok }

const runbookText = "name: region-outage\n"

// order is a work order that holds, in parts that a test may spoil before it is put together.
type order struct {
	*town
	bench   roster.Bench
	text    runbook
	book    string
	brief   plan.Brief
	start   plan.Command
	starter string
	signers []string
	facts   plan.Facts
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
	gate := roster.Gate{ID: "go", Requires: 2, Roles: []string{plan.RoleApprover}, ExcludeRequester: true, Steps: []string{"promote"}}
	o := &order{
		town: w, book: runbookText, starter: "carla", signers: []string{"olga", "otto"}, now: now,
		text: runbook{name: "region-outage", limit: 48 * time.Hour, gates: map[string][]roster.Gate{"promote": {gate}, "copy": nil}},
		brief: plan.Brief{Format: 1, Runbook: "region-outage", Application: "medlink", Mode: plan.ModeLive, Target: "us-east",
			Approach: plan.Graceful, Inputs: map[string]any{"loss": "10m"}, Until: now.Add(47 * time.Hour)},
		start: plan.Command{Format: 1, Kind: plan.CommandStart, ID: roster.NewCommandID(), Execution: execution, Person: "carla",
			Issued: now.Add(-time.Hour), Expires: now.Add(time.Hour)},
		facts: plan.Facts{Format: 1, Execution: execution, Gate: "go", Round: 1, Mode: plan.ModeLive, Target: "us-east", Summary: "Promote us-west?",
			Steps: []plan.FactStep{{ID: "promote", Type: "promote", Effect: "irreversible"}}, Requires: 2, Roles: []string{plan.RoleApprover},
			Opened: now.Add(-10 * time.Minute), Deadline: now.Add(20 * time.Minute)},
		guard: plan.Guard{Execution: execution, Step: "promote", Target: "us-east", Mode: plan.ModeLive, Epoch: 4, Work: &plan.WorkOrder{}},
	}
	for _, person := range []string{"anna", "amir"} {
		o.decisions = append(o.decisions, plan.Command{Format: 1, Kind: plan.CommandApprove, ID: roster.NewCommandID(), Execution: execution, Step: "go",
			Person: person, Reason: "go", Issued: now.Add(-5 * time.Minute), Expires: now.Add(25 * time.Minute)})
	}
	o.sign = func(c plan.Command) plan.SignedCommand { return o.say(c, c.Person) }
	o.bench = roster.Bench{Application: "medlink",
		Read: func(text string) (roster.Runbook, error) {
			if !strings.HasPrefix(text, "name: ") {
				return nil, errors.New("no name")
			}
			return o.text, nil
		},
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
		armored, err := o.keys[id].Sign(signature.Runbook, []byte(runbookText))
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
			o.text.gates["promote"][0].Proceed, o.decisions, o.now = true, nil, now.Add(21*time.Minute)
		},
		"with the result that people were shown": func(o *order) {
			o.facts.Outputs = map[string]string{"measure": sum(`{"rows":7}`)}
			o.receipts = []plan.Receipt{{Execution: execution, Step: "measure", Outputs: json.RawMessage(`{"rows":7}`), MAC: "genuine"}}
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
			if permit.Brief.Target != "us-east" || permit.Start.Person.ID != "carla" || permit.Runbook.Name() != "region-outage" {
				t.Errorf("%+v", permit)
			}
			if got, want := len(permit.Decisions), min(len(o.decisions), 2); got != want {
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
		{"a start for ever", func(o *order) { o.brief.Until, o.text.limit = now.AddDate(1, 0, 0), 0 }, roster.CauseWrongBrief},
		{"longer than the runbook allows", func(o *order) { o.text.limit = time.Hour }, roster.CauseWrongBrief},
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
		{"a step that cannot be put back, without a gate", func(o *order) { o.text.gates["promote"] = nil }, roster.CauseNoGate},
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
			o.text.gates["promote"][0].Proceed, o.decisions, o.now = true, nil, now.Add(21*time.Minute)
		}, roster.CauseTooFew},
		{"nobody answered yet in a drill", func(o *order) {
			drill(o)
			o.text.gates["promote"][0].Proceed, o.decisions = true, nil
		}, roster.CauseTooFew},
		{"a gate that asks for nobody", func(o *order) {
			o.text.gates["promote"][0].Requires, o.facts.Requires, o.decisions = 0, 0, nil
		}, roster.CauseTooFew},
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
