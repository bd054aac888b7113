package slack_test

import (
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/lifeboat-dr/lifeboat/internal/devstack/browser"
	"github.com/lifeboat-dr/lifeboat/internal/plan"
	"github.com/lifeboat-dr/lifeboat/internal/roster"
)

// TestAPersonOnThePage presses the buttons of the stand-in's page, as people do with lifeboat dev: the dialog says what is
// missing, the decision counts, and what does not count is told.
func TestAPersonOnThePage(t *testing.T) {
	r := newRig(t)
	f := facts(plan.ModeLive, 1)
	f.Requires = 2
	r.show(card(f))
	r.listen()
	ctx := browser.Open(t, time.Minute)
	here, dialog := `[data-ts="`+r.at.TS+`"]`, `#modal[open]`
	do := func(steps ...chromedp.Action[chromedp.Void]) {
		t.Helper()
		if err := chromedp.Do(ctx, steps...); err != nil {
			t.Fatal(err)
		}
	}
	open := func(who string) {
		t.Helper()
		do(
			chromedp.Navigate(r.hand.URL+"/?as="+account(who)+"&channel="+channel),
			chromedp.Click(chromedp.CSS(here+` button[data-action="approve"]`)),
			chromedp.WaitVisible(chromedp.CSS(dialog+` textarea`)),
		)
	}
	decide := func(why string) {
		t.Helper()
		do(
			chromedp.SendKeys(chromedp.CSS(dialog+` textarea`), why),
			chromedp.SendKeys(chromedp.CSS(dialog+` input`), "database"),
			chromedp.Click(chromedp.CSS(dialog+` [data-submit]`)),
			chromedp.WaitNotPresent(chromedp.CSS(dialog)),
		)
	}
	open("anna")
	browser.Picture(ctx, t, "slack-dialog")
	do(chromedp.Click(chromedp.CSS(dialog + ` [data-submit]`)))
	for block, words := range map[string]string{"reason": "Write why", "target": "not the target"} {
		said, err := chromedp.Run(ctx, chromedp.Poll[string](`document.querySelector('[data-fault="`+block+`"]')?.textContent`))
		if err != nil || !strings.Contains(said, words) {
			t.Errorf("%s: the dialog says %q, %v", block, said, err)
		}
	}
	decide("the region is gone")
	r.eventually("the decision", func() bool { said, _ := r.court.heard(); return len(said) == 1 })
	open("amir")
	decide("me, too")
	do(chromedp.WaitVisible(chromedp.CSS(`.message.private`)))
	told, err := chromedp.Run(ctx, chromedp.Text(chromedp.CSS(`.message.private`)))
	if err != nil || !strings.Contains(told, "with their own key") || !strings.Contains(told, "only you see this") {
		t.Errorf("amir is told %q, %v", told, err)
	}
	browser.Picture(ctx, t, "slack-card")
	said, causes := r.court.heard()
	if len(said) != 1 || said[0].Person != "anna" || said[0].Reason != "the region is gone" || len(causes) != 1 || causes[0] != string(roster.CauseNoOwnSignature) {
		t.Errorf("%+v, %v", said, causes)
	}
}
