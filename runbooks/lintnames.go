package runbooks

import (
	"slices"

	"github.com/lifeboat-dr/lifeboat/internal/strictyaml"
)

// names checks the names of a step that the configuration or the roster has to know, and the sites that
// the step needs.
func (l *linter) names(step *Step) {
	for _, half := range []struct {
		name, path string
		with       map[string]any
	}{{step.Type, join(l.path(step), "with"), step.With}, l.undoHalf(step)} {
		t := TypeNamed(half.name)
		if t == nil {
			continue
		}
		visit(t.Params, half.with, half.path, func(p *Param, kind Kind, value any, where string) {
			l.known(p, kind, value, where)
			if !t.Probe {
				l.reachable(p, value, where, half.with[paramVault] != nil)
			}
		})
	}
}

func (l *linter) undoHalf(step *Step) (half struct {
	name, path string
	with       map[string]any
}) {
	if step.Undo != nil {
		half.name, half.path, half.with = step.Undo.Type, join(l.path(step), "undo.with"), step.Undo.With
	}
	return half
}

// known checks one name.
func (l *linter) known(p *Param, kind Kind, value any, path string) {
	name, ok := value.(string)
	if !ok || hasReference(name) || l.failed[path] {
		return
	}
	of := p.Of
	if of == "" && slices.Contains([]Kind{KindComponent, KindSite, KindTarget, KindVault}, kind) {
		of = string(kind)
	}
	switch of {
	case "", "role":
	case "policy":
		l.policy(name, path)
	default:
		if l.views.Configuration != nil && !l.views.Configuration.Has(of, name) {
			l.wrong(path, "the configuration has no %s %s: add it there, or correct the name", of, strictyaml.Quote(name))
		}
	}
}

func (l *linter) policy(name, path string) {
	if name != "" && l.views.Roster != nil && !l.views.Roster.HasPolicy(name) {
		l.wrong(path, "the roster has no escalation policy %s: add it there, or correct the name", strictyaml.Quote(name))
	}
}

// lostInputs are the inputs that say which site is gone.
func (l *linter) lostInputs() []Input {
	return slices.DeleteFunc(slices.Clone(l.r.Inputs), func(in Input) bool { return !in.Lost })
}

// lostSite checks that a runbook for a region outage says which site is lost.
func (l *linter) lostSite() {
	if l.r.Scenario == ScenarioRegionOutage && len(l.lostInputs()) == 0 {
		l.wrong("scenario", "a runbook for a region outage says which site is gone: give it an input of type site with lost: true")
	}
}

// reachable finds steps that need something of the site that is supposed to be gone; otherVault says that they name the
// vault that they read.
func (l *linter) reachable(p *Param, value any, path string, otherVault bool) {
	lost := l.lostInputs()
	if len(p.Uses) == 0 || len(lost) == 0 {
		return
	}
	ref := wholeReference(value)
	if ref != nil && ref.Root == RootInputs {
		in := l.r.Input(ref.Name)
		if in == nil {
			return
		}
		if in.Lost {
			l.wrong(path, "site %s is supposed to be gone, so this step cannot run: only steps that probe or fence may name it", ref)
			return
		}
		value = in.Default
	}
	name, ok := value.(string)
	if !ok || hasReference(name) || l.views.Configuration == nil {
		return
	}
	for _, use := range p.Uses {
		if use == UseVault && otherVault && p.Name != paramVault {
			continue
		}
		site := l.views.Configuration.Site(use, name)
		if site == "" {
			continue
		}
		for _, in := range lost {
			l.needsSite(in, use, name, site, path)
		}
	}
}

// needsSite speaks about a name that leads to a site which may be the one that is lost.
func (l *linter) needsSite(lost Input, use Use, name, site, path string) {
	possible := lost.Enum
	if lost.Default != nil {
		possible = []any{lost.Default}
	}
	switch {
	case len(possible) == 1 && same(possible[0], site):
		l.wrong(path, "%s is at site %s (%s), which is supposed to be gone: use what is at another site", strictyaml.Quote(name), site, use)
	case len(possible) == 0, slices.ContainsFunc(possible, func(v any) bool { return same(v, site) }):
		l.warn(path, "%s is at site %s (%s): should that be the one that is gone, this step cannot run", strictyaml.Quote(name), site, use)
	}
}
