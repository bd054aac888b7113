package neon_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers"
	"github.com/getkin/kin-openapi/routers/gorillamux"
)

// Neon's OpenAPI document comes from its npm package at test time: its licence forbids a copy here.
const (
	apiPackage  = "@neondatabase/api-client"
	apiVersion  = "2.7.3"
	apiDocument = "package/public-v2-for-users.gen.yaml"
)

// fetchDocument returns the document, from the user's cache after the first time. Without network and cache it
// fails: a contract that was not checked must not look like one that holds.
func fetchDocument() ([]byte, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		cache = os.TempDir()
	}
	dir := filepath.Join(cache, "lifeboat-test", "neon-api-client-"+apiVersion)
	if b, err := os.ReadFile(filepath.Join(dir, filepath.FromSlash(apiDocument))); err == nil {
		return b, nil
	}
	work, err := os.MkdirTemp("", "neonapi")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(work)
	for _, args := range [][]string{
		{"npm", "pack", "--silent", "--pack-destination", work, apiPackage + "@" + apiVersion},
		{"tar", "-xzf", filepath.Join(work, "neondatabase-api-client-"+apiVersion+".tgz"), "-C", work, apiDocument},
	} {
		cmd := exec.Command(args[0], args[1:]...)
		cmd.Dir = work
		if out, err := cmd.CombinedOutput(); err != nil {
			return nil, fmt.Errorf("%s: %w: %s", strings.Join(args[:2], " "), err, out)
		}
	}
	b, err := os.ReadFile(filepath.Join(work, filepath.FromSlash(apiDocument)))
	if err != nil {
		return nil, err
	}
	// Written under a passing name: test binaries run side by side.
	to := filepath.Join(dir, filepath.FromSlash(apiDocument))
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return nil, err
	}
	passing := fmt.Sprintf("%s.%d", to, os.Getpid())
	if err := os.WriteFile(passing, b, 0o644); err != nil {
		return nil, err
	}
	return b, os.Rename(passing, to)
}

var loadRouter = sync.OnceValues(func() (routers.Router, error) {
	b, err := fetchDocument()
	if err != nil {
		return nil, fmt.Errorf("fetch Neon's OpenAPI document: %w", err)
	}
	doc, err := openapi3.NewLoader().LoadFromData(b)
	if err != nil {
		return nil, fmt.Errorf("load Neon's OpenAPI document: %w", err)
	}
	if err := loosen(doc); err != nil {
		return nil, err
	}
	doc.Servers = openapi3.Servers{{URL: "/api/v2"}} // wherever the emulator listens
	if err := doc.Validate(context.Background(), openapi3.DisableExamplesValidation()); err != nil {
		return nil, fmt.Errorf("validate Neon's OpenAPI document: %w", err)
	}
	return gorillamux.NewRouter(doc)
})

// loosen takes out the one thing that Go cannot check: a list of ids below /consumption_history, which the
// emulator does not serve, is described by a pattern that repeats a repetition more than 1000 times.
func loosen(doc *openapi3.T) error {
	const mark = "{0,99}"
	patched := 0
	for _, item := range doc.Paths.Map() {
		if item.Get == nil {
			continue
		}
		for _, param := range item.Get.Parameters {
			if s := param.Value.Schema; s != nil && s.Value.Items != nil && strings.Contains(s.Value.Items.Value.Pattern, mark) {
				s.Value.Items.Value.Pattern = ""
				patched++
			} else if s != nil && strings.Contains(s.Value.Pattern, mark) {
				s.Value.Pattern = ""
				patched++
			}
		}
	}
	if patched == 0 {
		return fmt.Errorf("loosen Neon's OpenAPI document: no pattern holds %q any more: this patch can go", mark)
	}
	return nil
}

// contract is a transport that checks every request and every answer below /api/v2 against Neon's document.
type contract struct {
	t      testing.TB
	router routers.Router
}

func newContract(t testing.TB) contract {
	t.Helper()
	router, err := loadRouter()
	if err != nil {
		t.Fatal(err)
	}
	return contract{t, router}
}

func (c contract) RoundTrip(r *http.Request) (*http.Response, error) {
	if !strings.HasPrefix(r.URL.Path, "/api/v2") {
		return http.DefaultTransport.RoundTrip(r)
	}
	var body []byte
	if r.Body != nil {
		var err error
		if body, err = io.ReadAll(r.Body); err != nil {
			return nil, err
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
	}
	route, params, err := c.router.FindRoute(r)
	if err != nil {
		return nil, fmt.Errorf("%s %s is not in Neon's API: %w", r.Method, r.URL.Path, err)
	}
	input := &openapi3filter.RequestValidationInput{
		Request: r, PathParams: params, Route: route,
		Options: &openapi3filter.Options{AuthenticationFunc: openapi3filter.NoopAuthenticationFunc, IncludeResponseStatus: true, SkipSettingDefaults: true},
	}
	requestErr := openapi3filter.ValidateRequest(r.Context(), input)
	r.Body = io.NopCloser(bytes.NewReader(body))
	resp, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, err
	}
	resp.Body.Close()
	resp.Body = io.NopCloser(bytes.NewReader(answer))
	// Tests that send rubbish on purpose are answered with an error; everything else must be right.
	if requestErr != nil && resp.StatusCode < 400 {
		c.t.Errorf("%s %s: a request that Neon refuses was accepted: %v", r.Method, r.URL.Path, requestErr)
	}
	if resp.StatusCode == 524 { // from the proxy before the API
		return resp, nil
	}
	err = openapi3filter.ValidateResponse(r.Context(), &openapi3filter.ResponseValidationInput{
		RequestValidationInput: input, Status: resp.StatusCode, Header: resp.Header,
		Body: io.NopCloser(bytes.NewReader(answer)), Options: input.Options,
	})
	if err != nil {
		c.t.Errorf("%s %s: the answer is not as Neon's: %v\n%s", r.Method, r.URL.Path, err, answer)
	}
	if bytes.Contains(answer, []byte("null")) {
		c.t.Errorf("%s %s: a null in the answer: %s", r.Method, r.URL.Path, answer)
	}
	return resp, nil
}

func TestTheContractCatchesAWrongAnswer(t *testing.T) {
	t.Parallel()
	router, err := loadRouter()
	if err != nil {
		t.Fatal(err)
	}
	r, err := http.NewRequest(http.MethodGet, "http://127.0.0.1/api/v2/projects/p-1/branches/br-1", nil)
	if err != nil {
		t.Fatal(err)
	}
	route, params, err := router.FindRoute(r)
	if err != nil {
		t.Fatal(err)
	}
	err = openapi3filter.ValidateResponse(t.Context(), &openapi3filter.ResponseValidationInput{
		RequestValidationInput: &openapi3filter.RequestValidationInput{Request: r, PathParams: params, Route: route},
		Status:                 http.StatusOK, Header: http.Header{"Content-Type": {"application/json"}},
		Body: io.NopCloser(strings.NewReader(`{"branch":{"id":"br-1"}}`)),
	})
	var wrong *openapi3filter.ResponseError
	if !errors.As(err, &wrong) {
		t.Errorf("err = %v, want a ResponseError", err)
	}
}
