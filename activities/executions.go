package activities

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"time"

	"github.com/lifeboat-dr/lifeboat/internal/evidence"
	"github.com/lifeboat-dr/lifeboat/internal/execution"
	"github.com/lifeboat-dr/lifeboat/internal/plan"
	"github.com/lifeboat-dr/lifeboat/internal/roster"
	"github.com/lifeboat-dr/lifeboat/internal/signature"
	"github.com/lifeboat-dr/lifeboat/internal/workrecord"
	"github.com/lifeboat-dr/lifeboat/runbooks"
)

// Executions is what the engine of runbooks needs from the world: who may do what, what people decide
// about, and the journal.
type Executions struct {
	Crew    *Crew
	Orders  *Orders
	Journal *evidence.Journal
	// Signers are those whose journal entries are believed.
	Signers *signature.Verifier
	Keys    workrecord.Keys
	// Doors are the sites of doors, by the door's name.
	Doors map[string]string
	// Slack says that gates are shown there.
	Slack bool
}

// AdmitExecution says what an execution follows, when the signatures of the runbook's owners and of its
// commander hold, and mode and target fit. One that goes on after Temporal was lost is admitted by its
// journal. It changes nothing.
func (x *Executions) AdmitExecution(ctx context.Context, in AdmitInput) (Admitted, error) {
	if !evidence.ValidExecution(in.Execution) {
		return Admitted{}, InvalidInput("%q is not the id of an execution: <runbook>/<target>/<UTC>", in.Execution)
	}
	docket, err := roster.UnpackDocket(in.Docket)
	if err != nil {
		return Admitted{}, InvalidInput("%v", err)
	}
	var brief plan.Brief
	if err := json.Unmarshal([]byte(docket.Brief), &brief); err != nil {
		return Admitted{}, InvalidInput("the brief cannot be read")
	}
	out := Admitted{Brief: brief, BriefDigest: runbooks.Digest([]byte(docket.Brief)), RunbookDigest: runbooks.Digest([]byte(docket.Runbook))}
	work := plan.WorkOrder{Docket: in.Docket}
	if in.Journal.Seq > 0 {
		if out.Events, err = x.journal(ctx, in); err != nil {
			return Admitted{}, err
		}
		if first := out.Events[0]; first.Receipt != nil {
			out.Accepted = *first.Receipt
			work.Receipts = []plan.Receipt{out.Accepted}
		}
	}
	permit, err := x.Orders.CheckExecution(plan.Guard{
		Execution: in.Execution, Step: "start", Target: brief.Target, Mode: brief.Mode, Order: out.BriefDigest, Work: &work,
	}, in.Journal.Seq > 0)
	if err != nil {
		return Admitted{}, err
	}
	bound, err := permit.Runbook.Bind(brief.Inputs)
	if err != nil {
		return Admitted{}, InvalidInput("%v", err)
	}
	if !reflect.DeepEqual(bound, brief.Inputs) && len(bound)+len(brief.Inputs) > 0 {
		return Admitted{}, InvalidInput("the brief does not say every input that the runbook has a default for: make the start with lifeboat run")
	}
	if err := x.startable(permit, in.Execution); err != nil {
		return Admitted{}, err
	}
	if in.Journal.Seq == 0 {
		if err := x.Orders.checkBegun(ctx, brief, in.Execution); err != nil {
			return Admitted{}, err
		}
	}
	if out.Planned, err = x.boundTo(ctx, permit); err != nil {
		return Admitted{}, err
	}
	out.Runbook, out.Commander, out.Command = *permit.Runbook, permit.Start.Person.ID, permit.Start.Command.ID
	out.Site, out.Doors, out.Slack = x.siteOf(brief.Target), x.Doors, x.Slack
	if lostSite(permit.Runbook, brief.Inputs, out.Site) {
		out.Site = "" // its workers are gone, too
	}
	if out.Policies, err = x.policies(); err != nil {
		return Admitted{}, err
	}
	if in.Journal.Seq == 0 {
		accepted, err := x.accept(in.Execution, docket.Start, permit.Start.Command.ID)
		if err != nil {
			return Admitted{}, err
		}
		out.Accepted = *accepted
	}
	var dated plan.Acceptance
	if err := json.Unmarshal(out.Accepted.Outputs, &dated); err != nil {
		return Admitted{}, hinted(TypeUntrusted, err, "look at it: lifeboat evidence verify", "the start of %s is not dated", in.Execution)
	}
	out.Started = dated.Accepted.UTC().Format(time.RFC3339)
	return out, nil
}

// startable refuses at the start what the engine would have to refuse in the middle of a recovery: runbooks
// inside that act upon another target, or are given what they do not take.
func (x *Executions) startable(p roster.Permit, executionID string) error {
	b := p.Brief
	scope := runbooks.Scope{Inputs: b.Inputs, Execution: runbooks.Execution{
		ID: executionID, Mode: b.Mode, Target: b.Target, Approach: b.Approach, Commander: p.Start.Person.ID, Started: x.Orders.now().UTC().Format(time.RFC3339),
	}}
	if err := p.Runbook.CheckTargets(scope); err != nil {
		return InvalidInput("%v", err)
	}
	if err := p.Runbook.CheckNested("", scope); err != nil {
		return InvalidInput("%v", err)
	}
	return nil
}

// policies are copied into an execution when it starts: an edit never changes whom a running one calls.
func (x *Executions) policies() (map[string]plan.Policy, error) {
	people, err := x.Orders.People()
	if err != nil {
		return nil, Misconfigured(err, "the roster")
	}
	all := map[string]plan.Policy{}
	for _, p := range people.Version.Policies {
		all[p.Name] = p
	}
	return all, nil
}

// lostSite says whether a runbook supposes a site to be gone.
func lostSite(r *runbooks.Runbook, inputs map[string]any, site string) bool {
	return slices.ContainsFunc(r.Inputs, func(in runbooks.Input) bool { return in.Lost && inputs[in.Name] == site })
}

// siteOf is the site whose workers act on a target.
func (x *Executions) siteOf(target string) string {
	if c, ok := x.Crew.Components[target]; ok {
		return c.Site
	}
	return x.Crew.Targets[target].Site
}

// journal reads the events of an execution that goes on.
func (x *Executions) journal(ctx context.Context, in AdmitInput) ([]execution.Event, error) {
	read, err := evidence.Load(ctx, x.Journal.Vaults, x.Signers, in.Execution)
	if err != nil {
		return nil, hinted(TypeUntrusted, err, "look at it: lifeboat evidence verify", "read the journal of %s", in.Execution)
	}
	if JournalHead(read.Head) != in.Journal {
		return nil, hinted(TypeConflict, nil, "somebody else goes on with it: look for the other Temporal", "the journal of %s has grown since it was read", in.Execution)
	}
	return eventsOf(read, in.Execution)
}

func eventsOf(read *evidence.Read, executionID string) ([]execution.Event, error) {
	events := make([]execution.Event, len(read.Entries))
	for i, e := range read.Entries {
		if err := json.Unmarshal(e.Data, &events[i]); err != nil {
			return nil, hinted(TypeUntrusted, err, "it was written by another version of Lifeboat", "entry %d of the journal of %s", e.Seq, executionID)
		}
	}
	return events, nil
}

// accept makes the receipt that dates a command.
func (x *Executions) accept(executionID string, signed plan.SignedCommand, id string) (*plan.Receipt, error) {
	text, err := json.Marshal(plan.Acceptance{Command: runbooks.Digest([]byte(signed.Signed)), Accepted: x.Orders.now().UTC()})
	if err != nil {
		return nil, fmt.Errorf("write acceptance: %w", err)
	}
	r := plan.Receipt{Execution: executionID, Step: plan.AcceptanceStep(id), Outputs: text}
	r.MAC, err = receiptMAC(x.Keys, r)
	return &r, err
}

// JudgeCommand says whether a command counts now. It changes nothing; the engine uses the command up.
func (x *Executions) JudgeCommand(_ context.Context, in JudgeInput) (Judged, error) {
	people, err := x.Orders.People()
	if err != nil {
		return Judged{}, Misconfigured(err, "the roster")
	}
	used := map[string]bool{}
	for _, id := range in.Used {
		used[id] = true
	}
	want := roster.Expectation{
		Execution: in.Execution, Digest: in.Brief, Now: x.Orders.now(), Vouchers: x.Orders.Vouchers, Seen: func(id string) bool { return used[id] },
		Kinds: []plan.CommandKind{
			plan.CommandPause, plan.CommandResume, plan.CommandRetry, plan.CommandSkip, plan.CommandUndo, plan.CommandUngraceful,
			plan.CommandCancel, plan.CommandHandover, plan.CommandAcknowledge,
		},
	}
	if c, err := roster.PeekCommand(in.Signed); err == nil {
		switch c.Kind {
		case plan.CommandRetry, plan.CommandSkip, plan.CommandAcknowledge:
			want.Step = c.Step // the engine knows whether it fits
		case plan.CommandApprove, plan.CommandReject, plan.CommandConfirm:
			want = atGate(want, in, c)
		}
	}
	got, err := people.Check(in.Signed, want)
	if err == nil {
		err = x.signedFor(in, got)
	}
	if err != nil {
		return Judged{Cause: string(roster.CauseOf(err)), Message: err.Error(), Command: got.Command}, nil
	}
	receipt, err := x.accept(in.Execution, in.Signed, got.Command.ID)
	if err != nil {
		return Judged{}, err
	}
	return Judged{Accepted: true, Command: got.Command, Receipt: receipt}, nil
}

// atGate is what a decision at an open gate has to fit. Where no gate is open nothing fits.
func atGate(want roster.Expectation, in JudgeInput, c plan.Command) roster.Expectation {
	want.Kinds = nil
	for _, g := range in.Gates {
		if g.Step != c.Step {
			continue
		}
		want.Step, want.Digest, want.StepRoles, want.Decided = g.Step, g.Digest, g.Roles, g.Voted
		want.Kinds = []plan.CommandKind{plan.CommandApprove, plan.CommandReject}
		if g.Confirm {
			want.Kinds = []plan.CommandKind{plan.CommandConfirm}
		}
		if g.ExcludeRequester {
			want.Requester = in.Requester
		}
	}
	return want
}

// signedFor refuses the click that would complete a gate before something that cannot be taken back, while nobody has
// signed there with their own key: the step behind it would be refused, when it is too late to ask again.
func (x *Executions) signedFor(in JudgeInput, got roster.Accepted) error {
	if x.Orders.ClicksSuffice || !got.Vouched || got.Command.Kind != plan.CommandApprove {
		return nil
	}
	for _, g := range in.Gates {
		if g.Step == got.Command.Step && g.Grave && !g.Signed && len(g.Voted)+1 >= g.Requires {
			return roster.Refuse(roster.CauseNoOwnSignature, "what gate %q lets through cannot be taken back: one of those who approve signs with their own key", g.Step)
		}
	}
	return nil
}

// AppendJournal continues an execution's journal in every vault that can be reached; one is enough. It is
// safe to repeat. Another engine's entries in the same place are an error of type JournalForked.
func (x *Executions) AppendJournal(ctx context.Context, in JournalInput) (Journaled, error) {
	if err := x.Orders.checkJournal(in); err != nil {
		return Journaled{}, err
	}
	events := make([]evidence.Event, len(in.Events))
	for i, event := range in.Events {
		data, err := json.Marshal(event)
		if err != nil {
			return Journaled{}, InvalidInput("event %s cannot be written: %v", event.Kind, err)
		}
		events[i] = evidence.Event{Kind: string(event.Kind), Step: event.Step, Time: event.Time, Data: data}
	}
	done, err := x.Journal.Append(ctx, in.Guard.Execution, evidence.Head(in.Head), events)
	if errors.Is(err, evidence.ErrFork) {
		return Journaled{}, Forked(err)
	}
	if err != nil {
		return Journaled{}, err
	}
	return Journaled{Head: JournalHead(done.Head), Vaults: done.Vaults, Missed: done.Missed}, nil
}

// HealJournal gives each vault the entries of an execution's journal that it lacks and another has. A vault that
// is still away is named, and is no error. It is safe to repeat.
func (x *Executions) HealJournal(ctx context.Context, in HealInput) (Healed, error) {
	if _, err := x.Orders.CheckExecution(in.Guard, true); err != nil {
		return Healed{}, err
	}
	done, err := x.Journal.Heal(ctx, x.Signers, in.Guard.Execution)
	if err != nil {
		return Healed{}, err
	}
	out := Healed{Left: slices.Sorted(maps.Keys(done.Left))}
	for _, n := range done.Filled {
		out.Filled += n
	}
	return out, nil
}

// PrepareGate puts into words what people decide about. It changes nothing.
func (x *Executions) PrepareGate(_ context.Context, in GateInput) (GatePrepared, error) {
	facts := in.Facts
	facts.Outputs = map[string]string{}
	for _, r := range in.Receipts {
		facts.Outputs[r.Step] = runbooks.Digest(r.Outputs)
	}
	text, err := json.MarshalIndent(facts, "", "  ")
	if err != nil {
		return GatePrepared{}, fmt.Errorf("write facts of gate %s: %w", facts.Gate, err)
	}
	return GatePrepared{Facts: string(text), Digest: runbooks.Digest(text)}, nil
}

// DigestPlan is the digest of the changes that a plan found, by which a live run can be bound to them.
func (x *Executions) DigestPlan(_ context.Context, planned []plan.PlannedChange) (string, error) {
	_, digest, err := writePlan(planned)
	return digest, err
}
