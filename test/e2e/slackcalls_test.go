package e2e

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lifeboat-dr/lifeboat/internal/devstack/slack"
	"github.com/lifeboat-dr/lifeboat/internal/plan"
	"github.com/lifeboat-dr/lifeboat/workflows"
)

const escalatingRunbook = `apiVersion: lifeboat/v1
name: escalating
title: Somebody has to come
scenario: maintenance
description: For tests.
target: database
escalation: urgent
roles:
  incident-commander: {title: decides}
limits: {duration: 2h}
steps:
  - {id: ask, type: approval, title: Who decides?, with: {roles: [incident-commander], message: Somebody has to decide.}}
  - {id: call, type: page, title: Who looks?, with: {message: Somebody has to look.}}
`

// pagerDuty takes events as PagerDuty does.
type pagerDuty struct {
	url    string
	mu     sync.Mutex
	events []string
}

func newPagerDuty(t *testing.T) *pagerDuty {
	t.Helper()
	d := &pagerDuty{}
	served := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var e struct {
			Action string `json:"event_action"`
			Key    string `json:"dedup_key"`
		}
		if err := json.NewDecoder(r.Body).Decode(&e); err != nil || len(e.Key) > 255 {
			http.Error(w, "bad event", http.StatusBadRequest)
			return
		}
		d.mu.Lock()
		defer d.mu.Unlock()
		d.events = append(d.events, e.Action+" "+e.Key[strings.LastIndex(e.Key, "/")+1:])
		w.WriteHeader(http.StatusAccepted)
	}))
	t.Cleanup(served.Close)
	d.url = served.URL
	return d
}

func (d *pagerDuty) heard() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.events)
}

// escalates: people are called in Slack and by pager, one of them takes it by a click, and pagers hear how it ends.
func (r *rig) escalates(t *testing.T, duty *pagerDuty) {
	id, run := r.drill(t, "escalating", escalatingRunbook, map[string]any{})
	r.awaitGate(t, id, "ask")
	r.take(t, "dan", "Who decides?")
	card := r.awaitCard(t, "Who decides?", hasButtons)
	r.click(t, "carol", card, "approve", "because it is a test")
	r.awaitStep(t, id, "call", plan.StepRunning)
	r.take(t, "erin", "Who looks?")
	if err := r.end(run, new(workflows.RunbookResult)); err != nil {
		t.Fatal(err)
	}
	want := []string{"trigger ask", "acknowledge ask", "resolve ask", "trigger call", "acknowledge call", "resolve call"}
	for end := time.Now().Add(10 * time.Second); !slices.Equal(duty.heard(), want) && time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		continue
	}
	// Messages of different moments may overtake each other, and repeating one changes nothing there.
	heard := slices.Compact(slices.Sorted(slices.Values(duty.heard())))
	if slices.Sort(want); !slices.Equal(heard, want) {
		t.Errorf("the pager heard %v", duty.heard())
	}
}

// take waits until somebody is called in a conversation of their own, and presses the button.
func (r *rig) take(t *testing.T, who, title string) {
	t.Helper()
	account := r.stack.SlackUser(who)
	direct := "D" + account[1:]
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		for _, m := range r.look(t, account).Messages[direct] {
			if !strings.Contains(m.Text, title) || !hasButtons(m) {
				continue
			}
			if err := r.stack.Slack.Hand().Click(t.Context(), account, direct, m.TS, "acknowledge"); err != nil {
				t.Fatal(err)
			}
			r.hearsIn(t, account, direct, "You took it")
			return
		}
	}
	t.Fatalf("%s is not called", who)
}

func (r *rig) hearsIn(t *testing.T, account, channel, words string) {
	t.Helper()
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		if slices.ContainsFunc(r.look(t, account).Messages[channel], func(m slack.Message) bool { return m.For == account && strings.Contains(m.Text, words) }) {
			return
		}
	}
	t.Fatalf("%s does not hear %q in %s", account, words, channel)
}
