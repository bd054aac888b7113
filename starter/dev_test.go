package main

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/lifeboat-dr/lifeboat/internal/devstack/stack"
	"github.com/lifeboat-dr/lifeboat/runbooks"
)

// devVariable names the state directory for a re-executed test binary that is `lifeboat dev`.
const devVariable = "LIFEBOAT_TEST_DEV"

func TestMain(m *testing.M) {
	if ran, err := stack.MaybeRun(); ran {
		if err != nil {
			os.Exit(1)
		}
		return
	}
	if dir := os.Getenv(devVariable); dir != "" {
		_ = os.Unsetenv(devVariable) // its children are other things
		os.Exit(execute(context.Background(), []string{"dev", "--state", dir, "--size", "1MB"}, os.Stdout, os.Stderr))
	}
	os.Exit(m.Run())
}

// TestDevLeavesNothingBehind kills `lifeboat dev` with SIGKILL: the kernel ends what it started. Then the
// same state directory is started again.
func TestDevLeavesNothingBehind(t *testing.T) {
	dir, err := os.MkdirTemp("", "lifeboat-dev-") // not below t.TempDir, whose parents PostgreSQL's user cannot pass
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	for _, round := range []string{"first start", "start on the state that the kill left"} {
		dev := exec.CommandContext(t.Context(), os.Args[0])
		dev.Env = append(os.Environ(), devVariable+"="+dir)
		out, err := dev.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := dev.Start(); err != nil {
			t.Fatal(err)
		}
		up := false
		for lines := bufio.NewScanner(out); !up && lines.Scan(); {
			up = strings.Contains(lines.Text(), "Ctrl-C stops everything")
		}
		if !up {
			t.Fatalf("%s: it did not come up", round)
		}
		if running := processesOf(t, dir); len(running) < 6 {
			t.Errorf("%s: only %d processes can be told to belong to it: %v", round, len(running), running)
		}
		lintBuiltins(t, filepath.Join(dir, "lifeboat.yaml"))
		doors(t, filepath.Join(dir, "lifeboat.yaml"), round == "first start")
		_ = dev.Process.Kill()
		_ = dev.Wait()
		left := processesOf(t, dir)
		for deadline := time.Now().Add(15 * time.Second); len(left) > 0 && time.Now().Before(deadline); left = processesOf(t, dir) {
			time.Sleep(50 * time.Millisecond)
		}
		if len(left) > 0 {
			t.Errorf("%s: after the kill these are left: %v", round, left)
		}
	}
}

// lintBuiltins holds the runbooks that come with Lifeboat against a configuration and its roster: nothing to
// object to, and nothing that could not be looked at.
func lintBuiltins(t *testing.T, config string) {
	t.Helper()
	args := []string{"--config", config, "runbook", "lint"}
	for _, r := range runbooks.Builtin() {
		args = append(args, r.Name)
	}
	var out, errs strings.Builder
	if code := execute(t.Context(), args, &out, &errs); code != exitOK || out.Len()+errs.Len() > 0 {
		t.Errorf("lint of the builtin runbooks ends with %d: %s%s", code, out.String(), errs.String())
	}
}

// doors looks at the doors of a stack: they come up as they were. The drill's is opened once, and never again.
func doors(t *testing.T, config string, first bool) {
	t.Helper()
	show := func() (lines map[string]string) {
		t.Helper()
		var out, errs strings.Builder
		if code := execute(t.Context(), []string{"--config", config, "--output", "json", "door", "show"}, &out, &errs); code != exitOK {
			t.Fatalf("door show ends with %d: %s%s", code, out.String(), errs.String())
		}
		var views []doorView
		if err := json.Unmarshal([]byte(out.String()), &views); err != nil {
			t.Fatal(err)
		}
		lines = map[string]string{}
		for _, v := range views {
			lines[v.Door+map[bool]string{true: " drill"}[v.Drill]] = string(v.State) + " " + v.By
		}
		return lines
	}
	opened := func() int {
		return execute(t.Context(), []string{"--config", config, "door", "init", "us-east-1", "--component", "database", "--drill"}, io.Discard, io.Discard)
	}
	if first {
		if lines := show(); lines["us-east-1"] != "open development stack" || lines["us-east-1 drill"] != "closed " || lines["us-west-2"] != "closed " {
			t.Errorf("%v", lines)
		}
		if code := opened(); code != exitOK {
			t.Errorf("door init ends with %d", code)
		}
	}
	if lines := show(); lines["us-east-1"] != "open development stack" || lines["us-east-1 drill"] != "open lifeboat door init" {
		t.Errorf("%v", lines)
	}
	if code := opened(); code != exitFailed {
		t.Errorf("door init of a door that was used ends with %d", code)
	}
	if code := execute(t.Context(), []string{"--config", config, "door", "show", "us-north"}, io.Discard, io.Discard); code != exitNotFound {
		t.Errorf("door show of no door ends with %d", code)
	}
}

// processesOf finds the processes that have to do with a directory, by their arguments, environment or
// working directory.
func processesOf(t *testing.T, dir string) []string {
	t.Helper()
	var found []string
	paths, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range paths {
		args, _ := os.ReadFile(filepath.Join(p, "cmdline"))
		env, _ := os.ReadFile(filepath.Join(p, "environ"))
		cwd, _ := os.Readlink(filepath.Join(p, "cwd"))
		if len(args) > 0 && (strings.Contains(string(args), dir) || strings.Contains(string(env), dir) || strings.HasPrefix(cwd, dir)) {
			found = append(found, filepath.Base(p)+" "+strings.ReplaceAll(string(args), "\x00", " "))
		}
	}
	return found
}
