package pgserver

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/lifeboat-dr/lifeboat/internal/devstack/proc"
)

// Options describe how a server is started on an existing cluster.
type Options struct {
	// Dir is the data directory.
	Dir string
	// Superuser defaults to [Superuser]; it is whom [Server.Connect] connects as.
	Superuser string
	// SocketDir is the folder of the Unix socket, made when it is not there, at most 90 bytes long. Empty: a
	// fresh folder below the system's temporary one, removed when the server has stopped.
	SocketDir string
	// Listen is the address to listen on besides the Unix socket. Zero: none. Port 0: a free one is chosen.
	Listen netip.AddrPort
	// Settings override postgresql.conf and our defaults (see [defaults]).
	Settings map[string]string
	// LogFile takes what the server says; empty means the data directory's name with ".log" added.
	LogFile string
	// NoSync turns fsync off; a power cut may then damage the cluster. For tests.
	NoSync bool
	// StartTimeout bounds the wait for readiness, recovery included; zero means a minute.
	StartTimeout time.Duration
}

// Mode is how a server is stopped.
type Mode syscall.Signal

const (
	// Fast drops the sessions and writes a checkpoint.
	Fast = Mode(syscall.SIGINT)
	// Immediate is a crash: the next start recovers from WAL.
	Immediate = Mode(syscall.SIGQUIT)
)

// Server is a running server. Its methods may be called from many goroutines.
type Server struct {
	opt       Options
	child     *proc.Process
	socketDir string
	ownSocket bool
	port      uint16
}

const (
	// noTCPPort is the port in the socket's name when there is no TCP port.
	noTCPPort = 5432
	// stopTimeout is how long a fast stop may take before the server is crashed, on purpose, with SIGQUIT:
	// SIGKILL would leave busy backends running.
	stopTimeout = time.Minute
	// readyPoll is how often the status that the server writes is looked at.
	readyPoll = 5 * time.Millisecond
)

// defaults make a small, quiet server. Statements stay out of the log, as they may hold secrets.
func defaults() map[string]string {
	return map[string]string{
		"max_connections":         "100",
		"shared_buffers":          "32MB",
		"log_min_error_statement": "panic",
		"log_error_verbosity":     "terse",
		"logging_collector":       "off",
		"log_destination":         "stderr",
		"password_encryption":     "scram-sha-256",
	}
}

// Start starts a server and returns when it accepts connections: read-write, or read-only where the
// data directory makes it a standby. A chosen port that was taken in the meantime is chosen anew.
func Start(ctx context.Context, opt Options) (*Server, error) {
	for attempt := 1; ; attempt++ {
		s, err := start(ctx, opt)
		if err == nil || opt.Listen.Port() != 0 || !opt.Listen.IsValid() || attempt == 5 || !errors.Is(err, errPortTaken) {
			return s, err
		}
	}
}

var errPortTaken = errors.New("the port is taken by another program")

func start(ctx context.Context, opt Options) (_ *Server, err error) {
	opt.Superuser = orDefault(opt.Superuser, Superuser)
	opt.LogFile = orDefault(opt.LogFile, filepath.Clean(opt.Dir)+".log")
	if opt.StartTimeout == 0 {
		opt.StartTimeout = time.Minute
	}
	s := &Server{opt: opt, socketDir: opt.SocketDir, ownSocket: opt.SocketDir == "", port: noTCPPort}
	if err := s.makeSocketDir(); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			s.removeSocketDir()
		}
	}()
	if opt.Listen.IsValid() {
		if s.port, err = choosePort(opt.Listen); err != nil {
			return nil, err
		}
	}
	path, err := Bin("postgres")
	if err != nil {
		return nil, err
	}
	log, err := os.OpenFile(opt.LogFile, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open log of server: %w", err)
	}
	defer log.Close() // the child has its own handle
	before, err := log.Seek(0, 2)
	if err != nil {
		return nil, fmt.Errorf("open log of server: %w", err)
	}
	s.child, err = proc.Start(proc.Spec{
		Name: "postgres", Path: path, Args: s.args(), Dir: "/", User: RunAs(),
		// The postmaster takes its backends along on SIGQUIT, which it cannot on SIGKILL.
		DeathSignal: syscall.SIGQUIT, Output: log,
	})
	if err != nil {
		return nil, err
	}
	if err := s.waitReady(ctx); err != nil {
		_ = s.Stop(Immediate)
		said := logSince(opt.LogFile, before)
		if strings.Contains(said, "could not bind") {
			return nil, fmt.Errorf("start server: %w", errPortTaken)
		}
		return nil, fmt.Errorf("start server %s: %w: %s", filepath.Base(opt.Dir), err, lastLines(said, 6))
	}
	return s, nil
}

func (s *Server) args() []string {
	settings := defaults()
	settings["unix_socket_directories"] = s.socketDir
	settings["unix_socket_permissions"] = "0700"
	settings["port"] = strconv.Itoa(int(s.port))
	settings["listen_addresses"] = ""
	if s.opt.Listen.IsValid() {
		settings["listen_addresses"] = s.opt.Listen.Addr().String()
	}
	if s.opt.NoSync {
		settings["fsync"], settings["full_page_writes"] = "off", "off"
	}
	maps.Copy(settings, s.opt.Settings)
	args := []string{"-D", s.opt.Dir}
	for _, name := range slices.Sorted(maps.Keys(settings)) {
		args = append(args, "-c", name+"="+settings[name])
	}
	return args
}

// waitReady reads the status line that the postmaster keeps in its pid file for pg_ctl. It says "ready" for a
// hot standby, too; "standby" means a recovery that lets nobody in.
func (s *Server) waitReady(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, s.opt.StartTimeout, fmt.Errorf("not ready after %v", s.opt.StartTimeout))
	defer cancel()
	tick := time.NewTicker(readyPoll)
	defer tick.Stop()
	for {
		if pid, status := s.status(); pid == s.child.PID() && status == "ready" {
			return nil
		}
		select {
		case <-s.child.Done():
			return fmt.Errorf("it ended at once: %w", s.child.Wait())
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-tick.C:
		}
	}
}

func (s *Server) status() (pid int, status string) {
	b, err := os.ReadFile(filepath.Join(s.opt.Dir, "postmaster.pid"))
	if err != nil {
		return 0, ""
	}
	lines := strings.Split(string(b), "\n")
	pid, _ = strconv.Atoi(strings.TrimSpace(lines[0]))
	if len(lines) >= 8 {
		status = strings.TrimSpace(lines[7])
	}
	return pid, status
}

// Stop stops the server and waits for it. A fast stop that takes longer than a minute becomes an
// immediate one. Stopping a stopped server does nothing.
func (s *Server) Stop(mode Mode) error {
	defer s.removeSocketDir()
	if mode == Immediate {
		return s.child.Stop(syscall.SIGQUIT, stopTimeout)
	}
	if err := s.child.Signal(syscall.Signal(mode)); err != nil {
		return err
	}
	timer := time.NewTimer(stopTimeout)
	defer timer.Stop()
	select {
	case <-s.child.Done():
		return nil
	case <-timer.C:
		return s.child.Stop(syscall.SIGQUIT, stopTimeout)
	}
}

// Done is closed when the server has ended, for whatever reason.
func (s *Server) Done() <-chan struct{} { return s.child.Done() }

// PID is the postmaster's process id.
func (s *Server) PID() int { return s.child.PID() }

// Dir is the data directory.
func (s *Server) Dir() string { return s.opt.Dir }

// SocketDir is the folder of the Unix socket.
func (s *Server) SocketDir() string { return s.socketDir }

// Addr is where the server listens; invalid when it listens on the Unix socket only.
func (s *Server) Addr() netip.AddrPort {
	if !s.opt.Listen.IsValid() {
		return netip.AddrPort{}
	}
	return netip.AddrPortFrom(s.opt.Listen.Addr(), s.port)
}

// SuperuserURL connects as the superuser through the Unix socket. It holds no password.
func (s *Server) SuperuserURL(database string) string {
	u := url.URL{Scheme: "postgres", User: url.User(s.opt.Superuser), Path: "/" + database}
	u.RawQuery = url.Values{"host": {s.socketDir}, "port": {strconv.Itoa(int(s.port))}}.Encode()
	return u.String()
}

// URL connects over TCP, which needs a password. It is a secret.
func (s *Server) URL(role, password, database string) string {
	u := url.URL{Scheme: "postgres", User: url.UserPassword(role, password), Host: s.Addr().String(), Path: "/" + database}
	u.RawQuery = "sslmode=prefer"
	return u.String()
}

// Connect connects as the superuser through the Unix socket. The caller closes the connection.
func (s *Server) Connect(ctx context.Context, database string) (*pgx.Conn, error) {
	conn, err := pgx.Connect(ctx, s.SuperuserURL(database))
	if err != nil {
		return nil, fmt.Errorf("connect to server %s as superuser: %w", filepath.Base(s.opt.Dir), err)
	}
	return conn, nil
}
