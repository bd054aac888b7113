package activities_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"go.temporal.io/sdk/temporal"

	"github.com/lifeboat-dr/lifeboat/activities"
	"github.com/lifeboat-dr/lifeboat/internal/epoch"
	"github.com/lifeboat-dr/lifeboat/internal/plan"
	"github.com/lifeboat-dr/lifeboat/internal/roster"
	"github.com/lifeboat-dr/lifeboat/internal/secret"
	"github.com/lifeboat-dr/lifeboat/internal/store"
	"github.com/lifeboat-dr/lifeboat/internal/traffic"
	"github.com/lifeboat-dr/lifeboat/runbooks"
)

// attackedRunbook has a step of every activity that runbooks can start, behind one gate of two people.
const attackedRunbook = `apiVersion: lifeboat/v1
name: scale
title: Scale
scenario: maintenance
description: For tests.
target: database
inputs:
  size: {type: integer, title: size, required: true}
roles:
  approver: {title: Approver}
limits: {duration: 8h}
steps:
  - {id: gate, type: approval, title: Gate, with: {requires: 2, roles: [approver], message: Go on, expires: 30m, onTimeout: deny}}
  - {id: run, type: exec, title: Run, with: {program: scale, args: ["${inputs.size}"]}, effect: reversible, undo: {type: exec, with: {program: scale, args: [1]}}}
  - {id: post, type: http, title: Post, with: {method: POST, endpoint: page, path: /scale, body: {size: "${inputs.size}"}}, effect: reversible, undo: {type: manual, with: {roles: [approver], instructions: put it back}}}
  - {id: hold, type: hold-door, title: Hold, with: {door: claims}, undo: {type: open-door, with: {door: claims}}}
  - {id: move, type: move-door, title: Move, with: {door: claims, to: {component: database}}, undo: {type: move-door, with: {door: claims, to: {target: spare}}}}
  - {id: shut, type: close-door, title: Close, with: {door: claims}, undo: {type: hold-door, with: {door: claims}}}
  - {id: open, type: open-door, title: Open, with: {door: claims}}
  - {id: epoch, type: take-epoch, title: Epoch, with: {component: database, to: us-west-2}, undo: {type: take-epoch, with: {component: database, to: us-east-1}}}
  - {id: fence, type: fence, title: Fence, with: {component: database, at: us-east-1, within: 5s}, undo: {type: unfence, with: {component: database, at: us-east-1}}}
  - {id: lift, type: unfence, title: Lift, with: {component: database, at: us-east-1, within: 5s}, undo: {type: fence, with: {component: database, at: us-east-1}}}
  - {id: probe, type: probe, title: Probe, with: {component: database, at: us-east-1}}
  - {id: back, type: branch, title: Back, with: {component: database, purpose: back}, undo: {type: drop-branch, with: {component: database, purpose: back}}}
  - {id: gone, type: drop-branch, title: Gone, with: {component: database, purpose: back}}
  - {id: follow, type: reprotect, title: Follow, with: {component: database, from: us-east-1, to: us-west-2}, undo: {type: unprotect, with: {component: database, from: us-east-1, to: us-west-2}}}
  - {id: unfollow, type: unprotect, title: Unfollow, with: {component: database, from: us-east-1, to: us-west-2}}
  - {id: lag, type: standby, title: Lag, with: {component: database, from: us-east-1, to: us-west-2}}
  - {id: drained, type: drain, title: Drain, with: {component: database, from: us-east-1, to: us-west-2}}
  - {id: crown, type: promote, title: Promote, with: {component: database, at: us-west-2}}
  - {id: switch, type: switch, title: Switch, with: {component: database, purpose: back}, undo: {type: switch-back, with: {component: database, purpose: back}}}
  - {id: unswitch, type: switch-back, title: Back again, with: {component: database, purpose: back}, undo: {type: manual, with: {roles: [approver], instructions: look}}}
  - {id: rows, type: put-back, title: Rows, with: {component: database, from: back, tables: [public.claims]}}
  - {id: tried, type: synthetic, title: Try, with: {component: database}}
  - {id: kept, type: ledger, title: Keep, with: {component: database, keep: {component: database, purpose: back}, lose: {component: database}}}
  - {id: save, type: backup, title: Save, with: {component: database}}
  - {id: get, type: http, title: Get, with: {endpoint: page, path: /state}}
  - {id: ask, type: sql, title: Ask, with: {on: {component: database}, query: SELECT count(*) FROM public.claims, expect: {at_least: 1}}}
  - {id: lost, type: lost-window, title: Lost, with: {keep: {component: database}, lose: {component: database}, tables: [public.claims]}}
  - {id: ready, type: evaluate, title: Ready, with: {within: 4h}}
  - {id: tell, type: notify, title: Tell, with: {message: "scaled to ${inputs.size}"}}
`

// heist is an execution with everything in order, and how often the world was touched.
type heist struct {
	*court
	mode    plan.Mode
	docket  string
	a       activities.Admitted
	facts   activities.GatePrepared
	bob     plan.SignedCommand
	carol   plan.SignedCommand
	dated   []plan.Receipt
	touched int
	// looked is how often somebody looked at a door.
	looked int
}

// ways are the activities that runbooks start, each by a step of the runbook; gated are those that change
// something, so that the gate's decisions count.
var ways = []struct {
	activity, step string
	gated          bool
}{
	{"RunProgram", "run", true}, {"CallHTTP", "post", true},
	{"PutRowsBack", "rows", true}, {"WriteLedger", "kept", true}, {"WriteSynthetic", "tried", true}, {"SwitchBranch", "switch", true}, {"SwitchBack", "unswitch", true}, // before an epoch moves the primary
	{"HoldDoor", "hold", true}, {"MoveDoor", "move", true}, {"CloseDoor", "shut", true}, {"OpenDoor", "open", true},
	{"TakeEpoch", "epoch", true}, {"FencePrimary", "fence", true}, {"UnfencePrimary", "lift", true}, {"ProbePrimary", "probe", false}, {"MakeBranch", "back", true}, {"DropBranch", "gone", true}, {"VouchWorkflow", "save", true}, {"CallHTTP", "get", false},
	{"Reprotect", "follow", true}, {"Unprotect", "unfollow", true}, {"PromoteStandby", "crown", true}, {"LookAtStandby", "lag", false}, {"DrainStandby", "drained", false},
	{"CheckSQL", "ask", false}, {"MeasureLostWindow", "lost", false}, {"CheckReadiness", "ready", false}, {"SendNotice", "tell", false},
}

func (h *heist) Call(context.Context, activities.Request) (activities.Response, error) {
	h.touched++
	return activities.Response{Status: 200}, nil
}

func (h *heist) Site() string { return "" }

func (h *heist) Run(context.Context, []string) (int, string, error) {
	h.touched++
	return 0, "", nil
}

func (h *heist) Tell(context.Context, activities.Alert) error { h.touched++; return nil }

// lockpick is a door that notices when it is touched.
type lockpick struct{ h *heist }

func (l lockpick) touch() (traffic.Report, error) {
	l.h.touched++
	return traffic.Report{To: &traffic.Destination{}}, nil
}
func (l lockpick) State(context.Context) (traffic.Report, error) {
	l.h.looked++
	return traffic.Report{To: &traffic.Destination{}}, nil
}
func (l lockpick) Hold(context.Context, traffic.HoldRequest) (traffic.Report, error) {
	return l.touch()
}
func (l lockpick) Move(context.Context, traffic.MoveRequest) (traffic.Report, error) {
	return l.touch()
}
func (l lockpick) Open(context.Context, traffic.OpenRequest) (traffic.Report, error) {
	return l.touch()
}
func (l lockpick) Close(context.Context, traffic.Change) (traffic.Report, error) { return l.touch() }

// shelf is a vault that notices when something is put into it.
type shelf struct {
	store.Store
	h *heist
}

func (s shelf) Create(ctx context.Context, key string, body []byte, opt store.CreateOptions) (store.Object, error) {
	s.h.touched++
	return s.Store.Create(ctx, key, body, opt)
}

func newHeist(t *testing.T, mode plan.Mode) *heist {
	t.Helper()
	h := &heist{court: newCourt(t), mode: mode}
	h.runbook = attackedRunbook
	h.signRunbook(t)
	h.steps.Teller = h
	h.steps.Programs, h.steps.DrillPrograms = map[string]activities.Program{"scale": h}, map[string]activities.Program{"scale": h}
	h.steps.Endpoints, h.steps.DrillEndpoints = map[string]activities.Endpoint{"page": h}, map[string]activities.Endpoint{"page": h}
	h.steps.Doors, h.steps.DrillDoors = map[string]traffic.Door{"claims": lockpick{h}}, map[string]traffic.Door{"claims": lockpick{h}}
	h.steps.Crew.Components = map[string]*activities.Component{"database": {
		Name: "database", Site: "us-east-1", Synthetic: &activities.Synthetic{}, Source: &lured{heist: h}, Standby: &lured{heist: h}, StandbySite: "us-west-2", Vault: activities.Vault{Name: "v", Store: emptyVault(t)},
	}}
	h.orders.Epochs = &epoch.Ledger{Application: "medlink", Signer: h.keys["erin"], Signers: h.x.Signers, Vaults: []epoch.Vault{{Name: "v", Store: shelf{emptyVault(t), h}}}}
	h.steps.Finder = &activities.Finder{Signers: h.x.Signers}
	h.docket, _ = h.court.docket(t, "alice", mode)
	h.a = call[activities.Admitted](t, h.court, "AdmitExecution", activities.AdmitInput{Execution: scaleExecution, Docket: h.docket})
	f := plan.Facts{
		Format: 1, Execution: scaleExecution, Gate: "gate", Round: 1, Brief: h.a.BriefDigest, Mode: mode, Target: "database", Summary: "Go on", Requires: 2,
		Roles: []string{"approver"}, ExcludeRequester: true, Opened: h.clock, Deadline: h.clock.Add(30 * time.Minute),
	}
	for _, s := range h.a.Runbook.Steps[1:] {
		f.Steps = append(f.Steps, plan.FactStep{ID: s.ID, Type: s.Type, Effect: string(s.Effect)})
	}
	h.facts = call[activities.GatePrepared](t, h.court, "PrepareGate", activities.GateInput{Facts: f})
	h.bob = h.command(t, "bob", plan.CommandApprove, "gate", h.facts.Digest)
	h.carol = h.command(t, "carol", plan.CommandApprove, "gate", h.facts.Digest)
	return h
}

// lured is a source that notices when it is asked for its address.
type lured struct {
	tripwire
	heist *heist
}

func (l *lured) Address(ctx context.Context, branch string) (secret.String, error) {
	l.heist.touched++
	return l.tripwire.Address(ctx, branch)
}

func (l *lured) History(context.Context) (time.Duration, error) {
	l.heist.looked++
	return 24 * time.Hour, nil
}
func (l *lured) MakeBranch(context.Context, activities.BranchRequest) (activities.Branched, error) {
	l.heist.touched++
	return activities.Branched{}, errTouched
}
func (l *lured) BranchAddress(context.Context, string) (secret.String, error) {
	l.heist.touched++
	return secret.String{}, errTouched
}
func (l *lured) Fence(context.Context, string) (activities.Fenced, error) {
	l.heist.touched++
	return activities.Fenced{}, errTouched
}
func (l *lured) Unfence(context.Context, string) error { l.heist.touched++; return errTouched }
func (l *lured) Condition(context.Context) (string, error) {
	l.heist.looked++
	return "", errTouched
}
func (l *lured) DropBranch(context.Context, string) error { l.heist.touched++; return errTouched }
func (l *lured) DropBranches(context.Context, string) (int, error) {
	l.heist.touched++
	return 0, errTouched
}
func (l *lured) Named(context.Context, string) (string, error) {
	l.heist.looked++
	return "br-back", nil
}
func (l *lured) Copy(string) activities.Source    { return l }
func (l *lured) Rewindable(context.Context) error { l.heist.looked++; return nil }
func (l *lured) Rewind(context.Context, activities.RewindRequest) (activities.Rewound, error) {
	l.heist.touched++
	return activities.Rewound{}, errTouched
}
func (l *lured) TakeBack(context.Context, activities.RewindRequest) (activities.Rewound, error) {
	l.heist.touched++
	return activities.Rewound{}, errTouched
}

// input is what a step's activity gets when everything is in order.
func (h *heist) input(t *testing.T, step string) activities.StepInput {
	t.Helper()
	with, err := runbooks.Resolve(h.a.Runbook.Step(step).With, runbooks.Scope{Inputs: map[string]any{"size": 3.0}})
	must(t, err)
	return activities.StepInput{With: with, Guard: plan.Guard{
		Execution: scaleExecution, Step: step, Target: "database", Mode: h.mode, Order: h.a.BriefDigest,
		Work: &plan.WorkOrder{
			Docket: h.docket, Receipts: append([]plan.Receipt{h.a.Accepted}, h.dated...),
			Gates: []plan.GateEvidence{{Gate: "gate", Facts: h.facts.Facts, Decisions: []plan.SignedCommand{h.bob, h.carol}}},
		},
	}}
}

// refuses fails the test unless the activity says that it is not allowed, and nothing was touched.
func (h *heist) refuses(t *testing.T, what, activity string, in activities.StepInput) {
	t.Helper()
	h.touched, h.looked = 0, 0
	_, err := h.env.ExecuteActivity(activity, in)
	var refused *temporal.ApplicationError
	if !errors.As(err, &refused) || !slices.Contains([]string{activities.TypeNotAllowed, activities.TypeInvalidInput}, refused.Type()) || !refused.NonRetryable() || h.touched+h.looked > 0 {
		t.Errorf("%s: %s of step %s ended with %v, and touched the world %d times", what, activity, in.Guard.Step, err, h.touched)
	}
}

// TestStepsAreAttacked calls every activity of a runbook's steps as somebody could who owns the Temporal
// namespace, with an execution that a commander started and people approved, and one thing wrong.
func TestStepsAreAttacked(t *testing.T) {
	h := newHeist(t, plan.ModeLive)
	for _, d := range ways { // what is right is let through: else nothing is proven
		h.touched = 0
		_, err := h.env.ExecuteActivity(d.activity, h.input(t, d.step))
		if err != nil && strings.Contains(err.Error(), activities.TypeNotAllowed) || h.touched == 0 && d.step != "ready" && d.step != "save" {
			t.Fatalf("%s of step %s, everything in order: %v, touched %d times", d.activity, d.step, err, h.touched)
		}
	}
	for name, spoil := range h.lies(t) {
		for _, d := range ways {
			in := h.input(t, d.step)
			spoil(&in)
			h.refuses(t, name, d.activity, in)
		}
	}
	for name, spoil := range h.forgeries(t) {
		for _, d := range ways {
			if !d.gated {
				continue
			}
			in := h.input(t, d.step)
			spoil(&in)
			h.refuses(t, name, d.activity, in)
		}
	}
}

// lies are wrong also for what only looks.
func (h *heist) lies(t *testing.T) map[string]func(in *activities.StepInput) {
	t.Helper()
	byApprover, byApproverDigest := h.court.docket(t, "carol", h.mode)
	other, otherDigest := h.docketOf(t, "alice", func() plan.Brief { b := h.brief(h.mode); b.Target = "payroll"; return b }())
	return map[string]func(in *activities.StepInput){
		"no guard":                   func(in *activities.StepInput) { in.Guard = plan.Guard{} },
		"no work order":              func(in *activities.StepInput) { in.Guard.Work = nil },
		"an empty work order":        func(in *activities.StepInput) { in.Guard.Work = &plan.WorkOrder{} },
		"nobody's brief":             func(in *activities.StepInput) { in.Guard.Order = strings.Repeat("0", 64) },
		"another execution":          func(in *activities.StepInput) { in.Guard.Execution = "scale/database/20261125T040000Z" },
		"another target":             func(in *activities.StepInput) { in.Guard.Target = "payroll" },
		"another execution's docket": func(in *activities.StepInput) { in.Guard.Work.Docket, in.Guard.Order = other, otherDigest },
		"a drill's guard":            func(in *activities.StepInput) { in.Guard.Mode = plan.ModeDrill },
		"the standing mode":          func(in *activities.StepInput) { in.Guard.Mode = plan.ModeStanding },
		"a step that is not there":   func(in *activities.StepInput) { in.Guard.Step = "destroy" },
		"the gate as the step":       func(in *activities.StepInput) { in.Guard.Step = "gate" },
		"another parameter": func(in *activities.StepInput) {
			name := map[string]string{"switch": "purpose", "rows": "tables", "kept": "component", "tried": "component", "unswitch": "purpose", "run": "args", "post": "path", "get": "path", "ask": "query", "hold": "door", "move": "door", "shut": "door", "open": "door", "epoch": "to", "fence": "at", "lift": "at", "probe": "at", "back": "purpose", "gone": "purpose", "save": "component", "follow": "to", "unfollow": "to", "lag": "within", "drained": "within", "crown": "margin", "lost": "tables", "ready": "within", "tell": "message"}[in.Guard.Step]
			in.With[name] = map[string]any{"args": []any{99.0}, "path": "/everything", "query": "SELECT 1", "within": "9h", "message": "all is well", "to": "us-east-1", "at": "us-west-2", "margin": 5.0, "door": "back", "purpose": "elsewhere", "component": "payroll", "tables": []any{"public.patients"}}[name]
		},
		"a parameter that nobody knows": func(in *activities.StepInput) { in.With["force"] = true },
		"a parameter less":              func(in *activities.StepInput) { in.With = map[string]any{} },
		"a start by an approver":        func(in *activities.StepInput) { in.Guard.Work.Docket, in.Guard.Order = byApprover, byApproverDigest },
		"a receipt that was made up": func(in *activities.StepInput) {
			in.Guard.Work.Receipts = append(in.Guard.Work.Receipts, plan.Receipt{Execution: scaleExecution, Step: "ask", Outputs: []byte(`{"rows":1}`), MAC: strings.Repeat("0", 72)})
		},
		"a receipt of another's":      func(in *activities.StepInput) { in.Guard.Work.Receipts[0].Step = "ask" },
		"an undo that is not written": func(in *activities.StepInput) { in.Guard.Work.Undo = in.Guard.Step != "run"; in.With = without(in) },
	}
}

// without makes the parameters wrong where the undo of a step is right.
func without(in *activities.StepInput) map[string]any {
	if in.Guard.Step == "run" {
		return map[string]any{"program": "scale", "args": []any{99.0}, "exit": 0.0}
	}
	return in.With
}

// forgeries are wrong for what needs people's decisions.
func (h *heist) forgeries(t *testing.T) map[string]func(in *activities.StepInput) {
	t.Helper()
	decide := func(second plan.SignedCommand) func(in *activities.StepInput) {
		return func(in *activities.StepInput) { in.Guard.Work.Gates[0].Decisions[1] = second }
	}
	forged := h.bob
	forged.Signed = strings.Replace(forged.Signed, `"bob"`, `"carol"`, 1)
	command := func(change func(c *plan.Command)) plan.Command {
		c := plan.Command{
			Format: 1, Kind: plan.CommandApprove, ID: roster.NewCommandID(), Execution: scaleExecution, Step: "gate", Digest: h.facts.Digest, Person: "carol", Reason: "because",
			Issued: h.clock, Expires: h.clock.Add(time.Hour),
		}
		change(&c)
		return c
	}
	signed := func(change func(c *plan.Command)) plan.SignedCommand {
		s, err := roster.SignCommand(command(change), h.keys["carol"])
		must(t, err)
		return s
	}
	clicked, err := roster.VouchCommand(command(func(*plan.Command) {}), h.keys["erin"]) // erin's key is the worker's here
	must(t, err)
	return map[string]func(in *activities.StepInput){
		"no gate":        func(in *activities.StepInput) { in.Guard.Work.Gates = nil },
		"nobody decided": func(in *activities.StepInput) { in.Guard.Work.Gates[0].Decisions = nil },
		"one of two decided": func(in *activities.StepInput) {
			in.Guard.Work.Gates[0].Decisions = in.Guard.Work.Gates[0].Decisions[:1]
		},
		"one command twice":             decide(h.bob),
		"one person twice":              decide(h.command(t, "bob", plan.CommandApprove, "gate", h.facts.Digest)),
		"a forged decision":             decide(forged),
		"whoever started it":            decide(h.command(t, "alice", plan.CommandApprove, "gate", h.facts.Digest)),
		"an auditor":                    decide(h.command(t, "erin", plan.CommandApprove, "gate", h.facts.Digest)),
		"an owner who approves nothing": decide(h.command(t, "frank", plan.CommandApprove, "gate", h.facts.Digest)),
		"a decision at another gate":    decide(signed(func(c *plan.Command) { c.Step = "other" })),
		"a decision about other facts":  decide(signed(func(c *plan.Command) { c.Digest = sha("other facts") })),
		"a decision to something else":  decide(signed(func(c *plan.Command) { c.Execution = "scale/database/20261125T040000Z" })),
		"a decision that has expired":   decide(signed(func(c *plan.Command) { c.Issued, c.Expires = h.clock.Add(-2*time.Hour), h.clock.Add(-time.Hour) })),
		"a decision of tomorrow":        decide(signed(func(c *plan.Command) { c.Issued, c.Expires = h.clock.Add(time.Hour), h.clock.Add(2*time.Hour) })),
		"a confirmation as a decision":  decide(signed(func(c *plan.Command) { c.Kind = plan.CommandConfirm })),
		"a rejection":                   decide(h.command(t, "grace", plan.CommandReject, "gate", h.facts.Digest)),
		"a click from a Slack account":  decide(clicked),
		"a decision that nobody signed": decide(plan.SignedCommand{Signed: h.carol.Signed}),
		"facts that were edited": func(in *activities.StepInput) {
			in.Guard.Work.Gates[0].Facts = strings.Replace(h.facts.Facts, "Go on", "Go home", 1)
		},
		"the undo, and nobody decided":  func(in *activities.StepInput) { in.Guard.Work.Undo = true; in.Guard.Work.Gates[0].Decisions = nil },
		"a decision that is not a text": decide(plan.SignedCommand{Signed: "approve, please", Signature: h.carol.Signature}),
		"the gate's facts of a new round": func(in *activities.StepInput) {
			in.Guard.Work.Gates[0].Facts = strings.Replace(h.facts.Facts, `"round": 1`, `"round": 2`, 1)
		},
	}
}
