package program

import (
	"os/exec"
	"runtime"
	"syscall"
)

// bind lets the kernel end a program with the thread that starts it, which is held until unlock: so with
// the worker.
func bind(cmd *exec.Cmd) (unlock func()) {
	runtime.LockOSThread()
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	return runtime.UnlockOSThread
}
