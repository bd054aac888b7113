package deadman

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/lifeboat-dr/lifeboat/internal/notify/outbound"
	"github.com/lifeboat-dr/lifeboat/internal/secret"
)

const capability = "5f0c3e2a-c4pability"

func newSwitch(t *testing.T, cfg Config, statuses ...int) (*Switch, *[]string) {
	t.Helper()
	var got []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got = append(got, r.Method+" "+r.URL.RequestURI())
		if len(got) <= len(statuses) {
			w.WriteHeader(statuses[len(got)-1])
		}
	}))
	t.Cleanup(server.Close)
	cfg.URL = func() (secret.String, error) { return secret.New(server.URL + "/" + capability + "?create=0"), nil }
	cfg.Sender = &outbound.Sender{First: time.Millisecond, Budget: time.Second}
	s, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return s, &got
}

func TestPingAndFail(t *testing.T) {
	s, got := newSwitch(t, Config{FailSuffix: "/fail"}, 503)
	if err := s.Check(); err != nil || len(*got) != 0 {
		t.Fatalf("check: %v, calls %v", err, *got)
	}
	if err := s.Ping(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := s.Fail(t.Context()); err != nil {
		t.Fatal(err)
	}
	ping := "GET /" + capability + "?create=0"
	if want := ping + "," + ping + ",GET /" + capability + "/fail?create=0"; strings.Join(*got, ",") != want {
		t.Errorf("sent %v", *got)
	}
}

func TestWithoutFailSuffix(t *testing.T) {
	s, got := newSwitch(t, Config{Method: http.MethodPost})
	if err := s.Fail(t.Context()); err != nil || len(*got) != 0 {
		t.Fatalf("%v, calls %v", err, *got)
	}
	if err := s.Ping(t.Context()); err != nil || (*got)[0] != "POST /"+capability+"?create=0" {
		t.Fatalf("%v, calls %v", err, *got)
	}
}

func TestErrorsDoNotShowTheURL(t *testing.T) {
	s, _ := newSwitch(t, Config{}, 404)
	refused := s.Ping(t.Context())
	if !errors.Is(refused, outbound.ErrRefused) {
		t.Error(refused)
	}
	s.cfg.URL = func() (secret.String, error) { return secret.New("http://hc.example.test/" + capability), nil }
	missing := errors.New("environment variable PING is not set")
	unset, err := New(Config{URL: func() (secret.String, error) { return secret.String{}, missing }})
	if err != nil {
		t.Fatal(err)
	}
	if !errors.Is(unset.Check(), missing) || !errors.Is(unset.Ping(t.Context()), missing) {
		t.Error("a missing URL is not reported")
	}
	for _, err := range []error{refused, s.Ping(t.Context()), s.Check()} {
		if err == nil || strings.Contains(err.Error(), capability) || strings.Contains(err.Error(), "hc.example") || strings.Contains(err.Error(), "127.0.0.1") {
			t.Errorf("got %v", err)
		}
	}
	if _, err := New(Config{}); err == nil {
		t.Error("no URL is needed")
	}
}
