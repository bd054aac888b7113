package secret

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/goccy/go-yaml"
)

const hidden = "s3cr3t-hunter2"

// A struct whose secret stands in an unexported field, where fmt calls no method.
type holder struct {
	Seen    String
	unseen  String
	pointer *String
}

func TestNothingPrintsASecret(t *testing.T) {
	s := New(hidden)
	values := map[string]any{
		"value": s, "pointer": &s, "struct": holder{s, s, &s}, "slice": []String{s}, "map": map[string]String{"k": s},
		"map key": map[String]int{s: 1}, "interface": []any{s},
	}
	for name, v := range values {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%T %v"} {
			args := []any{v}
			if verb == "%T %v" {
				args = []any{v, v}
			}
			refuse(t, name+" "+verb, fmt.Sprintf(verb, args...))
		}
		refuse(t, name+" error", fmt.Errorf("open %v: %w", v, fmt.Errorf("%v", v)).Error())
		if name != "map key" {
			out, err := json.Marshal(v)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			refuse(t, name+" json", string(out))
		}
		if name != "map key" {
			out, err := yaml.Marshal(v)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			refuse(t, name+" yaml", string(out))
		}
		var log bytes.Buffer
		slog.New(slog.NewTextHandler(&log, nil)).Info("m", "v", v, slog.Group("g", "v", v))
		slog.New(slog.NewJSONHandler(&log, nil)).Info("m", "v", v, slog.Group("g", "v", v))
		refuse(t, name+" slog", log.String())
	}
	if got := s.Reveal(); got != hidden {
		t.Errorf("Reveal gives %q", got)
	}
}

func refuse(t *testing.T, what, out string) {
	t.Helper()
	for _, form := range []string{hidden, fmt.Sprintf("%x", hidden), fmt.Sprintf("%X", hidden)} {
		if strings.Contains(out, form) {
			t.Errorf("%s shows the secret: %s", what, out)
		}
	}
}

func TestRedactedTextIsTheSameEverywhere(t *testing.T) {
	s := New(hidden)
	text, _ := s.MarshalText()
	raw, _ := s.MarshalJSON()
	doc, _ := yaml.Marshal(map[string]String{"k": s})
	for what, got := range map[string]string{
		"String": s.String(), "GoString": s.GoString(), "Format": fmt.Sprintf("%q", s), "Text": string(text),
		"JSON": strings.Trim(string(raw), `"`), "YAML": strings.Trim(strings.TrimSpace(strings.TrimPrefix(string(doc), "k:")), `"'`),
	} {
		if got != Redacted {
			t.Errorf("%s gives %q, want %q", what, got, Redacted)
		}
	}
}

func TestEqual(t *testing.T) {
	var zero String
	if !New("a").Equal(New("a")) || New("a").Equal(New("b")) || New("a").Equal(New("aa")) || !zero.Equal(New("")) {
		t.Error("Equal does not compare the texts")
	}
	if !zero.Empty() || !New("").Empty() || New("a").Empty() {
		t.Error("Empty is wrong")
	}
}

func TestResolve(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string, mode os.FileMode) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	fifo := filepath.Join(dir, "fifo")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("LIFEBOAT_TEST_SECRET", hidden)
	t.Setenv("LIFEBOAT_TEST_EMPTY", "")
	for _, tc := range []struct {
		name string
		ref  Ref
		want string
		err  string
	}{
		{"environment", Ref{Env: "LIFEBOAT_TEST_SECRET"}, hidden, ""},
		{"unset", Ref{Env: "LIFEBOAT_TEST_UNSET"}, "", "LIFEBOAT_TEST_UNSET is not set"},
		{"empty variable", Ref{Env: "LIFEBOAT_TEST_EMPTY"}, "", "is empty"},
		{"file", Ref{File: write("f", hidden, 0o600)}, hidden, ""},
		{"one newline is trimmed", Ref{File: write("nl", hidden+"\n", 0o640)}, hidden, ""},
		{"and no second one", Ref{File: write("nl2", hidden+"\n\n", 0o400)}, hidden + "\n", ""},
		{"carriage return", Ref{File: write("crlf", hidden+"\r\n", 0o600)}, hidden, ""},
		{"open to everybody", Ref{File: write("open", hidden, 0o644)}, "", "mode 0644"},
		{"empty file", Ref{File: write("empty", "\n", 0o600)}, "", "is empty"},
		{"too large", Ref{File: write("large", strings.Repeat(hidden, 1<<17), 0o600)}, "", "larger than"},
		{"missing", Ref{File: filepath.Join(dir, "missing")}, "", "no such file"},
		{"directory", Ref{File: dir}, "", "not a regular file"},
		{"pipe", Ref{File: fifo}, "", "not a regular file"},
		{"both", Ref{Env: "LIFEBOAT_TEST_SECRET", File: "x"}, "", "keep one"},
		{"neither", Ref{}, "", "no environment variable and no file"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			got, err := tc.ref.Resolve()
			if tc.err == "" {
				if err != nil || got.Reveal() != tc.want {
					t.Fatalf("got a secret of %d bytes, error %v", len(got.Reveal()), err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), tc.err) {
				t.Fatalf("error %v does not say %q", err, tc.err)
			}
			refuse(t, "error", err.Error())
		})
	}
}

func TestContainerMountsMayBeOpen(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "sub", "secret")
	if err := os.Mkdir(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(hidden), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := (Ref{File: path}).Resolve(); err == nil {
		t.Fatal("an open file was taken")
	}
	old := mounts
	t.Cleanup(func() { mounts = old })
	mounts = []string{dir}
	if s, err := (Ref{File: path}).Resolve(); err != nil || s.Reveal() != hidden {
		t.Fatalf("below a mount: %v", err)
	}
}
