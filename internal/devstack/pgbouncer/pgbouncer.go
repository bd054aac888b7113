// Package pgbouncer runs a real PgBouncer as a child of this process: the door of a site in the development
// stack and in tests. It never outlives its owner, and runs as the user that PostgreSQL runs as when we are
// root, as PgBouncer refuses to run as root.
package pgbouncer

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/lifeboat-dr/lifeboat/internal/devstack/pgserver"
	"github.com/lifeboat-dr/lifeboat/internal/devstack/proc"
)

// ErrNotInstalled says that there is no PgBouncer.
var ErrNotInstalled = errors.New("PgBouncer is not installed: install the Debian package pgbouncer (make setup does)")

// Options describe a PgBouncer.
type Options struct {
	// Dir is an existing folder for its files, which [pgserver.Own] has given to the servers' user.
	Dir string
	// Listen is where it listens. Port 0: a free one is chosen, once; a restart takes the same one again.
	Listen netip.AddrPort
	// Users are who may connect, with their passwords.
	Users map[string]string
	// Admin is the one of them that may use the console.
	Admin string
	// Includes are the files that the configuration includes, such as those of doors.
	Includes []string
	// Settings override ours; see [settings].
	Settings map[string]string
}

// Pooler is a PgBouncer that runs or has ended. Its methods may be called from many goroutines, but only one
// of them may restart it.
type Pooler struct {
	opt   Options
	child *proc.Process
}

const (
	startTimeout = 20 * time.Second
	stopTimeout  = 10 * time.Second
	readyPoll    = 10 * time.Millisecond
)

// settings are those that a door needs; docs/door.md gives their reasons.
func settings() map[string]string {
	return map[string]string{
		"pool_mode":          "transaction",
		"auth_type":          "scram-sha-256",
		"query_wait_timeout": "600", "client_login_timeout": "600",
		"server_login_retry": "1",
		"max_client_conn":    "200", "default_pool_size": "20",
		"server_tls_sslmode":        "prefer",
		"ignore_startup_parameters": "extra_float_digits",
		"unix_socket_dir":           "", "logfile": "", "pidfile": "",
	}
}

// Bin finds the program: in PATH, or where Debian puts it.
func Bin() (string, error) {
	if path, err := exec.LookPath("pgbouncer"); err == nil {
		return path, nil
	}
	const debian = "/usr/sbin/pgbouncer"
	if _, err := os.Stat(debian); err == nil {
		return debian, nil
	}
	return "", ErrNotInstalled
}

// Start starts a PgBouncer and returns when it accepts connections. A chosen port that was taken in the
// meantime is chosen anew.
func Start(ctx context.Context, opt Options) (*Pooler, error) {
	chosen := opt.Listen.Port() == 0
	for attempt := 1; ; attempt++ {
		if chosen {
			port, err := freePort(opt.Listen.Addr())
			if err != nil {
				return nil, err
			}
			opt.Listen = netip.AddrPortFrom(opt.Listen.Addr(), port)
		}
		p := &Pooler{opt: opt}
		err := p.Restart(ctx)
		if err == nil {
			return p, nil
		}
		if !chosen || attempt == 5 || !errors.Is(err, errPortTaken) {
			return nil, err
		}
	}
}

// Prepare writes the files of a PgBouncer that somebody else runs: pgbouncer.ini in opt.Dir is its one argument. Only
// the addresses and [Pooler.Restart] of what it returns are of use. It is safe to repeat.
func Prepare(opt Options) (*Pooler, error) {
	if opt.Listen.Port() == 0 {
		return nil, errors.New("configure PgBouncer: a port is needed where somebody else starts it")
	}
	p := &Pooler{opt: opt}
	return p, p.configure()
}

var errPortTaken = errors.New("the port is taken by another program")

// Restart starts the program again after it has ended, with its files as they are now.
func (p *Pooler) Restart(ctx context.Context) error {
	path, err := Bin()
	if err != nil {
		return err
	}
	if err := p.configure(); err != nil {
		return err
	}
	logFile := filepath.Join(p.opt.Dir, "pgbouncer.log")
	log, err := os.OpenFile(logFile, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("open log of PgBouncer: %w", err)
	}
	defer log.Close() // the child has its own handle
	before, err := log.Seek(0, 2)
	if err != nil {
		return fmt.Errorf("open log of PgBouncer: %w", err)
	}
	p.child, err = proc.Start(proc.Spec{
		Name: "pgbouncer", Path: path, Args: []string{filepath.Join(p.opt.Dir, "pgbouncer.ini")}, Dir: "/", User: pgserver.RunAs(), Output: log,
	})
	if err != nil {
		return err
	}
	if err := p.awaitReady(ctx); err != nil {
		p.child.Kill()
		said := saidSince(logFile, before)
		if strings.Contains(said, "in use") {
			return fmt.Errorf("start PgBouncer: %w", errPortTaken)
		}
		return fmt.Errorf("start PgBouncer: %w: %s", err, said)
	}
	return nil
}

// configure writes the configuration and the list of users.
func (p *Pooler) configure() error {
	all := settings()
	maps.Copy(all, p.opt.Settings)
	users := filepath.Join(p.opt.Dir, "userlist.txt")
	all["auth_file"], all["admin_users"] = users, p.opt.Admin
	all["listen_addr"], all["listen_port"] = p.opt.Listen.Addr().String(), fmt.Sprint(p.opt.Listen.Port())
	var ini, list strings.Builder
	ini.WriteString("[pgbouncer]\n")
	for _, name := range slices.Sorted(maps.Keys(all)) {
		fmt.Fprintf(&ini, "%s = %s\n", name, all[name])
	}
	for _, file := range p.opt.Includes {
		// At the end: what follows an include would belong to the section that the included file ended in.
		fmt.Fprintf(&ini, "%%include %s\n", file)
	}
	for _, name := range slices.Sorted(maps.Keys(p.opt.Users)) {
		fmt.Fprintf(&list, "%s %s\n", quote(name), quote(p.opt.Users[name]))
	}
	for path, text := range map[string]string{users: list.String(), filepath.Join(p.opt.Dir, "pgbouncer.ini"): ini.String()} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			return fmt.Errorf("configure PgBouncer: %w", err)
		}
		if err := pgserver.Own(path); err != nil {
			return err
		}
	}
	return nil
}

func quote(s string) string { return `"` + strings.ReplaceAll(s, `"`, `""`) + `"` }

func (p *Pooler) awaitReady(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, startTimeout, fmt.Errorf("not ready after %v", startTimeout))
	defer cancel()
	tick := time.NewTicker(readyPoll)
	defer tick.Stop()
	var dialer net.Dialer
	for {
		if conn, err := dialer.DialContext(ctx, "tcp", p.opt.Listen.String()); err == nil {
			_ = conn.Close()
			select {
			case <-p.child.Done(): // somebody else listens there
				return fmt.Errorf("it ended at once: %w", p.child.Wait())
			default:
				return nil
			}
		}
		select {
		case <-p.child.Done():
			return fmt.Errorf("it ended at once: %w", p.child.Wait())
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-tick.C:
		}
	}
}

// saidSince is the end of what the program logged; it only explains another error.
func saidSince(path string, offset int64) string {
	text, err := os.ReadFile(path)
	if err != nil || int64(len(text)) < offset {
		return ""
	}
	lines := strings.Split(strings.TrimSpace(string(text[offset:])), "\n")
	return strings.Join(lines[max(0, len(lines)-5):], "; ")
}

// Addr is where it listens.
func (p *Pooler) Addr() netip.AddrPort { return p.opt.Listen }

// URL is the way through it for one of its users. It is a secret.
func (p *Pooler) URL(user, database string) string {
	u := url.URL{Scheme: "postgres", User: url.UserPassword(user, p.opt.Users[user]), Host: p.opt.Listen.String(), Path: "/" + database}
	// PgBouncer 1.18 keeps no prepared statements in transaction mode, and pgx makes some unless it is told not to.
	u.RawQuery = url.Values{"sslmode": {"disable"}, "default_query_exec_mode": {"exec"}}.Encode()
	return u.String()
}

// AdminURL is the way to its console. It is a secret.
func (p *Pooler) AdminURL() string {
	u := url.URL{Scheme: "postgres", User: url.UserPassword(p.opt.Admin, p.opt.Users[p.opt.Admin]), Host: p.opt.Listen.String(), Path: "/pgbouncer", RawQuery: "sslmode=disable"}
	return u.String()
}

// Kill ends it as a crash does.
func (p *Pooler) Kill() { p.child.Kill() }

// Stop ends it at once, without waiting for clients: whoever stops it has stopped them.
func (p *Pooler) Stop() error { return p.child.Stop(syscall.SIGTERM, stopTimeout) }

// Done is closed when the program that was started last has ended.
func (p *Pooler) Done() <-chan struct{} { return p.child.Done() }

// freePort finds a free port by binding it.
func freePort(addr netip.Addr) (uint16, error) {
	l, err := net.ListenTCP("tcp", net.TCPAddrFromAddrPort(netip.AddrPortFrom(addr, 0)))
	if err != nil {
		return 0, fmt.Errorf("choose a free port on %s: %w", addr, err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).AddrPort().Port(), nil
}
