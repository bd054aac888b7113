package activities

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"

	"github.com/lifeboat-dr/lifeboat/internal/evidence"
	"github.com/lifeboat-dr/lifeboat/internal/execution"
	"github.com/lifeboat-dr/lifeboat/internal/plan"
	"github.com/lifeboat-dr/lifeboat/internal/roster"
	"github.com/lifeboat-dr/lifeboat/internal/signature"
	"github.com/lifeboat-dr/lifeboat/internal/store"
	"github.com/lifeboat-dr/lifeboat/runbooks"
)

// Planned is a plan as its journal tells it.
type Planned struct {
	Brief   plan.Brief
	Changes []plan.PlannedChange
	// Text is how the changes are written, and Digest what an execution that is bound to them names.
	Text, Digest string
}

// ReadPlan reads from the vaults what a plan found. Only a plan that has completed is one: what was skipped or
// failed in it was not looked at. It changes nothing.
func ReadPlan(ctx context.Context, vaults []evidence.Vault, signers *signature.Verifier, id string) (Planned, error) {
	if !evidence.ValidExecution(id) {
		return Planned{}, InvalidInput("%q is not the id of a plan: <runbook>/<target>/<UTC>", id)
	}
	read, err := evidence.Load(ctx, vaults, signers, id)
	switch {
	case errors.Is(err, store.ErrNotFound):
		return Planned{}, NotFound("look for it: lifeboat executions --all", "no vault holds a journal of %s", id)
	case errors.Is(err, evidence.ErrFork), errors.Is(err, evidence.ErrBroken):
		return Planned{}, hinted(TypeUntrusted, err, "look at it: lifeboat evidence verify", "read the plan %s", id)
	case err != nil:
		return Planned{}, classify(err, "read the plan "+id)
	}
	events, err := eventsOf(read, id)
	if err != nil {
		return Planned{}, err
	}
	return planOf(events, id)
}

// planOf follows the events of a plan.
func planOf(events []execution.Event, id string) (p Planned, err error) {
	untrusted := func(err error) (Planned, error) {
		return Planned{}, hinted(TypeUntrusted, err, "look at it: lifeboat evidence verify", "the journal of %s cannot be followed", id)
	}
	docket, err := roster.UnpackDocket(events[0].Docket)
	if err != nil {
		return untrusted(err)
	}
	if err := json.Unmarshal([]byte(docket.Brief), &p.Brief); err != nil {
		return untrusted(err)
	}
	r, err := roster.RunbookOf(docket)
	if err != nil {
		return untrusted(err)
	}
	state := execution.New()
	for _, event := range events {
		if err := state.Apply(r, event); err != nil {
			return untrusted(err)
		}
	}
	if p.Brief.Mode != plan.ModePlan {
		return Planned{}, InvalidInput("%s is no plan but a %s: make one with lifeboat run --plan", id, p.Brief.Mode)
	}
	if state.Final != plan.ExecutionCompleted {
		return Planned{}, InvalidInput("the plan %s is %s: only one that has completed holds for a run", id, state.Status(r))
	}
	p.Changes = state.Changes(r)
	p.Text, p.Digest, err = writePlan(p.Changes)
	return p, err
}

// writePlan is how changes are written, and the digest of that.
func writePlan(changes []plan.PlannedChange) (text, digest string, err error) {
	written, err := json.Marshal(changes)
	if err != nil {
		return "", "", fmt.Errorf("write plan: %w", err)
	}
	return string(written), runbooks.Digest(written), nil
}

// Fits says why an execution cannot be bound to the plan with this id: it has to be of the same runbook, for the
// same target, with the same inputs. Its error is of type PlanMismatch.
func (p Planned) Fits(b plan.Brief, id string) error {
	was := p.Brief
	for _, same := range []struct {
		what string
		ok   bool
	}{
		{"another application", was.Application == b.Application},
		{"another text of the runbook", was.Runbook == b.Runbook && was.RunbookDigest == b.RunbookDigest},
		{"another text of a runbook inside", maps.Equal(was.Nested, b.Nested)},
		{"another target", was.Target == b.Target},
		{"another approach", was.Approach == b.Approach},
		{"other inputs", len(was.Inputs) == 0 && len(b.Inputs) == 0 || reflect.DeepEqual(was.Inputs, b.Inputs)},
	} {
		if !same.ok {
			return PlanMismatch("the plan %s was made for %s", id, same.what)
		}
	}
	if p.Digest != b.Plan {
		return PlanMismatch("the plan %s has digest %s, the start is bound to %s", id, p.Digest, b.Plan)
	}
	return nil
}

// boundTo makes sure that the plan which an execution is bound to was made and completed, and found what the
// docket says.
func (x *Executions) boundTo(ctx context.Context, p roster.Permit) ([]plan.PlannedChange, error) {
	if p.Brief.Plan == "" {
		return nil, nil
	}
	planned, err := ReadPlan(ctx, x.Journal.Vaults, x.Signers, p.Brief.PlanExecution)
	if err != nil {
		return nil, err
	}
	return p.Planned, planned.Fits(p.Brief, p.Brief.PlanExecution)
}
