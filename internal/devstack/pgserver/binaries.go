// Package pgserver runs real PostgreSQL servers as children of this process: for tests and for the
// development stack. A server never outlives its owner, and it runs as the user postgres when we are
// root, as PostgreSQL refuses to run as root.
package pgserver

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"github.com/lifeboat-dr/lifeboat/internal/devstack/proc"
)

// BinEnv names the environment variable that holds the folder of PostgreSQL's programs.
const BinEnv = "LIFEBOAT_PG_BIN"

// ErrNoPostgres says that PostgreSQL's programs were not found.
var ErrNoPostgres = errors.New("PostgreSQL is not installed: install the Debian package postgresql-15, or set " +
	BinEnv + " to the folder that holds its programs")

// Bin finds one of PostgreSQL's programs: in the folder that LIFEBOAT_PG_BIN names, else in the newest
// /usr/lib/postgresql/*/bin, else in PATH.
func Bin(name string) (string, error) {
	if dir := os.Getenv(BinEnv); dir != "" {
		path := filepath.Join(dir, name)
		if _, err := os.Stat(path); err != nil {
			return "", fmt.Errorf("find %s: %s does not hold it: %w", name, BinEnv, ErrNoPostgres)
		}
		return path, nil
	}
	newest, best := -1, ""
	paths, _ := filepath.Glob(filepath.Join("/usr/lib/postgresql/*/bin", name)) // the pattern is well-formed
	for _, path := range paths {
		major, err := strconv.Atoi(filepath.Base(filepath.Dir(filepath.Dir(path))))
		if err == nil && major > newest {
			newest, best = major, path
		}
	}
	if best != "" {
		return best, nil
	}
	path, err := exec.LookPath(name)
	if err != nil {
		return "", fmt.Errorf("find %s: %w", name, ErrNoPostgres)
	}
	return path, nil
}

// Major is the major version of the programs that [Bin] finds.
func Major(ctx context.Context) (int, error) {
	path, err := Bin("postgres")
	if err != nil {
		return 0, err
	}
	out, err := exec.CommandContext(ctx, path, "--version").Output()
	if err != nil {
		return 0, fmt.Errorf("ask %s for its version: %w", path, err)
	}
	// "postgres (PostgreSQL) 15.14 (Debian …)", "postgres (PostgreSQL) 18beta1"
	if words := strings.Fields(string(out)); len(words) > 2 {
		digits := strings.IndexFunc(words[2]+".", func(r rune) bool { return r < '0' || r > '9' })
		if major, err := strconv.Atoi(words[2][:digits]); err == nil {
			return major, nil
		}
	}
	return 0, fmt.Errorf("read version of %s: %q", path, out)
}

// serverUser is who runs servers when we are root.
const serverUser = "postgres"

// RunAs is the user that servers and their tools run as: empty for ourselves.
func RunAs() string {
	if os.Getuid() == 0 {
		return serverUser
	}
	return ""
}

// Own gives files to the user that servers run as. It does nothing when that is us.
func Own(paths ...string) error {
	if RunAs() == "" {
		return nil
	}
	u, err := user.Lookup(serverUser)
	if err != nil {
		return fmt.Errorf("look up the user that servers run as: %w", err)
	}
	uid, err := strconv.Atoi(u.Uid)
	if err != nil {
		return fmt.Errorf("read id of user %s: %w", serverUser, err)
	}
	gid, err := strconv.Atoi(u.Gid)
	if err != nil {
		return fmt.Errorf("read group of user %s: %w", serverUser, err)
	}
	for _, path := range paths {
		if err := os.Chown(path, uid, gid); err != nil {
			return fmt.Errorf("give file to %s: %w", serverUser, err)
		}
	}
	return nil
}

// Run runs one of PostgreSQL's programs to its end as the servers' user. The error holds what it said.
func Run(ctx context.Context, name string, args ...string) error {
	path, err := Bin(name)
	if err != nil {
		return err
	}
	return RunProgram(ctx, path, args...)
}

// RunProgram is [Run] for any program, for example to copy files that belong to the servers' user.
func RunProgram(ctx context.Context, path string, args ...string) error {
	var out bytes.Buffer
	err := proc.Run(ctx, proc.Spec{Path: path, Args: args, Dir: "/", User: RunAs(), DeathSignal: syscall.SIGTERM, Output: &out})
	if err != nil {
		return fmt.Errorf("%w: %s", err, lastLines(out.String(), 5))
	}
	return nil
}

// lastLines keeps the end of a program's output for an error.
func lastLines(s string, n int) string {
	lines := strings.Split(strings.TrimSpace(s), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "; ")
}
