package gcs_test

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"sync/atomic"
	"testing"
	"time"

	"cloud.google.com/go/storage"
	"github.com/fsouza/fake-gcs-server/fakestorage"
	"google.golang.org/api/option"

	"github.com/lifeboat-dr/lifeboat/internal/store"
	"github.com/lifeboat-dr/lifeboat/internal/store/fault"
	"github.com/lifeboat-dr/lifeboat/internal/store/gcs"
	"github.com/lifeboat-dr/lifeboat/internal/store/storetest"
)

var buckets atomic.Int64

// emulator keeps generations in memory: its backend on disk has none.
func emulator(t *testing.T) *fakestorage.Server {
	t.Helper()
	s, err := fakestorage.NewServerWithOptions(fakestorage.Options{Scheme: "http"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Stop)
	return s
}

func config(srv *fakestorage.Server) gcs.Config {
	bucket := fmt.Sprintf("vault-%d", buckets.Add(1))
	srv.CreateBucketWithOpts(fakestorage.CreateBucketOpts{Name: bucket, VersioningEnabled: true})
	return gcs.Config{Bucket: bucket, Endpoint: srv.URL(), LockMode: gcs.LockUnlocked, Attempts: attempts, Backoff: 20 * time.Millisecond}
}

func opened(t *testing.T, cfg gcs.Config) *gcs.Store {
	t.Helper()
	s, err := gcs.New(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func TestConformance(t *testing.T) {
	srv := emulator(t)
	for name, prefix := range map[string]string{"whole bucket": "", "below a prefix": "vaults/east one"} {
		t.Run(name, func(t *testing.T) {
			storetest.Run(t, func(t *testing.T) store.Store {
				cfg := config(srv)
				cfg.Prefix = prefix
				return opened(t, cfg)
			})
			storetest.RunIntruded(t, func(t *testing.T) storetest.Intruded {
				cfg := config(srv)
				cfg.Prefix = prefix
				return intruded(t, cfg)
			})
		})
	}
}

func intruded(t *testing.T, cfg gcs.Config) storetest.Intruded {
	owner, err := storage.NewClient(t.Context(), option.WithEndpoint(cfg.Endpoint+"/storage/v1/"), option.WithoutAuthentication())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { owner.Close() })
	handle := func(key string) *storage.ObjectHandle {
		if cfg.Prefix != "" {
			key = cfg.Prefix + "/" + key
		}
		return owner.Bucket(cfg.Bucket).Object(key)
	}
	return storetest.Intruded{
		Store: opened(t, cfg),
		Overwrite: func(t *testing.T, key string, body []byte) {
			w := handle(key).NewWriter(t.Context())
			if _, err := w.Write(body); err != nil {
				t.Fatal(err)
			}
			if err := w.Close(); err != nil {
				t.Fatal(err)
			}
		},
		Hide: func(t *testing.T, key string) {
			if err := handle(key).Delete(t.Context()); err != nil {
				t.Fatal(err)
			}
		},
		Retakes:     true,
		ShowsHidden: true,
	}
}

const attempts = 4

func faulty(t *testing.T, srv *fakestorage.Server) (*gcs.Store, *fault.Proxy, gcs.Config) {
	t.Helper()
	proxy, err := fault.NewProxy(srv.URL())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(proxy.Close)
	cfg := config(srv)
	cfg.Endpoint = proxy.URL()
	return opened(t, cfg), proxy, cfg
}

var (
	post = fault.Method(http.MethodPost)
	get  = fault.Method(http.MethodGet)
)

// Answers are lost and somebody else wrote the very same bytes: the write was theirs, not ours.
func TestCreateLostToAnotherWriter(t *testing.T) {
	srv := emulator(t)
	s, proxy, cfg := faulty(t, srv)
	cfg.Endpoint = srv.URL()
	rival := opened(t, cfg)
	proxy.Inject(1, post, func(w http.ResponseWriter, r *http.Request, forward func() (*http.Response, []byte, error)) {
		if _, err := rival.Create(r.Context(), "epoch", []byte("7"), store.CreateOptions{}); err != nil {
			t.Error(err)
		}
		fault.Reset()(w, r, forward)
	})
	if _, err := s.Create(t.Context(), "epoch", []byte("7"), store.CreateOptions{}); !errors.Is(err, store.ErrExists) {
		t.Errorf("create: %v", err)
	}
}

func TestKindsAndAttempts(t *testing.T) {
	srv := emulator(t)
	for name, c := range map[string]struct {
		trouble  fault.Behavior
		kind     error
		attempts int
	}{
		"unavailable": {fault.Throttle(), store.ErrUnavailable, attempts},
		"reset":       {fault.Reset(), store.ErrUnavailable, attempts},
		"denied":      {fault.Refuse(http.StatusForbidden, ""), store.ErrDenied, 1},
		"credentials": {fault.Refuse(http.StatusUnauthorized, ""), store.ErrDenied, 1},
		"full":        {fault.Full(), store.ErrFull, 1},
		"bad request": {fault.Refuse(http.StatusBadRequest, ""), store.ErrInvalid, 1},
		"quota": {func(w http.ResponseWriter, _ *http.Request, _ func() (*http.Response, []byte, error)) {
			w.WriteHeader(http.StatusForbidden)
			fmt.Fprint(w, `{"error":{"code":403,"errors":[{"reason":"quotaExceeded"}]}}`)
		}, store.ErrFull, 1},
	} {
		t.Run(name, func(t *testing.T) {
			s, proxy, _ := faulty(t, srv)
			proxy.Inject(fault.Always, nil, c.trouble)
			_, err := s.Create(t.Context(), "k", []byte("x"), store.CreateOptions{})
			if !errors.Is(err, c.kind) {
				t.Errorf("create: %v", err)
			}
			if n := proxy.Requests(post); n != c.attempts {
				t.Errorf("%d attempts, want %d", n, c.attempts)
			}
			if _, err := s.Stat(t.Context(), "k", ""); !errors.Is(err, c.kind) {
				t.Errorf("stat: %v", err)
			}
		})
	}
}

// An object that something else put there has no digest and can be read all the same.
func TestForeignObject(t *testing.T) {
	cfg := config(emulator(t))
	in := intruded(t, cfg)
	in.Overwrite(t, "foreign", []byte("body"))
	o, err := in.Store.Stat(t.Context(), "foreign", "")
	if err != nil || o.SHA256 != "" || o.Size != 4 {
		t.Errorf("stat: %+v, %v", o, err)
	}
	r, _, err := in.Store.Open(t.Context(), "foreign", o.Version)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	var b bytes.Buffer
	if _, err := b.ReadFrom(r); err != nil || b.String() != "body" {
		t.Errorf("read %q, %v", b.String(), err)
	}
}

func TestNoBucket(t *testing.T) {
	cfg := config(emulator(t))
	cfg.Bucket = "no-such-bucket"
	s := opened(t, cfg)
	_, err := s.Create(t.Context(), "k", []byte("x"), store.CreateOptions{})
	if !errors.Is(err, store.ErrDenied) {
		t.Errorf("create: %v", err)
	}
	if _, err := s.Stat(t.Context(), "k", ""); !errors.Is(err, store.ErrDenied) {
		t.Errorf("stat: %v", err)
	}
	if _, err := s.Inspect(t.Context()); !errors.Is(err, store.ErrDenied) {
		t.Errorf("inspect: %v", err)
	}
	for _, err := range s.Versions(t.Context(), "") {
		if !errors.Is(err, store.ErrDenied) {
			t.Errorf("list: %v", err)
		}
	}
}

// The emulator cannot lengthen a locked retention, so all that is shown is that the mode gets there.
func TestLockedMode(t *testing.T) {
	for mode, want := range map[gcs.LockMode]string{gcs.LockLocked: "Locked", gcs.LockUnlocked: "Unlocked"} {
		srv := emulator(t)
		cfg := config(srv)
		cfg.LockMode = mode
		until := time.Now().Add(time.Hour)
		if _, err := opened(t, cfg).Create(t.Context(), "k", []byte("x"), store.CreateOptions{RetainUntil: until}); err != nil {
			t.Fatal(err)
		}
		o, err := srv.GetObject(cfg.Bucket, "k")
		if err != nil {
			t.Fatal(err)
		}
		if o.Retention == nil || o.Retention.Mode != want || o.Retention.RetainUntil.Before(until) {
			t.Errorf("%s: the server has %+v", mode, o.Retention)
		}
	}
}

func TestInspect(t *testing.T) {
	p, err := opened(t, config(emulator(t))).Inspect(t.Context())
	if err != nil || !p.Versioning || p.ObjectLock {
		t.Errorf("inspect: %+v, %v", p, err)
	}
}

func TestConfig(t *testing.T) {
	for name, cfg := range map[string]gcs.Config{
		"bucket": {}, "mode": {Bucket: "b", LockMode: "compliance"}, "prefix": {Bucket: "b", Prefix: "a//b"},
		"endpoint": {Bucket: "b", Endpoint: "localhost"}, "both": {Bucket: "b", Endpoint: "http://localhost", Credentials: []byte("{}")},
	} {
		if _, err := gcs.New(t.Context(), cfg); !errors.Is(err, store.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	_, err := gcs.New(t.Context(), gcs.Config{Bucket: "b", Credentials: []byte(`{"type":"service_account","private_key":"top-secret"`)})
	if !errors.Is(err, store.ErrDenied) || bytes.Contains([]byte(err.Error()), []byte("top-secret")) {
		t.Errorf("a broken key: %v", err)
	}
	cfg := config(emulator(t))
	cfg.LockMode = ""
	_, err = opened(t, cfg).Create(t.Context(), "k", nil, store.CreateOptions{RetainUntil: time.Now().Add(time.Hour)})
	if !errors.Is(err, store.ErrInvalid) {
		t.Errorf("a lock without a mode: %v", err)
	}
}
