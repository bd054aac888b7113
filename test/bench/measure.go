package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// measured is one run.
type measured struct {
	took  time.Duration
	rss   int64 // peak, in bytes
	bytes int64 // stored, read back, or copied, by table
	// cpu is what the contender's own processes used of the processors, and server what PostgreSQL used.
	cpu, server time.Duration
}

// sampleEvery is how often the memory of a pipeline is looked at.
const sampleEvery = 50 * time.Millisecond

// runGroup runs a command with its children in a process group of their own, kills all of them when the context
// ends, and returns how long it took, the largest sum of their resident memory that was seen, and what they used of
// the processors.
func runGroup(ctx context.Context, cmd *exec.Cmd) (m measured, err error) {
	var said bytes.Buffer
	if cmd.Stdout == nil {
		cmd.Stdout = &said
	}
	cmd.Stderr = &said
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	began := time.Now()
	if err := cmd.Start(); err != nil {
		return m, fmt.Errorf("start %s: %w", filepath.Base(cmd.Path), err)
	}
	group := cmd.Process.Pid
	ended := make(chan struct{})
	var watching sync.WaitGroup
	watching.Go(func() {
		tick := time.NewTicker(sampleEvery)
		defer tick.Stop()
		for {
			select {
			case <-ended:
				return
			case <-ctx.Done():
				_ = syscall.Kill(-group, syscall.SIGKILL)
				return
			case <-tick.C:
				m.rss = max(m.rss, groupRSS(group))
			}
		}
	})
	err = cmd.Wait()
	m.took, m.cpu = time.Since(began), cmd.ProcessState.UserTime()+cmd.ProcessState.SystemTime()
	close(ended)
	watching.Wait()
	if cause := context.Cause(ctx); cause != nil {
		return m, cause
	}
	if err != nil {
		return m, fmt.Errorf("%s: %w: %s", filepath.Base(cmd.Path), err, lastLines(said.String()))
	}
	return m, nil
}

// lastLines keeps the end of what a program said, for an error.
func lastLines(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return strings.Join(lines[max(0, len(lines)-4):], "; ")
}

// groupRSS is the resident memory of a process group. What processes share is counted for each, as in ps.
func groupRSS(group int) (sum int64) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return 0
	}
	for _, e := range entries {
		if _, err := strconv.Atoi(e.Name()); err != nil {
			continue
		}
		stat, err := os.ReadFile(filepath.Join("/proc", e.Name(), "stat"))
		if err != nil {
			continue // it has ended
		}
		// pid (name) state parent group session tty … the 24th field is the resident set in pages.
		_, rest, found := strings.Cut(string(stat[bytes.LastIndexByte(stat, ')'):]), ") ")
		fields := strings.Fields(rest)
		if !found || len(fields) < 22 || fields[2] != strconv.Itoa(group) {
			continue
		}
		pages, _ := strconv.ParseInt(fields[21], 10, 64)
		sum += pages * int64(os.Getpagesize())
	}
	return sum
}

// forgetPeak makes the kernel begin a new measurement of a process's largest resident memory.
func forgetPeak(pid int) error {
	if err := os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", pid), []byte("5"), 0); err != nil {
		return fmt.Errorf("reset peak of memory: %w", err)
	}
	return nil
}

// peakRSS is the largest resident memory of a process since [forgetPeak], as the kernel counted it.
func peakRSS(pid int) (int64, error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, fmt.Errorf("read peak of memory: %w", err)
	}
	for line := range strings.Lines(string(status)) {
		if rest, found := strings.CutPrefix(line, "VmHWM:"); found {
			kib, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 10, 64)
			return kib << 10, err
		}
	}
	return 0, errors.New("read peak of memory: the kernel does not tell it")
}

// settle lets a run begin without what the one before it left behind: nothing waits to be written to the disk.
func settle(cold bool) error {
	syscall.Sync()
	if !cold {
		return nil
	}
	if err := os.WriteFile("/proc/sys/vm/drop_caches", []byte("3"), 0); err != nil {
		return fmt.Errorf("drop caches: %w", err)
	}
	return nil
}
