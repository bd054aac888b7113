package slack_test

import (
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	stand "github.com/lifeboat-dr/lifeboat/internal/devstack/slack"
	"github.com/lifeboat-dr/lifeboat/internal/notify"
	"github.com/lifeboat-dr/lifeboat/internal/notify/slack"
	"github.com/lifeboat-dr/lifeboat/internal/plan"
)

// TestACardShowsWhatIsNeededAndNothingElse: what a person needs so as not to approve blindly, and no value that could be
// somebody's data, whatever the runbook fills in.
func TestACardShowsWhatIsNeededAndNothingElse(t *testing.T) {
	r := newRig(t)
	f := facts(plan.ModeLive, 1)
	c := card(f)
	r.show(c)
	all, _ := r.messages("anna")
	shown := all[0].Text + string(all[0].Blocks)
	for _, words := range []string{
		"REAL", "May it be restored?", "Restore b-1 of …, …?", "database", "Region outage", "Carla", "restore point", "2026-11-25 02:00:00 UTC", "expected loss", "12",
		"promote", "cannot be taken back", "Anna", "Amir", f.Deadline.Format("15:04:05"), execution, "has to be signed", "not shown in Slack",
	} {
		if !strings.Contains(shown, words) {
			t.Errorf("%q is not shown in %s", words, shown)
		}
	}
	for _, words := range []string{"Jane", "Doe", "1970"} {
		if strings.Contains(shown, words) || strings.Contains(string(all[0].Metadata), words) {
			t.Errorf("%q is shown", words)
		}
	}
	if strings.Contains(shown, "DRILL") {
		t.Error("a live execution is shown as a drill")
	}
	drill := newRig(t)
	drill.show(card(facts(plan.ModeDrill, 1)))
	if all, _ := drill.messages("anna"); strings.Contains(all[0].Text+string(all[0].Blocks), "REAL") {
		t.Error("a drill is shown as real")
	}
}

// TestTextsAreNoMarkup: a reason cannot mention a channel, make a link or look like ours.
func TestTextsAreNoMarkup(t *testing.T) {
	r := newRig(t)
	c := card(facts(plan.ModeDrill, 1))
	r.show(c)
	c.State, c.Decisions = slack.Rejected, []slack.Decision{{Person: "anna", Kind: plan.CommandReject, Time: time.Now(), Reason: "<!channel> <https://evil.example|click> *bold*"}}
	if _, err := r.client.Show(t.Context(), r.at, c); err != nil {
		t.Fatal(err)
	}
	all, _ := r.messages("anna")
	if text := string(all[0].Blocks); strings.Contains(text, "<!channel") || strings.Contains(text, "<https") || !strings.Contains(text, `\u0026lt;!channel`) && !strings.Contains(text, "&lt;!channel") {
		t.Error(text)
	}
}

// TestACardLosesItsButtons when its gate is decided, and says who, when and why.
func TestACardLosesItsButtons(t *testing.T) {
	r := newRig(t)
	c := card(facts(plan.ModeDrill, 1))
	r.show(c)
	at := time.Date(2026, 11, 25, 3, 4, 5, 0, time.UTC)
	c.Decisions = []slack.Decision{{Person: "anna", Kind: plan.CommandApprove, Reason: "the region is gone", Time: at, Clicked: true}}
	for _, state := range []slack.State{slack.Open, slack.Approved, slack.Rejected, slack.Confirmed, slack.Expired, slack.Ended} {
		c.State = state
		if place, err := r.client.Show(t.Context(), r.at, c); err != nil || place != r.at {
			t.Fatalf("%v, %v", place, err)
		}
		all, _ := r.messages("anna")
		text := string(all[0].Blocks)
		if buttons := strings.Contains(text, `"button"`); buttons != (state == slack.Open) || len(all) != 1 {
			t.Errorf("%s: buttons %t, %d messages", state, buttons, len(all))
		}
		for _, words := range []string{"anna", "2026-11-25 03:04:05 UTC", "in Slack", "the region is gone"} {
			if !strings.Contains(text, words) {
				t.Errorf("%s: %q is not shown in %s", state, words, text)
			}
		}
	}
	task := card(facts(plan.ModeDrill, 2))
	task.Task = true
	if _, err := r.client.Show(t.Context(), slack.Place{}, task); err != nil {
		t.Fatal(err)
	}
	all, _ := r.messages("anna")
	if text := string(all[1].Blocks); strings.Contains(text, `"button"`) || !strings.Contains(text, "lifeboat confirm") {
		t.Errorf("a task is not done by a click: %s", text)
	}
}

// TestOneCardWhateverSlackAnswers: a post whose answer is lost is found; one that was not made is made; 429 is waited for.
func TestOneCardWhateverSlackAnswers(t *testing.T) {
	for _, kind := range []stand.Kind{stand.Drop, stand.LateError, stand.Refuse, stand.ServerError, stand.RateLimit} {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			r := newRig(t)
			if err := r.hand.Break(t.Context(), stand.Fault{Method: "chat.postMessage", Kind: kind, Times: 1}); err != nil {
				t.Fatal(err)
			}
			r.show(card(facts(plan.ModeDrill, 1)))
			all, _ := r.messages("anna")
			if len(all) != 1 || all[0].TS != r.at.TS {
				t.Errorf("%d cards, %v", len(all), r.at)
			}
		})
	}
}

// TestAPostThatNobodyKnowsOf: while the history cannot be read either, it is an error, and the next try finds the card.
func TestAPostThatNobodyKnowsOf(t *testing.T) {
	r := newRig(t)
	c := card(facts(plan.ModeDrill, 1))
	faults := []stand.Fault{{Method: "chat.postMessage", Kind: stand.Drop, Times: 1}, {Method: "conversations.history", Kind: stand.ServerError}}
	if err := r.hand.Break(t.Context(), faults...); err != nil {
		t.Fatal(err)
	}
	if at, err := r.client.Show(t.Context(), slack.Place{}, c); err == nil {
		t.Errorf("it is at %v", at)
	}
	if err := r.hand.Break(t.Context()); err != nil {
		t.Fatal(err)
	}
	c.Look = true
	c.State = slack.Approved
	again, err := slack.New(r.cfg) // another worker
	if err != nil {
		t.Fatal(err)
	}
	at, err := again.Show(t.Context(), slack.Place{}, c)
	all, _ := r.messages("anna")
	if err != nil || len(all) != 1 || all[0].TS != at.TS || strings.Contains(string(all[0].Blocks), `"button"`) {
		t.Errorf("%v, %v, %d cards", at, err, len(all))
	}
}

// TestTheThreadIsToldOnce, and one channel is written to once a second.
func TestTheThreadIsToldOnce(t *testing.T) {
	r := newRig(t)
	r.show(card(facts(plan.ModeDrill, 1)))
	began := time.Now().Add(-time.Second)
	for _, id := range []string{"1-2", "1-2", "3-3"} {
		if err := r.client.Say(t.Context(), r.at, execution+"/"+id, began, []string{"Restore began", "Restore is done"}); err != nil {
			t.Fatal(err)
		}
	}
	all, _ := r.messages("anna")
	if len(all) != 3 || all[1].ThreadTS != r.at.TS || all[1].Text != "Restore began\nRestore is done" {
		t.Errorf("%+v", all)
	}
	calls, _, err := r.hand.Calls(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var last time.Time
	for _, c := range calls {
		if c.Method != "chat.postMessage" {
			continue
		}
		if gap := c.At.Sub(last); gap < 900*time.Millisecond {
			t.Errorf("two messages within %s", gap)
		}
		last = c.At
	}
}

// TestACrowdOfCardsHoldsNobodyUp: what Slack does not take within some seconds is for a later try.
func TestACrowdOfCardsHoldsNobodyUp(t *testing.T) {
	r := newRig(t)
	var all sync.WaitGroup
	var late atomic.Int32
	began := time.Now()
	for round := range 30 {
		all.Go(func() {
			if _, err := r.client.Show(t.Context(), slack.Place{}, card(facts(plan.ModeDrill, round+1))); err != nil {
				late.Add(1)
			}
		})
	}
	all.Wait()
	shown, _ := r.messages("anna")
	if took := time.Since(began); took > 8*time.Second || late.Load() < 20 || len(shown) != 30-int(late.Load()) {
		t.Errorf("%d of 30 were left for later, after %s, %d were shown", late.Load(), took, len(shown))
	}
}

// TestMessages: by severity or mode, only what may leave, and each once.
func TestMessages(t *testing.T) {
	r := newRig(t)
	m := notify.Message{
		ID: "1", Kind: "backup.late", Severity: notify.Critical, Component: "database", Title: "The backup is late", Text: "Look at it", Time: time.Now(),
		Fields: map[string]string{"age": "5h", "patient": "Jane Doe"},
	}
	for range 2 {
		if err := r.client.Notify(t.Context(), m); err != nil {
			t.Fatal(err)
		}
	}
	quiet := m
	quiet.ID, quiet.Severity = "2", notify.Info
	carded := m
	carded.ID, carded.Carded = "3", true
	of := m
	of.ID, of.Fields = "4", map[string]string{"mode": "drill"}
	for _, m := range []notify.Message{quiet, carded, of} {
		if err := r.client.Notify(t.Context(), m); err != nil {
			t.Fatal(err)
		}
	}
	seen, err := r.hand.Look(t.Context(), account("anna"))
	if err != nil {
		t.Fatal(err)
	}
	alerts, drills := seen.Messages["C0ALERTS"], seen.Messages[channel]
	if len(alerts) != 1 || len(drills) != 1 || strings.Contains(string(alerts[0].Blocks), "Jane") || !strings.Contains(string(alerts[0].Blocks), "5h") {
		t.Errorf("%+v, %+v", alerts, drills)
	}
}
