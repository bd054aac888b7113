// Package program runs programs that the configuration names, without a shell and without input. They end
// with their worker, also when that is killed.
package program

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/lifeboat-dr/lifeboat/activities"
	"github.com/lifeboat-dr/lifeboat/internal/secret"
)

// maxLine bounds the line that is kept, in bytes.
const maxLine = 4096

// grace is how long a program has to end after it was asked to.
const grace = 10 * time.Second

// Program is one program.
type Program struct {
	Path string
	At   string
	Env  []Variable
}

// Variable is one environment variable.
type Variable struct {
	Name  string
	Value secret.Ref
}

var _ activities.Program = (*Program)(nil)

// Site implements [activities.Program].
func (p *Program) Site() string { return p.At }

// Run implements [activities.Program].
func (p *Program) Run(ctx context.Context, args []string) (exit int, last string, err error) {
	cmd := exec.CommandContext(ctx, p.Path, args...)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + os.Getenv("HOME")}
	for _, v := range p.Env {
		value, err := v.Value.Resolve()
		if err != nil {
			return 0, "", err
		}
		cmd.Env = append(cmd.Env, v.Name+"="+value.Reveal())
	}
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = grace
	read, write := io.Pipe()
	cmd.Stdout, cmd.Stderr = write, write
	line := make(chan string, 1)
	go func() { line <- lastLine(read) }()
	unlock := bind(cmd)
	err = cmd.Run()
	unlock()
	_ = write.Close()
	last = <-line
	var ended *exec.ExitError
	switch {
	case ctx.Err() != nil:
		return 0, last, fmt.Errorf("it was stopped: %w", ctx.Err())
	case errors.As(err, &ended) && ended.Exited():
		return ended.ExitCode(), last, nil
	case err != nil:
		var path *os.PathError
		if errors.As(err, &path) {
			err = path.Err
		}
		return 0, last, err
	}
	return 0, last, nil
}

// lastLine reads all of a program's output and keeps the last line that is not empty.
func lastLine(r io.Reader) (last string) {
	b := bufio.NewReaderSize(r, maxLine)
	for {
		part, err := b.ReadSlice('\n')
		if text := strings.TrimSpace(string(bytes.ToValidUTF8(part, nil))); text != "" {
			last = text
		}
		if err != nil && !errors.Is(err, bufio.ErrBufferFull) {
			return last
		}
	}
}
