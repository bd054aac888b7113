package s3_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"

	devs3 "github.com/lifeboat-dr/lifeboat/internal/devstack/s3"
	"github.com/lifeboat-dr/lifeboat/internal/store"
	"github.com/lifeboat-dr/lifeboat/internal/store/s3"
)

func TestDenied(t *testing.T) {
	srv := server(t)
	good := config(t, srv, locked)
	if _, err := opened(t, good).Create(t.Context(), "k", []byte("x"), store.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	for name, change := range map[string]func(*s3.Config){
		"no bucket": func(c *s3.Config) { c.Bucket = "no-such-bucket" },
		"wrong secret": func(c *s3.Config) {
			c.Credentials = static(devs3.User{AccessKey: writer.AccessKey, SecretKey: "wrong-secret"})
		},
		"unknown key": func(c *s3.Config) {
			c.Credentials = static(devs3.User{AccessKey: "unknown", SecretKey: "wrong-secret"})
		},
		"no rights":      func(c *s3.Config) { c.Credentials = static(nobody) },
		"no credentials": func(c *s3.Config) { c.Credentials = aws.CredentialsProviderFunc(noCredentials) },
	} {
		t.Run(name, func(t *testing.T) {
			cfg := good
			change(&cfg)
			s := opened(t, cfg)
			check := func(op string, err error) {
				t.Helper()
				var e *store.Error
				if !errors.As(err, &e) || e.Kind != store.ErrDenied || e.Hint == "" {
					t.Errorf("%s: %v", op, err)
				}
				if err != nil && bytes.Contains([]byte(err.Error()), []byte("-secret")) {
					t.Errorf("%s: the error gives a secret away: %v", op, err)
				}
			}
			_, err := s.Create(t.Context(), "new", []byte("x"), store.CreateOptions{})
			check("create", err)
			_, err = s.Stat(t.Context(), "k", "")
			check("stat", err)
			_, err = readAll(t.Context(), s, "k")
			check("open", err)
			for _, err := range s.Versions(t.Context(), "") {
				check("list", err)
			}
			p, err := s.Inspect(t.Context())
			if name == "no rights" {
				if err != nil || p.Versioning || p.ObjectLock || len(p.Unverified) != 2 {
					t.Errorf("inspect: %+v, %v", p, err)
				}
				return
			}
			check("inspect", err)
		})
	}
}

// What is wrong with a setting is said once, with a hint, and is not tried again.
func TestWrongSettings(t *testing.T) {
	srv := server(t)
	good := config(t, srv, locked)
	secure := httptest.NewTLSServer(http.NotFoundHandler())
	t.Cleanup(secure.Close)
	secure.Config.ErrorLog = log.New(io.Discard, "", 0) // it sees what this test provokes
	for name, c := range map[string]struct {
		change func(*s3.Config)
		kind   error
		hint   string
	}{
		"another region": {func(c *s3.Config) { c.Region = "eu-north-1" }, store.ErrInvalid, "another region"},
		"TLS where there is none": {func(c *s3.Config) {
			c.Endpoint = strings.Replace(c.Endpoint, "http://", "https://", 1)
		}, store.ErrInvalid, "does not speak TLS"},
		"no TLS where it is needed":   {func(c *s3.Config) { c.Endpoint = strings.Replace(secure.URL, "https://", "http://", 1) }, store.ErrInvalid, "https or http"},
		"a certificate of nobody":     {func(c *s3.Config) { c.Endpoint = secure.URL }, store.ErrDenied, "not trusted"},
		"a bucket without ObjectLock": {func(c *s3.Config) { c.Bucket = config(t, srv, devs3.Bucket{Versioning: true}).Bucket }, store.ErrInvalid, "Object Lock is off"},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := good
			c.change(&cfg)
			cfg.Attempts, cfg.Backoff = 2, 10*time.Millisecond // a second attempt would be noticed
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			defer cancel()
			_, err := opened(t, cfg).Create(ctx, "k", []byte("x"), store.CreateOptions{RetainUntil: time.Now().Add(time.Hour)})
			var e *store.Error
			if !errors.As(err, &e) || e.Kind != c.kind || !strings.Contains(e.Hint, c.hint) {
				t.Errorf("got %v, want the hint %q", err, c.hint)
			}
		})
	}
}

func noCredentials(context.Context) (aws.Credentials, error) {
	return aws.Credentials{}, errors.New("nothing configured")
}

func TestInspect(t *testing.T) {
	srv := server(t)
	for _, c := range []struct {
		bucket devs3.Bucket
		want   store.Properties
	}{
		{locked, store.Properties{Versioning: true, ObjectLock: true}},
		{devs3.Bucket{Versioning: true}, store.Properties{Versioning: true}},
		{devs3.Bucket{}, store.Properties{}},
	} {
		p, err := opened(t, config(t, srv, c.bucket)).Inspect(t.Context())
		if err != nil || p.Versioning != c.want.Versioning || p.ObjectLock != c.want.ObjectLock || len(p.Unverified) != 0 {
			t.Errorf("%+v: %+v, %v", c.bucket, p, err)
		}
	}
}

// A lock that was asked for is never left out in silence, and the server enforces the one that is set.
func TestLock(t *testing.T) {
	srv := server(t)
	cfg := config(t, srv, locked)
	o, err := opened(t, cfg).Create(t.Context(), "k", []byte("x"), store.CreateOptions{RetainUntil: time.Now().Add(time.Hour)})
	if err != nil {
		t.Fatal(err)
	}
	_, err = srv.Client().DeleteObject(t.Context(), &awss3.DeleteObjectInput{
		Bucket: aws.String(cfg.Bucket), Key: aws.String("k"), VersionId: aws.String(o.Version), BypassGovernanceRetention: aws.Bool(true),
	})
	if err == nil {
		t.Error("the owner deleted a locked version")
	}

	cfg.LockMode = s3.LockNone
	none := opened(t, cfg)
	if _, err := none.Create(t.Context(), "n", []byte("x"), store.CreateOptions{RetainUntil: time.Now().Add(time.Hour)}); !errors.Is(err, store.ErrInvalid) {
		t.Errorf("create with a lock and without a mode: %v", err)
	}
	free, err := none.Create(t.Context(), "n", []byte("x"), store.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if err := none.Extend(t.Context(), "n", free.Version, time.Now().Add(time.Hour)); !errors.Is(err, store.ErrInvalid) {
		t.Errorf("extend without a mode: %v", err)
	}

	cfg = config(t, srv, devs3.Bucket{Versioning: true})
	if _, err := opened(t, cfg).Create(t.Context(), "k", []byte("x"), store.CreateOptions{RetainUntil: time.Now().Add(time.Hour)}); err == nil {
		t.Error("a bucket without Object Lock accepted a lock")
	}
}

// A bucket without versioning has one version of a key, with a name that can be used.
func TestUnversioned(t *testing.T) {
	s := opened(t, config(t, server(t), devs3.Bucket{}))
	o, err := s.Create(t.Context(), "k", []byte("x"), store.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Stat(t.Context(), "k", o.Version); err != nil {
		t.Errorf("stat of version %q: %v", o.Version, err)
	}
	r, _, err := s.Open(t.Context(), "k", o.Version)
	if err != nil {
		t.Fatal(err)
	}
	r.Close()
	for v, err := range s.Versions(t.Context(), "") {
		if err != nil || v.Version != o.Version {
			t.Errorf("listed %+v, %v", v, err)
		}
	}
}

func TestConfig(t *testing.T) {
	good := s3.Config{Bucket: "b", Region: "us-east-1"}
	for name, change := range map[string]func(*s3.Config){
		"bucket": func(c *s3.Config) { c.Bucket = "" }, "region": func(c *s3.Config) { c.Region = "" },
		"endpoint": func(c *s3.Config) { c.Endpoint = "localhost:9000" }, "prefix": func(c *s3.Config) { c.Prefix = "../x" },
		"lock mode": func(c *s3.Config) { c.LockMode = "legal" }, "checksum": func(c *s3.Config) { c.Checksum = "crc32" },
		"encryption": func(c *s3.Config) { c.Encryption = "rot13" }, "key": func(c *s3.Config) { c.KMSKey = "k" },
	} {
		cfg := good
		change(&cfg)
		if _, err := s3.New(t.Context(), cfg); !errors.Is(err, store.ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
