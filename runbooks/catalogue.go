package runbooks

import (
	"cmp"
	"slices"
	"time"

	"github.com/lifeboat-dr/lifeboat/internal/plan"
)

// Type is one kind of step: what it needs, what it gives, and who does it.
type Type struct {
	Name  string
	Title string
	// Doc says what it does; ByHand what a person does instead when nothing runs any more.
	Doc    string
	ByHand string
	// Effect is the least that a step of this type may claim. Assumed is what counts when the text says
	// nothing; it is the more careful of the two.
	Effect  Effect
	Assumed Effect
	// Actions are what a work order has to allow for it; empty for what changes nothing.
	Actions []plan.Action
	Params  []Param
	// OneOf are groups of parameters of which exactly one has to be there.
	OneOf   [][]string
	Outputs []Output
	// Activity or Workflow is the durable name of what does it; Control means the engine itself.
	Activity string
	Workflow string
	Control  bool
	// Skippable says that a person may skip it, and that a runbook may ignore its failure.
	Skippable bool
	// Probe says that the step is meant for a site that may be gone: it looks, or it fences.
	Probe bool
	// DrillOnly says that a live execution has no use for the step: its condition has to say so.
	DrillOnly bool
	// Anywhere says that any worker does it, not one of the target's site, which may be gone.
	Anywhere bool
	// By is the parameter that names the site whose worker does it nevertheless.
	By string
	// UndoTypes are the types that can take it back.
	UndoTypes []string
	// Long says that one try may take as long as the step may: it works through data, runs what is not ours, or waits as
	// long as the text says. It tells that it is alive all the while. One try of any other type ends after ten minutes
	// and is begun again: what it calls answers sooner or hangs.
	Long bool
	// Timeout and Retry count where the text gives none.
	Timeout time.Duration
	Retry   Retry
}

// Param is one parameter of a step.
type Param struct {
	Name     string
	Kind     Kind
	Required bool
	// Default is nil for none.
	Default any
	Doc     string
	// Enum are the only texts that are allowed.
	Enum []string
	// Min and Max bound numbers, and durations in seconds.
	Min, Max *float64
	// Literal forbids references: what is signed is what runs.
	Literal bool
	// Always says of an object that it is there, with the defaults of its fields, when the text leaves it out.
	Always bool
	// Fields and OneOf are those of an object.
	Fields []Param
	OneOf  [][]string
	// Uses says which site the named thing needs while the step runs.
	Uses []Use
	// Of says what kind of name it is, for kinds that do not say it: program, endpoint, secret, receiver, role, policy, door, fault.
	Of string
	// Beside is the parameter of the same object that this one belongs to: it is refused without it, and where it is
	// there, its own Uses count instead of the other's.
	Beside string
}

// Use is a way in which a name leads to a site.
type Use string

// The ways to a site.
const (
	// UseSite is the site itself.
	UseSite Use = "site"
	// UseSource is where a component lives, UseScratch where its backups are verified, UseVault where they are kept.
	UseSource  Use = "source"
	UseScratch Use = "scratch"
	UseVault   Use = "vault"
	// UseTarget is where a named restore target is, UseEndpoint where an HTTP endpoint is.
	UseTarget   Use = "target"
	UseEndpoint Use = "endpoint"
	// UseDoor is where a door is; the step runs on a worker of that site.
	UseDoor Use = "door"
)

// Output is one result of a step, that later steps may refer to.
type Output struct {
	Name string
	Kind Kind
	Doc  string
}

var catalogue = func() []Type {
	all := slices.Concat(peopleTypes, controlTypes, backupTypes, checkTypes, trafficTypes, branchTypes, standbyTypes, failoverTypes, switchTypes, rowTypes)
	for i := range all {
		all[i].Assumed = cmp.Or(all[i].Assumed, all[i].Effect)
	}
	slices.SortFunc(all, func(a, b Type) int { return cmp.Compare(a.Name, b.Name) })
	return all
}()

// Types are all step types, by name. The result is the caller's; what it points to is not.
func Types() []Type { return slices.Clone(catalogue) }

// TypeNamed finds a step type, nil when there is none. What it points to must not be changed.
func TypeNamed(name string) *Type {
	i, ok := slices.BinarySearchFunc(catalogue, name, func(t Type, name string) int { return cmp.Compare(t.Name, name) })
	if !ok {
		return nil
	}
	return &catalogue[i]
}

// Param finds a parameter, nil when there is none.
func (t *Type) Param(name string) *Param { return paramNamed(t.Params, name) }

// Door is the name of the door that a step of this type works, from its parameters; empty for none.
func (t *Type) Door(with map[string]any) string {
	for _, p := range t.Params {
		if slices.Contains(p.Uses, UseDoor) {
			name, _ := with[p.Name].(string)
			return name
		}
	}
	return ""
}

// Output finds an output, nil when there is none.
func (t *Type) Output(name string) *Output {
	for i := range t.Outputs {
		if t.Outputs[i].Name == name {
			return &t.Outputs[i]
		}
	}
	return nil
}

func paramNamed(params []Param, name string) *Param {
	for i := range params {
		if params[i].Name == name {
			return &params[i]
		}
	}
	return nil
}

func paramNames(params []Param) []string {
	names := make([]string, len(params))
	for i, p := range params {
		names[i] = p.Name
	}
	return names
}

func typeNames() []string {
	names := make([]string, len(catalogue))
	for i, t := range catalogue {
		names[i] = t.Name
	}
	return names
}

func ptr(f float64) *float64 { return &f }
