package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/lifeboat-dr/lifeboat/activities"
	"github.com/lifeboat-dr/lifeboat/internal/epoch"
	"github.com/lifeboat-dr/lifeboat/internal/plan"
	"github.com/lifeboat-dr/lifeboat/runbooks"
)

// brief is what the commander signs: the whole of what decides what the execution does.
func (a *app) brief(r *runbooks.Runbook, text []byte, f runFlags, planned *activities.Planned) (plan.Brief, error) {
	b := plan.Brief{
		Format: 1, Runbook: r.Name, RunbookDigest: runbooks.Digest(text), Application: a.config.Application, Mode: plan.ModePlan,
		Approach: plan.Graceful, Until: time.Now().UTC().Truncate(time.Second).Add(r.Duration - startLife),
	}
	if f.drill {
		b.Mode = plan.ModeDrill
	}
	if f.live {
		b.Mode = plan.ModeLive
	}
	if planned != nil && b.Mode == plan.ModePlan {
		return b, failWith(exitUsage, "a plan is not bound to another one: give --drill or --live")
	}
	given := map[string]any{}
	if planned != nil {
		maps.Copy(given, planned.Brief.Inputs)
		b.Approach = planned.Brief.Approach
	}
	if f.ungraceful {
		b.Approach = plan.Ungraceful
	}
	err := readInputs(r, f.inputs, given)
	if err != nil {
		return b, err
	}
	if b.Inputs, err = r.Bind(given); err != nil {
		return b, failWith(exitUsage, "%w", err)
	}
	scope := runbooks.Scope{Inputs: b.Inputs, Execution: runbooks.Execution{Mode: b.Mode, Approach: b.Approach}}
	if b.Target, err = runbooks.ResolveText(r.Target, scope); err != nil {
		return b, failWith(exitUsage, "the runbook's target: %w", err)
	}
	scope.Execution.Target = b.Target
	if err := errors.Join(r.CheckTargets(scope), r.CheckNested("", scope)); err != nil {
		return b, failWith(exitUsage, "%w", err)
	}
	return b, nil
}

// epoch is the number of the last failover, as the vaults know it. An execution that was begun before a failover does
// nothing after it, so it has to be known now; when no vault can be asked, only one that was begun before any failover
// at all is let through.
func (a *app) epoch(ctx context.Context) (int64, error) {
	engine, err := a.vaults(ctx)
	if err != nil {
		return 0, err
	}
	seen, err := engine.Epochs().Look(ctx)
	if errors.Is(err, epoch.ErrAway) {
		fmt.Fprintf(a.stderr, "No vault says whether there has been a failover: this begins as before the first one, and is refused if there was one (%v)\n", err)
		return 0, nil
	}
	for _, problem := range seen.Problems {
		fmt.Fprintf(a.stderr, "An object pretends to be an epoch: find out who can write to the vault (%v)\n", problem)
	}
	return seen.Highest, err
}

// readInputs reads NAME=VALUE into what is given already, and asks on the terminal for what is needed and missing.
func readInputs(r *runbooks.Runbook, pairs []string, given map[string]any) error {
	for _, pair := range pairs {
		name, value, ok := strings.Cut(pair, "=")
		if !ok {
			return failWith(exitUsage, "--input %q: write NAME=VALUE", pair)
		}
		in := r.Input(name)
		if in == nil {
			given[name] = value // Bind says which there are
			continue
		}
		read, err := in.ReadText(value)
		if err != nil {
			return failWith(exitUsage, "--input %s: %w", name, err)
		}
		given[name] = read
	}
	for _, in := range r.Inputs {
		if _, there := given[in.Name]; there || !in.Required {
			continue
		}
		answer, err := ask(fmt.Sprintf("%s (%s)%s: ", in.Name, in.Type, dash(in.Title)))
		if err != nil {
			return failWith(exitUsage, "input %s is missing: give --input %s=VALUE", in.Name, in.Name)
		}
		read, err := in.ReadText(answer)
		if err != nil {
			return failWith(exitUsage, "%s: %w", in.Name, err)
		}
		given[in.Name] = read
	}
	return nil
}

// names puts the runbooks inside and the plan into the brief and the docket that it belongs to.
func (f runFlags) names(b *plan.Brief, d *plan.Docket, inside map[string]plan.NestedText, planned *activities.Planned) error {
	for _, name := range slices.Sorted(maps.Keys(inside)) {
		if b.Nested == nil {
			b.Nested = map[string]string{}
		}
		b.Nested[name] = runbooks.Digest([]byte(inside[name].Text))
		d.Nested = append(d.Nested, inside[name])
	}
	if planned == nil {
		return nil
	}
	b.Plan, b.PlanExecution, d.Plan = planned.Digest, f.bound, planned.Text
	return planned.Fits(*b, f.bound)
}
