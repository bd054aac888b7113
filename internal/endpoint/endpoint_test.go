package endpoint_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/lifeboat-dr/lifeboat/activities"
	"github.com/lifeboat-dr/lifeboat/internal/endpoint"
	"github.com/lifeboat-dr/lifeboat/internal/secret"
)

// service answers with what it was asked.
func service(t *testing.T) *httptest.Server {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/away") {
			http.Redirect(w, r, "http://127.0.0.1:1/elsewhere", http.StatusFound)
			return
		}
		body, _ := io.ReadAll(r.Body)
		_ = json.NewEncoder(w).Encode(map[string]string{
			"method": r.Method, "url": r.URL.String(), "body": string(body), "token": r.Header.Get("Authorization"), "key": r.Header.Get("Idempotency-Key"),
		})
	}))
	t.Cleanup(s.Close)
	return s
}

func named(t *testing.T, name, value string) secret.Ref {
	t.Helper()
	t.Setenv(name, value)
	return secret.Ref{Env: name}
}

func TestCall(t *testing.T) {
	s := service(t)
	e := &endpoint.Endpoint{URL: named(t, "LB_URL", s.URL+"/base?of=us"), Secrets: map[string]secret.Ref{"token": named(t, "LB_TOKEN", "Bearer s3cret")}, Timeout: 5 * time.Second}
	answer, err := e.Call(t.Context(), activities.Request{Method: "POST", Path: "/scale?to=3", Body: []byte(`{"n":3}`), Key: "x/y", Secrets: map[string]string{"Authorization": "token"}})
	if err != nil || answer.Status != http.StatusOK {
		t.Fatalf("answer %+v: %v", answer, err)
	}
	var got map[string]string
	if err := json.Unmarshal(answer.Body, &got); err != nil {
		t.Fatal(err)
	}
	for field, want := range map[string]string{"method": "POST", "url": "/base/scale?of=us&to=3", "body": `{"n":3}`, "token": "Bearer s3cret", "key": "x/y"} {
		if got[field] != want {
			t.Errorf("%s is %q, want %q", field, got[field], want)
		}
	}
}

func TestNothingElseIsCalled(t *testing.T) {
	s := service(t)
	e := &endpoint.Endpoint{URL: named(t, "LB_URL", s.URL+"/base"), Timeout: 5 * time.Second}
	if answer, err := e.Call(t.Context(), activities.Request{Method: "GET", Path: "/away"}); err != nil || answer.Status != http.StatusFound {
		t.Errorf("a redirect was followed, or not shown: %+v: %v", answer, err)
	}
	for _, path := range []string{"//evil.example/x", "http://evil.example/", "/../../x", "@evil.example/"} {
		answer, err := e.Call(t.Context(), activities.Request{Method: "GET", Path: path})
		if err == nil && !strings.Contains(string(answer.Body), `"url":"/base/`) && !strings.Contains(string(answer.Body), `"url":"/`) {
			t.Errorf("path %q was answered with %s", path, answer.Body)
		}
	}
	if _, err := e.Call(t.Context(), activities.Request{Method: "GET", Path: "/", Secrets: map[string]string{"Authorization": "other"}}); err == nil {
		t.Error("a secret was sent that the endpoint is not lent")
	}
}

func TestErrorsTellNoAddress(t *testing.T) {
	for name, address := range map[string]string{
		"nobody listens": "http://127.0.0.1:1/t0ken", "no such host": "https://s3cret.invalid/t0ken", "no URL": "t0ken", "not https": "http://s3cret.example/t0ken",
	} {
		e := &endpoint.Endpoint{URL: named(t, "LB_URL", address), Timeout: 5 * time.Second}
		_, err := e.Call(t.Context(), activities.Request{Method: "GET", Path: "/"})
		if err == nil || strings.Contains(err.Error(), "t0ken") || strings.Contains(err.Error(), "s3cret") || strings.Contains(err.Error(), "127.0.0.1") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
