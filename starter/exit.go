package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"go.temporal.io/sdk/temporal"
)

// The exit codes, which scripts rely on. `lifeboat help exit-codes` prints them.
const (
	exitOK          = 0
	exitFailed      = 1
	exitUsage       = 2
	exitConfig      = 3
	exitUnreachable = 4
	exitNotFound    = 5
	exitUnprotected = 6
	exitInterrupted = 130
)

const exitCodesText = `0    it worked
1    it failed: the execution failed, or something went wrong here
2    the command line is wrong
3    the configuration is wrong
4    Temporal, a vault or a door cannot be reached
5    no such component, backup, target, schedule or door
6    status: a component is not protected (late, unverified, none or unknown)
130  interrupted; what was started goes on in the workers`

// failure is an error with the exit code it ends in.
type failure struct {
	code int
	err  error
}

func (f *failure) Error() string { return f.err.Error() }
func (f *failure) Unwrap() error { return f.err }

func failWith(code int, format string, args ...any) error {
	return &failure{code: code, err: fmt.Errorf(format, args...)}
}

// exitCode maps an error to the code a script sees.
func exitCode(err error) int {
	var f *failure
	var app *temporal.ApplicationError
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &f):
		return f.code
	case errors.Is(err, context.Canceled):
		return exitInterrupted
	case strings.HasPrefix(err.Error(), "unknown command "), strings.HasPrefix(err.Error(), "required flag(s) "):
		return exitUsage // the library's own words: it has no types for them
	case errors.As(err, &app) && app.Type() == "NotFound":
		return exitNotFound
	case errors.As(err, &app) && app.Type() == "InvalidInput":
		return exitUsage
	}
	return exitFailed
}
