package s3

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/lifeboat-dr/lifeboat/internal/devstack/proc"
)

// childVariable makes a process the server described by the file it names. The file and not the variable
// carries the credentials: an environment can be read in too many ways.
const childVariable = "LIFEBOAT_DEVSTACK_S3"

const (
	defaultRegion = "us-east-1"
	ownerKey      = "lifeboat-owner"
	configFile    = "server.json"
	logFile       = "server.log"
	// ready is long enough for a loaded machine; a healthy start takes a fifth of a second.
	ready = 30 * time.Second
)

// MaybeServe runs the server and returns when it ended, if this process was started to be one; otherwise
// it returns false at once. Call it before anything else in main and TestMain:
//
//	if served, err := s3.MaybeServe(); served { … exit with err … }
func MaybeServe() (served bool, err error) {
	path := os.Getenv(childVariable)
	if path == "" {
		return false, nil
	}
	cfg, err := readConfig(path)
	if err != nil {
		return true, err
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	return true, Serve(ctx, cfg)
}

// Server is a running child.
type Server struct {
	cfg   Config
	child *proc.Process
}

// StartChild starts a server in a process of its own and returns when it answers. The child dies with
// this process, whatever way that goes. Missing credentials are those that the directory had before, or
// new random ones; a missing region is us-east-1. What the child prints is in server.log in the directory.
//
// The context bounds the start only.
func StartChild(ctx context.Context, cfg Config) (*Server, error) {
	if err := os.MkdirAll(cfg.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("create directory of the s3 server: %w", err)
	}
	cfg, err := complete(cfg)
	if err != nil {
		return nil, err
	}
	host, port, err := net.SplitHostPort(cfg.Address)
	if err != nil {
		return nil, fmt.Errorf("read address of the s3 server: %w", err)
	}
	if port != "0" {
		return start(ctx, cfg)
	}
	// The port is free when it is chosen and may be taken when the child gets there.
	for try := 0; ; try++ {
		if cfg.Address, err = freeAddress(host); err != nil {
			return nil, err
		}
		s, err := start(ctx, cfg)
		if err == nil || ctx.Err() != nil || try == 2 {
			return s, err
		}
	}
}

func complete(cfg Config) (Config, error) {
	before, err := readConfig(filepath.Join(cfg.Dir, configFile))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return cfg, err
	}
	if cfg.AccessKey == "" {
		cfg.AccessKey, cfg.SecretKey = before.AccessKey, before.SecretKey
	}
	if cfg.AccessKey == "" {
		cfg.AccessKey, cfg.SecretKey = ownerKey, rand.Text()
	}
	if cfg.Region == "" {
		cfg.Region = defaultRegion
	}
	if cfg.Address == "" {
		cfg.Address = "127.0.0.1:0"
	}
	return cfg, nil
}

func freeAddress(host string) (string, error) {
	l, err := net.Listen("tcp", net.JoinHostPort(host, "0"))
	if err != nil {
		return "", fmt.Errorf("choose a port on %s: %w", host, err)
	}
	defer l.Close()
	return l.Addr().String(), nil
}

func readConfig(path string) (Config, error) {
	var cfg Config
	b, err := os.ReadFile(path)
	if err != nil {
		return cfg, fmt.Errorf("read configuration of the s3 server: %w", err)
	}
	if err := json.Unmarshal(b, &cfg); err != nil {
		return cfg, fmt.Errorf("read configuration of the s3 server %s: %w", path, err)
	}
	return cfg, nil
}

func writeConfig(path string, cfg Config) error {
	b, err := json.Marshal(cfg)
	if err != nil {
		return fmt.Errorf("write configuration of the s3 server: %w", err)
	}
	if err := os.WriteFile(path, b, 0o600); err != nil {
		return fmt.Errorf("write configuration of the s3 server: %w", err)
	}
	return nil
}

// Endpoint is the URL clients use.
func (s *Server) Endpoint() string { return "http://" + s.cfg.Address }

// Config is how the server runs, defaults and credentials filled in. Starting it again with this
// configuration brings the same server back.
func (s *Server) Config() Config { return s.cfg }

func (s *Server) answers(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, ready)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	// A signed request: whatever else may listen there does not know the secret.
	c := s.Client()
	for {
		_, err := c.ListBuckets(ctx, &s3.ListBucketsInput{}, func(o *s3.Options) { o.RetryMaxAttempts = 1 })
		if err == nil {
			return nil
		}
		select {
		case <-s.child.Done():
			return fmt.Errorf("start s3 server on %s: it ended (%w): see %s", s.cfg.Address, s.child.Wait(), filepath.Join(s.cfg.Dir, logFile))
		case <-ctx.Done():
			return fmt.Errorf("start s3 server on %s: no answer: %w", s.cfg.Address, err)
		case <-tick.C:
		}
	}
}
