package runbooks

import (
	"fmt"
	"slices"
	"strings"
)

// Change is one difference between two versions of a runbook, as people need to see it before they sign.
type Change struct {
	// Path is what changed, for example "steps.restore.with.backup".
	Path string `json:"path"`
	// Old is empty for what was added, New for what was removed.
	Old string `json:"old,omitempty"`
	New string `json:"new,omitempty"`
	// Added and Removed say that the whole thing at Path came or went.
	Added   bool `json:"added,omitempty"`
	Removed bool `json:"removed,omitempty"`
}

// String is the change in one line. Nothing is cut off: who signs has to see all of it.
func (c Change) String() string {
	one := func(text string) string { return strings.Join(strings.Fields(text), " ") }
	switch {
	case c.Added:
		return fmt.Sprintf("+ %s: %s", c.Path, one(c.New))
	case c.Removed:
		return fmt.Sprintf("- %s: %s", c.Path, one(c.Old))
	}
	return fmt.Sprintf("~ %s: %s → %s", c.Path, one(c.Old), one(c.New))
}

// Diff says what is different between two runbooks, by their inputs, roles and steps rather than by lines:
// what stands in another place, or is written in another way, but means the same, is no change.
func Diff(old, new *Runbook) []Change {
	var changes []Change
	compare := func(path string, before, after []sheetParam) {
		changes = append(changes, compareFields(path, before, after)...)
	}
	compare("", old.headFields(), new.headFields())
	compareNamed(&changes, "inputs", old.Inputs, new.Inputs, func(in Input) string { return in.Name }, Input.fields)
	compareNamed(&changes, "roles", old.Roles, new.Roles, func(r Role) string { return r.Name }, Role.fields)
	compareNamed(&changes, "steps", old.Steps, new.Steps, func(s Step) string { return s.ID }, Step.fields)
	return changes
}

// DiffWhole is [Diff], and after it what is different inside: before and after are the texts as they were parsed, and
// wholeBefore and wholeAfter what [Expand] made of them. A change inside is told in its place, for example
// "steps.rehearse.restore.with.backup", also where only the inner text was edited or only what the step gives it; what
// the step runs is told at "inside.rehearse".
func DiffWhole(before, after, wholeBefore, wholeAfter *Runbook) []Change {
	changes := Diff(before, after)
	compareNamed(&changes, "inside", wholeBefore.Nested, wholeAfter.Nested, func(n Nested) string { return n.Step }, Nested.fields)
	for _, change := range Diff(wholeBefore, wholeAfter) {
		if !slices.Contains(changes, change) && !replaced(change, before, after) {
			changes = append(changes, change)
		}
	}
	return changes
}

// replaced says of a change between expanded runbooks that it is only the step of type runbook, whose steps took its
// place on one side: the texts' difference tells it.
func replaced(change Change, before, after *Runbook) bool {
	id, isStep := strings.CutPrefix(change.Path, "steps.")
	if !isStep || !change.Added && !change.Removed {
		return false
	}
	old, new := before.Step(id), after.Step(id)
	return old != nil && new != nil && (old.Type == typeRunbook) != (new.Type == typeRunbook)
}

// compareNamed compares things by their names: first those of the old runbook, in its order, then new ones.
func compareNamed[T any](changes *[]Change, path string, old, new []T, name func(T) string, fields func(T) []sheetParam) {
	find := func(all []T, wanted string) (T, bool) {
		for _, one := range all {
			if name(one) == wanted {
				return one, true
			}
		}
		var none T
		return none, false
	}
	for _, before := range old {
		where := join(path, name(before))
		if after, there := find(new, name(before)); there {
			*changes = append(*changes, compareFields(where, fields(before), fields(after))...)
		} else {
			*changes = append(*changes, Change{Path: where, Old: fieldsText(fields(before)), Removed: true})
		}
	}
	for _, after := range new {
		if _, there := find(old, name(after)); !there {
			*changes = append(*changes, Change{Path: join(path, name(after)), New: fieldsText(fields(after)), Added: true})
		}
	}
}

func compareFields(path string, before, after []sheetParam) []Change {
	value := func(all []sheetParam, name string) (string, bool) {
		for _, f := range all {
			if f.Name == name {
				return f.Value, true
			}
		}
		return "", false
	}
	var changes []Change
	for _, f := range before {
		now, there := value(after, f.Name)
		switch {
		case !there:
			changes = append(changes, Change{Path: join(path, f.Name), Old: f.Value, Removed: true})
		case now != f.Value:
			changes = append(changes, Change{Path: join(path, f.Name), Old: f.Value, New: now})
		}
	}
	for _, f := range after {
		if _, there := value(before, f.Name); !there {
			changes = append(changes, Change{Path: join(path, f.Name), New: f.Value, Added: true})
		}
	}
	return changes
}

func fieldsText(fields []sheetParam) string {
	all := make([]string, len(fields))
	for i, f := range fields {
		all[i] = f.Name + " " + f.Value
	}
	return strings.Join(all, "; ")
}

// filled leaves out fields without a value.
func filled(fields []sheetParam) []sheetParam {
	var all []sheetParam
	for _, f := range fields {
		if f.Value != "" {
			all = append(all, f)
		}
	}
	return all
}

func (r *Runbook) headFields() []sheetParam {
	return filled([]sheetParam{
		{"apiVersion", r.APIVersion}, {"name", r.Name}, {"title", r.Title}, {"scenario", r.Scenario}, {"description", r.Description},
		{"objectives.rpo", durationOr(r.Objectives.RPO, "")}, {"objectives.rto", durationOr(r.Objectives.RTO, "")},
		{"target", r.Target}, {"escalation", r.Escalation}, {"limits.duration", durationOr(r.Duration, "")},
	})
}

func (in Input) fields() []sheetParam {
	return filled([]sheetParam{
		{"type", string(in.Type)}, {"title", in.Title}, {"description", in.Description}, {"required", yes(in.Required)},
		{"default", shownValue(in.Default)}, {"enum", shownValue(in.Enum)}, {"pattern", in.Pattern},
		{"min", bound(in.Min)}, {"max", bound(in.Max)}, {"lost", yes(in.Lost)},
	})
}

func (r Role) fields() []sheetParam {
	return filled([]sheetParam{{"title", r.Title}, {"description", r.Description}})
}

func (s Step) fields() []sheetParam {
	fields := []sheetParam{
		{"type", s.Type}, {"title", s.Title}, {"summary", s.Summary}, {"needs", "[" + strings.Join(s.Needs, ", ") + "]"}, {"when", s.When.words()},
		{"timeout", durationOr(s.Timeout, "none")}, {"retry", string(s.Retry)}, {"effect", string(s.Effect)}, {"onFailure", string(s.OnFailure)},
	}
	fields = append(fields, flat(s.With, "with")...)
	if s.Undo != nil {
		fields = append(fields, sheetParam{"undo.type", s.Undo.Type}, sheetParam{"undo.summary", s.Undo.Summary},
			sheetParam{"undo.timeout", durationOr(s.Undo.Timeout, "none")}, sheetParam{"undo.retry", string(s.Undo.Retry)})
		fields = append(fields, flat(s.Undo.With, "undo.with")...)
	}
	return filled(fields)
}

// fields leave out the digest: as in [Diff], a text that means the same is no change.
func (n Nested) fields() []sheetParam {
	fields := []sheetParam{{"runbook", n.Runbook}, {"target", n.Target}}
	for _, g := range n.Inputs {
		fields = append(fields, sheetParam{"inputs." + g.Input.Name, shownValue(g.Value)})
	}
	return filled(fields)
}

func yes(b bool) string {
	if b {
		return "true"
	}
	return ""
}

func bound(n *float64) string {
	if n == nil {
		return ""
	}
	return textOf(*n)
}
