package e2e

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/temporal"

	"github.com/lifeboat-dr/lifeboat/internal/neon"
	"github.com/lifeboat-dr/lifeboat/internal/plan"
	"github.com/lifeboat-dr/lifeboat/internal/roster"
	"github.com/lifeboat-dr/lifeboat/workflows"
)

// crowd is what the people of one execution have said already. What was signed is sent again, with the same id,
// until it is answered: that is what a person's program does when the line breaks.
type crowd struct {
	*stage
	t    *testing.T
	c    *stageCell
	said map[string]plan.SignedCommand
	done map[string]bool
}

// attend plays the people of an execution until it has ended.
func (s *stage) attend(t *testing.T, c *stageCell) {
	defer close(c.ended)
	began := time.Now()
	defer func() { c.took = time.Since(began) }()
	p := &crowd{stage: s, t: t, c: c, said: map[string]plan.SignedCommand{}, done: map[string]bool{}}
	over := make(chan struct{})
	go func() {
		defer close(over)
		p.wait()
	}()
	for {
		select {
		case <-over:
			return
		case <-t.Context().Done():
			return
		case <-c.wake:
		case <-time.After(3 * time.Second):
		}
		p.act()
	}
}

// wait waits for the end, however often Temporal goes away meanwhile.
func (p *crowd) wait() {
	for {
		ctx, cancel := context.WithTimeout(p.t.Context(), stagePatience)
		err := p.c.run.Get(ctx, &p.c.result)
		cancel()
		var gone *serviceerror.Unavailable
		var late *serviceerror.DeadlineExceeded
		if (errors.As(err, &gone) || errors.As(err, &late)) && p.t.Context().Err() == nil {
			time.Sleep(100 * time.Millisecond)
			continue
		}
		var ended *temporal.ApplicationError
		if errors.As(err, &ended) && ended.HasDetails() {
			_ = ended.Details(&p.c.result)
		}
		p.c.err = err
		return
	}
}

// act looks at the execution and does what it waits for.
func (p *crowd) act() {
	c := p.c
	if c.disturbance == canceled && c.isArrived() && !p.done["cancel"] {
		// What is held may be what the answer waits for.
		held := time.AfterFunc(2*time.Second, c.release)
		defer held.Stop()
		outcome, ok := p.say("alice", plan.CommandCancel, "", c.brief)
		if ok {
			c.mu.Lock()
			c.refused = outcome.Cause
			c.mu.Unlock()
			p.done["cancel"] = true
			c.release()
		}
		return
	}
	if c.isArrived() && !c.isReleased() {
		return // nothing else is to be under way when it is disturbed
	}
	ctx, cancel := context.WithTimeout(p.t.Context(), 4*time.Second)
	defer cancel()
	var v workflows.View
	value, err := p.client.QueryWorkflow(ctx, c.id, "", workflows.ViewQuery)
	if err != nil || value.Get(&v) != nil {
		return
	}
	for _, step := range v.Steps {
		p.attendStep(v, step)
	}
}

func (p *crowd) attendStep(v workflows.View, step workflows.ViewStep) {
	c := p.c
	if step.ID == c.row.step && c.row.quiet && c.disturbance != undisturbed && !c.isReleased() {
		return
	}
	switch {
	case step.State == plan.StepAwaitingApproval && step.Type == "approval":
		p.once("bob", plan.CommandApprove, step.ID, step.Gate.Digest)
	case step.State == plan.StepAwaitingApproval && c.row.undo:
		// Here the runbook ends, and what it did is taken back.
		p.once("alice", plan.CommandCancel, "", c.brief)
	case step.State == plan.StepAwaitingApproval:
		p.once("dan", plan.CommandConfirm, step.ID, step.Gate.Digest)
	case step.State == plan.StepRunning && step.Type == "page":
		if paged(p.notices(c.id)) {
			p.once("dan", plan.CommandAcknowledge, step.ID, c.brief)
		}
	case step.State == plan.StepUndoing && step.ID == "bring":
		if p.removeBranches() {
			p.once("dan", plan.CommandConfirm, step.ID, c.brief)
		}
	case step.State == plan.StepFailed && v.Verdict == "" && step.ID == "once" && step.Attempt == 1:
		// It is not known whether it was done, and it is never done twice without a person.
		p.once("alice", plan.CommandRetry, step.ID, c.brief)
	case step.State == plan.StepFailed && v.Verdict == "":
		c.problem("step %s failed: %s", step.ID, step.Error)
		p.once("alice", plan.CommandCancel, "", c.brief)
	}
}

// once says something, until it was heard.
func (p *crowd) once(who string, kind plan.CommandKind, step, digest string) {
	name := string(kind) + " " + step
	if p.done[name] {
		return
	}
	outcome, ok := p.say(who, kind, step, digest)
	if !ok {
		return
	}
	p.done[name] = true
	if !outcome.Accepted {
		p.c.problem("%s of %s by %s was refused: %s: %s", kind, step, who, outcome.Cause, outcome.Message)
	}
}

// say sends a command; ok says that there was an answer.
func (p *crowd) say(who string, kind plan.CommandKind, step, digest string) (outcome workflows.CommandOutcome, ok bool) {
	name := string(kind) + " " + step
	signed, sent := p.said[name]
	if !sent {
		now := time.Now().UTC().Truncate(time.Second)
		var err error
		signed, err = roster.SignCommand(plan.Command{
			Format: 1, Kind: kind, ID: roster.NewCommandID(), Execution: p.c.id, Step: step, Digest: digest, Person: who, Reason: "rehearsal",
			Issued: now, Expires: now.Add(time.Hour),
		}, p.people[who])
		if err != nil {
			p.c.problem("sign %s: %v", kind, err)
			return outcome, false
		}
		p.said[name] = signed
	}
	ctx, cancel := context.WithTimeout(p.t.Context(), 20*time.Second)
	defer cancel()
	handle, err := p.client.UpdateWorkflow(ctx, client.UpdateWorkflowOptions{
		WorkflowID: p.c.id, UpdateName: workflows.CommandUpdate, UpdateID: name, Args: []any{signed}, WaitForStage: client.WorkflowUpdateStageCompleted,
	})
	if err == nil {
		err = handle.Get(ctx, &outcome)
	}
	var ended *serviceerror.NotFound
	if errors.As(err, &ended) {
		return workflows.CommandOutcome{Cause: "ended"}, true
	}
	if err != nil {
		p.t.Logf("%s: %s: %v", p.c.id, name, err)
	}
	return outcome, err == nil
}

// paged says that somebody was called: only then can they answer.
func paged(messages map[string]int) bool {
	for id := range messages {
		if strings.HasPrefix(id, "page/") {
			return true
		}
	}
	return false
}

// removeBranches is what the undo of a restore asks a person to do.
func (p *crowd) removeBranches() bool {
	api, err := p.standby().Neon()
	if err != nil {
		return false
	}
	p.c.mu.Lock()
	defer p.c.mu.Unlock()
	for name := range p.c.branches {
		if err := api.DeleteBranchByName(p.t.Context(), p.standby().Project, name); err != nil && !errors.Is(err, neon.ErrNotFound) {
			return false
		}
	}
	return true
}
