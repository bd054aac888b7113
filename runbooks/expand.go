package runbooks

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/lifeboat-dr/lifeboat/internal/strictyaml"
)

// The bounds of a runbook with others inside of it.
const (
	// MaxDepth is how many runbooks may stand inside of each other, the outermost included.
	MaxDepth = 5
	// MaxExpanded is how many bytes the steps may have in all, when the others have taken their places.
	MaxExpanded = 512 << 10
)

// typeRunbook is the type of the steps that other runbooks take the place of.
const typeRunbook = "runbook"

// Library finds a runbook by its name, with the digest of its text; nil when there is none.
type Library func(name string) (r *Runbook, digest string)

// Nested is one runbook inside of another, as [Expand] found it.
type Nested struct {
	// Step is the id of the step that it took the place of, and the beginning of its own steps' ids.
	Step string `json:"step"`
	// Runbook is its name, Title what it is for, and Digest that of its text.
	Runbook string `json:"runbook"`
	Title   string `json:"title"`
	Digest  string `json:"digest"`
	// Target is what it acts upon, in the words of the outermost runbook.
	Target string `json:"target"`
	// Inputs are what it is given, its defaults included.
	Inputs []Given `json:"inputs,omitempty"`
}

// Given is what a nested runbook is given for one of its inputs: a value, or references of the outermost runbook.
type Given struct {
	Input Input `json:"input"`
	Value any   `json:"value"`
}

// Unexpandable says why a step of type runbook cannot be replaced by the steps of the runbook it names.
type Unexpandable struct {
	// Step is the id of the step in the outermost runbook; empty when it is not about a single one.
	Step   string
	Reason string
}

func (u *Unexpandable) Error() string {
	if u.Step == "" {
		return u.Reason
	}
	return "step " + u.Step + ": " + u.Reason
}

// Runs are the names of the runbooks that steps of this one run, each once, in the order of the text.
func (r *Runbook) Runs() []string {
	var names []string
	for i := range r.Steps {
		if name, _ := r.Steps[i].With["name"].(string); r.Steps[i].Type == typeRunbook && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}

// Expand replaces every step of type runbook by the steps of the runbook it names, whose ids then begin with
// the step's and a dot, which no id that a person writes has. They need what the step needed, and whoever
// needs the step needs the last of them; their conditions are its own and the step's; references to their
// inputs become what the step gives for them. The error is an [Unexpandable]. It leaves r as it is, and
// returns r itself when there is nothing to replace.
func Expand(r *Runbook, library Library) (*Runbook, error) {
	x := expansion{library: library, room: MaxDepth * MaxExpanded}
	out, err := x.expand(r, []string{r.Name})
	if err != nil || out == r {
		return out, err
	}
	if text, err := json.Marshal(out.Steps); err != nil || len(text) > MaxExpanded {
		return nil, &Unexpandable{Reason: errTooLarge.Error()}
	}
	return out, nil
}

type expansion struct {
	library Library
	// room is how many bytes may still be made on the way, on all levels together: texts that are put into
	// texts that are put into texts must not fill the memory before anybody measures them.
	room int
}

var errTooLarge = fmt.Errorf("with the runbooks inside of it, it is larger than %d bytes: run some of them on their own", MaxExpanded)

// take uses up bytes.
func (x *expansion) take(n int) error {
	if x.room -= n; x.room < 0 {
		return errTooLarge
	}
	return nil
}

// expand does it for one runbook; chain are the names from the outermost to it.
func (x *expansion) expand(r *Runbook, chain []string) (*Runbook, error) {
	if len(r.Runs()) == 0 {
		return r, nil
	}
	out := *r
	out.Steps, out.Nested, out.Roles = nil, nil, slices.Clone(r.Roles)
	ends := map[string][]string{}
	inside := map[string]*Runbook{}
	for i := range r.Steps {
		step := &r.Steps[i]
		if step.Type != typeRunbook {
			continue
		}
		inner, err := x.inner(step, chain)
		if err != nil {
			return nil, &Unexpandable{Step: step.ID, Reason: err.Error()}
		}
		inside[step.ID], ends[step.ID] = inner, inner.sinks()
	}
	for i := range r.Steps {
		step := r.Steps[i]
		step.Needs = through(step.Needs, ends)
		if err := x.take(size(step.Needs)); err != nil {
			return nil, &Unexpandable{Reason: err.Error()}
		}
		inner := inside[step.ID]
		if inner == nil {
			out.Steps = append(out.Steps, step)
			continue
		}
		for _, one := range inner.Steps {
			if len(one.Needs) == 0 {
				one.Needs = step.Needs
				if err := x.take(size(one.Needs)); err != nil {
					return nil, &Unexpandable{Reason: err.Error()}
				}
			}
			out.Steps = append(out.Steps, one)
		}
		out.Nested = append(out.Nested, inner.Nested...)
		out.addRoles(inner.Roles)
	}
	if len(out.Steps) > MaxSteps {
		return nil, &Unexpandable{Reason: fmt.Sprintf("with the runbooks inside of it, it has %d steps, %d are the most: run some of them on their own", len(out.Steps), MaxSteps)}
	}
	return &out, nil
}

// inner is the runbook that a step runs, in the words of the one around it.
func (x *expansion) inner(step *Step, chain []string) (*Runbook, error) {
	name, _ := step.With["name"].(string)
	switch {
	case slices.Contains(chain, name):
		return nil, fmt.Errorf("runbook %s would run itself: %s", name, strings.Join(append(slices.Clone(chain), name), " runs "))
	case len(chain) >= MaxDepth:
		return nil, fmt.Errorf("%d runbooks stand inside of each other, more are not allowed: %s", MaxDepth, strings.Join(append(slices.Clone(chain), name), " runs "))
	case x.library == nil:
		return nil, fmt.Errorf("runbook %s is not here", name)
	}
	found, digest := x.library(name)
	if found == nil {
		return nil, fmt.Errorf("there is no runbook %s that can be read", strictyaml.Quote(name))
	}
	if found.Name != name {
		return nil, fmt.Errorf("what was found as runbook %s calls itself %s", name, found.Name)
	}
	if wanted, pinned := step.With["digest"].(string); pinned && wanted != digest {
		return nil, fmt.Errorf("only the text of runbook %s with digest %s may run, this is %s", name, wanted, digest)
	}
	given, err := found.given(step.With)
	if err != nil {
		return nil, err
	}
	whole, err := x.expand(found, append(slices.Clone(chain), name))
	if err != nil {
		return nil, fmt.Errorf("in runbook %s: %w", name, err)
	}
	s := substitution{expansion: x, within: step.ID, runbook: found, given: given}
	return s.runbookOf(whole, step, digest)
}

// sinks are the steps that no other step needs.
func (r *Runbook) sinks() []string {
	needed := map[string]bool{}
	for i := range r.Steps {
		for _, need := range r.Steps[i].Needs {
			needed[need] = true
		}
	}
	return slices.DeleteFunc(r.ids(), func(id string) bool { return needed[id] })
}

// through replaces steps that others took the places of by the last of those.
func through(needs []string, ends map[string][]string) []string {
	all := []string{}
	for _, need := range needs {
		last, replaced := ends[need]
		if !replaced {
			last = []string{need}
		}
		for _, id := range last {
			if !slices.Contains(all, id) {
				all = append(all, id)
			}
		}
	}
	return all
}

// addRoles adds roles that are not declared yet.
func (r *Runbook) addRoles(roles []Role) {
	for _, role := range roles {
		if !slices.ContainsFunc(r.Roles, func(known Role) bool { return known.Name == role.Name }) {
			r.Roles = append(r.Roles, role)
		}
	}
}

func size(texts []string) int {
	n := 0
	for _, text := range texts {
		n += len(text)
	}
	return n
}
