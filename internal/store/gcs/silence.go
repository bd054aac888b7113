package gcs

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"
)

// slowest is the pace below which an upload counts as silent, in bytes a second: Google's client tells no
// progress of a body that is sent in one request.
const slowest = 64 << 10

// errSilent is why a request was given up that its caller did not give up.
var errSilent = errors.New("the server said nothing for too long")

// watch ends ctx when nothing was heard for the store's silence: call heard whenever something was, and
// stop at the end. Google's client would wait for as long as its caller does.
func (s *Store) watch(ctx context.Context) (_ context.Context, heard, stop func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	timer := time.AfterFunc(s.cfg.Silence, func() { cancel(errSilent) })
	return ctx, func() { timer.Reset(s.cfg.Silence) }, func() {
		timer.Stop()
		cancel(context.Canceled)
	}
}

// within bounds one request that sends so many bytes.
func (s *Store) within(ctx context.Context, bytes int) (context.Context, context.CancelFunc) {
	wait := s.cfg.Silence + time.Duration(bytes)*time.Second/slowest
	return context.WithTimeoutCause(ctx, wait, errSilent)
}

// because adds to an error of a context why the context ended.
func because(ctx context.Context, err error) error {
	if err != nil && ctx.Err() != nil && errors.Is(context.Cause(ctx), errSilent) {
		return fmt.Errorf("%w: %w", errSilent, err)
	}
	return err
}

// heeded is a body whose reader does not wait longer than the store's silence.
type heeded struct {
	io.ReadCloser
	ctx         context.Context
	heard, stop func()
}

func (h *heeded) Read(p []byte) (int, error) {
	n, err := h.ReadCloser.Read(p)
	if n > 0 {
		h.heard()
	}
	if errors.Is(err, io.EOF) {
		return n, err
	}
	return n, because(h.ctx, err)
}

func (h *heeded) Close() error {
	defer h.stop()
	return h.ReadCloser.Close()
}
