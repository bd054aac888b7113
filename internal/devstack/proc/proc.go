// Package proc starts child processes that end with this one, even when this one is killed with
// SIGKILL: nothing of the development stack or of a test outlives its owner.
//
// On Linux the kernel delivers the death signal (see [Spec.DeathSignal]). Elsewhere children end only
// when their owner stops them.
package proc

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"syscall"
	"time"
)

// Spec describes a child.
type Spec struct {
	// Name is what errors and logs call the child; empty means the base name of Path.
	Name string
	// Path is the program, looked up in PATH when it has no slash.
	Path string
	Args []string
	// Env is the whole environment; nil means this process's own, with HOME, USER and LOGNAME of User when
	// one is given.
	Env []string
	Dir string
	// User runs the child as another user (only root can); empty means as ourselves.
	User string
	// DeathSignal is what the child gets when this process dies in any way; zero means SIGKILL.
	DeathSignal syscall.Signal
	// Output takes stdout and stderr; nil discards them. With an *os.File the child writes to it
	// directly and goes on doing so whatever happens to this process; see also [LogLines].
	Output io.Writer
}

// Process is a running or ended child. All its methods may be called from many goroutines.
type Process struct {
	name string
	pid  int
	done chan struct{}
	err  error // valid once done is closed
	proc *os.Process
}

// outputGrace is how long the output of grandchildren is waited for once the child itself has ended.
const outputGrace = 2 * time.Second

// Start starts the child. It is in a process group of its own, so that an interrupt typed at the
// terminal reaches only the owner, who then stops the children in the right order.
func Start(spec Spec) (*Process, error) {
	name := spec.Name
	if name == "" {
		name = baseName(spec.Path)
	}
	cmd := exec.Command(spec.Path, spec.Args...)
	cmd.Env, cmd.Dir = spec.Env, spec.Dir
	cmd.Stdout, cmd.Stderr = spec.Output, spec.Output
	cmd.WaitDelay = outputGrace
	attr := &syscall.SysProcAttr{Setpgid: true}
	if spec.DeathSignal == 0 {
		spec.DeathSignal = syscall.SIGKILL
	}
	setDeathSignal(attr, spec.DeathSignal)
	if spec.User != "" {
		cred, home, err := credential(spec.User)
		if err != nil {
			return nil, fmt.Errorf("start %s: %w", name, err)
		}
		attr.Credential = cred
		if spec.Env == nil {
			// Of several values of a name the last one counts. Our own home may be closed to the other user.
			cmd.Env = append(os.Environ(), "HOME="+home, "USER="+spec.User, "LOGNAME="+spec.User)
		}
	}
	cmd.SysProcAttr = attr

	p := &Process{name: name, done: make(chan struct{})}
	started := make(chan error)
	go func() {
		// The kernel ties the death signal to the thread that forked, not to the process. Without the
		// lock the runtime could retire that thread and the child would die in the middle of its work.
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		if err := cmd.Start(); err != nil {
			started <- err
			return
		}
		p.pid, p.proc = cmd.Process.Pid, cmd.Process
		started <- nil
		p.err = cmd.Wait()
		close(p.done)
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	return p, nil
}

// PID is the child's process id.
func (p *Process) PID() int { return p.pid }

// Done is closed when the child has ended.
func (p *Process) Done() <-chan struct{} { return p.done }

// Wait blocks until the child has ended and returns how: nil for exit code 0.
func (p *Process) Wait() error {
	<-p.done
	if p.err != nil {
		return fmt.Errorf("%s: %w", p.name, p.err)
	}
	return nil
}

// Signal sends a signal to the child alone. Signalling one that has ended is no error.
func (p *Process) Signal(sig os.Signal) error {
	if err := p.proc.Signal(sig); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("signal %s: %w", p.name, err)
	}
	return nil
}

// ErrKilled says that a child had to be killed because it did not end in time.
var ErrKilled = errors.New("did not end in time and was killed")

// Stop asks the child to end with sig, and kills its whole process group when it has not ended after
// the timeout; then the error is [ErrKilled]. It returns when the child has ended, whatever its exit
// code was. Stopping an ended child does nothing.
func (p *Process) Stop(sig os.Signal, timeout time.Duration) error {
	if err := p.Signal(sig); err != nil {
		return err
	}
	timer := time.NewTimer(timeout)
	defer timer.Stop()
	select {
	case <-p.done:
		return nil
	case <-timer.C:
	}
	p.Kill()
	return fmt.Errorf("stop %s: %w", p.name, ErrKilled)
}

// Kill ends the child and its process group with SIGKILL and waits for it.
func (p *Process) Kill() {
	select {
	case <-p.done:
		return // the id may belong to somebody else by now
	default:
	}
	_ = syscall.Kill(-p.pid, syscall.SIGKILL)
	<-p.done
}

// Run starts the child and waits for it. When ctx ends first the child is killed.
func Run(ctx context.Context, spec Spec) error {
	p, err := Start(spec)
	if err != nil {
		return err
	}
	select {
	case <-p.Done():
		return p.Wait()
	case <-ctx.Done():
		p.Kill()
		return fmt.Errorf("%s: %w", p.name, context.Cause(ctx))
	}
}
