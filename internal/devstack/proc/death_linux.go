package proc

import "syscall"

// setDeathSignal is applied by the forked child after it has changed its user, which would clear it.
func setDeathSignal(attr *syscall.SysProcAttr, sig syscall.Signal) { attr.Pdeathsig = sig }
