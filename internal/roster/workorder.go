package roster

import (
	"encoding/json"
	"slices"
	"time"

	"github.com/lifeboat-dr/lifeboat/internal/plan"
	"github.com/lifeboat-dr/lifeboat/internal/signature"
	"github.com/lifeboat-dr/lifeboat/runbooks"
)

// Bench checks work orders. It believes nobody but the roster, the fleet's receipts and its own clock.
type Bench struct {
	Application string
	Roster      *Roster
	// Genuine says whether a worker of the fleet made a receipt; nil believes none.
	Genuine func(plan.Receipt) bool
	// Target says why an execution may not touch a target in its mode: a drill's is never production. nil
	// allows only the target of the brief itself.
	Target func(brief plan.Brief, g plan.Guard) error
	// Vouchers are the workers whose word for a click counts; nil for none.
	Vouchers *signature.Verifier
	// ClicksSuffice gives up that somebody signs an irreversible live step with their own key.
	ClicksSuffice bool
}

// WindingUp is how long after the start's time an execution may still take back what it did, and write down
// how it ended. Nothing is begun in it.
const WindingUp = 24 * time.Hour

// Permit is what a work order turned out to allow.
type Permit struct {
	Brief   plan.Brief
	Runbook *runbooks.Runbook
	// Scope is what references stand for, from nothing but the brief and genuine receipts: the step's
	// parameters have to be what the runbook's text says with it.
	Scope runbooks.Scope
	Start Accepted
	// Planned are the changes that the execution is bound to, where the brief names a plan.
	Planned []plan.PlannedChange
	// Decisions are the approvals that count, gate by gate.
	Decisions []Accepted
}

// Check returns nil when people allowed, with their signatures, what a guard's work order is shown for. It is
// checked again by every activity that changes something, for whoever owns the Temporal namespace can give any
// input to any activity. What it cannot see is a rejection that was left out, and it does not compare the
// activity's parameters with the runbook's: that is for the caller, with the permit's runbook.
func (b Bench) Check(g plan.Guard, now time.Time) (Permit, error) {
	if g.Work == nil {
		return Permit{}, refuse(CauseNoWorkOrder, "there is no work order")
	}
	if g.Mode != plan.ModeDrill && g.Mode != plan.ModeLive {
		return Permit{}, refuse(CauseNoWorkOrder, "in mode %q nothing is changed", g.Mode)
	}
	docket, err := UnpackDocket(g.Work.Docket)
	if err != nil {
		return Permit{}, refuse(CauseNoWorkOrder, "%v", err)
	}
	c := hearing{Bench: b, guard: g, docket: docket, now: now, winding: g.Work.Undo}
	if err := c.receipts(); err != nil {
		return Permit{}, err
	}
	if err := c.readBrief(); err != nil {
		return Permit{}, err
	}
	if err := c.begun(); err != nil {
		return Permit{}, err
	}
	if err := c.signedRunbook(); err != nil {
		return Permit{}, err
	}
	if err := c.bound(); err != nil {
		return Permit{}, err
	}
	if err := c.scope(); err != nil {
		return Permit{}, err
	}
	if err := c.gates(); err != nil {
		return Permit{}, err
	}
	return c.permit, c.epoch()
}

// CheckStart is Check for what an execution does on its own behalf, in every mode: it was started by a
// commander, with a runbook that its owners signed, and its time is not over; winding allows the time in which
// it ends. No step is looked at.
func (b Bench) CheckStart(g plan.Guard, now time.Time, winding bool) (Permit, error) {
	if g.Work == nil {
		return Permit{}, refuse(CauseNoWorkOrder, "there is no work order")
	}
	docket, err := UnpackDocket(g.Work.Docket)
	if err != nil {
		return Permit{}, refuse(CauseNoWorkOrder, "%v", err)
	}
	h := hearing{Bench: b, guard: g, docket: docket, now: now, winding: winding}
	for _, check := range []func() error{h.receipts, h.readBrief, h.begun, h.signedRunbook, h.bound} {
		if err := check(); err != nil {
			return Permit{}, err
		}
	}
	return h.permit, nil
}

// CheckLook is Check for a step that only looks or tells, in every mode. It needs no gate, and may look whether
// or not its condition holds; but nobody without a commander's start and the owners' runbook asks a database or
// an endpoint anything with a worker's credentials.
func (b Bench) CheckLook(g plan.Guard, now time.Time) (Permit, error) {
	if g.Work == nil {
		return Permit{}, refuse(CauseNoWorkOrder, "there is no work order")
	}
	docket, err := UnpackDocket(g.Work.Docket)
	if err != nil {
		return Permit{}, refuse(CauseNoWorkOrder, "%v", err)
	}
	h := hearing{Bench: b, guard: g, docket: docket, now: now, winding: g.Work.Undo, looks: true}
	for _, check := range []func() error{h.receipts, h.readBrief, h.begun, h.signedRunbook, h.scope} {
		if err := check(); err != nil {
			return Permit{}, err
		}
	}
	return h.permit, nil
}

// hearing is the check of one work order.
type hearing struct {
	Bench
	guard  plan.Guard
	docket plan.Docket
	now    time.Time
	// winding says that what is asked for ends an execution and begins nothing.
	winding bool
	// looks says that nothing is changed.
	looks bool
	// started is when the start was accepted, by a worker's clock.
	started time.Time
	permit  Permit
}

// receipts makes sure that no result of an earlier step is made up.
func (h *hearing) receipts() error {
	for _, r := range h.guard.Work.Receipts {
		if r.Execution != h.guard.Execution || h.Genuine == nil || !h.Genuine(r) {
			return refuse(CauseBadReceipt, "the receipt of step %q is not of this fleet for execution %q", r.Step, h.guard.Execution)
		}
	}
	return nil
}

// readBrief makes sure that the guard says what the commander signed.
func (h *hearing) readBrief() error {
	b := &h.permit.Brief
	if digest(h.docket.Brief) != h.guard.Order {
		return refuse(CauseWrongBrief, "the guard names another brief")
	}
	if err := strict([]byte(h.docket.Brief), b); err != nil {
		return refuse(CauseWrongBrief, "the brief cannot be read: %v", err)
	}
	switch {
	case b.Format != 1:
		return refuse(CauseWrongBrief, "brief format %d is not known, only 1", b.Format)
	case b.Application != h.Application:
		return refuse(CauseWrongBrief, "the execution is for application %q, this is %q", b.Application, h.Application)
	case b.Mode != h.guard.Mode:
		return refuse(CauseWrongBrief, "the execution is a %s, not %s", b.Mode, h.guard.Mode)
	case b.RunbookDigest != digest(h.docket.Runbook):
		return refuse(CauseWrongBrief, "the brief is of another text of the runbook")
	case !h.now.Before(h.last()):
		return refuse(CauseOver, "the start allowed nothing after %s: begin again", b.Until.Format(time.RFC3339))
	}
	if h.Target == nil {
		if h.guard.Target != b.Target {
			return refuse(CauseWrongTarget, "the execution is about %q, not %q", b.Target, h.guard.Target)
		}
	} else if err := h.Target(*b, h.guard); err != nil {
		return refuse(CauseWrongTarget, "%v", err)
	}
	return nil
}

// last is when nothing is allowed any more.
func (h *hearing) last() time.Time {
	if h.winding {
		return h.permit.Brief.Until.Add(WindingUp)
	}
	return h.permit.Brief.Until
}

// begun makes sure that a commander started this execution with this brief.
func (h *hearing) begun() error {
	at, err := h.dated(h.docket.Start)
	if err != nil {
		return err
	}
	h.started = at
	h.permit.Start, err = h.Roster.Check(h.docket.Start, Expectation{
		Execution: h.guard.Execution, Kinds: []plan.CommandKind{plan.CommandStart}, Digest: h.guard.Order, Now: at,
	})
	return err
}

// scope collects what the runbook's references stand for, and makes sure that the step applies at all.
func (h *hearing) scope() error {
	b, r := h.permit.Brief, h.permit.Runbook
	inputs, err := r.Bind(b.Inputs)
	if err != nil {
		return refuse(CauseWrongBrief, "%v", err)
	}
	approach, err := h.approach()
	if err != nil {
		return err
	}
	s := runbooks.Scope{Inputs: inputs, Outputs: map[string]map[string]any{}, Execution: runbooks.Execution{
		ID: h.guard.Execution, Mode: b.Mode, Target: b.Target, Approach: approach, Commander: h.permit.Start.Person.ID,
		Started: h.started.UTC().Format(time.RFC3339),
	}}
	for _, receipt := range h.guard.Work.Receipts {
		if r.Step(receipt.Step) == nil {
			continue
		}
		var outputs map[string]any
		if err := json.Unmarshal(receipt.Outputs, &outputs); err != nil {
			return refuse(CauseBadReceipt, "the outputs of step %q are not an object", receipt.Step)
		}
		s.Outputs[receipt.Step] = outputs
	}
	if target, err := runbooks.ResolveText(r.Target, s); err != nil || target != b.Target {
		return refuse(CauseWrongBrief, "the runbook acts on %q, the brief on %q", target, b.Target)
	}
	if err := r.CheckTargets(s); err != nil {
		return refuse(CauseWrongTarget, "%v", err)
	}
	if err := r.CheckNested(h.guard.Step, s); err != nil && !h.guard.Work.Undo {
		return refuse(CauseWrongFacts, "%v", err)
	}
	h.permit.Scope = s
	step := r.Step(h.guard.Step)
	if step == nil {
		return refuse(CauseWrongStep, "runbook %q has no step %q", r.Name, h.guard.Step)
	}
	// What was done is taken back whatever applies by then.
	if applies, err := runbooks.Applies(step.When, s); !h.looks && !h.guard.Work.Undo && (err != nil || !applies) {
		return refuse(CauseWrongStep, "step %q does not apply to this execution%s", step.ID, because(err))
	}
	return nil
}

// epoch makes sure that the guard believes in an epoch that is proven: the brief's, or one that the execution itself
// took. Whether a later one was taken meanwhile only the vaults know; that is for the caller.
func (h *hearing) epoch() error {
	if h.guard.Epoch == h.permit.Brief.Epoch {
		return nil
	}
	for _, step := range h.permit.Runbook.Steps {
		if taken, ok := runbooks.TakenEpoch(step.Type, h.permit.Scope.Outputs[step.ID]); ok && taken == h.guard.Epoch {
			return nil
		}
	}
	return refuse(CauseWrongEpoch, "it says that it acts in epoch %d, was started in epoch %d, and shows no receipt of having taken it", h.guard.Epoch, h.permit.Brief.Epoch)
}

// approach is the brief's, unless a commander switched it.
func (h *hearing) approach() (plan.Approach, error) {
	switched := h.guard.Work.Ungraceful
	if switched == nil {
		return h.permit.Brief.Approach, nil
	}
	at, err := h.dated(*switched)
	if err != nil {
		return "", err
	}
	_, err = h.Roster.Check(*switched, Expectation{
		Execution: h.guard.Execution, Kinds: []plan.CommandKind{plan.CommandUngraceful}, Digest: h.guard.Order, Now: at,
	})
	return plan.Ungraceful, err
}

// dated is the moment that a command is judged by: when a worker accepted it, if it shows the receipt, and
// now otherwise. So whoever stole a key that was revoked since cannot date a command back.
func (h *hearing) dated(s plan.SignedCommand) (time.Time, error) {
	c, err := PeekCommand(s)
	if err != nil {
		return time.Time{}, err
	}
	receipts := h.guard.Work.Receipts
	i := slices.IndexFunc(receipts, func(r plan.Receipt) bool { return r.Step == plan.AcceptanceStep(c.ID) })
	if i < 0 {
		return h.now, nil
	}
	var a plan.Acceptance
	if err := strict(receipts[i].Outputs, &a); err != nil || a.Command != digest(s.Signed) || a.Accepted.After(h.now.Add(clockSkew)) {
		return time.Time{}, refuse(CauseBadReceipt, "the receipt of command %s is of another command", c.ID)
	}
	return a.Accepted, nil
}

func because(err error) string {
	if err == nil {
		return ""
	}
	return ": " + err.Error()
}
