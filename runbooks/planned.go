package runbooks

import (
	"fmt"
	"strings"

	"github.com/lifeboat-dr/lifeboat/internal/plan"
)

// Unforeseen says which references stand for what only a run itself can know: its id, mode, commander and
// beginning, and what a step gives that the plan only intended.
func Unforeseen(intended func(step string) bool) func(Reference) bool {
	return func(ref Reference) bool {
		switch ref.Root {
		case RootSteps:
			return intended(ref.Step)
		case RootExecution:
			return ref.Name != "target" && ref.Name != "approach"
		}
		return false
	}
}

// Deviation is what a step is about to do that a plan did not intend.
type Deviation struct {
	Step string
	// Unintended says that the plan intended nothing of this step.
	Unintended bool
	// Differences are the parameters that are not as they were planned.
	Differences []Difference
}

// Difference is one parameter with both its values, as people read them.
type Difference struct {
	Path, Planned, Now string
}

// The bounds of what a deviation says: it stands in the journal.
const (
	mostDifferences = 5
	longestValue    = 200
)

func (d *Deviation) Error() string {
	if d.Unintended {
		return "the plan did not intend step " + d.Step + ": it did not apply then, or did nothing"
	}
	all := make([]string, 0, len(d.Differences))
	for i, one := range d.Differences {
		if i == mostDifferences {
			all = append(all, fmt.Sprintf("and %d more", len(d.Differences)-i))
			break
		}
		all = append(all, fmt.Sprintf("%s: planned %s, now %s", one.Path, one.Planned, one.Now))
	}
	return "the plan intended something else of step " + d.Step + ": " + strings.Join(all, "; ")
}

// Deviates compares what a step is about to do with what a plan intended; nil when it is the same, and for
// steps that change nothing. What only the run itself can know is not compared. It is deterministic. An
// error that is no [Deviation] says that a reference stands for nothing.
func Deviates(step *Step, planned []plan.PlannedChange, scope Scope) error {
	if !step.changes() {
		return nil
	}
	intended := map[string]*plan.PlannedChange{}
	for i := range planned {
		intended[planned[i].Step] = &planned[i]
	}
	change := intended[step.ID]
	if change == nil || change.Type != step.Type {
		return &Deviation{Step: step.ID, Unintended: true}
	}
	now, err := Foresee(step.With, scope, Unforeseen(func(id string) bool { return intended[id] != nil }))
	if err != nil {
		return err
	}
	if found := differences(change.With, now, ""); len(found) > 0 {
		return &Deviation{Step: step.ID, Differences: found}
	}
	return nil
}

// changes says whether a step does anything to the world.
func (s *Step) changes() bool {
	t := TypeNamed(s.Type)
	if t == nil || len(t.Actions) == 0 {
		return false
	}
	return s.Type != "http" || s.With["method"] != "GET" && s.With["method"] != "HEAD"
}

// differences are the places at which two values are not the same.
func differences(planned, now any, path string) []Difference {
	if planned == nil && now == nil || same(planned, now) {
		return nil
	}
	var all []Difference
	switch p := planned.(type) {
	case map[string]any:
		n, same := now.(map[string]any)
		if !same {
			break
		}
		both := map[string]bool{}
		for _, key := range append(sortedKeys(p), sortedKeys(n)...) {
			if !both[key] {
				both[key] = true
				all = append(all, differences(p[key], n[key], join(path, key))...)
			}
		}
		return all
	case []any:
		n, same := now.([]any)
		if !same || len(n) != len(p) {
			break
		}
		for i := range p {
			all = append(all, differences(p[i], n[i], at(path, i))...)
		}
		return all
	}
	return []Difference{{Path: path, Planned: inWords(planned), Now: inWords(now)}}
}

// inWords is a value for people, cut off where it is long.
func inWords(value any) string {
	if value == nil {
		return "nothing"
	}
	return fmt.Sprintf("%q", short(shownValue(value), longestValue))
}
