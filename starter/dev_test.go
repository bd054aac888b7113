package main

import (
	"bufio"
	"context"
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
