package s3

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"
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
	log, err := os.OpenFile(filepath.Join(cfg.Dir, logFile), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open log of the s3 server: %w", err)
	}
	defer log.Close()
	cmd := exec.Command(exe)
	cmd.Env = append(os.Environ(), childVariable+"="+path)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
	s := &Server{cfg: cfg, cmd: cmd, done: make(chan struct{})}
	if err := s.run(); err != nil {
		return nil, fmt.Errorf("start s3 server: %w", err)
	}
	if err := s.answers(ctx); err != nil {
		s.Kill()
		return nil, err
	}
	return s, nil
}

// run starts the child on a thread that lives until the child ends: the kernel sends the parent-death
// signal when the *thread* that started the child goes away.
func (s *Server) run() error {
	started := make(chan error)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := s.cmd.Start()
		started <- err
		if err == nil {
			s.err = s.cmd.Wait()
			close(s.done)
		}
	}()
	return <-started
}

// Stop ends the server as a shutdown does: running requests are finished. When ctx ends first it is killed.
func (s *Server) Stop(ctx context.Context) error {
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		<-s.done // it was gone already
		return nil
	}
	select {
	case <-s.done:
		return nil
	case <-ctx.Done():
		s.Kill()
		return fmt.Errorf("stop s3 server on %s: killed: %w", s.cfg.Address, ctx.Err())
	}
}

// Kill ends the server as a power cut does and returns when it is gone. It is safe to repeat.
func (s *Server) Kill() {
	_ = s.cmd.Process.Kill()
	<-s.done
}
