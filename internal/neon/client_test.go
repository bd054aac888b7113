package neon

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/lifeboat-dr/lifeboat/internal/secret"
)

func TestNewRefuses(t *testing.T) {
	key := func() (secret.String, error) { return secret.New(testKey), nil }
	for base, ok := range map[string]bool{
		"": true, "https://console.neon.tech/api/v2/": true, "http://127.0.0.1:8080/api/v2": true, "http://localhost/api/v2": true,
		"http://[::1]:80": true, "http://console.neon.tech/api/v2": false, "ftp://x": false, "https://u:" + testPassword + "@x/": false,
		"https://x/?a=b": false, "console.neon.tech": false, "http://127.0.0.1.evil.test": false, "https://x/%zz" + testPassword: false,
	} {
		_, err := New(Config{BaseURL: base, Key: key})
		if (err == nil) != ok {
			t.Errorf("%q: %v", base, err)
		}
		if err != nil && strings.Contains(err.Error(), testPassword) {
			t.Errorf("the error shows a password: %v", err)
		}
	}
	if _, err := New(Config{BaseURL: "http://emulator:8080/api/v2", Key: key, AllowPlainHTTP: true}); err != nil {
		t.Error(err)
	}
	if _, err := New(Config{}); err == nil {
		t.Error("no key is needed")
	}
}

func TestKeyIsReadForEachRequest(t *testing.T) {
	f, c := newFake(t)
	keys := []string{"first-key", "second-key"}
	c.cfg.Key = func() (secret.String, error) {
		k := keys[0]
		keys = keys[1:]
		return secret.New(k), nil
	}
	f.fail(&fault{call: "GET branches", times: 1, status: 503})
	if _, err := c.Branches(t.Context(), project); err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(f.keys, ","); got != "Bearer first-key,Bearer second-key" {
		t.Errorf("sent %s", got)
	}
	for _, bad := range []func() (secret.String, error){
		func() (secret.String, error) {
			return secret.String{}, errors.New("file /run/secrets/key: no such file")
		},
		func() (secret.String, error) { return secret.String{}, nil },
		func() (secret.String, error) { return secret.New("two\nlines"), nil },
	} {
		c.cfg.Key = bad
		if _, err := c.Branches(t.Context(), project); !errors.Is(err, ErrDenied) || strings.Contains(err.Error(), "lines") {
			t.Errorf("got %v", err)
		}
	}
}

func TestScrub(t *testing.T) {
	for text, want := range map[string]string{
		"branch not ready yet":                          "branch not ready yet",
		"password authentication failed for user \"x\"": "password authentication failed for user \"x\"",
		"the project has store_passwords off":           "the project has store_passwords off",
		"dial postgres://u:p@h/d?x=y failed":            "dial [redacted] failed",
		`{"uri":"postgresql:\/\/u:p@h\/d","n":1}`:       `{"uri":"[redacted]","n":1}`,
		`{"password":"a\"b c","n":1}`:                   `{"[redacted],"n":1}`,
		"password=p host=h":                             "[redacted] host=h",
		"PGPASSWORD='a b' psql":                         "[redacted] psql",
		"the password hunter2 is wrong":                 "the [redacted] is wrong",
		"Authorization: Bearer abc.def":                 "Authorization: [redacted]",
		"key napi_abc123 and npg_abc123":                "key [redacted] and [redacted]",
		"line\nbreak\tand \x1b[31mcolour":               "line break and [31mcolour",
		"echo of " + "literal-key":                      "echo of [redacted]",
	} {
		if got := scrub(text, "literal-key"); got != want {
			t.Errorf("scrub(%q) = %q, want %q", text, got, want)
		}
	}
	if got := scrub(strings.Repeat("é", 1000)); len(got) > maxMessage+len("…") || !strings.HasSuffix(got, "é…") {
		t.Errorf("%d bytes: %q", len(got), got)
	}
}

func TestConnectionURI(t *testing.T) {
	f, c := newFake(t)
	s := ConnectionSpec{Project: project, Branch: mainBranch, Endpoint: "ep-x-000001", Database: "claims", Role: "owner"}
	answer := func(uri string) {
		body, _ := json.Marshal(map[string]string{"uri": uri})
		f.fail(&fault{call: "GET connection_uri", times: 1, status: 200, body: string(body)})
	}
	good := "postgresql://owner:" + testPassword + "@ep-x.us-east-2.aws.neon.tech/claims?sslmode=require"
	answer(good)
	got, err := c.ConnectionURI(t.Context(), s)
	if err != nil || got.Reveal() != good {
		t.Fatal(err)
	}
	f.noSecrets("the result", fmt.Sprintf("%v %+v %#v", got, got, got))
	for _, bad := range []string{"", "https://x/", "postgres:///d", "postgres://u:" + testPassword + "@ep-x-pooler.c-3.us-east-1.aws.neon.tech/d", "postgres://u:" + testPassword + "@h:p/d"} {
		answer(bad)
		if _, err := c.ConnectionURI(t.Context(), s); err == nil {
			t.Errorf("%q was taken", bad)
		} else {
			f.noSecrets("error", err.Error())
		}
	}
	s.Pooled = true
	answer("postgres://u:p@ep-x-pooler.c-3.us-east-1.aws.neon.tech/d")
	if _, err := c.ConnectionURI(t.Context(), s); err != nil {
		t.Error(err)
	}
	f.fail(&fault{call: "GET connection_uri", times: 1, status: 412, body: `{"message":"passwords are not stored"}`})
	if _, err := c.ConnectionURI(t.Context(), s); err == nil || !strings.Contains(err.Error(), "does not store passwords") {
		t.Error(err)
	}
}

func TestRevealPasswordKeepsRoleNamesInTheirPlace(t *testing.T) {
	f, c := newFake(t)
	role := "a/../../b?x"
	f.fail(&fault{call: "GET /branches/" + mainBranch + "/roles/" + url.PathEscape(role) + "/reveal_password", times: 1, status: 200, body: `{"password":"` + testPassword + `"}`})
	got, err := c.RevealPassword(t.Context(), project, mainBranch, role)
	if err != nil || got.Reveal() != testPassword {
		t.Fatalf("%v, calls %v", err, f.calls)
	}
	for _, bad := range []string{"", ".", ".."} {
		if _, err := c.RevealPassword(t.Context(), project, mainBranch, bad); !errors.Is(err, ErrInvalid) {
			t.Errorf("%q: %v", bad, err)
		}
	}
	f.fail(&fault{call: "GET reveal_password", times: 1, status: 404, body: `{"message":"role not found"}`})
	if _, err := c.RevealPassword(t.Context(), project, mainBranch, "x"); !IsNotFound(err) {
		t.Error(err)
	}
}

func TestEnsureDatabase(t *testing.T) {
	f, c := newFake(t)
	f.fail(&fault{call: "POST databases", times: 1, drop: true})
	for range 2 {
		d, err := c.EnsureDatabase(t.Context(), project, mainBranch, "lifeboat_scratch_x", "owner")
		if err != nil || d.Name != "lifeboat_scratch_x" || f.count("POST databases") != 1 {
			t.Fatalf("%+v, %v, sent %d times", d, err, f.count("POST databases"))
		}
	}
	if _, err := c.EnsureDatabase(t.Context(), project, mainBranch, "lifeboat_scratch_x", "other"); !errors.Is(err, ErrConflict) {
		t.Error(err)
	}
	if !f.ops[0].Status.Done() {
		t.Errorf("operation is %s", f.ops[0].Status)
	}
}

func TestEndpoints(t *testing.T) {
	f, c := newFake(t)
	f.fail(&fault{call: "POST endpoints", times: 1, drop: true})
	e, err := c.EnsureEndpoint(t.Context(), project, mainBranch, ReadWrite)
	if err != nil || f.count("POST endpoints") != 1 {
		t.Fatalf("%+v, %v", e, err)
	}
	if _, err = c.StartEndpoint(t.Context(), project, e.ID); err != nil {
		t.Error(err)
	}
	if _, err = c.SuspendEndpoint(t.Context(), project, e.ID); err != nil {
		t.Error(err)
	}
	if _, err = c.RestartEndpoint(t.Context(), project, e.ID); err != nil {
		t.Error(err)
	}
	if _, err = c.DisableEndpoint(t.Context(), project, e.ID, true); err != nil {
		t.Error(err)
	}
	for _, end := range []string{"POST /start", "POST /suspend", "POST /restart", "PATCH " + e.ID} {
		if f.count(end) != 1 {
			t.Errorf("%s was sent %d times", end, f.count(end))
		}
	}
	for _, o := range f.ops {
		if !o.Status.Done() {
			t.Errorf("operation is %s", o.Status)
		}
	}
}
