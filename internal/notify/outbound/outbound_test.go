package outbound

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/lifeboat-dr/lifeboat/internal/secret"
)

const capability = "c4pability-7f3a"

// receiver answers by its script, the last answer for ever, and counts.
type receiver struct {
	*httptest.Server
	calls atomic.Int64
}

func newReceiver(t *testing.T, script ...func(w http.ResponseWriter)) *receiver {
	t.Helper()
	r := &receiver{}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		_, _ = io.Copy(io.Discard, req.Body)
		n := int(r.calls.Add(1))
		script[min(n, len(script))-1](w)
	}))
	t.Cleanup(r.Close)
	return r
}

func status(code int, header ...string) func(http.ResponseWriter) {
	return func(w http.ResponseWriter) {
		for i := 0; i+1 < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(code)
	}
}

func drop(w http.ResponseWriter) {
	conn, _, err := w.(http.Hijacker).Hijack()
	if err == nil {
		_ = conn.Close()
	}
}

func hang(w http.ResponseWriter) {
	time.Sleep(300 * time.Millisecond)
	w.WriteHeader(200)
}

func TestSend(t *testing.T) {
	elsewhere := newReceiver(t, status(200))
	for _, tc := range []struct {
		name   string
		script []func(http.ResponseWriter)
		calls  int64
		says   string // empty: it succeeds
	}{
		{"taken", []func(http.ResponseWriter){status(204)}, 1, ""},
		{"busy once", []func(http.ResponseWriter){status(429), status(200)}, 2, ""},
		{"broken twice", []func(http.ResponseWriter){status(503), status(500), status(200)}, 3, ""},
		{"connection lost", []func(http.ResponseWriter){drop, status(200)}, 2, ""},
		{"too slow", []func(http.ResponseWriter){hang, status(200)}, 2, ""},
		{"bad request", []func(http.ResponseWriter){status(400)}, 1, "answered 400"},
		{"gone", []func(http.ResponseWriter){status(410)}, 1, "answered 410"},
		{"redirect", []func(http.ResponseWriter){status(307, "Location", elsewhere.URL)}, 1, "redirects are not followed"},
		{"broken for ever", []func(http.ResponseWriter){status(502)}, -1, "answered 502"},
		{"asks for more time than there is", []func(http.ResponseWriter){status(429, "Retry-After", "60")}, 1, "answered 429"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			r := newReceiver(t, tc.script...)
			s := Sender{First: time.Millisecond, Budget: 600 * time.Millisecond, Timeout: 100 * time.Millisecond}
			err := s.Send(t.Context(), Request{Method: http.MethodPost, URL: secret.New(r.URL + "/" + capability), Body: []byte("x")})
			if tc.says == "" && err != nil || tc.says != "" && (err == nil || !strings.Contains(err.Error(), tc.says)) {
				t.Fatalf("got %v", err)
			}
			if tc.calls >= 0 && r.calls.Load() != tc.calls || tc.calls < 0 && r.calls.Load() < 3 {
				t.Errorf("%d calls", r.calls.Load())
			}
			if code := tc.says == "answered 400" || tc.says == "answered 410"; code && !errors.Is(err, ErrRefused) {
				t.Error("it is not ErrRefused")
			}
			silent(t, err)
		})
	}
	if elsewhere.calls.Load() != 0 {
		t.Error("a redirect was followed")
	}
}

func silent(t *testing.T, err error) {
	t.Helper()
	if err != nil && (strings.Contains(err.Error(), capability) || strings.Contains(err.Error(), "127.0.0.1") || strings.Contains(err.Error(), "example.invalid")) {
		t.Errorf("the error shows the URL: %v", err)
	}
}

func TestRetryAfterIsHonoured(t *testing.T) {
	r := newReceiver(t, status(429, "Retry-After", "1"), status(200))
	s := Sender{First: time.Millisecond}
	start := time.Now()
	if err := s.Send(t.Context(), Request{Method: http.MethodGet, URL: secret.New(r.URL)}); err != nil {
		t.Fatal(err)
	}
	if waited := time.Since(start); waited < time.Second {
		t.Errorf("waited %s only", waited)
	}
}

func TestUnreachable(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	unknown := httptest.NewTLSServer(http.NotFoundHandler())
	t.Cleanup(unknown.Close)
	resolver := &http.Client{Transport: &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) {
		return nil, &net.DNSError{Err: "no such host", Name: capability + ".example.invalid"}
	}}}
	for url, tc := range map[string]struct {
		client *http.Client
		says   string
	}{
		"http://" + address + "/" + capability:        {nil, "connection refused"},
		unknown.URL + "/" + capability:                {nil, "certificate"},
		"https://" + capability + ".example.invalid/": {resolver, "cannot be resolved"},
	} {
		s := Sender{HTTP: tc.client, First: time.Millisecond, Budget: 5 * time.Millisecond}
		err := s.Send(t.Context(), Request{Method: http.MethodGet, URL: secret.New(url)})
		if err == nil || !strings.Contains(err.Error(), tc.says) {
			t.Errorf("got %v, want %q", err, tc.says)
		}
		silent(t, err)
	}
}

func TestCancelled(t *testing.T) {
	r := newReceiver(t, status(503))
	ctx, cancel := context.WithTimeoutCause(t.Context(), 50*time.Millisecond, errors.New("the operator cancelled"))
	defer cancel()
	s := Sender{First: 20 * time.Millisecond}
	err := s.Send(ctx, Request{Method: http.MethodGet, URL: secret.New(r.URL + "/" + capability)})
	if err == nil || !strings.Contains(err.Error(), "the operator cancelled") {
		t.Errorf("got %v", err)
	}
	silent(t, err)
}

func TestParse(t *testing.T) {
	for address, ok := range map[string]bool{
		"https://hooks.example.test/" + capability: true, "http://127.0.0.1:80/x": true, "http://[::1]/x": true, "http://localhost:1/": true,
		"http://hooks.example.test/" + capability: false, "http://localhost.evil.test/": false, "": false, "https:///" + capability: false,
		"https:" + capability: false, "file:///" + capability: false, "https://x/%zz" + capability: false,
	} {
		_, err := Parse(secret.New(address))
		if (err == nil) != ok {
			t.Errorf("%q: %v", address, err)
		}
		silent(t, err)
	}
}
