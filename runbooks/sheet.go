package runbooks

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/lifeboat-dr/lifeboat/internal/plan"
)

// Sheet says what is printed with a runbook besides the runbook.
type Sheet struct {
	// Digest is that of the runbook's text, so that paper and signature can be compared.
	Digest string
	// Holders are the people who hold a role, as they are to be printed; nil leaves blanks.
	Holders func(role string) []string
}

// sheet is a runbook as it is printed: everything is text already.
type sheet struct {
	Runbook           *Runbook
	Digest            string
	RPO, RTO, Longest string
	Roles             []sheetRole
	Steps             []sheetStep
	// Long says that the drawing does not fit on one page.
	Long bool
	// NoReturn are the first steps that cannot be taken back.
	NoReturn []string
}

type sheetRole struct {
	Name, Title, People string
}

type sheetStep struct {
	Number             int
	ID, Type, Title    string
	Summary, Doc       string
	After, When        string
	Timeout, Retry     string
	Effect, EffectFR   string
	OnFailure, Actions string
	Undo, UndoText     string
	ByHand             string
	Params, UndoParams []sheetParam
	Gate, NoReturn     bool
	Final, Person      bool
	// Lines are blanks, one for each decision.
	Lines []int
	Who   string
}

type sheetParam struct{ Name, Value string }

var effectsFR = map[Effect]string{EffectNone: "aucun", EffectReversible: "réversible", EffectIrreversible: "irréversible"}

var failureTexts = map[OnFailure]string{
	FailurePause:  "stop and decide / s'arrêter et décider",
	FailureUndo:   "undo everything / tout annuler",
	FailureIgnore: "go on, and note it / continuer et le noter",
}

func (r *Runbook) sheet(options Sheet) sheet {
	s := sheet{Runbook: r, Digest: options.Digest, RPO: durationOr(r.Objectives.RPO, "–"), RTO: durationOr(r.Objectives.RTO, "–"), Longest: durationOr(r.Duration, "–")}
	for _, role := range r.Roles {
		people := ""
		if options.Holders != nil {
			people = strings.Join(options.Holders(role.Name), ", ")
		}
		s.Roles = append(s.Roles, sheetRole{Name: role.Name, Title: strings.TrimSpace(role.Title + " " + role.Description), People: people})
	}
	final := r.PointOfNoReturn(plan.ModeLive)
	number := map[string]int{}
	for i := range r.Steps {
		number[r.Steps[i].ID] = i + 1
	}
	for _, id := range final {
		s.NoReturn = append(s.NoReturn, fmt.Sprintf("%d. %s", number[id], r.Step(id).Title))
	}
	for i := range r.Steps {
		step := r.sheetStep(&r.Steps[i], number)
		step.NoReturn = slices.Contains(final, step.ID)
		s.Steps = append(s.Steps, step)
	}
	return s
}

func (r *Runbook) sheetStep(step *Step, number map[string]int) sheetStep {
	s := sheetStep{
		Number: number[step.ID], ID: step.ID, Type: step.Type, Title: step.Title, Summary: step.Summary,
		When: step.When.words(), Timeout: durationOr(step.Timeout, "none / aucun"), Retry: string(step.Retry),
		Effect: string(step.Effect), EffectFR: effectsFR[step.Effect], OnFailure: failureTexts[step.OnFailure],
		Params: flat(step.With, ""), Gate: step.Type == "approval", Person: step.Type == "manual", Final: step.Effect == EffectIrreversible,
	}
	after := make([]string, len(step.Needs))
	for i, need := range step.Needs {
		after[i] = fmt.Sprint(number[need])
	}
	s.After = strings.Join(after, ", ")
	if t := TypeNamed(step.Type); t != nil {
		s.Type, s.Doc, s.ByHand = t.Title, t.Doc, t.ByHand
	}
	if s.Gate {
		g := GateOf(step)
		s.Who = fmt.Sprintf("%d × %s", g.Requires, strings.Join(g.Roles, ", "))
		if g.ExcludeRequester {
			s.Who += ", not who started it / sauf qui l'a démarré"
		}
		for i := range g.Requires {
			s.Lines = append(s.Lines, i+1)
		}
	} else if s.Person {
		s.Who, s.Lines = strings.Join(texts(step.With["roles"]), ", "), []int{1}
	}
	if step.Undo != nil {
		s.UndoText, s.UndoParams = step.Undo.Summary, flat(step.Undo.With, "")
		if t := TypeNamed(step.Undo.Type); t != nil {
			s.Undo = t.Title
		}
	}
	return s
}

// words is a condition for people.
func (w *When) words() string {
	if w == nil {
		return ""
	}
	var all []string
	if w.Never {
		all = append(all, "never / jamais")
	}
	if len(w.Modes) > 0 {
		names := make([]string, len(w.Modes))
		for i, m := range w.Modes {
			names[i] = string(m)
		}
		all = append(all, strings.Join(names, " / "))
	}
	if w.Approach != "" {
		all = append(all, string(w.Approach))
	}
	for _, e := range w.Equals {
		all = append(all, e.Ref+" = "+shownValue(e.Value))
	}
	return strings.Join(all, "; ")
}

// flat turns nested parameters into lines.
func flat(values map[string]any, prefix string) []sheetParam {
	var all []sheetParam
	for _, key := range sortedKeys(values) {
		name := join(prefix, key)
		if inner, ok := values[key].(map[string]any); ok && len(inner) > 0 {
			all = append(all, flat(inner, name)...)
			continue
		}
		all = append(all, sheetParam{name, shownValue(values[key])})
	}
	return all
}

// shownValue is any value in one text.
func shownValue(value any) string {
	switch v := value.(type) {
	case []any:
		items := make([]string, len(v))
		for i, item := range v {
			items[i] = shownValue(item)
		}
		return strings.Join(items, ", ")
	case map[string]any:
		items := make([]string, 0, len(v))
		for _, key := range sortedKeys(v) {
			items = append(items, key+": "+shownValue(v[key]))
		}
		return strings.Join(items, "; ")
	}
	text, _ := written(value)
	return text
}

func durationOr(d time.Duration, otherwise string) string {
	if d <= 0 {
		return otherwise
	}
	return plan.FormatDuration(d)
}
