// Package runbooks is the format of runbooks: reading and checking their text, the catalogue of step types,
// references between steps, and what people see of a runbook on paper and in an editor. It runs nothing
// and touches nothing. What workflows call (Resolve, Applies, Closure, …) is deterministic.
package runbooks

import (
	"time"

	"github.com/lifeboat-dr/lifeboat/internal/plan"
)

// APIVersion is the only version of the format.
const APIVersion = "lifeboat/v1"

// The bounds of a runbook's text.
const (
	// MaxText is in bytes.
	MaxText = 256 << 10
	// MaxSteps is how many steps a runbook has at most, those of the runbooks inside of it included.
	MaxSteps = 500
)

// Scenarios are what runbooks are for; maintenance is everything that is no disaster.
var Scenarios = []string{"database-corruption", "data-deletion", "server-failure", ScenarioRegionOutage, "ransomware", "application-error", "maintenance"}

// ScenarioRegionOutage is the scenario whose runbooks say which site is lost, by an input with lost: true.
const ScenarioRegionOutage = "region-outage"

// Runbook is a runbook as [Parse] returns it: complete, with every default filled in. All of it survives
// JSON unchanged, since the engine gets it that way: numbers in values are float64, texts are texts.
type Runbook struct {
	APIVersion  string     `json:"api_version"`
	Name        string     `json:"name"`
	Title       string     `json:"title"`
	Scenario    string     `json:"scenario"`
	Description string     `json:"description,omitempty"`
	Objectives  Objectives `json:"objectives"`
	// Target is what is acted upon: a name, or a reference to an input.
	Target string  `json:"target"`
	Inputs []Input `json:"inputs,omitempty"`
	Roles  []Role  `json:"roles,omitempty"`
	// Escalation is the name of a policy of the roster; empty for none.
	Escalation string `json:"escalation,omitempty"`
	// Duration is how long an execution may take in all, people's waiting included.
	Duration time.Duration `json:"duration"`
	Steps    []Step        `json:"steps"`
	// Nested are the runbooks whose steps [Expand] put in the place of steps; empty in what [Parse] returns.
	Nested []Nested `json:"nested,omitempty"`
}

// Objectives are what the runbook has to reach; zero where it sets none.
type Objectives struct {
	RPO time.Duration `json:"rpo,omitempty"`
	RTO time.Duration `json:"rto,omitempty"`
}

// Input is a value that whoever starts the runbook gives.
type Input struct {
	Name        string `json:"name"`
	Type        Kind   `json:"type"`
	Title       string `json:"title,omitempty"`
	Description string `json:"description,omitempty"`
	Required    bool   `json:"required,omitempty"`
	// Default is nil for none.
	Default any `json:"default,omitempty"`
	// Enum are the only values that are allowed; empty for all.
	Enum []any `json:"enum,omitempty"`
	// Pattern is a regular expression (RE2) that the whole text has to match.
	Pattern string `json:"pattern,omitempty"`
	// Min and Max bound numbers, and durations in seconds.
	Min *float64 `json:"min,omitempty"`
	Max *float64 `json:"max,omitempty"`
	// Lost marks the site that the runbook supposes to be gone.
	Lost bool `json:"lost,omitempty"`
}

// Role is what a person has to hold to decide at a gate; the roster says who holds it.
type Role struct {
	Name        string `json:"name"`
	Title       string `json:"title,omitempty"`
	Description string `json:"description,omitempty"`
}

// Effect says whether what a step does can be taken back.
type Effect string

// The effects, from least to most.
const (
	EffectNone         Effect = "none"
	EffectReversible   Effect = "reversible"
	EffectIrreversible Effect = "irreversible"
)

// Effects are all effects, from least to most.
var Effects = []Effect{EffectNone, EffectReversible, EffectIrreversible}

// rank orders effects.
func (e Effect) rank() int {
	switch e {
	case EffectReversible:
		return 1
	case EffectIrreversible:
		return 2
	}
	return 0
}

// Retry names how often a step is tried before it counts as failed.
type Retry string

// The retry profiles; the engine gives them their numbers.
const (
	// RetryNever is for what must not happen twice.
	RetryNever Retry = "never"
	// RetryQuick gives up within minutes: a person is waiting.
	RetryQuick Retry = "quick"
	// RetryPatient goes on for as long as the step's timeout, with growing pauses.
	RetryPatient Retry = "patient"
	// RetryStubborn is for what has to happen whatever it takes, such as undoing.
	RetryStubborn Retry = "stubborn"
)

// Retries are all retry profiles.
var Retries = []Retry{RetryNever, RetryQuick, RetryPatient, RetryStubborn}

// OnFailure says what happens when a step has failed for good.
type OnFailure string

// What happens after a failure.
const (
	// FailurePause waits for a person to retry, skip, undo or cancel.
	FailurePause OnFailure = "pause"
	// FailureUndo undoes what was done and ends the execution.
	FailureUndo OnFailure = "undo"
	// FailureIgnore goes on; the execution ends as completedWithExceptions.
	FailureIgnore OnFailure = "ignore"
)

// Failures are all that can happen after a failure.
var Failures = []OnFailure{FailurePause, FailureUndo, FailureIgnore}

// Step is one unit of a runbook.
type Step struct {
	ID      string `json:"id"`
	Type    string `json:"type"`
	Title   string `json:"title"`
	Summary string `json:"summary,omitempty"`
	// Needs are the steps that come before; always explicit here, whatever the text left out.
	Needs []string `json:"needs"`
	// When is nil for a step that always applies.
	When *When          `json:"when,omitempty"`
	With map[string]any `json:"with,omitempty"`
	// Timeout bounds all tries together; for a gate it is the deadline of its people, zero for none.
	Timeout time.Duration `json:"timeout"`
	Retry   Retry         `json:"retry"`
	Effect  Effect        `json:"effect"`
	// Undo is nil where nothing takes the step back.
	Undo      *Undo     `json:"undo,omitempty"`
	OnFailure OnFailure `json:"on_failure"`
}

// When is the condition of a step: every part that is set has to hold.
type When struct {
	// Modes are the modes that the step applies in; empty for all.
	Modes    []plan.Mode   `json:"modes,omitempty"`
	Approach plan.Approach `json:"approach,omitempty"`
	Equals   []Equal       `json:"equals,omitempty"`
	// Never says that the step does not apply at all: the condition of its runbook and that of the step which
	// runs the runbook cannot hold together.
	Never bool `json:"never,omitempty"`
}

// Equal compares what a reference stands for with a value.
type Equal struct {
	// Ref is the whole reference, for example "${inputs.promote}".
	Ref   string `json:"ref"`
	Value any    `json:"value"`
}

// Undo takes back what a step did. It may refer to the outputs of its own step, too.
type Undo struct {
	Type    string         `json:"type"`
	With    map[string]any `json:"with,omitempty"`
	Timeout time.Duration  `json:"timeout"`
	Retry   Retry          `json:"retry"`
	Summary string         `json:"summary,omitempty"`
}

// Step finds a step by its id, nil when there is none.
func (r *Runbook) Step(id string) *Step {
	for i := range r.Steps {
		if r.Steps[i].ID == id {
			return &r.Steps[i]
		}
	}
	return nil
}

// Input finds an input by its name, nil when there is none.
func (r *Runbook) Input(name string) *Input {
	for i := range r.Inputs {
		if r.Inputs[i].Name == name {
			return &r.Inputs[i]
		}
	}
	return nil
}
