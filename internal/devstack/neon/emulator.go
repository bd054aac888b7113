package neon

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"path/filepath"
	"sync"
	"time"

	"github.com/lifeboat-dr/lifeboat/internal/devstack/neon/timeline"
	"github.com/lifeboat-dr/lifeboat/internal/devstack/pgserver"
)

// Config describes an emulator: one Neon account in one region.
type Config struct {
	// Dir keeps everything; an emulator started again on it goes on with the same ids, addresses and
	// passwords. Every folder above it must be open to the user postgres when we are root.
	Dir string
	// Region is the region of all projects, for example "aws-us-east-2".
	Region string
	// Addresses are what endpoints get theirs from, for example 127.77.0.0/16. Sites need ranges apart.
	Addresses netip.Prefix
	// Port is where endpoints listen; zero means 5432.
	Port uint16
	// APIKey is the bearer token that clients must present.
	APIKey string
	// Latency is added to every operation.
	Latency time.Duration
	// BranchLimit is how many branches a project may have; zero means 5000.
	BranchLimit int
	// Settings override PostgreSQL's settings of all servers, for example {"shared_buffers": "64MB"}.
	Settings map[string]string
	// BackupAfter is how much WAL a branch writes before another base backup is taken, in bytes; zero
	// means 256 MiB. Smaller makes branching quicker and the disk fuller.
	BackupAfter int64
	// NoSync turns fsync off: a power cut may damage the data. For tests.
	NoSync bool
	Log    *slog.Logger
}

// Emulator is a running emulator. Its methods may be called from many goroutines.
type Emulator struct {
	cfg   Config
	log   *slog.Logger
	lines *timeline.Store
	major int

	ctx  context.Context // ends with Close
	stop context.CancelCauseFunc
	work sync.WaitGroup // operations, proxies, the janitor

	faults faults

	mu      sync.Mutex // guards everything below, for moments only
	state   state
	proxies map[string]*proxy // by endpoint
}

var errClosed = errors.New("the emulator was stopped")

const (
	defaultPort        = 5432
	defaultBranchLimit = 5000
	defaultBackupAfter = 256 << 20
)

// New starts an emulator on a folder, empty or left by an earlier one. No compute runs at first: they wake
// at the next connection. Operations that were cut short are finished.
func New(cfg Config) (_ *Emulator, err error) {
	cfg.Port = cmp.Or(cfg.Port, defaultPort)
	cfg.BranchLimit = cmp.Or(cfg.BranchLimit, defaultBranchLimit)
	cfg.BackupAfter = cmp.Or(cfg.BackupAfter, defaultBackupAfter)
	if cfg.Log == nil {
		cfg.Log = slog.New(slog.DiscardHandler)
	}
	if cfg.APIKey == "" || cfg.Region == "" || !cfg.Addresses.IsValid() {
		return nil, errors.New("start Neon emulator: API key, region and addresses are needed")
	}
	if cfg.Dir, err = filepath.Abs(cfg.Dir); err != nil {
		return nil, fmt.Errorf("start Neon emulator: %w", err)
	}
	e := &Emulator{cfg: cfg, log: cfg.Log, proxies: map[string]*proxy{}}
	e.ctx, e.stop = context.WithCancelCause(context.Background())
	if e.major, err = pgserver.Major(e.ctx); err != nil {
		return nil, err
	}
	if err := e.load(); err != nil {
		return nil, err
	}
	e.lines, err = timeline.Open(timeline.Config{
		Dir: filepath.Join(cfg.Dir, "timelines"), Settings: cfg.Settings, NoSync: cfg.NoSync, Log: e.log,
	})
	if err != nil {
		return nil, err
	}
	if err := e.resume(); err != nil {
		return nil, errors.Join(err, e.Close(context.Background()))
	}
	e.work.Go(e.janitor)
	return e, nil
}

// Close refuses further connections, lets go of running operations (the next start finishes them) and stops
// every server cleanly. A closed emulator is of no further use.
func (e *Emulator) Close(ctx context.Context) error {
	e.stop(errClosed)
	e.mu.Lock()
	for _, p := range e.proxies {
		p.close()
	}
	e.mu.Unlock()
	e.work.Wait()
	return e.lines.Close(ctx)
}

// Handler serves Neon's API below /api/v2 and the emulator's own below /emulator.
func (e *Emulator) Handler() http.Handler { return e.routes() }

// Inject arms a fault.
func (e *Emulator) Inject(f Fault) error { return e.faults.add(f) }

// ClearFaults disarms all faults.
func (e *Emulator) ClearFaults() { e.faults.clear() }

// SuperuserURL connects to a running branch as a superuser by its Unix socket, for what PostgreSQL keeps from
// others. Neon has no such door.
func (e *Emulator) SuperuserURL(projectID, branchID, database string) (string, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	_, b, err := e.findBranch(projectID, branchID)
	if err != nil {
		return "", fmt.Errorf("find branch %s: %w", branchID, err)
	}
	line := e.lines.Get(b.Timeline)
	if line == nil {
		return "", fmt.Errorf("connect to branch %s: %w", branchID, timeline.ErrStopped)
	}
	if url := line.SuperuserURL(database); url != "" {
		return url, nil
	}
	return "", fmt.Errorf("connect to branch %s: its compute is suspended: %w", branchID, timeline.ErrStopped)
}
