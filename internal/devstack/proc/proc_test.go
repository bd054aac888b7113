package proc_test

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/lifeboat-dr/lifeboat/internal/devstack/proc"
)

// TestMain doubles as the owner that is killed in TestChildDiesWithItsKilledOwner.
func TestMain(m *testing.M) {
	if out := os.Getenv("PROC_TEST_OWNER"); out != "" {
		if err := own(out); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	os.Exit(m.Run())
}

// own starts a child that writes which signal ended it into a file, and never returns.
func own(out string) error {
	script := `trap 'echo quit >` + out + `; exit 0' QUIT; echo ready; while :; do sleep 0.05; done`
	p, err := proc.Start(proc.Spec{Path: "sh", Args: []string{"-c", script}, Output: os.Stdout, DeathSignal: syscall.SIGQUIT})
	if err != nil {
		return err
	}
	fmt.Println("pid", p.PID())
	select {}
}

func TestChildDiesWithItsKilledOwner(t *testing.T) {
	out := filepath.Join(t.TempDir(), "signal")
	owner := exec.Command(os.Args[0])
	owner.Env = append(os.Environ(), "PROC_TEST_OWNER="+out)
	stdout, err := owner.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := owner.Start(); err != nil {
		t.Fatal(err)
	}
	var pid int
	ready := false
	for lines := bufio.NewScanner(stdout); (pid == 0 || !ready) && lines.Scan(); {
		if s, ok := strings.CutPrefix(lines.Text(), "pid "); ok {
			pid, _ = strconv.Atoi(s)
		}
		ready = ready || lines.Text() == "ready"
	}
	if pid == 0 || !ready {
		t.Fatal("the owner did not start its child")
	}
	if err := owner.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = owner.Wait()
	deadline := time.Now().Add(10 * time.Second)
	for alive(pid) {
		if time.Now().After(deadline) {
			_ = syscall.Kill(pid, syscall.SIGKILL)
			t.Fatal("the child outlived its owner")
		}
		time.Sleep(10 * time.Millisecond)
	}
	if got, _ := os.ReadFile(out); string(got) != "quit\n" {
		t.Errorf("the child was not ended by the chosen signal: %q", got)
	}
}

// alive says whether a process exists and is no zombie.
func alive(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false
	}
	_, state, _ := strings.Cut(string(stat), ") ")
	return !strings.HasPrefix(state, "Z")
}

func TestStopIsGracefulFirst(t *testing.T) {
	var out bytes.Buffer
	p, err := proc.Start(proc.Spec{Path: "sh", Args: []string{"-c", `trap 'echo bye; exit 3' TERM; echo up; while :; do sleep 0.02; done`}, Output: &out})
	if err != nil {
		t.Fatal(err)
	}
	time.Sleep(200 * time.Millisecond) // the shell sets its trap; without it the test fails, never passes by luck
	if err := p.Stop(syscall.SIGTERM, 10*time.Second); err != nil {
		t.Fatal(err)
	}
	var exit *exec.ExitError
	if err := p.Wait(); !errors.As(err, &exit) || exit.ExitCode() != 3 {
		t.Errorf("Wait = %v, want exit code 3", err)
	}
	if out.String() != "up\nbye\n" {
		t.Errorf("output = %q", out.String())
	}
	if err := p.Stop(syscall.SIGTERM, time.Second); err != nil {
		t.Errorf("stopping an ended child: %v", err)
	}
}

func TestStopKillsTheStubborn(t *testing.T) {
	p, err := proc.Start(proc.Spec{Name: "mule", Path: "sh", Args: []string{"-c", `trap '' TERM; while :; do sleep 0.02; done`}})
	if err != nil {
		t.Fatal(err)
	}
	time.Sleep(200 * time.Millisecond) // as above
	if err := p.Stop(syscall.SIGTERM, 100*time.Millisecond); !errors.Is(err, proc.ErrKilled) {
		t.Errorf("Stop = %v, want ErrKilled", err)
	}
}

func TestAnotherUser(t *testing.T) {
	if os.Getuid() != 0 {
		_, err := proc.Start(proc.Spec{Path: "true", User: "nobody"})
		if err == nil {
			t.Error("an ordinary user could become somebody else")
		}
		return
	}
	var out bytes.Buffer
	if err := proc.Run(t.Context(), proc.Spec{Path: "id", Args: []string{"-un"}, User: "nobody", Dir: "/", Output: &out}); err != nil {
		t.Fatal(err)
	}
	if out.String() != "nobody\n" {
		t.Errorf("ran as %q", out.String())
	}
	out.Reset()
	if err := proc.Run(t.Context(), proc.Spec{Path: "sh", Args: []string{"-c", `echo "$USER $HOME"`}, User: "nobody", Dir: "/", Output: &out}); err != nil {
		t.Fatal(err)
	}
	if home, _ := os.UserHomeDir(); !strings.HasPrefix(out.String(), "nobody /") || strings.TrimSpace(strings.TrimPrefix(out.String(), "nobody ")) == home {
		t.Errorf("user and home are %q", out.String())
	}
}

func TestLogLines(t *testing.T) {
	var out bytes.Buffer
	log := slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug}))
	if err := proc.Run(t.Context(), proc.Spec{Path: "printf", Args: []string{`one\ntwo\n`}, Output: proc.LogLines(log, "p")}); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(out.String(), "child=p line="); n != 2 {
		t.Errorf("%d lines logged:\n%s", n, out.String())
	}
}

func TestStartSaysWhatIsMissing(t *testing.T) {
	_, err := proc.Start(proc.Spec{Path: "/does/not/exist"})
	if !errors.Is(err, os.ErrNotExist) || !strings.Contains(err.Error(), "exist") {
		t.Errorf("err = %v", err)
	}
}
