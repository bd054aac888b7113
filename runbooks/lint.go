package runbooks

import (
	"slices"

	"github.com/lifeboat-dr/lifeboat/internal/plan"
	"github.com/lifeboat-dr/lifeboat/internal/strictyaml"
)

// Roster is what lint asks about people.
type Roster interface {
	// Holders are the ids of the people who hold a role.
	Holders(role string) []string
	// HasPolicy says whether there is an escalation policy of this name.
	HasPolicy(name string) bool
}

// Configuration is what lint asks about the names that runbooks use.
type Configuration interface {
	// Has says whether the configuration knows a name. Of is component, site, target, vault, endpoint, secret,
	// receiver or program.
	Has(of, name string) bool
	// Site is the site that a use of a name leads to; empty when it leads to none.
	Site(use Use, name string) string
}

// Views are what lint can look at besides the text. What is nil is not checked, and lint says so.
type Views struct {
	Roster        Roster
	Configuration Configuration
	// Runbook finds another runbook by its name.
	Runbook Library
}

// Lint says everything that is wrong with a runbook, or that people should look at: what [Parse] refuses,
// and whether it makes sense. A runbook with errors must not run.
func Lint(text []byte, views Views) Problems {
	d := parse(text)
	if d.runbook != nil {
		l := &linter{document: d, r: d.runbook, written: d.runbook, views: views, before: map[string]map[string]bool{}, used: map[Reference]bool{}}
		l.run()
	}
	return d.problems.inOrder()
}

type linter struct {
	*document
	// r is the runbook with the steps of those inside of it, as far as these can be found; written is the
	// runbook as it stands there.
	r, written *Runbook
	views      Views
	// before are the closures of all steps.
	before map[string]map[string]bool
	// used are the references to inputs that were met.
	used map[Reference]bool
}

func (l *linter) run() {
	l.expand()
	for i := range l.r.Steps {
		id := l.r.Steps[i].ID
		l.before[id] = map[string]bool{}
		for _, need := range l.r.Closure(id) {
			l.before[id][need] = true
		}
	}
	l.target()
	for i := range l.r.Steps {
		step := &l.r.Steps[i]
		l.stepReferences(step)
		l.effect(step)
		l.drillOnly(step)
		l.people(step)
		l.names(step)
	}
	l.inside()
	l.lostSite()
	l.times()
	l.unused()
	l.unchecked()
	l.secrets()
}

// place is where a path stands; where it does not stand itself, where the nearest thing around it does.
func (l *linter) place(path string) strictyaml.Place {
	for p := path; p != ""; {
		if place, ok := l.places[p]; ok {
			return place
		}
		i := max(lastByte(p, '.'), lastByte(p, '['))
		if i < 0 {
			break
		}
		p = p[:i]
	}
	return strictyaml.Place{Line: 1, Column: 1}
}

func lastByte(s string, c byte) int {
	for i := len(s) - 1; i >= 0; i-- {
		if s[i] == c {
			return i
		}
	}
	return -1
}

// wrong reports an error, unless something was said about the same path already.
func (l *linter) wrong(path, format string, args ...any) {
	if !l.failed[path] {
		l.fail(l.place(path), path, format, args...)
	}
}

// say reports an error of which there may be several at the same path.
func (l *linter) say(path, format string, args ...any) {
	l.report(SeverityError, l.place(path), path, format, args...)
}

func (l *linter) warn(path, format string, args ...any) {
	if !l.failed[path] {
		l.report(SeverityWarning, l.place(path), path, format, args...)
	}
}

// path is where a step stands: under its id, or by its number when it has none of its own.
func (l *linter) path(step *Step) string {
	for i := range l.r.Steps {
		if &l.r.Steps[i] == step {
			return l.paths[i]
		}
	}
	return "steps"
}

// situation is one way in which an execution may go.
type situation struct {
	mode     plan.Mode
	approach plan.Approach
}

var situations = func() []situation {
	var all []situation
	for _, m := range modes {
		for _, a := range approaches {
			all = append(all, situation{m, a})
		}
	}
	return all
}()

// always says whether other applies in every situation in which step does; only those of a mode count,
// or all when it is empty. What other compares besides has to be compared by step, too.
func always(step, other *When, mode plan.Mode) bool {
	for _, s := range situations {
		if (mode == "" || s.mode == mode) && step.fits(s.mode, s.approach) && !other.fits(s.mode, s.approach) {
			return false
		}
	}
	if other == nil {
		return true
	}
	for _, e := range other.Equals {
		if step == nil || !slices.ContainsFunc(step.Equals, func(o Equal) bool { return o.Ref == e.Ref && same(o.Value, e.Value) }) {
			return false
		}
	}
	return true
}

// applies says whether a step applies in a mode at all.
func applies(when *When, mode plan.Mode) bool {
	return when.fits(mode, plan.Graceful) || when.fits(mode, plan.Ungraceful)
}

// visit calls found for every parameter that values hold, those of objects and elements included, with the
// kind that is expected there.
func visit(params []Param, values map[string]any, path string, found func(p *Param, kind Kind, value any, path string)) {
	for _, key := range sortedKeys(values) {
		p := paramNamed(params, key)
		if p == nil {
			continue
		}
		if besides(params, values, key) {
			without := *p
			without.Uses, p = nil, &without
		}
		where := join(path, key)
		switch value := values[key].(type) {
		case []any:
			if p.Kind.isList() {
				for i, item := range value {
					found(p, p.Kind.element(), item, at(where, i))
				}
				continue
			}
			found(p, p.Kind, value, where)
		case map[string]any:
			switch {
			case p.Kind == KindObject:
				visit(p.Fields, value, where, found)
			case p.Kind.isMapping():
				for _, name := range sortedKeys(value) {
					found(p, p.Kind.element(), value[name], join(where, name))
				}
			default:
				found(p, p.Kind, value, where)
			}
		default:
			found(p, p.Kind, value, where)
		}
	}
}

// besides says whether a parameter that is there says in this one's place which site is needed.
func besides(params []Param, values map[string]any, name string) bool {
	return slices.ContainsFunc(params, func(p Param) bool {
		_, there := values[p.Name]
		return there && p.Beside == name && len(p.Uses) > 0
	})
}
