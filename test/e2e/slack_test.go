package e2e

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"go.temporal.io/sdk/client"

	"github.com/lifeboat-dr/lifeboat/internal/devstack/slack"
	"github.com/lifeboat-dr/lifeboat/internal/devstack/stack"
	"github.com/lifeboat-dr/lifeboat/internal/execution"
	"github.com/lifeboat-dr/lifeboat/internal/plan"
	"github.com/lifeboat-dr/lifeboat/runbooks"
	"github.com/lifeboat-dr/lifeboat/workflows"
)

const gatesRunbook = `apiVersion: lifeboat/v1
name: gates
title: Three questions
scenario: maintenance
description: For tests.
target: database
roles:
  incident-commander: {title: decides}
limits: {duration: 2h}
steps:
  - {id: one, type: approval, title: The first question, with: {roles: [incident-commander], message: "Shall ${execution.target} be first?"}}
  - {id: two, type: approval, title: The second question, with: {roles: [incident-commander], message: Shall it be second?}}
  - {id: three, type: approval, title: The third question, with: {roles: [incident-commander], message: Shall it be third?}}
  - {id: nap, type: wait, title: Nap, with: {duration: 1s}}
`

// TestSlack decides in Slack, with two workers that both listen, and without Slack when that is away.
func TestSlack(t *testing.T) {
	duty := newPagerDuty(t)
	r := worldAsItIs(t, 2<<20, func(text string) string {
		text = copies.ReplaceAllString(strings.Replace(text, "    replicas: [us-west-2]\n", "", 1), "")
		return strings.Replace(text, "  deadman:", "  pagers: [{name: bob, api: "+duty.url+", routing_key: {file: keys/webhook.secret}}]\n  deadman:", 1)
	}).up(t)
	r.startWorker()
	t.Run("three gates", func(t *testing.T) { r.threeGates(t) })
	t.Run("a gate that escalates, and a page", func(t *testing.T) { r.escalates(t, duty) })
	t.Run("in a browser", func(t *testing.T) { r.pressInBrowser(t) })
	r.record(t)
}

// drill starts a runbook as a drill of alice's.
func (r *rig) drill(t *testing.T, name, text string, inputs map[string]any) (id string, run client.WorkflowRun) {
	t.Helper()
	started := time.Now().UTC().Truncate(time.Second)
	id = workflows.ExecutionID(name, "database", started)
	docket := r.docket(t, id, []byte(text), plan.Brief{
		Format: 1, Runbook: name, RunbookDigest: runbooks.Digest([]byte(text)), Application: "medlink", Mode: plan.ModeDrill, Target: "database",
		Approach: plan.Graceful, Inputs: inputs, Until: started.Add(time.Hour),
	})
	run, err := r.client.ExecuteWorkflow(t.Context(), client.StartWorkflowOptions{
		ID: id, TaskQueue: workflows.Queue, TypedSearchAttributes: workflows.Attributes(workflows.KindRunbook, "database"),
	}, workflows.RunbookName, workflows.RunbookInput{Docket: docket})
	if err != nil {
		t.Fatal(err)
	}
	return id, run
}

func (r *rig) threeGates(t *testing.T) {
	id, run := r.drill(t, "gates", gatesRunbook, map[string]any{})
	card := r.awaitCard(t, "The first question", func(m slack.Message) bool { return hasButtons(m) })
	if text := string(card.Blocks); !strings.Contains(text, "DRILL") || !strings.Contains(text, "Shall database be first?") || !strings.Contains(text, id) {
		t.Errorf("%s", text)
	}
	r.click(t, "alice", card, "approve", "it was me")
	r.awaitWhisper(t, r.stack.SlackUser("alice"), "somebody else decides")
	if err := r.stack.Slack.Hand().Click(t.Context(), stack.SlackStranger, stack.SlackDrill, card.TS, "approve"); err != nil {
		t.Fatal(err)
	}
	r.awaitWhisper(t, stack.SlackStranger, "nobody in the roster")
	r.click(t, "bob", card, "approve", "because it is a test")
	done := r.awaitCard(t, "The first question", func(m slack.Message) bool { return !hasButtons(m) })
	if text := string(done.Blocks); done.TS != card.TS || !strings.Contains(text, "Approved") || !strings.Contains(text, "bob") || !strings.Contains(text, "because it is a test") {
		t.Errorf("%s", text)
	}

	// Slack goes away while a gate waits: the command line decides, and the cards are right when it is back.
	second := r.awaitCard(t, "The second question", hasButtons)
	r.stack.KillSlack()
	if got := r.tell(t, id, "carol", plan.CommandApprove, "two", r.awaitGate(t, id, "two").Digest); !got.Accepted {
		t.Fatalf("carol approves: %+v", got)
	}
	r.awaitGate(t, id, "three")
	if err := r.stack.StartSlack(t.Context()); err != nil {
		t.Fatal(err)
	}
	late := r.awaitCard(t, "The second question", func(m slack.Message) bool { return !hasButtons(m) })
	if text := string(late.Blocks); late.TS != second.TS || !strings.Contains(text, "carol") || !strings.Contains(text, "signed") {
		t.Errorf("%s", text)
	}

	// The first valid decision wins, wherever it is made.
	third := r.awaitCard(t, "The third question", hasButtons)
	dialog := r.openDialog(t, "bob", third, "approve")
	if got := r.tell(t, id, "dan", plan.CommandApprove, "three", r.awaitGate(t, id, "three").Digest); !got.Accepted {
		t.Fatalf("dan approves: %+v", got)
	}
	r.submit(t, "bob", dialog, "me, too")
	r.awaitWhisper(t, r.stack.SlackUser("bob"), "That did not count")
	var result workflows.RunbookResult
	if err := r.end(run, &result); err != nil {
		t.Fatal(err)
	}
	r.awaitCard(t, "The third question", func(m slack.Message) bool { return !hasButtons(m) && strings.Contains(string(m.Blocks), "dan") })
	seen := r.look(t, r.stack.SlackUser("bob"))
	cards, thread := 0, ""
	for _, m := range seen.Messages[stack.SlackDrill] {
		if m.ThreadTS == third.TS {
			thread += m.Text
		}
		if m.ThreadTS == "" && m.For == "" && strings.Contains(m.Text, "question: ") {
			cards++
		}
	}
	if cards != 3 || !strings.Contains(thread, "Nap (nap) is done") || !strings.Contains(thread, "has ended: completed") {
		t.Errorf("%d cards, below the last one: %s", cards, thread)
	}
	r.checkVoices(t, id)
}

// checkVoices reads in the journal who decided and who was refused.
func (r *rig) checkVoices(t *testing.T, id string) {
	t.Helper()
	read, err := r.engine.Journal(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	var clicked, signed, refused []string
	for _, entry := range read.Entries {
		var event execution.Event
		if err := json.Unmarshal(entry.Data, &event); err != nil {
			t.Fatal(err)
		}
		switch {
		case event.Kind == execution.CommandRefused:
			refused = append(refused, event.Person+": "+event.Cause)
		case event.Kind == execution.Decided && event.Decision.Command.Voucher != "":
			clicked = append(clicked, event.Decision.Person)
		case event.Kind == execution.Decided:
			signed = append(signed, event.Decision.Person)
		}
	}
	wanted := []string{"alice: requester", "slack:TMEDLINK/UMALLORY: unknownPerson"}
	if !slices.Equal(clicked, []string{"bob"}) || !slices.Equal(signed, []string{"carol", "dan"}) || len(refused) != 3 || !slices.Equal(refused[:2], wanted) || !strings.HasPrefix(refused[2], "bob: ") {
		t.Errorf("clicked %v, signed %v, refused %v", clicked, signed, refused)
	}
}

func hasButtons(m slack.Message) bool { return strings.Contains(string(m.Blocks), `"button"`) }

func (r *rig) look(t *testing.T, account string) slack.Seen {
	t.Helper()
	seen, err := r.stack.Slack.Hand().Look(t.Context(), account)
	if err != nil {
		t.Fatal(err)
	}
	return seen
}

// awaitCard waits for the newest card with a title to be as it should.
func (r *rig) awaitCard(t *testing.T, title string, is func(slack.Message) bool) slack.Message {
	t.Helper()
	var last slack.Message
	for end := time.Now().Add(time.Minute); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		for _, m := range r.look(t, r.stack.SlackUser("bob")).Messages[stack.SlackDrill] {
			if m.For == "" && m.ThreadTS == "" && strings.Contains(m.Text, title) {
				last = m
			}
		}
		if last.TS != "" && is(last) {
			return last
		}
	}
	t.Fatalf("the card of %q does not become right: %s", title, last.Blocks)
	return last
}

// awaitWhisper waits until somebody was told something that nobody else sees.
func (r *rig) awaitWhisper(t *testing.T, account, words string) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		for _, m := range r.look(t, account).Messages[stack.SlackDrill] {
			if m.For == account && strings.Contains(m.Text, words) {
				return
			}
		}
	}
	t.Fatalf("%s does not hear %q", account, words)
}

// click decides in Slack.
func (r *rig) click(t *testing.T, who string, card slack.Message, action, reason string) {
	t.Helper()
	r.submit(t, who, r.openDialog(t, who, card, action), reason)
}

func (r *rig) openDialog(t *testing.T, who string, card slack.Message, action string) string {
	t.Helper()
	ctx, stop := context.WithTimeout(t.Context(), 30*time.Second)
	defer stop()
	hand, account := r.stack.Slack.Hand(), r.stack.SlackUser(who)
	must(t, hand.Close(ctx, account)) // a dialog that is open covers the buttons
	// A worker that has just come back from an outage of Slack may not listen yet; a person presses again.
	for err := hand.Click(ctx, account, stack.SlackDrill, card.TS, action); err != nil; err = hand.Click(ctx, account, stack.SlackDrill, card.TS, action) {
		if ctx.Err() != nil || !strings.Contains(err.Error(), slack.ErrNoAnswer.Error()) {
			t.Fatal(err)
		}
	}
	dialog, err := hand.Modal(ctx, account)
	if err != nil {
		t.Fatal(err)
	}
	id, _ := dialog["id"].(string)
	return id
}

func (r *rig) submit(t *testing.T, who, dialog, reason string) {
	t.Helper()
	errs, err := r.stack.Slack.Hand().Submit(t.Context(), r.stack.SlackUser(who), dialog, map[string]map[string]string{"reason": {"text": reason}})
	if err != nil || len(errs) > 0 {
		t.Fatalf("%v, %v", errs, err)
	}
}
