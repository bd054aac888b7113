package s3

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/lifeboat-dr/lifeboat/internal/devstack/proc"
)

// start runs one child with a complete configuration and waits until it answers.
func start(ctx context.Context, cfg Config) (*Server, error) {
	path, err := filepath.Abs(filepath.Join(cfg.Dir, configFile))
	if err != nil {
		return nil, fmt.Errorf("resolve directory %s: %w", cfg.Dir, err)
	}
	if err := writeConfig(path, cfg); err != nil {
		return nil, err
	}
	exe, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find this program: %w", err)
	}
	// The child writes to the file itself: it is not slowed down by us, and its last words are kept.
	log, err := os.OpenFile(filepath.Join(cfg.Dir, logFile), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open log of the s3 server: %w", err)
	}
	defer log.Close()
	child, err := proc.Start(proc.Spec{
		Name: "s3 server on " + cfg.Address, Path: exe, Env: append(os.Environ(), childVariable+"="+path), Output: log,
	})
	if err != nil {
		return nil, err
	}
	s := &Server{cfg: cfg, child: child}
	if err := s.answers(ctx); err != nil {
		s.Kill()
		return nil, err
	}
	return s, nil
}

// Stop ends the server as a shutdown does: running requests are finished. A server that has not ended
// after the timeout is killed, and the error says so. Stopping an ended server does nothing.
func (s *Server) Stop(timeout time.Duration) error { return s.child.Stop(syscall.SIGTERM, timeout) }

// Kill ends the server as a power cut does and returns when it is gone. It is safe to repeat.
func (s *Server) Kill() { s.child.Kill() }

// Done is closed when the process has ended.
func (s *Server) Done() <-chan struct{} { return s.child.Done() }
