package workflows

import (
	"slices"
	"strconv"
	"time"

	"go.temporal.io/sdk/workflow"

	"github.com/lifeboat-dr/lifeboat/activities"
	"github.com/lifeboat-dr/lifeboat/internal/plan"
	"github.com/lifeboat-dr/lifeboat/runbooks"
)

// escalate calls people to a gate by the runbook's escalation policy, level after level, until somebody decides or
// acknowledges. The policy is the one that the roster had when the execution started. The function that it returns ends
// the calling; fresh says that the gate has just been opened, and not in a run before this one.
func (e *engine) escalate(ctx workflow.Context, step *runbooks.Step, fresh bool) (stop func()) {
	policy, ok := e.admitted.Policies[e.runbook.Escalation]
	if !ok || step.Type != typeApproval || e.admitted.Brief.Mode == plan.ModePlan ||
		workflow.GetVersion(ctx, "2026-11-25-gates-escalate", workflow.DefaultVersion, 1) == workflow.DefaultVersion {
		return func() {}
	}
	opened := e.state.Step(step.ID).Gate.Opened
	if fresh {
		delete(e.acknowledged, step.ID)
	}
	ctx, stop = workflow.WithCancel(ctx)
	workflow.Go(ctx, func(ctx workflow.Context) {
		e.callLevels(ctx, step, policy, opened, fresh)
		if e.draining {
			return // the next run goes on
		}
		// Nobody is needed any more, or somebody has it in hand until the gate is decided.
		if taken := e.acknowledged[step.ID]; taken.ID != "" && ctx.Err() == nil {
			e.takenBy(ctx, step, taken)
			_ = workflow.Await(ctx, func() bool { return e.state.Step(step.ID).State != plan.StepAwaitingApproval || e.draining })
		}
		if !e.draining {
			e.callsEnd(ctx, step)
		}
	})
	return stop
}

// callLevels goes through the levels. When each is due follows from when the gate was opened, so that a run that goes on
// with it does not call anybody again.
func (e *engine) callLevels(ctx workflow.Context, step *runbooks.Step, policy plan.Policy, due time.Time, fresh bool) {
	began := workflow.Now(ctx)
	over := func() bool { return e.acknowledged[step.ID].ID != "" || e.draining }
	for round := 0; round <= policy.Repeat; round++ {
		for i, level := range policy.Levels {
			delay := time.Duration(level.Delay)
			if round > 0 && i == 0 {
				delay = max(delay, lastCall) // those who were called last need time to answer
			}
			due = due.Add(delay)
			if len(level.Targets) == 0 || !fresh && due.Before(began) {
				continue
			}
			if inTime, err := workflow.AwaitWithTimeout(ctx, max(due.Sub(workflow.Now(ctx)), 0), over); err != nil || inTime || over() {
				return
			}
			gate := e.state.Step(step.ID).Gate
			e.callLevel(ctx, step, level, i, round, message{
				kind: "gate.escalated", severity: "critical", title: "Waiting for people: " + step.Title,
				text:   "decide: lifeboat approve " + e.id + " " + step.ID + ", or take the call: lifeboat acknowledge " + e.id + " " + step.ID,
				fields: map[string]string{"required": strconv.Itoa(gate.Requires), "approvals": strconv.Itoa(len(gate.Decisions))},
			})
		}
	}
	_ = workflow.Await(ctx, over) // everybody was called: it stays open until somebody decides
}

// callLevel calls one level of a policy.
func (e *engine) callLevel(ctx workflow.Context, step *runbooks.Step, level plan.Level, i, round int, m message) {
	nth := map[string]string{"level": strconv.Itoa(i + 1), "round": strconv.Itoa(round + 1)}
	m.step, m.again, m.fields = step.ID, nth["round"]+"."+nth["level"], merge(m.fields, nth)
	m.text += "\nCalled now:"
	for _, t := range level.Targets {
		m.text += " " + string(t)
		if !slices.Contains(e.called[step.ID], t) {
			e.called[step.ID] = append(e.called[step.ID], t)
		}
	}
	m.call = e.callOf(step, activities.CallTrigger, level.Targets)
	m.call.Notify = level.Notify
	e.tell(ctx, m)
}

func (e *engine) callOf(step *runbooks.Step, action string, targets []plan.Contact) *activities.Call {
	b := e.admitted.Brief
	return &activities.Call{Action: action, Targets: targets, Step: step.ID, Brief: e.admitted.BriefDigest, Mode: b.Mode, Target: b.Target}
}

// takenBy tells that somebody has taken a call.
func (e *engine) takenBy(ctx workflow.Context, step *runbooks.Step, c plan.Command) {
	e.tell(ctx, message{
		step: step.ID, kind: "call.taken", severity: "info", title: "Taken by " + c.Person + ": " + step.Title, text: "lifeboat show " + e.id,
		fields: map[string]string{"step": step.ID}, call: e.callOf(step, activities.CallAcknowledge, e.called[step.ID]),
	})
}

// callsEnd says to pagers that nobody is needed any more.
func (e *engine) callsEnd(ctx workflow.Context, step *runbooks.Step) {
	targets := e.called[step.ID]
	if len(targets) == 0 {
		return
	}
	delete(e.called, step.ID)
	// A pager that is away now must not be called when it is back: what is under way is stopped first.
	for _, hangUp := range e.ringing[step.ID] {
		hangUp()
	}
	ctx, done := workflow.NewDisconnectedContext(ctx)
	defer done()
	_ = workflow.Await(ctx, func() bool { return e.rung[step.ID] == len(e.ringing[step.ID]) })
	e.tell(ctx, message{
		step: step.ID, kind: "call.over", severity: "info", title: "Nobody is needed any more: " + step.Title, text: "lifeboat show " + e.id,
		fields: map[string]string{"step": step.ID}, call: e.callOf(step, activities.CallResolve, targets),
	})
}
