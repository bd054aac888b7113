package workflows_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/mock"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/workflow"

	"github.com/lifeboat-dr/lifeboat/activities"
	"github.com/lifeboat-dr/lifeboat/internal/plan"
	"github.com/lifeboat-dr/lifeboat/workflows"
)

// calls notes whom the execution calls, and what becomes of it.
func (s *stage) calls() *[]string {
	var all []string
	s.env.RegisterActivityWithOptions(func(_ context.Context, a activities.Alert) error {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.alerts = append(s.alerts, a.Kind)
		if c := a.Call; c != nil {
			if s.env.Now().Before(s.pagerBack) {
				return errors.New("the pager is away")
			}
			var to []string
			for _, t := range c.Targets {
				to = append(to, string(t))
			}
			all = append(all, c.Action+" "+strings.Join(to, "+"))
			if c.Brief != "b" || c.Target != "database" || c.Step == "" {
				s.t.Errorf("%+v", c)
			}
		}
		return nil
	}, activity.RegisterOptions{Name: "SendAlert", DisableAlreadyRegisteredCheck: true})
	return &all
}

// TestAnOpenGateEscalates until somebody decides or takes it, whatever becomes of the gate; then pagers hear that it is over.
func TestAnOpenGateEscalates(t *testing.T) {
	const commander, owner, both = "trigger role:commander", "trigger role:owner", "role:commander+role:owner"
	text := strings.Replace(head, "target: database", "target: database\nescalation: urgent", 1) + strings.Replace(gate, "requires: 2", "requires: 1", 1) + step("one", "")
	for name, tc := range map[string]struct {
		taken, decided, canceled time.Duration
		calls                    []string
	}{
		"decided at once":       {0, time.Minute, 0, []string{commander, "resolve role:commander"}},
		"decided late":          {0, time.Hour, 0, []string{commander, owner, commander, owner, "resolve " + both}},
		"taken, then decided":   {time.Minute, time.Hour, 0, []string{commander, "acknowledge role:commander", "resolve role:commander"}},
		"taken in the middle":   {7 * time.Minute, time.Hour, 0, []string{commander, owner, "acknowledge " + both, "resolve " + both}},
		"the execution goes":    {0, 0, time.Minute, []string{commander, "resolve role:commander"}},
		"taken, and it goes":    {time.Minute, 0, 2 * time.Minute, []string{commander, "acknowledge role:commander", "resolve role:commander"}},
		"decided between calls": {0, 12 * time.Minute, 0, []string{commander, owner, "resolve " + both}},
	} {
		t.Run(name, func(t *testing.T) {
			s := newStage(t, text)
			calls := s.calls()
			if tc.taken > 0 {
				s.send(tc.taken, by(plan.CommandAcknowledge, "gate", "bob"), "")
			}
			if tc.decided > 0 {
				s.send(tc.decided, by(plan.CommandApprove, "gate", "bob"), "")
			}
			if tc.canceled > 0 {
				s.send(tc.canceled, by(plan.CommandCancel, "", "carol"), "")
			}
			s.run()
			if !slices.Equal(*calls, tc.calls) {
				t.Errorf("called %v, want %v", *calls, tc.calls)
			}
		})
	}
}

// TestNobodyIsCalledTooLate: a pager that was away while people decided does not call anybody when it is back.
func TestNobodyIsCalledTooLate(t *testing.T) {
	text := strings.Replace(head, "target: database", "target: database\nescalation: urgent", 1) + strings.Replace(gate, "requires: 2", "requires: 1", 1) + step("one", "")
	s := newStage(t, text)
	calls := s.calls()
	s.pagerBack = s.env.Now().Add(150 * time.Second)
	s.send(2*time.Minute, by(plan.CommandApprove, "gate", "bob"), "")
	s.run()
	if slices.ContainsFunc(*calls, func(c string) bool { return strings.HasPrefix(c, "trigger") }) {
		t.Errorf("called %v", *calls)
	}
}

// TestAPageIsTakenAndOver: pagers hear of both.
func TestAPageIsTakenAndOver(t *testing.T) {
	s := newStage(t, head+"  - {id: call, type: page, title: Call, with: {policy: urgent, message: come}}\n"+step("one", ""))
	calls := s.calls()
	s.send(time.Minute, by(plan.CommandAcknowledge, "call", "bob"), "")
	s.run()
	if want := []string{"trigger role:commander", "acknowledge role:commander", "resolve role:commander"}; !slices.Equal(*calls, want) {
		t.Errorf("called %v", *calls)
	}
}

// slack is where cards are shown; away makes it fail.
type slackStage struct {
	*stage
	away  bool
	shown []activities.KeepCardInput
}

func withSlack(t *testing.T, text string) *slackStage {
	s := &slackStage{stage: newStage(t, text)}
	s.env.RegisterActivityWithOptions(func(ctx context.Context, in activities.AdmitInput) (activities.Admitted, error) {
		a, err := s.admission(ctx, in)
		a.Slack = true
		return a, err
	}, activity.RegisterOptions{Name: "AdmitExecution", DisableAlreadyRegisteredCheck: true})
	s.env.RegisterActivityWithOptions(func(_ context.Context, in activities.KeepCardInput) (activities.CardKept, error) {
		s.mu.Lock()
		defer s.mu.Unlock()
		if s.away {
			return activities.CardKept{}, errors.New("slack is away")
		}
		s.shown = append(s.shown, in)
		return activities.CardKept{At: activities.CardPlace{Channel: "C", TS: in.Guard.Step}}, nil
	}, activity.RegisterOptions{Name: "KeepCard"})
	s.env.RegisterWorkflowWithOptions(workflows.CloseCards, workflowName(workflows.CloseCardsName))
	return s
}

// states are how a step's card was shown, in order.
func (s *slackStage) states(step string) (states []string) {
	for _, in := range s.shown {
		if in.Guard.Step == step {
			states = append(states, in.State)
		}
	}
	return states
}

// TestCardsFollowTheirGates: posted once, brought up to date, closed when the gate is; a second round is another card.
func TestCardsFollowTheirGates(t *testing.T) {
	text := head + strings.Replace(gate, "requires: 2", "requires: 1", 1) + step("one", "")
	s := withSlack(t, text)
	s.send(time.Minute, by(plan.CommandReject, "gate", "ann"), "")
	s.send(2*time.Minute, by(plan.CommandRetry, "gate", "carol"), "")
	s.send(3*time.Minute, by(plan.CommandApprove, "gate", "bob"), "")
	state, _ := s.run()
	expectState(t, state, plan.ExecutionCompleted)
	if got := slices.Compact(s.states("gate")); !slices.Equal(got, []string{"open", "rejected", "open", "approved"}) {
		t.Errorf("%v", got)
	}
	first, last := s.shown[0], s.shown[len(s.shown)-1]
	if first.At.TS != "" || first.Look || last.At.TS == "" || len(last.Decisions) != 1 || last.Decisions[0].Person != "bob" || first.Facts == last.Facts {
		t.Errorf("%+v\n%+v", first, last)
	}
	var told []string
	for _, in := range s.shown {
		for _, l := range in.Lines {
			told = append(told, string(l.Kind)+" "+l.Step)
		}
	}
	if text := strings.Join(told, ", "); !strings.Contains(text, "stepCompleted one") || !strings.HasSuffix(text, "ended ") {
		t.Errorf("%s", text)
	}
}

// TestNothingWaitsForSlack: an execution ends without it, and its cards are closed when it is back.
func TestNothingWaitsForSlack(t *testing.T) {
	s := withSlack(t, head+strings.Replace(gate, "requires: 2", "requires: 1", 1)+step("one", ""))
	s.send(time.Minute, by(plan.CommandApprove, "gate", "bob"), "")
	s.env.RegisterDelayedCallback(func() { s.away = true }, 30*time.Second)
	var handed workflows.CloseCardsInput
	s.env.OnWorkflow(workflows.CloseCardsName, mock.Anything, mock.Anything).Return(func(ctx workflow.Context, in workflows.CloseCardsInput) error {
		handed = in
		s.away = false
		return workflows.CloseCards(ctx, in)
	})
	began := s.env.Now()
	state, _ := s.run()
	expectState(t, state, plan.ExecutionCompleted)
	if took := s.env.Now().Sub(began); took > 10*time.Minute {
		t.Errorf("it waited for Slack until %s", took)
	}
	if len(handed.Cards.All) != 1 || !handed.Cards.All[0].Stale || handed.Cards.All[0].State != "approved" || len(handed.Cards.Lines) == 0 {
		t.Errorf("%+v", handed.Cards)
	}
}

// TestNoSlackNoCards: without it nothing of it runs.
func TestNoSlackNoCards(t *testing.T) {
	for name, s := range map[string]*slackStage{"no Slack": {stage: newStage(t, head+step("one", ""))}, "a plan": withSlack(t, head+strings.Replace(gate, "requires: 2", "requires: 1", 1)+step("one", ""))} {
		if name == "a plan" {
			s.mode = plan.ModePlan
		}
		if s.run(); len(s.shown) > 0 {
			t.Errorf("%s: %v", name, s.shown)
		}
	}
}
