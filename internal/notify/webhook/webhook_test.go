package webhook

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

	"github.com/lifeboat-dr/lifeboat/internal/notify"
	"github.com/lifeboat-dr/lifeboat/internal/notify/outbound"
	"github.com/lifeboat-dr/lifeboat/internal/secret"
)

var (
	oldSecret = prefix + base64.StdEncoding.EncodeToString([]byte("an-old-secret-of-32-bytes-length"))
	newSecret = prefix + base64.StdEncoding.EncodeToString([]byte("a-new-secret-of-32-bytes-length!"))
)

type delivery struct {
	header http.Header
	body   []byte
}

// receive answers with the given statuses, then 200, and keeps what came.
func receive(t *testing.T, statuses ...int) (string, *[]delivery) {
	t.Helper()
	var got []delivery
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil || r.Method != http.MethodPost {
			t.Errorf("%s, %v", r.Method, err)
		}
		got = append(got, delivery{r.Header.Clone(), body})
		if len(got) <= len(statuses) {
			w.WriteHeader(statuses[len(got)-1])
		}
	}))
	t.Cleanup(server.Close)
	return server.URL + "/c4pability", &got
}

func fixed(texts ...string) []func() (secret.String, error) {
	out := make([]func() (secret.String, error), len(texts))
	for i, text := range texts {
		out[i] = func() (secret.String, error) { return secret.New(text), nil }
	}
	return out
}

func newWebhook(t *testing.T, url string, secrets ...string) *Webhook {
	t.Helper()
	w, err := New(Config{URL: fixed(url)[0], Secrets: fixed(secrets...), Sender: &outbound.Sender{First: time.Millisecond}})
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func message() notify.Message {
	return notify.Message{ID: "protection/claims/late/2026.11", Kind: "backup.late", Severity: notify.Critical, Component: "claims", Site: "east",
		Title: "The backup of claims is late", Text: "Look at the schedules.", Time: time.Date(2026, 11, 25, 4, 0, 0, 0, time.UTC), Execution: "evaluate/1",
		Fields: map[string]string{"rows": "7", "patient": "Tremblay"}}
}

func TestReceiversCanVerify(t *testing.T) {
	url, got := receive(t)
	w := newWebhook(t, url, newSecret, oldSecret)
	if err := w.Check(); err != nil {
		t.Fatal(err)
	}
	if err := w.Notify(t.Context(), message()); err != nil {
		t.Fatal(err)
	}
	d := (*got)[0]
	verify := func(s string, body []byte, h http.Header) error {
		receiver, err := standardwebhooks.NewWebhook(s)
		if err != nil {
			t.Fatal(err)
		}
		return receiver.Verify(body, h)
	}
	for _, s := range []string{oldSecret, newSecret} {
		if err := verify(s, d.body, d.header); err != nil {
			t.Errorf("a receiver with one of the secrets: %v", err)
		}
	}
	if verify(prefix+base64.StdEncoding.EncodeToString([]byte("a-third-secret-of-32-bytes-long!")), d.body, d.header) == nil {
		t.Error("a foreign secret verifies")
	}
	if verify(newSecret, append(d.body, ' '), d.header) == nil {
		t.Error("a changed body verifies")
	}
	other := d.header.Clone()
	other.Set(standardwebhooks.HeaderWebhookID, MessageID("x"))
	if verify(newSecret, d.body, other) == nil {
		t.Error("a changed id verifies")
	}
	var p struct {
		Type      string
		Timestamp time.Time
		Data      map[string]any
	}
	if err := json.Unmarshal(d.body, &p); err != nil || p.Type != "backup.late" || !p.Timestamp.Equal(message().Time) ||
		p.Data["id"] != message().ID || p.Data["severity"] != "critical" || p.Data["dropped_fields"] != float64(1) || d.header.Get("Content-Type") != "application/json" {
		t.Errorf("%v: %s", err, d.body)
	}
	if strings.Contains(string(d.body), "Tremblay") || strings.Contains(string(d.body), "patient") {
		t.Errorf("a field that is not allowed left: %s", d.body)
	}
}

func TestRepetitionsAreRecognised(t *testing.T) {
	url, got := receive(t, 503, 429)
	w := newWebhook(t, url, newSecret)
	clock := time.Now()
	w.now = func() time.Time { clock = clock.Add(2 * time.Second); return clock }
	for range 2 {
		if err := w.Notify(t.Context(), message()); err != nil {
			t.Fatal(err)
		}
	}
	if len(*got) != 4 {
		t.Fatalf("%d deliveries", len(*got))
	}
	receiver, err := standardwebhooks.NewWebhook(newSecret)
	if err != nil {
		t.Fatal(err)
	}
	first := (*got)[0]
	times := map[string]bool{}
	for i, d := range *got {
		if d.header.Get("webhook-id") != first.header.Get("webhook-id") || string(d.body) != string(first.body) {
			t.Errorf("delivery %d has another id or body", i)
		}
		if err := receiver.Verify(d.body, d.header); err != nil {
			t.Errorf("delivery %d: %v", i, err)
		}
		times[d.header.Get("webhook-timestamp")] = true
	}
	if len(times) != 4 {
		t.Error("tries do not carry their own time")
	}
	other := message()
	other.ID += "x"
	if err := w.Notify(t.Context(), other); err != nil || (*got)[4].header.Get("webhook-id") == first.header.Get("webhook-id") {
		t.Errorf("%v: another message has the same id", err)
	}
	if id := first.header.Get("webhook-id"); strings.Contains(id, ".") || !strings.HasPrefix(id, "msg_") {
		t.Errorf("id %q", id)
	}
}

func TestWhatIsWrongIsSaidWithoutSecrets(t *testing.T) {
	short := prefix + base64.StdEncoding.EncodeToString([]byte("short"))
	for what, tc := range map[string]struct {
		url     string
		secrets []string
		says    string
	}{
		"plain http":   {"http://hooks.example.test/c4pability", []string{newSecret}, "not https"},
		"no url":       {"", []string{newSecret}, "empty"},
		"short secret": {"https://hooks.example.test/c4pability", []string{newSecret, short}, "secret 2 has 5 bytes"},
		"empty secret": {"https://hooks.example.test/c4pability", []string{prefix}, "secret 1 has 0 bytes"},
		"no base64":    {"https://hooks.example.test/c4pability", []string{"whsec_not*base64"}, "secret 1 is not"},
	} {
		w := newWebhook(t, tc.url, tc.secrets...)
		for doing, err := range map[string]error{"check": w.Check(), "notify": w.Notify(t.Context(), message())} {
			if err == nil || !strings.Contains(err.Error(), tc.says) {
				t.Errorf("%s, %s: got %v", what, doing, err)
			}
			if err != nil && (strings.Contains(err.Error(), "c4pability") || strings.Contains(err.Error(), "hooks.example") || strings.Contains(err.Error(), "not*base64")) {
				t.Errorf("%s, %s: the error shows a secret: %v", what, doing, err)
			}
		}
	}
	if _, err := New(Config{URL: fixed("https://x/")[0]}); err == nil {
		t.Error("unsigned messages are possible")
	}
	w := newWebhook(t, "https://x/", newSecret)
	missing := errors.New("file /run/secrets/hook: no such file")
	w.cfg.URL = func() (secret.String, error) { return secret.String{}, missing }
	if err := w.Notify(t.Context(), message()); !errors.Is(err, missing) {
		t.Error(err)
	}
	broken := message()
	broken.ID = ""
	if err := w.Notify(t.Context(), broken); err == nil || errors.Is(err, missing) {
		t.Error("a message without id was sent")
	}
}

func TestRefused(t *testing.T) {
	url, got := receive(t, 401)
	err := newWebhook(t, url, newSecret).Notify(t.Context(), message())
	if !errors.Is(err, outbound.ErrRefused) || len(*got) != 1 || strings.Contains(err.Error(), "c4pability") {
		t.Errorf("%v after %d deliveries", err, len(*got))
	}
}
