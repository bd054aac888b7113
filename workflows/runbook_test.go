package workflows_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/log"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/testsuite"

	"github.com/lifeboat-dr/lifeboat/activities"
	"github.com/lifeboat-dr/lifeboat/internal/execution"
	"github.com/lifeboat-dr/lifeboat/internal/plan"
	"github.com/lifeboat-dr/lifeboat/runbooks"
	"github.com/lifeboat-dr/lifeboat/workflows"
)

const testExecution = "rehearsal/database/20261125T030000Z"

// stage is a world for the engine: its activities, with what they did written down.
type stage struct {
	t       *testing.T
	env     *testsuite.TestWorkflowEnvironment
	runbook *runbooks.Runbook
	mode    plan.Mode

	mu      sync.Mutex
	did     []string // steps that acted, and "undo x"
	journal []execution.Event
	// fail makes a step's activity fail so many times, for good.
	fail   map[string]int
	refuse bool // no vault takes the journal
	// missed are the vaults that never take it, and healed how often they were given what they lack.
	missed []string
	healed int
	alerts []string
	// pagerBack is until when nobody can be called.
	pagerBack time.Time
	seen      int
	admit     error
	events    []execution.Event // what the journal held when the execution goes on
	// outputs are what steps give that only ask, also in a plan.
	outputs map[string]map[string]any
	// planned is what the execution is bound to; nil for nothing.
	planned []plan.PlannedChange
}

// newStage is a stage for a runbook; inner are the texts of those that it runs, by name.
func newStage(t *testing.T, text string, inner ...map[string]string) *stage {
	t.Helper()
	r, err := runbooks.Parse([]byte(text))
	if err != nil {
		t.Fatalf("the test's runbook: %v", err)
	}
	r, err = runbooks.Expand(r, func(name string) (*runbooks.Runbook, string) {
		found, err := runbooks.Parse([]byte(inner[0][name]))
		if err != nil {
			t.Fatalf("the test's runbook %s: %v", name, err)
		}
		return found, name
	})
	if err != nil {
		t.Fatal(err)
	}
	var suite testsuite.WorkflowTestSuite
	suite.SetLogger(log.NewStructuredLogger(slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelError}))))
	s := &stage{t: t, env: suite.NewTestWorkflowEnvironment(), runbook: r, mode: plan.ModeDrill, fail: map[string]int{}}
	s.env.SetTestTimeout(time.Minute)
	s.env.RegisterWorkflowWithOptions(workflows.HoldTarget, workflowName(workflows.HoldName))
	register := func(name string, fn any) { s.env.RegisterActivityWithOptions(fn, activity.RegisterOptions{Name: name}) }
	register("AdmitExecution", s.admission)
	register("AppendJournal", s.appendJournal)
	register("HealJournal", func(context.Context, activities.HealInput) (activities.Healed, error) {
		s.healed++
		return activities.Healed{Left: s.missed}, nil
	})
	register("PrepareGate", s.prepareGate)
	register("JudgeCommand", s.judge)
	register("DigestPlan", func(context.Context, []plan.PlannedChange) (string, error) { return "digest", nil })
	register("SendAlert", func(_ context.Context, a activities.Alert) error {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.alerts = append(s.alerts, a.Kind)
		return nil
	})
	register("VouchWorkflow", func(_ context.Context, in activities.VouchInput) (activities.StepDone, error) {
		return s.act(context.Background(), activities.StepInput{Guard: in.Guard, With: in.With})
	})
	for _, kind := range runbooks.Types() {
		if kind.Activity != "" {
			register(kind.Activity, s.act)
		}
	}
	return s
}

func (s *stage) admission(context.Context, activities.AdmitInput) (activities.Admitted, error) {
	if s.admit != nil {
		return activities.Admitted{}, s.admit
	}
	var bound string
	if s.planned != nil {
		bound = "digest"
	}
	return activities.Admitted{
		Planned: s.planned,
		Policies: map[string]plan.Policy{"urgent": {Name: "urgent", Repeat: 1, Levels: []plan.Level{
			{Targets: []plan.Contact{"role:commander"}, Notify: plan.NotifyAll},
			{Delay: plan.Delay(5 * time.Minute), Targets: []plan.Contact{"role:owner"}, Notify: plan.NotifyAll},
		}}},
		Runbook: *s.runbook, Events: s.events, RunbookDigest: "r", BriefDigest: "b", Commander: "carol", Command: "start", Site: "us-west-2",
		Brief: plan.Brief{Format: 1, Runbook: s.runbook.Name, Mode: s.mode, Target: "database", Approach: plan.Graceful, Inputs: map[string]any{}, Plan: bound, Until: s.env.Now().Add(48 * time.Hour)},
	}, nil
}

func (s *stage) appendJournal(_ context.Context, in activities.JournalInput) (activities.Journaled, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.refuse {
		return activities.Journaled{}, errors.New("no vault")
	}
	if in.Head.Seq != int64(len(s.journal)) {
		return activities.Journaled{}, activities.Forked(fmt.Errorf("head %d, journal %d", in.Head.Seq, len(s.journal)))
	}
	s.journal = append(s.journal, in.Events...)
	return activities.Journaled{Head: activities.JournalHead{Seq: int64(len(s.journal)), Hash: "h"}, Vaults: []string{"v"}, Missed: s.missed}, nil
}

func (s *stage) prepareGate(_ context.Context, in activities.GateInput) (activities.GatePrepared, error) {
	text, err := json.Marshal(in.Facts)
	sum := sha256.Sum256(text)
	return activities.GatePrepared{Facts: string(text), Digest: hex.EncodeToString(sum[:])}, err
}

// judge believes everything that is well-formed, unused and about an open gate.
func (s *stage) judge(_ context.Context, in activities.JudgeInput) (activities.Judged, error) {
	var c plan.Command
	if err := json.Unmarshal([]byte(in.Signed.Signed), &c); err != nil {
		return activities.Judged{Cause: "malformed", Message: err.Error()}, nil
	}
	for _, used := range in.Used {
		if used == c.ID {
			return activities.Judged{Cause: "replayed", Command: c}, nil
		}
	}
	return activities.Judged{Accepted: true, Command: c}, nil
}

// act is the activity of every step.
func (s *stage) act(_ context.Context, in activities.StepInput) (activities.StepDone, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	name := in.Guard.Step
	if in.Guard.Work != nil && in.Guard.Work.Undo {
		name = "undo " + name
	}
	if outputs := s.outputs[name]; outputs != nil {
		s.did = append(s.did, name)
		return activities.StepDone{Outputs: outputs}, nil
	}
	if in.Guard.Mode == plan.ModePlan {
		return activities.StepDone{Intended: in.With, Outputs: map[string]any{"exit": 0.0}}, nil
	}
	if s.fail[name] > 0 {
		s.fail[name]--
		return activities.StepDone{}, temporal.NewNonRetryableApplicationError("no", "Nope", nil)
	}
	s.did = append(s.did, name)
	return activities.StepDone{Outputs: map[string]any{"exit": 0.0, "delivered": 1.0}, Receipt: &plan.Receipt{Execution: in.Guard.Execution, Step: in.Guard.Step, Outputs: json.RawMessage(`{}`), MAC: "m"}}, nil
}

// send gives a command to the execution after a delay; the outcome is checked against cause.
func (s *stage) send(after time.Duration, c plan.Command, cause string) {
	s.say(after, c, func(outcome workflows.CommandOutcome) {
		if outcome.Cause != cause {
			s.t.Errorf("%s %s ended with %+v; want cause %q", c.Kind, c.Step, outcome, cause)
		}
	})
}

// say gives a command to the execution after a delay, and passes on what the person heard.
func (s *stage) say(after time.Duration, c plan.Command, heard func(workflows.CommandOutcome)) {
	s.env.RegisterDelayedCallback(func() {
		s.mu.Lock()
		s.seen++
		c.ID = fmt.Sprintf("c%d", s.seen)
		s.mu.Unlock()
		text, err := json.Marshal(c)
		if err != nil {
			s.t.Error(err)
		}
		s.env.UpdateWorkflow(workflows.CommandUpdate, c.ID, &testsuite.TestUpdateCallback{
			OnReject: func(err error) { s.t.Errorf("%s was rejected: %v", c.Kind, err) },
			OnAccept: func() {},
			OnComplete: func(result any, err error) {
				outcome, _ := result.(workflows.CommandOutcome)
				if err != nil {
					s.t.Errorf("%s %s ended with %v", c.Kind, c.Step, err)
				}
				heard(outcome)
			},
		}, plan.SignedCommand{Signed: string(text), Signature: "s"})
	}, after)
}

func by(kind plan.CommandKind, step, person string) plan.Command {
	return plan.Command{Kind: kind, Step: step, Person: person, Reason: "because"}
}

// run runs the execution to its end. The journal has to give the same state as the execution ended with.
func (s *stage) run() (state plan.ExecutionState, steps map[string]plan.StepState) {
	s.t.Helper()
	return s.runWith(workflows.RunbookInput{Docket: "docket"})
}

func (s *stage) runWith(in workflows.RunbookInput) (state plan.ExecutionState, steps map[string]plan.StepState) {
	s.t.Helper()
	s.env.SetStartWorkflowOptions(startOptions(testExecution))
	s.env.ExecuteWorkflow(workflows.Runbook, in)
	if !s.env.IsWorkflowCompleted() {
		s.t.Fatal("the execution did not end")
	}
	var result workflows.RunbookResult
	if err := s.env.GetWorkflowError(); err != nil {
		var failed *temporal.ApplicationError
		if !errors.As(err, &failed) || failed.Details(&result) != nil {
			s.t.Fatalf("the execution ended with %v", err)
		}
	} else if err := s.env.GetWorkflowResult(&result); err != nil {
		s.t.Fatal(err)
	}
	replayed := execution.New()
	for i, event := range s.journal {
		if err := replayed.Apply(s.runbook, event); err != nil {
			s.t.Fatalf("entry %d of the journal cannot be followed: %v", i+1, err)
		}
	}
	if replayed.Final != result.State {
		s.t.Errorf("the journal ends as %q, the execution as %q", replayed.Final, result.State)
	}
	for id, state := range result.Steps {
		if at := replayed.Step(id).State; at != state {
			s.t.Errorf("step %s is %s by the journal, %s by the result", id, at, state)
		}
	}
	return result.State, result.Steps
}

func (s *stage) acted() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return strings.Join(s.did, ", ")
}
