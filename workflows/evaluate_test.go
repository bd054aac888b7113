package workflows_test

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/mock"

	"github.com/lifeboat-dr/lifeboat/activities"
	"github.com/lifeboat-dr/lifeboat/workflows"
)

// evaluate runs one evaluation after another one, with a component in a state.
func evaluate(t *testing.T, last *workflows.EvaluateResult, state string, at time.Time, sendFails bool) (workflows.EvaluateResult, *world, int) {
	t.Helper()
	w := newWorld(t)
	if sendFails {
		w.fails["SendAlert"] = final("Unavailable")
	}
	pings := 0
	var alerts *activities.Alerts
	w.env.OnActivity(alerts.EvaluateProtection, mock.Anything).Return(activities.Protection{
		At: at, Components: []activities.ComponentProtection{{Component: "database", State: state, RPO: 4 * time.Hour, Detail: "detail"}},
	}, nil)
	w.env.OnActivity(alerts.PingDeadman, mock.Anything).Return(func(context.Context) error { pings++; return nil }).Maybe()
	if last != nil {
		w.env.SetLastCompletionResult(*last)
	}
	w.env.ExecuteWorkflow(workflows.Evaluate)
	if err := w.env.GetWorkflowError(); err != nil {
		t.Fatal(err)
	}
	var result workflows.EvaluateResult
	if err := w.env.GetWorkflowResult(&result); err != nil {
		t.Fatal(err)
	}
	return result, w, pings
}

func TestPeopleHearOfChangesAndAreReminded(t *testing.T) {
	at := time.Date(2026, 11, 25, 3, 0, 0, 0, time.UTC)
	var last *workflows.EvaluateResult
	for _, step := range []struct {
		after time.Duration
		state string
		kind  string // of the message, empty for none
	}{
		{0, "ok", ""},
		{time.Minute, "late", "backup.late"},
		{2 * time.Minute, "late", ""},
		{time.Hour, "unverified", "backup.unverified"},
		{2 * time.Hour, "unverified", ""},
		{5*time.Hour + time.Minute, "unverified", "backup.unverified"}, // a reminder
		{6 * time.Hour, "unknown", "backup.unknown"},
		{7 * time.Hour, "ok", "backup.recovered"},
		{8 * time.Hour, "ok", ""},
		{9 * time.Hour, "none", "backup.late"},
		{10 * time.Hour, "unreplicated", "replica.late"},
	} {
		result, w, pings := evaluate(t, last, step.state, at.Add(step.after), false)
		kind := ""
		if len(w.alerts) > 0 {
			kind = w.alerts[0].Kind
		}
		if kind != step.kind || len(w.alerts) > 1 || pings != 1 {
			t.Errorf("after %s, %s: told %+v, %d pings; want %q", step.after, step.state, w.alerts, pings, step.kind)
		}
		last = &result
	}
}

// TestUndeliveredMessagesSilenceTheSwitch: when the webhook is gone the outside watcher has to raise the
// alarm, and the message is tried again by the next evaluation.
func TestUndeliveredMessagesSilenceTheSwitch(t *testing.T) {
	at := time.Date(2026, 11, 25, 3, 0, 0, 0, time.UTC)
	failed, _, pings := evaluate(t, nil, "late", at, true)
	if pings != 0 {
		t.Error("the switch was pinged although a message was not delivered")
	}
	_, w, pings := evaluate(t, &failed, "late", at.Add(time.Minute), false)
	if len(w.alerts) != 1 || pings != 1 {
		t.Errorf("the next evaluation told %+v, %d pings", w.alerts, pings)
	}
}
