package timeline

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/lifeboat-dr/lifeboat/internal/devstack/pgserver"
)

// Mode is what a line's server does.
type Mode int

const (
	// Stopped: no server. The data rests.
	Stopped Mode = iota
	// ReadOnly: a hot standby of nothing, which refuses every write, whatever the client sets.
	ReadOnly
	// ReadWrite: an ordinary primary.
	ReadWrite
)

const metaFile = "timeline.json"

// meta is what is kept of a line.
type meta struct {
	Parent string `json:"parent,omitempty"`
	// TLI is PostgreSQL's own number of the timeline. It is unique along a line of descent, not among siblings.
	TLI uint32 `json:"tli"`
	// ForkLSN is where the line left its parent, ForkTime the last commit before that.
	ForkLSN  LSN       `json:"fork_lsn"`
	ForkTime time.Time `json:"fork_time"`
	Created  time.Time `json:"created"`
	Bases    []base    `json:"bases,omitempty"` // oldest first
	// Sealed is the head of a line that was stopped cleanly: everything before it is archived.
	Sealed *seal `json:"sealed,omitempty"`
}

// base is a base backup: usable for any point from LSN and Time on.
type base struct {
	Name  string    `json:"name"`
	Start LSN       `json:"start"` // WAL is needed from here
	LSN   LSN       `json:"lsn"`
	Time  time.Time `json:"time"`
	// Bytes is about what it takes on the disk.
	Bytes int64 `json:"bytes,omitempty"`
}

// Timeline is one line of history. Its methods may be called from many goroutines.
type Timeline struct {
	store *Store
	id    string

	// mu lets one thing happen at a time: start, stop, seal, base backup. It may be held for seconds.
	mu   sync.Mutex
	meta meta

	// live guards what is running. It is never held for long.
	live     sync.Mutex
	server   *pgserver.Server
	mode     Mode
	replicas map[string]*pgserver.Server
}

func (t *Timeline) dir() string     { return filepath.Join(t.store.cfg.Dir, t.id) }
func (t *Timeline) data() string    { return filepath.Join(t.dir(), "data") }
func (t *Timeline) archive() string { return filepath.Join(t.dir(), "archive") }
func (t *Timeline) basesDir() string {
	return filepath.Join(t.dir(), "bases")
}

// ID is the line's name in its store.
func (t *Timeline) ID() string { return t.id }

// Parent is the line this one forked from, empty for a root.
func (t *Timeline) Parent() string { return t.meta.Parent }

// ForkLSN is where the line left its parent, 0 for a root.
func (t *Timeline) ForkLSN() LSN { return t.meta.ForkLSN }

// makeDirs makes the folders of a new line.
func (t *Timeline) makeDirs() error {
	for _, dir := range []string{t.dir(), t.archive(), t.basesDir()} {
		if err := os.Mkdir(dir, 0o700); err != nil {
			return fmt.Errorf("make folder of timeline: %w", err)
		}
		if err := pgserver.Own(dir); err != nil {
			return err
		}
	}
	return nil
}

// save writes the description; t.mu is held.
func (t *Timeline) save() error {
	b, err := json.MarshalIndent(t.meta, "", "\t")
	if err != nil {
		return fmt.Errorf("encode timeline %s: %w", t.id, err)
	}
	path := filepath.Join(t.dir(), metaFile)
	if err := os.WriteFile(path+".new", b, 0o600); err != nil {
		return fmt.Errorf("save timeline %s: %w", t.id, err)
	}
	if err := os.Rename(path+".new", path); err != nil {
		return fmt.Errorf("save timeline %s: %w", t.id, err)
	}
	return nil
}

// Create makes a root line with an empty cluster and leaves it running read-write. It has no history to
// fork from until its first [Timeline.Backup].
func (s *Store) Create(ctx context.Context, id string) (_ *Timeline, err error) {
	t := &Timeline{store: s, id: id}
	t.mu.Lock()
	defer t.mu.Unlock()
	if err := t.makeDirs(); err != nil {
		return nil, err
	}
	defer t.discardOn(&err)
	err = pgserver.Init(ctx, pgserver.InitOptions{
		Dir: t.data(), Superuser: Superuser, NoSync: s.cfg.NoSync,
		// Small segments: each fork at the head fills one up, and copies it.
		Args: []string{fmt.Sprintf("--wal-segsize=%d", segmentSize>>20)},
	})
	if err != nil {
		return nil, err
	}
	if err := writeHBA(t.data()); err != nil {
		return nil, err
	}
	t.meta = meta{TLI: 1, Created: time.Now()}
	if err := t.start(ctx, ReadWrite, nil); err != nil {
		return nil, err
	}
	if err := t.save(); err != nil {
		return nil, err
	}
	s.add(t)
	return t, nil
}

// discardOn removes a line whose making failed.
func (t *Timeline) discardOn(err *error) {
	if *err != nil {
		*err = errors.Join(*err, t.halt(pgserver.Immediate), os.RemoveAll(t.dir()))
	}
}

// Set brings the line's server into a mode and waits for it. A line that is stopped or made read-only is
// sealed first: its head is archived, so that it can be forked from without being woken.
func (t *Timeline) Set(ctx context.Context, mode Mode) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.Mode() == mode && mode != Stopped {
		return nil
	}
	if err := t.stop(ctx); err != nil {
		return err
	}
	if mode == Stopped {
		return nil
	}
	if mode == ReadOnly && t.meta.Sealed == nil {
		// After a crash the head is unknown: recover as a primary first.
		if err := t.reseal(ctx); err != nil {
			return err
		}
	}
	return t.start(ctx, mode, nil)
}

// halt stops the server and its replicas without further ado.
func (t *Timeline) halt(mode pgserver.Mode) error {
	t.live.Lock()
	server, replicas := t.server, t.replicas
	t.server, t.replicas, t.mode = nil, nil, Stopped
	t.live.Unlock()
	var errs []error
	for _, r := range replicas {
		errs = append(errs, r.Stop(pgserver.Immediate))
	}
	if server != nil {
		errs = append(errs, server.Stop(mode))
	}
	return errors.Join(errs...)
}

// Mode says what the server does now; a server that has crashed counts as stopped.
func (t *Timeline) Mode() Mode {
	t.live.Lock()
	defer t.live.Unlock()
	if !running(t.server) {
		return Stopped
	}
	return t.mode
}

// Addr is where the server listens for clients; invalid when it is stopped.
func (t *Timeline) Addr() netip.AddrPort {
	t.live.Lock()
	defer t.live.Unlock()
	if !running(t.server) {
		return netip.AddrPort{}
	}
	return t.server.Addr()
}

// SuperuserURL connects as the superuser by the Unix socket; empty when the server is stopped.
func (t *Timeline) SuperuserURL(database string) string {
	t.live.Lock()
	defer t.live.Unlock()
	if !running(t.server) {
		return ""
	}
	return t.server.SuperuserURL(database)
}

// ErrStopped says that there is no server to talk to.
var ErrStopped = errors.New("the timeline has no running server")

// Connect connects as the superuser. The caller closes the connection.
func (t *Timeline) Connect(ctx context.Context, database string) (*pgx.Conn, error) {
	t.live.Lock()
	server := t.server
	t.live.Unlock()
	if !running(server) {
		return nil, fmt.Errorf("connect to timeline %s: %w", t.id, ErrStopped)
	}
	return server.Connect(ctx, database)
}

func running(s *pgserver.Server) bool {
	if s == nil {
		return false
	}
	select {
	case <-s.Done():
		return false
	default:
		return true
	}
}
