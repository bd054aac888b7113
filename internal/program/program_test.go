package program_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/lifeboat-dr/lifeboat/internal/program"
	"github.com/lifeboat-dr/lifeboat/internal/secret"
)

func script(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "program")
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+text), 0o700); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestRun(t *testing.T) {
	t.Setenv("LB_VALUE", "given")
	t.Setenv("LB_HIDDEN", "hidden")
	p := &program.Program{
		Path: script(t, `cat; echo "first"; echo "$# $1 $GIVEN $LB_HIDDEN" >&2; echo; exit 3`),
		Env:  []program.Variable{{Name: "GIVEN", Value: secret.Ref{Env: "LB_VALUE"}}},
	}
	exit, last, err := p.Run(t.Context(), []string{"a b; rm -rf /", "c"})
	if err != nil || exit != 3 || last != "2 a b; rm -rf / given" {
		t.Errorf("exit %d, last line %q: %v", exit, last, err)
	}
}

func TestRunIsStopped(t *testing.T) {
	p := &program.Program{Path: script(t, "exec sleep 60")}
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	began := time.Now()
	if _, _, err := p.Run(ctx, nil); !errors.Is(err, context.DeadlineExceeded) || time.Since(began) > 5*time.Second {
		t.Errorf("after %s: %v", time.Since(began), err)
	}
}

func TestRunSaysWhatIsMissing(t *testing.T) {
	p := &program.Program{Path: filepath.Join(t.TempDir(), "nothing")}
	if _, _, err := p.Run(t.Context(), nil); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a program that is not there: %v", err)
	}
}
