//go:build !linux

package program

import "os/exec"

// bind does nothing where the kernel offers nothing.
func bind(*exec.Cmd) (unlock func()) { return func() {} }
