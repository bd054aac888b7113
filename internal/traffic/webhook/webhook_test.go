package webhook_test

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/lifeboat-dr/lifeboat/internal/devstack/pgserver"
	"github.com/lifeboat-dr/lifeboat/internal/secret"
	"github.com/lifeboat-dr/lifeboat/internal/traffic"
	"github.com/lifeboat-dr/lifeboat/internal/traffic/webhook"
)

var key = "whsec_" + base64.StdEncoding.EncodeToString([]byte("a-secret-of-both-sides-32-bytes!"))

// other is the other side: a door in memory.
type other struct {
	t      *testing.T
	state  map[string]any
	status int
	body   string
	// lie changes what a change answers, and not what the state is.
	lie    func(map[string]any)
	ids    []string
	bodies []string
}

func newOther(t *testing.T) (*other, *webhook.Door) {
	t.Helper()
	o := &other{t: t, state: map[string]any{"database": "claims", "state": "open", "recorded": "open", "patience_seconds": 600}}
	server := httptest.NewServer(o)
	t.Cleanup(server.Close)
	return o, doorTo(t, server.URL+"/c4pability", key)
}

func doorTo(t *testing.T, url, key string) *webhook.Door {
	t.Helper()
	door, err := webhook.New(webhook.Config{
		Database: "claims", Timeout: 5 * time.Second,
		URL:     func() (secret.String, error) { return secret.New(url), nil },
		Secrets: []func() (secret.String, error){func() (secret.String, error) { return secret.New(key), nil }},
	})
	if err != nil {
		t.Fatal(err)
	}
	return door
}

func (o *other) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	verify, err := standardwebhooks.NewWebhook(key)
	if err != nil {
		o.t.Error(err)
	}
	if verify.Verify(body, r.Header) != nil {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	var asked struct {
		Type string         `json:"type"`
		Data map[string]any `json:"data"`
	}
	if err := json.Unmarshal(body, &asked); err != nil {
		o.t.Error(err)
	}
	o.ids, o.bodies = append(o.ids, r.Header.Get("webhook-id")), append(o.bodies, string(body))
	if o.status != 0 {
		w.Header().Set("Location", "https://elsewhere.example/")
		w.WriteHeader(o.status)
		_, _ = io.WriteString(w, o.body)
		return
	}
	become := map[string]string{"door.hold": "held", "door.open": "open", "door.close": "closed"}[asked.Type]
	if become != "" {
		o.state["state"], o.state["recorded"], o.state["by"] = become, become, asked.Data["by"]
	}
	if asked.Type == "door.move" {
		o.state["to"], o.state["system"] = asked.Data["to"], asked.Data["system"]
	}
	answer := map[string]any{}
	for k, v := range o.state {
		answer[k] = v
	}
	if o.lie != nil && asked.Type != "door.state" {
		o.lie(answer)
	} else if o.lie != nil {
		answer["state"] = "open"
	}
	_ = json.NewEncoder(w).Encode(answer)
}

func TestEveryVerb(t *testing.T) {
	server := pgserver.New(t, pgserver.TestOptions{})
	address := secret.New(server.Database(t, "owner", "claims"))
	to, err := traffic.ParseDestination(address)
	if err != nil {
		t.Fatal(err)
	}
	o, door := newOther(t)
	who := traffic.Change{By: "failover/database/1/hold", Epoch: 3}
	report, err := door.Hold(t.Context(), traffic.HoldRequest{Change: who, Drain: time.Second})
	if err != nil || report.State != traffic.Held || report.By != who.By || report.Patience != 10*time.Minute {
		t.Errorf("%+v, %v", report, err)
	}
	report, err = door.Move(t.Context(), traffic.MoveRequest{Change: who, Address: address})
	if err != nil || report.System == "" || !report.To.Same(to) {
		t.Errorf("%+v, %v", report, err)
	}
	if report, err = door.Open(t.Context(), traffic.OpenRequest{Change: who}); err != nil || report.State != traffic.Open {
		t.Errorf("%+v, %v", report, err)
	}
	if _, err = door.Move(t.Context(), traffic.MoveRequest{Change: who, Address: address}); !errors.Is(err, traffic.ErrState) {
		t.Errorf("an open door counts as moved: %v", err)
	}
	if report, err = door.Close(t.Context(), who); err != nil || report.State != traffic.Closed {
		t.Errorf("%+v, %v", report, err)
	}
	for _, body := range o.bodies {
		if strings.Contains(body, to.Password.Reveal()) {
			t.Error("a password was sent")
		}
	}
	// A repetition has the same id, another verb another one, and each look its own.
	if _, err := door.Close(t.Context(), who); err != nil {
		t.Error(err)
	}
	last := o.ids[len(o.ids)-4:]
	if last[0] != last[2] || last[1] == last[3] || last[0] == o.ids[0] {
		t.Errorf("ids %q", o.ids)
	}
}

func TestWhatOneAnswerSaysIsNotBelieved(t *testing.T) {
	o, door := newOther(t)
	o.lie = func(answer map[string]any) { answer["state"] = "held" }
	if _, err := door.Hold(t.Context(), traffic.HoldRequest{Drain: time.Second}); !errors.Is(err, traffic.ErrState) {
		t.Errorf("%v", err)
	}
	o, door = newOther(t)
	o.lie = func(answer map[string]any) { answer["recorded"] = "open" }
	if _, err := door.Hold(t.Context(), traffic.HoldRequest{Drain: time.Second}); !errors.Is(err, traffic.ErrState) {
		t.Errorf("a hold that does not outlive a crash: %v", err)
	}
}

func TestAnswersThatAreNone(t *testing.T) {
	o, door := newOther(t)
	for _, one := range []struct {
		status int
		body   string
		kind   error
	}{
		{409, `{"error": "busy", "message": "3 transactions"}`, traffic.ErrBusy},
		{409, `{"error": "overtaken"}`, traffic.ErrOvertaken},
		{409, `nonsense`, traffic.ErrInvalid},
		{403, ``, traffic.ErrDenied},
		{503, ``, traffic.ErrUnavailable},
		{307, ``, traffic.ErrInvalid},
		{200, `nonsense`, traffic.ErrInvalid},
		{200, `{"database": "reports", "state": "held", "recorded": "held"}`, traffic.ErrInvalid},
		{200, `{"database": "claims", "state": "ajar", "recorded": "held"}`, traffic.ErrInvalid},
	} {
		o.status, o.body = one.status, one.body
		if _, err := door.State(t.Context()); !errors.Is(err, one.kind) {
			t.Errorf("%d %s: %v", one.status, one.body, err)
		}
	}
	stranger := "whsec_" + base64.StdEncoding.EncodeToString([]byte("another-secret-of-32-bytes-long!"))
	server := httptest.NewServer(o)
	defer server.Close()
	if _, err := doorTo(t, server.URL, stranger).State(t.Context()); !errors.Is(err, traffic.ErrDenied) {
		t.Errorf("%v", err)
	}
	if _, err := doorTo(t, "http://127.0.0.1:1/c4pability", key).State(t.Context()); !errors.Is(err, traffic.ErrUnavailable) || strings.Contains(err.Error(), "c4pability") {
		t.Errorf("%v", err)
	}
	if _, err := doorTo(t, "http://door.example/", key).State(t.Context()); err == nil {
		t.Error("a URL without https was used")
	}
}
