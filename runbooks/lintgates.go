package runbooks

import (
	"slices"
	"strings"

	"github.com/lifeboat-dr/lifeboat/internal/plan"
	"github.com/lifeboat-dr/lifeboat/internal/strictyaml"
)

// effect checks what a step does to the world against what stands before it.
func (l *linter) effect(step *Step) {
	t, path := TypeNamed(step.Type), l.path(step)
	if t == nil {
		return
	}
	if step.Effect.rank() < t.Effect.rank() {
		l.wrong(join(path, "effect"), "a step of type %s is at least %s", t.Name, t.Effect)
	}
	if !t.Skippable && step.OnFailure == FailureIgnore {
		l.wrong(join(path, "onFailure"), "the failure of a step of type %s cannot be ignored: use pause or undo", t.Name)
	} else if step.OnFailure == FailureIgnore && step.Effect != EffectNone {
		l.warn(join(path, "onFailure"), "the step changes something: when its failure is ignored, nobody knows what it left behind")
	}
	if step.Type == "http" && step.Effect == EffectNone && step.With["method"] != "GET" && step.With["method"] != "HEAD" {
		l.warn(join(path, "effect"), "a request other than GET and HEAD usually changes something")
	}
	if step.Effect == EffectIrreversible && step.Undo != nil {
		l.wrong(join(path, "undo"), "an irreversible step has no undo: if this takes it back, its effect is reversible")
	}
	if step.Effect == EffectNone || step.Effect == EffectReversible && step.Undo != nil || !applies(step.When, plan.ModeLive) {
		return
	}
	for id := range l.before[step.ID] {
		if gate := l.r.Step(id); gate.Type == "approval" && always(step.When, gate.When, plan.ModeLive) {
			return
		}
	}
	if step.Effect == EffectIrreversible {
		l.wrong(path, "this cannot be taken back, and nobody is asked before it: put a step of type approval before it that applies whenever this one does")
		return
	}
	l.wrong(path, "nothing takes this back and nobody is asked before it: give it an undo, or put a step of type approval before it that applies whenever this one does")
}

// people checks the steps that wait for people.
func (l *linter) people(step *Step) {
	path := join(l.path(step), "with")
	t := TypeNamed(step.Type)
	if t == nil {
		return
	}
	l.declaredRoles(t, step.With, path)
	if step.Undo != nil && TypeNamed(step.Undo.Type) != nil {
		l.declaredRoles(TypeNamed(step.Undo.Type), step.Undo.With, join(l.path(step), "undo.with"))
	}
	if step.Undo != nil && step.Undo.Type == "manual" {
		l.passable(step.Undo.With, join(l.path(step), "undo.with"), 1, 0)
	}
	switch step.Type {
	case "page":
		policy, _ := step.With["policy"].(string)
		if policy == "" {
			policy = l.r.Escalation
		}
		if policy == "" {
			l.wrong(path, "there is nobody to page: name a policy here, or an escalation for the whole runbook")
		}
	case "manual":
		l.passable(step.With, path, 1, 0)
	case "approval":
		l.gate(step, path)
	}
}

func (l *linter) gate(step *Step, path string) {
	g := GateOf(step)
	if step.When != nil && step.When.Never {
		return
	}
	if g.OnTimeout == TimeoutProceed && (step.When == nil || !slices.Equal(step.When.Modes, []plan.Mode{plan.ModeDrill})) {
		l.wrong(join(path, "onTimeout"), "nobody's silence is a yes: proceed is for steps whose when has mode: [drill] and nothing else")
	}
	if g.OnTimeout != TimeoutHold && step.Timeout == 0 {
		l.wrong(join(path, "onTimeout"), "the gate never times out: say with expires when")
	}
	excluded := 0
	if g.ExcludeRequester {
		excluded = 1
	}
	l.passable(step.With, path, g.Requires, excluded)
}

// passable proves that a step can still be passed when one person is absent, whoever that is.
func (l *linter) passable(with map[string]any, path string, requires, excluded int) {
	if l.views.Roster == nil {
		return
	}
	roles := texts(with["roles"])
	var people []string
	for _, role := range roles {
		for _, person := range l.views.Roster.Holders(role) {
			if !slices.Contains(people, person) {
				people = append(people, person)
			}
		}
	}
	if missing := requires + excluded + 1 - len(people); missing > 0 {
		why := ""
		if excluded > 0 {
			why = ", whoever starts the runbook is excluded"
		}
		l.wrong(join(path, "roles"), "one absent person could block this: %d of %s are needed%s and one more may be absent, but the people who hold it are %d: give it to %d more",
			requires, strings.Join(roles, ", "), why, len(people), missing)
	}
}

// declaredRoles finds roles that the runbook does not declare.
func (l *linter) declaredRoles(t *Type, with map[string]any, path string) {
	names := make([]string, len(l.r.Roles))
	for i, role := range l.r.Roles {
		names[i] = role.Name
	}
	visit(t.Params, with, path, func(p *Param, _ Kind, value any, where string) {
		if name, ok := value.(string); ok && p.Of == "role" && !slices.Contains(names, name) && !l.failed[join("roles", name)] {
			l.wrong(where, "the runbook declares no role %s: %s", strictyaml.Quote(name), strictyaml.Suggest(name, names))
		}
	})
}

// Gate are the parameters of a step of type approval.
type Gate struct {
	Requires         int
	Roles            []string
	ExcludeRequester bool
	// OnTimeout is one of the Timeout constants; the deadline is the step's Timeout.
	OnTimeout string
}

// GateOf reads the parameters of a step of type approval; none of them can be a reference.
func GateOf(step *Step) Gate {
	g := Gate{Requires: 1, Roles: texts(step.With["roles"]), ExcludeRequester: true, OnTimeout: TimeoutHold}
	if n, ok := step.With["requires"].(float64); ok {
		g.Requires = int(n)
	}
	if b, ok := step.With["excludeRequester"].(bool); ok {
		g.ExcludeRequester = b
	}
	if s, ok := step.With["onTimeout"].(string); ok {
		g.OnTimeout = s
	}
	return g
}

// texts are the texts of a list.
func texts(value any) []string {
	list, _ := value.([]any)
	var all []string
	for _, item := range list {
		if text, ok := item.(string); ok {
			all = append(all, text)
		}
	}
	return all
}
