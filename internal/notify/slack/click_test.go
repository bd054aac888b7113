package slack_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	stand "github.com/lifeboat-dr/lifeboat/internal/devstack/slack"
	"github.com/lifeboat-dr/lifeboat/internal/notify/slack"
	"github.com/lifeboat-dr/lifeboat/internal/plan"
	"github.com/lifeboat-dr/lifeboat/internal/roster"
	"github.com/lifeboat-dr/lifeboat/runbooks"
)

// TestAClickDecides: it is the person's command, about exactly what the card showed, with their reason.
func TestAClickDecides(t *testing.T) {
	r := newRig(t)
	c := card(facts(plan.ModeDrill, 1))
	r.show(c)
	r.listen()
	if errs := r.press("anna", "approve", " "); errs["reason"] == "" {
		t.Errorf("without a reason: %v", errs)
	}
	if errs := r.press("anna", "approve", "the region is gone"); errs != nil {
		t.Errorf("%v", errs)
	}
	r.eventually("the decision", func() bool { said, _ := r.court.heard(); return len(said) == 1 })
	said, causes := r.court.heard()
	if got := said[0]; got.Person != "anna" || got.Kind != plan.CommandApprove || got.Reason != "the region is gone" || got.Digest != runbooks.Digest([]byte(c.Facts)) || got.Execution != execution {
		t.Errorf("%+v, %v", got, causes)
	}
}

// TestSlackIsAnsweredAtOnce, however long the execution takes to say what the click was worth, and Slack who clicked.
func TestSlackIsAnsweredAtOnce(t *testing.T) {
	r := newRig(t)
	r.show(card(facts(plan.ModeDrill, 1)))
	r.listen()
	r.court.slow = 4 * time.Second
	if err := r.hand.Break(t.Context(), stand.Fault{Method: "users.info", Kind: stand.Delay, Seconds: 1}); err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	r.press("anna", "approve", "at once")
	if took := time.Since(began); took > 3*time.Second {
		t.Errorf("it took %s", took)
	}
	r.eventually("the decision", func() bool { said, _ := r.court.heard(); return len(said) == 1 })
}

// TestTwoClicksAreOneVoice: the second is refused, in words.
func TestTwoClicksAreOneVoice(t *testing.T) {
	r := newRig(t)
	f := facts(plan.ModeDrill, 1)
	f.Requires = 2
	r.show(card(f))
	r.listen()
	r.press("anna", "approve", "once")
	r.eventually("the decision", func() bool { said, _ := r.court.heard(); return len(said) == 1 })
	r.press("anna", "approve", "twice")
	r.hears("anna", "you decided here already")
	if said, causes := r.court.heard(); len(said) != 1 || !slices.Equal(causes, []string{string(roster.CauseDuplicatePerson)}) {
		t.Errorf("%d counted, refused for %v", len(said), causes)
	}
}

// TestAnEnvelopeThatComesTwice counts once, and nobody is troubled; also when another worker gets it.
func TestAnEnvelopeThatComesTwice(t *testing.T) {
	r := newRig(t)
	f := facts(plan.ModeDrill, 1)
	f.Requires = 2
	r.show(card(f))
	r.listen()
	r.press("anna", "reject", "once")
	r.eventually("the decision", func() bool { said, _ := r.court.heard(); return len(said) == 1 })
	if err := r.hand.Replay(t.Context()); err != nil {
		t.Fatal(err)
	}
	other, err := slack.New(r.cfg)
	if err != nil {
		t.Fatal(err)
	}
	go other.Listen(t.Context(), r.court)
	r.eventually("a second connection", func() bool { _, n, err := r.hand.Calls(t.Context()); return err == nil && n == 2 })
	for range 2 { // one of them goes to the other worker
		if err := r.hand.Replay(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	r.eventually("the refusal", func() bool {
		_, causes := r.court.heard()
		return slices.Contains(causes, string(roster.CauseReplayed))
	})
	said, causes := r.court.heard()
	if _, private := r.messages("anna"); len(said) != 1 || len(causes) != 1 || len(private) != 0 {
		t.Errorf("%d counted, %v refused, anna heard %v", len(said), causes, private)
	}
}

// TestWhoDoesNotCount: each is told why, and the execution records it; none of them is vouched for as a person.
func TestWhoDoesNotCount(t *testing.T) {
	r := newRig(t)
	r.show(card(facts(plan.ModeDrill, 1)))
	r.listen()
	for _, c := range []struct {
		who, words string
		cause      roster.Cause
		dialog     bool
	}{
		{"carla", "somebody else decides", roster.CauseRequester, true},
		{"opal", "none of the roles", roster.CauseWrongRole, true},
		{"mallory", "nobody in the roster", roster.CauseUnknownPerson, false},
		{"gus", "a guest's", roster.CauseUnknownPerson, true},
		{"bob", "a bot", roster.CauseUnknownPerson, true},
		{"dora", "deactivated", roster.CauseUnknownPerson, true},
		{"xena", "another workspace", roster.CauseUnknownPerson, false},
	} {
		_, before := r.court.heard()
		if c.dialog {
			r.press(c.who, "approve", "let me")
		} else {
			r.press(c.who, "approve")
		}
		r.hears(c.who, c.words)
		r.eventually("a record of "+c.who, func() bool { _, causes := r.court.heard(); return len(causes) == len(before)+1 })
		if _, causes := r.court.heard(); causes[len(causes)-1] != string(c.cause) {
			t.Errorf("%s: recorded as %v", c.who, causes)
		}
	}
	said, causes := r.court.heard()
	if len(said) != 0 {
		t.Errorf("somebody counted: %+v", said)
	}
	for range 5 {
		r.press("mallory", "approve")
	}
	r.eventually("five more words", func() bool { _, private := r.messages("mallory"); return len(private) == 6 })
	if _, now := r.court.heard(); len(now) != len(causes) {
		t.Errorf("mallory fills the journal: %d entries more", len(now)-len(causes))
	}
}

// TestTooLate: after the deadline, after a decision from the command line, after the end, and on the card of an earlier
// round, a click counts for nothing and says so.
func TestTooLate(t *testing.T) {
	r := newRig(t)
	r.show(card(facts(plan.ModeDrill, 1)))
	r.listen()
	r.court.close() // by its deadline, or by a decision
	r.press("anna", "approve", "yes")
	r.hears("anna", "nothing to decide here any more")
	first := r.at
	r.show(card(facts(plan.ModeDrill, 2)))
	r.at = first
	r.press("amir", "approve", "yes")
	r.hears("amir", "look at its newest card")
	r.court.mu.Lock()
	r.court.ended = true
	r.court.mu.Unlock()
	r.press("anna", "approve", "yes")
	r.hears("anna", "has ended")
	if said, causes := r.court.heard(); len(said) != 0 || !slices.Equal(causes, []string{string(roster.CauseWrongKind), string(roster.CauseWrongDigest)}) {
		t.Errorf("%+v counted, %v", said, causes)
	}
}

// TestWhatCannotBeTakenBack: the target's name has to be typed, and one of those who approve signs with their own key.
func TestWhatCannotBeTakenBack(t *testing.T) {
	r := newRig(t)
	f := facts(plan.ModeLive, 1)
	f.Requires = 2
	c := card(f)
	r.show(c)
	r.listen()
	if errs := r.press("anna", "approve", "yes", "databse"); errs["target"] == "" {
		t.Errorf("another name was taken: %v", errs)
	}
	if errs := r.press("anna", "approve", "yes", "database"); errs != nil {
		t.Error(errs)
	}
	r.eventually("the first click", func() bool { said, _ := r.court.heard(); return len(said) == 1 })
	r.press("amir", "approve", "yes", "database")
	r.hears("amir", "with their own key")
	now := time.Now().UTC().Truncate(time.Second)
	signed, err := roster.SignCommand(plan.Command{Format: 1, Kind: plan.CommandApprove, ID: roster.NewCommandID(), Execution: execution, Step: "allow",
		Digest: runbooks.Digest([]byte(c.Facts)), Person: "amir", Reason: "yes", Issued: now, Expires: now.Add(time.Hour)}, r.keys["amir"])
	if err != nil {
		t.Fatal(err)
	}
	if got, err := r.court.Command(t.Context(), execution, signed); err != nil || !got.Accepted {
		t.Errorf("%+v, %v", got, err)
	}
}

// TestStolenDialogsAndForgedButtons: a dialog is its opener's, and a button that this fleet did not make is nothing.
func TestStolenDialogsAndForgedButtons(t *testing.T) {
	r := newRig(t)
	r.show(card(facts(plan.ModeDrill, 1)))
	r.listen()
	other := newRig(t)
	other.cfg.API = r.cfg.API
	forger, err := slack.New(other.cfg) // with a fleet key of its own
	if err != nil {
		t.Fatal(err)
	}
	if r.at, err = forger.Show(t.Context(), slack.Place{}, card(facts(plan.ModeDrill, 7))); err != nil {
		t.Fatal(err)
	}
	r.press("anna", "approve")
	r.hears("anna", "none of this fleet's")
	if said, _ := r.court.heard(); len(said) > 0 {
		t.Errorf("it counted: %+v", said)
	}
}

// TestClicksAfterAReconnect: when Slack asks for it, and after it was down.
func TestClicksAfterAReconnect(t *testing.T) {
	r := newRig(t)
	f := facts(plan.ModeDrill, 1)
	f.Requires = 3
	r.show(card(f))
	r.listen()
	if err := r.hand.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	opened := func() (n int) {
		calls, _, err := r.hand.Calls(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range calls {
			if c.Method == "apps.connections.open" {
				n++
			}
		}
		return n
	}
	r.eventually("another connection", func() bool { return opened() == 2 })
	r.connected()
	r.press("anna", "approve", "after the refresh")
	r.eventually("the decision", func() bool { said, _ := r.court.heard(); return len(said) == 1 })
	if err := r.hand.Break(t.Context(), stand.Fault{Method: "*", Kind: stand.Refuse}); err != nil {
		t.Fatal(err)
	}
	if err := r.hand.Click(t.Context(), account("amir"), r.at.Channel, r.at.TS, "approve"); err == nil || !strings.Contains(err.Error(), "did not answer") {
		t.Errorf("while Slack is down: %v", err)
	}
	if err := r.hand.Break(t.Context()); err != nil {
		t.Fatal(err)
	}
	r.eventually("a connection after the outage", func() bool { return opened() >= 3 })
	r.connected()
	r.press("amir", "approve", "after the outage")
	r.eventually("the second decision", func() bool { said, _ := r.court.heard(); return len(said) == 2 })
}
