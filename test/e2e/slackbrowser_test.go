package e2e

import (
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/lifeboat-dr/lifeboat/internal/devstack/browser"
	"github.com/lifeboat-dr/lifeboat/internal/devstack/slack"
	"github.com/lifeboat-dr/lifeboat/internal/devstack/stack"
	"github.com/lifeboat-dr/lifeboat/internal/plan"
	"github.com/lifeboat-dr/lifeboat/runbooks"
	"github.com/lifeboat-dr/lifeboat/workflows"
)

// pressInBrowser rehearses backup and restore, and approves as a person does: on the page, with the button, with a reason.
func (r *rig) pressInBrowser(t *testing.T) {
	text, known := runbooks.BuiltinNamed("backup-restore-rehearsal")
	if !known {
		t.Fatal("the rehearsal is gone")
	}
	id, run := r.drill(t, "backup-restore-rehearsal", string(text), map[string]any{"component": "database", "site": "us-west-2", "tables-at-least": 20.0})
	ctx := browser.Open(t, time.Minute)
	const question = "May patients' data be restored into a new branch?"
	card := r.awaitCard(t, question, hasButtons)
	for _, words := range []string{"Restore backup ", " of database into a new branch at us-west-2?", "restore point", "comparisons"} {
		if !strings.Contains(string(card.Blocks), words) {
			t.Errorf("%q is not on the card: %s", words, card.Blocks)
		}
	}
	here, dialog := `[data-ts="`+card.TS+`"]`, `#modal[open]`
	must(t, chromedp.Do(ctx,
		chromedp.Navigate(r.stack.Slack.URL+"/?as="+r.stack.SlackUser("bob")+"&channel="+stack.SlackDrill),
		chromedp.Click(chromedp.CSS(here+` button[data-action="approve"]`)),
		chromedp.WaitVisible(chromedp.CSS(dialog+` textarea`)),
	))
	browser.Picture(ctx, t, "rehearsal-dialog")
	must(t, chromedp.Do(ctx, chromedp.Click(chromedp.CSS(dialog+` [data-submit]`))))
	fault, err := chromedp.Run(ctx, chromedp.Poll[string](`document.querySelector('[data-fault="reason"]')?.textContent`))
	must(t, err)
	must(t, chromedp.Do(ctx,
		chromedp.SendKeys(chromedp.CSS(dialog+` textarea`), "the rehearsal of this quarter"),
		chromedp.Click(chromedp.CSS(dialog+` [data-submit]`)),
		chromedp.WaitNotPresent(chromedp.CSS(dialog)),
		chromedp.WaitNotPresent(chromedp.CSS(here+` button`)),
	))
	said, err := chromedp.Run(ctx, chromedp.Text(chromedp.CSS(here)))
	must(t, err)
	browser.Picture(ctx, t, "rehearsal-card")
	if !strings.Contains(fault, "Write why") {
		t.Errorf("without a reason the dialog said %q", fault)
	}
	for _, words := range []string{"Approved", "bob", "in Slack", "the rehearsal of this quarter"} {
		if !strings.Contains(said, words) {
			t.Errorf("%q is not on the card that was decided: %s", words, said)
		}
	}
	task := r.awaitCard(t, "Look at it with your own eyes", func(m slack.Message) bool { return strings.Contains(string(m.Blocks), "lifeboat confirm") })
	if hasButtons(task) {
		t.Errorf("a task is done by a click: %s", task.Blocks)
	}
	if got := r.tell(t, id, "dan", plan.CommandConfirm, "look", r.awaitGate(t, id, "look").Digest); !got.Accepted {
		t.Fatalf("dan confirms: %+v", got)
	}
	var result workflows.RunbookResult
	if err := r.end(run, &result); err != nil {
		t.Fatal(err)
	}
	if result.Steps["allow"] != plan.StepCompleted || result.Steps["restore"] != plan.StepCompleted {
		t.Errorf("%+v", result.Steps)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
