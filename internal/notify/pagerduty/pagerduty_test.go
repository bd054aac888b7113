package pagerduty_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/lifeboat-dr/lifeboat/internal/notify"
	"github.com/lifeboat-dr/lifeboat/internal/notify/outbound"
	"github.com/lifeboat-dr/lifeboat/internal/notify/pagerduty"
	"github.com/lifeboat-dr/lifeboat/internal/secret"
)

func start(t *testing.T, answer func(n int) int) (*pagerduty.Pager, *[]map[string]any) {
	t.Helper()
	got := &[]map[string]any{}
	served := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		text, _ := io.ReadAll(r.Body)
		var event map[string]any
		if err := json.Unmarshal(text, &event); err != nil {
			t.Error(err)
		}
		*got = append(*got, event)
		w.WriteHeader(answer(len(*got)))
	}))
	t.Cleanup(served.Close)
	p, err := pagerduty.New(pagerduty.Config{
		API: served.URL, RoutingKey: func() (secret.String, error) { return secret.New("key-1"), nil },
		Sender: &outbound.Sender{First: time.Millisecond, Budget: 5 * time.Second},
	})
	if err != nil {
		t.Fatal(err)
	}
	return p, got
}

func message() notify.Message {
	return notify.Message{
		ID: "1", Kind: "gate.escalated", Severity: notify.Critical, Component: "database", Site: "us-east-1", Title: "Waiting for people", Text: "decide",
		Time: time.Date(2026, 11, 25, 3, 0, 0, 0, time.UTC), Execution: "x/y/z", Fields: map[string]string{"level": "2", "patient": "Jane Doe"},
	}
}

// TestAnIncidentIsOpenedTakenAndClosed under one key, with what may leave, also when PagerDuty is busy at first.
func TestAnIncidentIsOpenedTakenAndClosed(t *testing.T) {
	p, got := start(t, func(n int) int {
		if n == 1 {
			return http.StatusTooManyRequests
		}
		return http.StatusAccepted
	})
	for _, action := range []pagerduty.Action{pagerduty.Trigger, pagerduty.Acknowledge, pagerduty.Resolve} {
		if err := p.Send(t.Context(), action, pagerduty.Key("x/y/z", "allow"), message()); err != nil {
			t.Fatal(err)
		}
	}
	if len(*got) != 4 {
		t.Fatalf("%d events", len(*got))
	}
	for i, action := range []string{"trigger", "trigger", "acknowledge", "resolve"} {
		if e := (*got)[i]; e["event_action"] != action || e["dedup_key"] != "x/y/z/allow" || e["routing_key"] != "key-1" {
			t.Errorf("%v", e)
		}
	}
	payload, _ := (*got)[1]["payload"].(map[string]any)
	details, _ := payload["custom_details"].(map[string]any)
	if payload["summary"] != "Waiting for people" || payload["severity"] != "critical" || payload["source"] != "us-east-1" || details["level"] != "2" || details["patient"] != nil {
		t.Errorf("%v", payload)
	}
	if (*got)[2]["payload"] != nil {
		t.Errorf("%v", (*got)[2])
	}
}

// TestErrorsKeepTheKey: an event that is refused is not repeated, and its error says nothing secret.
func TestErrorsKeepTheKey(t *testing.T) {
	p, got := start(t, func(int) int { return http.StatusBadRequest })
	err := p.Send(t.Context(), pagerduty.Trigger, "k", message())
	if err == nil || strings.Contains(err.Error(), "key-1") || strings.Contains(err.Error(), "127.0.0.1") || len(*got) != 1 {
		t.Errorf("%v after %d events", err, len(*got))
	}
}

// TestKeysFit: 255 characters, and different ones stay different.
func TestKeysFit(t *testing.T) {
	long := strings.Repeat("a", 300)
	a, b := pagerduty.Key(long, "one"), pagerduty.Key(long, "two")
	if len(a) > 255 || a == b || a != pagerduty.Key(long, "one") || pagerduty.Key("x", "y") != "x/y" {
		t.Errorf("%q, %q", a, b)
	}
}
