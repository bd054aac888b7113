package config

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

var update = flag.Bool("update", false, "write the golden files anew")

// The word that stands wherever a secret could: it must never be seen again.
const hidden = "hunter2"

func TestMessages(t *testing.T) {
	files, err := filepath.Glob("testdata/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no test data: %v", err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			var got strings.Builder
			c, err := Load(file)
			var problems Problems
			switch {
			case err == nil:
				for _, w := range c.Warnings {
					fmt.Fprintf(&got, "warning: %s\n", w)
				}
			case errors.As(err, &problems):
				fmt.Fprintf(&got, "%v\n", err)
			default:
				t.Fatalf("error of type %T: %v", err, err)
			}
			golden := strings.TrimSuffix(file, ".yaml") + ".golden"
			if *update {
				if err := os.WriteFile(golden, []byte(got.String()), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got.String()); diff != "" {
				t.Errorf("messages differ (-want +got):\n%s", diff)
			}
			if strings.Contains(strings.ToLower(got.String()), hidden) {
				t.Errorf("a secret is repeated:\n%s", got.String())
			}
		})
	}
}

func TestMissingFile(t *testing.T) {
	if _, err := Load("testdata/missing"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v", err)
	}
	large := filepath.Join(t.TempDir(), "large")
	if err := os.WriteFile(large, bytes.Repeat([]byte("#\n"), maxFile), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(large); err == nil || !strings.Contains(err.Error(), "larger than") {
		t.Errorf("got %v", err)
	}
}

func TestRedactedIsTheConfiguration(t *testing.T) {
	for _, file := range []string{example, "testdata/minimal.yaml"} {
		c, err := Load(file)
		if err != nil {
			t.Fatal(err)
		}
		again, err := parse("again", "/elsewhere", []byte(c.Redacted()))
		if err != nil {
			t.Fatalf("%v\n%s", err, c.Redacted())
		}
		again.File, again.Warnings = c.File, c.Warnings
		if diff := cmp.Diff(c, again); diff != "" {
			t.Errorf("%s (-loaded +rendered and loaded):\n%s", file, diff)
		}
	}
}

// However a configuration is printed, secrets that are set in the environment and in files do not appear.
func TestNoSecretLeaks(t *testing.T) {
	dir := t.TempDir()
	text, err := os.ReadFile(example)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "lifeboat.yaml")
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := Load(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(dir, "secrets"), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"signing_key", "spare.url", "verification-2026-11.age", "archive-service-account.json"} {
		if err := os.WriteFile(filepath.Join(dir, "secrets", name), []byte(hidden), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"NEON_US_EAST_KEY", "LIFEBOAT_FLEET_KEY", "REPORTING_URL", "ALERT_ON_CALL_SECRET"} {
		t.Setenv(name, hidden)
	}
	key, err := c.Keys.SigningKey.Resolve()
	if err != nil || key.Reveal() != hidden {
		t.Fatalf("the reference does not resolve: %v", err)
	}
	var log bytes.Buffer
	for _, h := range []slog.Handler{slog.NewTextHandler(&log, nil), slog.NewJSONHandler(&log, nil)} {
		slog.New(h).Info("m", "config", c, "value", *c, "secret", key, "ref", c.Keys.SigningKey)
	}
	asJSON, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	asYAML, err := yaml.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	for what, out := range map[string]string{
		"%v": fmt.Sprintf("%v", c), "%+v": fmt.Sprintf("%+v", *c), "%#v": fmt.Sprintf("%#v", *c), "json": string(asJSON),
		"yaml": string(asYAML), "slog": log.String(), "Redacted": c.Redacted(), "key": fmt.Sprintf("%v %+v %#v %q", key, key, key, key),
	} {
		if strings.Contains(out, hidden) {
			t.Errorf("%s shows a secret", what)
		}
	}
	if strings.Contains(log.String(), "config.temporal") || !strings.Contains(log.String(), "config.application=medlink") {
		t.Errorf("a configuration is logged as %s", log.String())
	}
}

var references = regexp.MustCompile(`(?m)^[^#\n]*?(\{(?:env|file): [^}]+\})`)

// Wherever a reference belongs, somebody pastes the secret itself: it is refused and not repeated.
func TestPastedSecretsAreNotRepeated(t *testing.T) {
	text, err := os.ReadFile(example)
	if err != nil {
		t.Fatal(err)
	}
	places := references.FindAllSubmatchIndex(text, -1)
	if len(places) < 10 {
		t.Fatalf("only %d references found in the example", len(places))
	}
	rapid.Check(t, func(t *rapid.T) {
		secret := rapid.StringMatching(`[a-zA-Z0-9+/=]{12,80}[a-z]`).Draw(t, "secret")
		form := rapid.SampledFrom([]string{
			"%s", "'%s'", `"%s"`, "{%s}", "{%s: x}", "{env: '%s'}", "{key: %s}", "[%s]", "[{env: A}, '%s']", "{env: {file: %s}}", "{file: 'postgres://u:%s@h/d'}",
			"{env: A, file: %s}", "{env: A, %s: x}", "'postgres://user:%s@host/db'", "!!str %s", "&a '%s'", "{env: A", "'%s", "{file: \"AGE-SECRET-KEY-%s\"}",
		}).Draw(t, "form")
		at := places[rapid.IntRange(0, len(places)-1).Draw(t, "place")]
		pasted := form
		if strings.Contains(form, "%s") {
			pasted = fmt.Sprintf(form, secret)
		}
		_, err := parse("pasted", "/dir", slices.Concat(text[:at[2]], []byte(pasted), text[at[3]:]))
		if err == nil {
			t.Fatalf("%s was taken", pasted)
		}
		if strings.Contains(err.Error(), secret) {
			t.Fatalf("repeated: %v", err)
		}
	})
}

func TestAbsurdNestingIsRefused(t *testing.T) {
	for _, level := range []string{"[", "{", "a: {", "- ", "? ", "[{", "a: [b,\n"} {
		_, err := parse("deep", "/", []byte("version: 1\n"+strings.Repeat(level, maxFile/len(level))))
		if err == nil || !strings.Contains(err.Error(), "nests deeper") {
			t.Errorf("%q: %.200v", level, err)
		}
	}
}

// FuzzParse feeds the decoder what people and machines can write. Whatever it is, there is no panic, and
// either a result that renders to itself or at least one problem with a place inside the file.
func FuzzParse(f *testing.F) {
	files, err := filepath.Glob("testdata/*.yaml")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range append(files, example) {
		text, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Add([]byte("? [a]\n: b\n<<: *x\n"))
	f.Add([]byte("a: &a [*a]\n"))
	f.Add([]byte("keys: {signing_key: {env: {file: x}}}"))
	f.Fuzz(func(t *testing.T, text []byte) {
		c, err := parse("fuzz", "/dir", text)
		if err == nil {
			if _, err := parse("again", "/dir", []byte(c.Redacted())); err != nil {
				t.Fatalf("what loads does not load again: %v\n%s", err, c.Redacted())
			}
			return
		}
		var problems Problems
		if !errors.As(err, &problems) || len(problems) == 0 {
			t.Fatalf("error %T without problems", err)
		}
		lines := bytes.Count(text, []byte("\n")) + bytes.Count(text, []byte("\r")) + 1
		for _, p := range problems {
			if p.Line < 1 || p.Line > lines || p.Column < 1 || p.Message == "" {
				t.Errorf("a problem without a place: %+v", p)
			}
		}
	})
}
