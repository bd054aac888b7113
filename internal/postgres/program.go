package postgres

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/lifeboat-dr/lifeboat/internal/secret"
)

// binEnv names the environment variable that holds the folder of PostgreSQL's programs.
const binEnv = "LIFEBOAT_PG_BIN"

// program finds pg_dump or pg_restore: in the folder that LIFEBOAT_PG_BIN names, else in the newest
// /usr/lib/postgresql/*/bin, else in PATH.
func program(name string) (string, error) {
	missing := &Error{Op: "find", Object: name, Kind: ErrVersion,
		Hint: "install PostgreSQL's client programs of the server's major version or newer, or set " + binEnv + " to their folder"}
	if dir := os.Getenv(binEnv); dir != "" {
		path := filepath.Join(dir, name)
		if _, err := os.Stat(path); err != nil {
			return "", missing
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
		return "", missing
	}
	return path, nil
}

var versionNumber = regexp.MustCompile(`\) (\d+)`)

// programMajor asks a program for its major version.
func programMajor(ctx context.Context, path string) (int, error) {
	out, err := exec.CommandContext(ctx, path, "--version").Output()
	if err != nil {
		return 0, fail("ask for version of", filepath.Base(path), err)
	}
	match := versionNumber.FindSubmatch(out)
	if match == nil {
		return 0, &Error{Op: "ask for version of", Object: filepath.Base(path), Kind: ErrVersion, Err: errors.New("the answer is not understood")}
	}
	return strconv.Atoi(string(match[1]))
}

// run runs a program and returns what it warned of. The password, when there is one, is in the child's
// environment only, and what the child says is cut down to lines that hold no data.
func run(ctx context.Context, path, password string, stdin io.Reader, stdout io.Writer, args ...string) (warnings []string, err error) {
	cmd := exec.CommandContext(ctx, path, args...)
	cmd.Env = childEnvironment(password)
	cmd.Stdin, cmd.Stdout = stdin, stdout
	var said bytes.Buffer
	cmd.Stderr = &said
	cmd.WaitDelay = 5 * time.Second
	err = cmd.Run()
	errs, warnings := scrub(said.String(), password)
	if err == nil {
		return warnings, nil
	}
	if ctx.Err() != nil {
		return warnings, fail("run", filepath.Base(path), ctx.Err())
	}
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		return warnings, fmt.Errorf("run %s: %w", filepath.Base(path), err) // starting it, or the reader's or writer's own error
	}
	return warnings, &Error{Op: "run", Object: filepath.Base(path), Kind: kindOfText(errs),
		Err: fmt.Errorf("%w: %s", err, strings.Join(errs, "; "))}
}

// childEnvironment leaves out everything that is none of the child's business, above all our own secrets.
func childEnvironment(password string) []string {
	var env []string
	for _, pair := range os.Environ() {
		name, _, _ := strings.Cut(pair, "=")
		switch {
		case name == "PGPASSWORD", name == "PGOPTIONS", name == "PGDATABASE":
		case strings.HasPrefix(name, "PG"), strings.HasPrefix(name, "SSL_CERT_"),
			name == "PATH", name == "HOME", name == "TMPDIR", name == "LD_LIBRARY_PATH":
			env = append(env, pair)
		}
	}
	env = append(env, "LC_ALL=C", "PGAPPNAME=lifeboat", "PGCONNECT_TIMEOUT=30")
	if password != "" {
		env = append(env, "PGPASSWORD="+password)
	}
	return env
}

// scrub keeps a program's own errors and warnings. What follows an error, the statement and its details,
// may hold values of the data and is dropped.
func scrub(said, password string) (errs, warnings []string) {
	for line := range strings.Lines(said) {
		line = strings.TrimSpace(line)
		if password != "" {
			line = strings.ReplaceAll(line, password, secret.Redacted)
		}
		if _, text, ok := strings.Cut(line, ": warning: "); ok {
			warnings = append(warnings, text)
		} else if _, text, ok := strings.Cut(line, ": error: "); ok && len(errs) < 5 {
			errs = append(errs, text)
		}
	}
	return errs, warnings
}

func kindOfText(errs []string) error {
	text := strings.Join(errs, "\n")
	switch {
	case strings.Contains(text, "permission denied"), strings.Contains(text, "authentication failed"):
		return ErrPermission
	case strings.Contains(text, "due to lock timeout"), strings.Contains(text, "due to statement timeout"):
		// pg_dump bounds its wait for locks by a statement_timeout, and has none otherwise.
		return ErrConflict
	case strings.Contains(text, "server version mismatch"):
		return ErrVersion
	case strings.Contains(text, "invalid snapshot identifier"), strings.Contains(text, "snapshot") && strings.Contains(text, "does not exist"):
		return ErrSnapshotGone
	case strings.Contains(text, "connection to server"), strings.Contains(text, "terminating connection"),
		strings.Contains(text, "server closed the connection"), strings.Contains(text, "the database system is"):
		return ErrUnavailable
	}
	return nil
}

// ours are parameters that pgx understands and libpq does not.
var ours = []string{"default_query_exec_mode", "statement_cache_capacity", "description_cache_capacity", "pool_max_conns",
	"pool_min_conns", "pool_max_conn_lifetime", "pool_max_conn_idle_time", "pool_health_check_period", "pool_max_conn_lifetime_jitter"}

// withoutPassword cuts a connection string in two: what may stand in a process list, and the password.
func withoutPassword(address secret.String) (public, password string, err error) {
	cfg, parseErr := pgx.ParseConfig(address.Reveal())
	u, err := url.Parse(address.Reveal())
	if parseErr != nil || err != nil || (u.Scheme != "postgres" && u.Scheme != "postgresql") {
		return "", "", &Error{Op: "read connection string", Kind: ErrInvalid,
			Hint: "it has to be a URL: postgresql://user:password@host/database"}
	}
	u.User = url.User(cfg.User)
	query := u.Query()
	for _, name := range append(ours, "password", "user") {
		query.Del(name)
	}
	// libpq does not read + as a blank.
	u.RawQuery = strings.ReplaceAll(query.Encode(), "+", "%20")
	return u.String(), cfg.Password, nil
}
