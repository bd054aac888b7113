package s3_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"

	devs3 "github.com/lifeboat-dr/lifeboat/internal/devstack/s3"
	"github.com/lifeboat-dr/lifeboat/internal/store"
	"github.com/lifeboat-dr/lifeboat/internal/store/s3"
	"github.com/lifeboat-dr/lifeboat/internal/store/storetest"
)

func TestMain(m *testing.M) {
	if served, err := devs3.MaybeServe(); served {
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

var (
	writer  = devs3.User{AccessKey: "writer", SecretKey: "writer-secret"}
	nobody  = devs3.User{AccessKey: "nobody", SecretKey: "nobody-secret"}
	buckets atomic.Int64
)

func server(t *testing.T) *devs3.Server {
	t.Helper()
	s, err := devs3.StartChild(t.Context(), devs3.Config{Dir: t.TempDir(), Users: []devs3.User{writer, nobody}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Kill)
	return s
}

// config is for a new bucket, as the writer who may not delete.
func config(t *testing.T, s *devs3.Server, b devs3.Bucket) s3.Config {
	t.Helper()
	b.Name = fmt.Sprintf("vault-%d", buckets.Add(1))
	b.Writers = []string{writer.AccessKey}
	if err := s.CreateBucket(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	return s3.Config{
		Bucket: b.Name, Endpoint: s.Endpoint(), Region: s.Config().Region, PathStyle: true, LockMode: s3.LockCompliance,
		Credentials: static(writer), Backoff: 50 * time.Millisecond,
	}
}

func static(u devs3.User) aws.CredentialsProvider {
	return credentials.NewStaticCredentialsProvider(u.AccessKey, u.SecretKey, "")
}

func opened(t *testing.T, cfg s3.Config) *s3.Store {
	t.Helper()
	s, err := s3.New(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

var locked = devs3.Bucket{ObjectLock: true}

func TestConformance(t *testing.T) {
	srv := server(t)
	variants := map[string]func(*s3.Config){
		"compliance": func(*s3.Config) {},
		"governance below a prefix with md5": func(c *s3.Config) {
			c.LockMode, c.Prefix, c.Checksum = s3.LockGovernance, "vaults/east one", s3.ChecksumMD5
		},
	}
	for name, change := range variants {
		t.Run(name, func(t *testing.T) {
			storetest.Run(t, func(t *testing.T) store.Store {
				cfg := config(t, srv, locked)
				change(&cfg)
				return opened(t, cfg)
			})
			storetest.RunIntruded(t, func(t *testing.T) storetest.Intruded {
				cfg := config(t, srv, locked)
				change(&cfg)
				return intruded(t, srv, cfg)
			})
		})
	}
}

func intruded(t *testing.T, srv *devs3.Server, cfg s3.Config) storetest.Intruded {
	owner, bucket := srv.Client(), aws.String(cfg.Bucket)
	full := func(key string) string {
		if cfg.Prefix == "" {
			return key
		}
		return cfg.Prefix + "/" + key
	}
	return storetest.Intruded{
		Store: opened(t, cfg),
		Overwrite: func(t *testing.T, key string, body []byte) {
			_, err := owner.PutObject(t.Context(), &awss3.PutObjectInput{Bucket: bucket, Key: aws.String(full(key)), Body: bytes.NewReader(body)})
			if err != nil {
				t.Fatal(err)
			}
		},
		Hide: func(t *testing.T, key string) {
			_, err := owner.DeleteObject(t.Context(), &awss3.DeleteObjectInput{Bucket: bucket, Key: aws.String(full(key))})
			if err != nil {
				t.Fatal(err)
			}
		},
		Corrupt: func(t *testing.T, key string) {
			path := filepath.Join(srv.Config().Dir, "buckets", cfg.Bucket, filepath.FromSlash(full(key)))
			f, err := os.OpenFile(path, os.O_RDWR, 0)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			if _, err := f.WriteAt([]byte("damage"), 1000); err != nil {
				t.Fatal(err)
			}
		},
		Markers:       true,
		ExtendsHidden: true,
	}
}

func TestLocation(t *testing.T) {
	for want, cfg := range map[string]s3.Config{
		"s3://vault-east (us-east-1)": {Bucket: "vault-east", Region: "us-east-1"},
		"s3://vault/a (eu-west-1 at example.test:9000)": {
			Bucket: "vault", Region: "eu-west-1", Prefix: "a", Endpoint: "https://user:secret@example.test:9000",
		},
	} {
		if got := opened(t, cfg).Location(); got != want || strings.Contains(got, "secret") {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
