package s3_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"testing"
	"time"

	devs3 "github.com/lifeboat-dr/lifeboat/internal/devstack/s3"
	"github.com/lifeboat-dr/lifeboat/internal/store"
	"github.com/lifeboat-dr/lifeboat/internal/store/fault"
	"github.com/lifeboat-dr/lifeboat/internal/store/s3"
)

const attempts = 4

// behind is a store that reaches its server through a proxy.
type behind struct {
	*s3.Store
	proxy *fault.Proxy
	cfg   s3.Config
}

func faulty(t *testing.T, srv *devs3.Server) behind {
	t.Helper()
	proxy, err := fault.NewProxy(srv.Endpoint())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(proxy.Close)
	cfg := config(t, srv, locked)
	cfg.Endpoint, cfg.Attempts, cfg.Backoff = proxy.URL(), attempts, 20*time.Millisecond
	return behind{opened(t, cfg), proxy, cfg}
}

func (b behind) versions(t *testing.T, key string) int {
	t.Helper()
	n := 0
	for _, err := range b.Versions(t.Context(), key) {
		if err != nil {
			t.Fatal(err)
		}
		n++
	}
	return n
}

func readAll(ctx context.Context, s store.Store, key string) ([]byte, error) {
	r, _, err := s.Open(ctx, key, "")
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return io.ReadAll(r)
}

var (
	put  = fault.Method(http.MethodPut)
	get  = fault.Method(http.MethodGet)
	head = fault.Method(http.MethodHead)
)

// Beside the suite's: answers that only S3 gives, and that are waited out as well.
func TestCreateThroughTrouble(t *testing.T) {
	srv := server(t)
	body := bytes.Repeat([]byte("sealed"), 1<<20) // large enough for the header to be asked about first
	for name, trouble := range map[string]fault.Behavior{
		"conflict": fault.Refuse(http.StatusConflict, "ConditionalRequestConflict"),
		"damaged":  fault.Refuse(http.StatusBadRequest, "BadDigest"),
	} {
		t.Run(name, func(t *testing.T) {
			s := faulty(t, srv)
			s.proxy.Inject(attempts-1, put, trouble)
			o, err := s.Create(t.Context(), "k", body, store.CreateOptions{Metadata: map[string]string{"range": "a"}})
			if err != nil {
				t.Fatal(err)
			}
			got, err := s.Stat(t.Context(), "k", o.Version)
			if err != nil || got.SHA256 != o.SHA256 || got.Metadata["range"] != "a" || len(got.Metadata) != 1 {
				t.Errorf("created %+v, found %+v, %v", o, got, err)
			}
			if n := s.versions(t, "k"); n != 1 {
				t.Errorf("there are %d versions", n)
			}
			if n := s.proxy.Requests(put); n < 2 {
				t.Errorf("%d requests: nothing was injected", n)
			}
		})
	}
}

// Answers are lost and somebody else wrote the very same bytes: the write was theirs, not ours.
func TestCreateLostToAnotherWriter(t *testing.T) {
	srv := server(t)
	s := faulty(t, srv)
	other := s.cfg
	other.Endpoint = srv.Endpoint()
	rival := opened(t, other)
	s.proxy.Inject(1, put, func(w http.ResponseWriter, r *http.Request, forward func() (*http.Response, []byte, error)) {
		if _, err := rival.Create(r.Context(), "epoch", []byte("7"), store.CreateOptions{}); err != nil {
			t.Error(err)
		}
		fault.Reset()(w, r, forward)
	})
	_, err := s.Create(t.Context(), "epoch", []byte("7"), store.CreateOptions{})
	if !errors.Is(err, store.ErrExists) {
		t.Errorf("create: %v", err)
	}
}

// A conflict that cannot be looked into is not called one: the object may be ours.
func TestCreateUndecided(t *testing.T) {
	s := faulty(t, server(t))
	s.proxy.Inject(1, put, fault.Lose())
	s.proxy.Inject(fault.Always, head, fault.Throttle())
	if _, err := s.Create(t.Context(), "k", []byte("x"), store.CreateOptions{}); !store.Retryable(err) {
		t.Errorf("create: %v", err)
	}
}

// Attempts are bounded, and what does not get better is not tried again.
func TestKindsAndAttempts(t *testing.T) {
	srv := server(t)
	for name, c := range map[string]struct {
		trouble  fault.Behavior
		kind     error
		attempts int
	}{
		"throttled":         {fault.Throttle(), store.ErrUnavailable, attempts},
		"reset":             {fault.Reset(), store.ErrUnavailable, attempts},
		"too many requests": {fault.Refuse(http.StatusTooManyRequests, "SlowDown"), store.ErrUnavailable, attempts},
		"bad gateway":       {fault.Refuse(http.StatusBadGateway, ""), store.ErrUnavailable, attempts},
		"full":              {fault.Full(), store.ErrFull, 1},
		"quota":             {fault.Refuse(http.StatusForbidden, "QuotaExceeded"), store.ErrFull, 1},
		"denied":            {fault.Refuse(http.StatusForbidden, "AccessDenied"), store.ErrDenied, 1},
		"clock":             {fault.Refuse(http.StatusForbidden, "RequestTimeTooSkewed"), store.ErrDenied, 1},
		"no bucket":         {fault.Refuse(http.StatusNotFound, "NoSuchBucket"), store.ErrDenied, 1},
		"unknown request":   {fault.Refuse(http.StatusNotImplemented, "NotImplemented"), store.ErrInvalid, 1},
		"other region":      {fault.Refuse(http.StatusMovedPermanently, "PermanentRedirect"), store.ErrInvalid, 1},
	} {
		t.Run(name, func(t *testing.T) {
			s := faulty(t, srv)
			s.proxy.Inject(fault.Always, nil, c.trouble)
			_, err := s.Create(t.Context(), "k", []byte("x"), store.CreateOptions{})
			var e *store.Error
			if !errors.As(err, &e) || e.Kind != c.kind || e.Kind != store.ErrUnavailable && e.Hint == "" {
				t.Errorf("create: %v", err)
			}
			if n := s.proxy.Requests(put); n != c.attempts {
				t.Errorf("%d attempts, want %d", n, c.attempts)
			}
			_, err = s.Stat(t.Context(), "k", "")
			if !errors.Is(err, c.kind) {
				t.Errorf("stat: %v", err)
			}
			_, err = s.Inspect(t.Context())
			if asked := name == "denied" || name == "unknown request"; !asked && !errors.Is(err, c.kind) || asked && err != nil {
				t.Errorf("inspect: %v", err)
			}
		})
	}
}

// The caller's deadline ends waiting between attempts, too.
func TestDeadline(t *testing.T) {
	s := faulty(t, server(t))
	s.cfg.Backoff, s.cfg.Attempts = time.Minute, 100
	s.Store = opened(t, s.cfg)
	s.proxy.Inject(fault.Always, nil, fault.Throttle())
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	start := time.Now()
	_, err := s.Create(ctx, "k", []byte("x"), store.CreateOptions{})
	if !errors.Is(err, context.DeadlineExceeded) || !store.Retryable(err) {
		t.Errorf("create: %v", err)
	}
	if d := time.Since(start); d > 5*time.Second {
		t.Errorf("it took %s", d)
	}
}
