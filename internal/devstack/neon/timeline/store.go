// Package timeline is the storage half of the Neon emulator: lines of history, each a real PostgreSQL data
// directory with an archive of its WAL and base backups, from which new lines fork at any point.
//
// A fork is a copy of the newest base backup before the point plus the replay of archived WAL up to it; the
// archives of a line and all its ancestors are searched. Every line has one server at most, started
// read-write or read-only, plus streaming replicas.
package timeline

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/lifeboat-dr/lifeboat/internal/devstack/pgserver"
)

// Superuser is the cluster's superuser. It gets in only by the Unix socket.
const Superuser = "cloud_admin"

// Config says where lines are kept and how their servers run.
type Config struct {
	// Dir holds everything. Every folder above it must be open to the servers' user.
	Dir string
	// Settings are added to every server's; max_connections and the like must never be lowered later.
	Settings map[string]string
	// NoSync turns fsync off. For tests.
	NoSync bool
	Log    *slog.Logger
}

// Store holds the lines of one emulator. Its methods may be called from many goroutines.
type Store struct {
	cfg     Config
	tls     keyPair
	sockets string

	mu    sync.Mutex
	lines map[string]*Timeline
}

// Open reads the lines kept in a folder, or starts an empty one. No server runs yet. What a killed
// process had begun and not finished is removed.
func Open(cfg Config) (*Store, error) {
	// The path goes into commands that PostgreSQL hands to a shell.
	if !filepath.IsAbs(cfg.Dir) || strings.ContainsAny(cfg.Dir, "'\"\\%$`\n") {
		return nil, fmt.Errorf("open timelines: %q must be an absolute path without quotes, percent and dollar signs", cfg.Dir)
	}
	s := &Store{cfg: cfg, lines: map[string]*Timeline{}}
	if err := os.MkdirAll(cfg.Dir, 0o711); err != nil {
		return nil, fmt.Errorf("make folder of timelines: %w", err)
	}
	if err := os.Chmod(cfg.Dir, 0o711); err != nil { // whatever the umask is: servers must pass through
		return nil, fmt.Errorf("open folder of timelines to servers: %w", err)
	}
	var err error
	if s.tls, err = ensureCertificate(cfg.Dir); err != nil {
		return nil, err
	}
	if err := s.makeSocketDir(); err != nil {
		return nil, err
	}
	metas, err := filepath.Glob(filepath.Join(globQuote(cfg.Dir), "*", metaFile))
	if err != nil {
		return nil, fmt.Errorf("list timelines: %w", err)
	}
	for _, path := range metas {
		b, err := os.ReadFile(path)
		if err != nil {
			return nil, fmt.Errorf("read timeline: %w", err)
		}
		t := &Timeline{store: s, id: filepath.Base(filepath.Dir(path))}
		if err := json.Unmarshal(b, &t.meta); err != nil {
			return nil, fmt.Errorf("read timeline %s: %w", t.id, err)
		}
		s.lines[t.id] = t
	}
	return s, s.removeUnfinished()
}

// removeUnfinished deletes the folders of lines that were never completed.
func (s *Store) removeUnfinished() error {
	entries, err := os.ReadDir(s.cfg.Dir)
	if err != nil {
		return fmt.Errorf("list timelines: %w", err)
	}
	for _, e := range entries {
		if e.IsDir() && s.lines[e.Name()] == nil {
			if err := os.RemoveAll(filepath.Join(s.cfg.Dir, e.Name())); err != nil {
				return fmt.Errorf("remove unfinished timeline: %w", err)
			}
		}
	}
	return nil
}

// makeSocketDir makes a short folder for Unix sockets and remembers it, so that the next start can remove
// what a killed process left behind.
func (s *Store) makeSocketDir() error {
	note := filepath.Join(s.cfg.Dir, "sockets.path")
	if old, err := os.ReadFile(note); err == nil && strings.HasPrefix(filepath.Base(string(old)), "lbneon") {
		_ = os.RemoveAll(string(old))
	}
	dir, err := os.MkdirTemp("", "lbneon")
	if err != nil {
		return fmt.Errorf("make folder of Unix sockets: %w", err)
	}
	s.sockets = dir
	if err := pgserver.Own(dir); err != nil {
		return err
	}
	if err := os.WriteFile(note, []byte(dir), 0o600); err != nil {
		return fmt.Errorf("remember folder of Unix sockets: %w", err)
	}
	return nil
}

// Get returns a line; nil when there is none of that name.
func (s *Store) Get(id string) *Timeline {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.lines[id]
}

func (s *Store) add(t *Timeline) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lines[t.id] = t
}

// Delete stops a line's servers and removes its files. The caller knows that no line still needed forks
// from it. Deleting one that is not there does nothing.
func (s *Store) Delete(id string) error {
	t := s.Get(id)
	if t == nil {
		return nil
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if err := t.halt(pgserver.Immediate); err != nil {
		return err
	}
	s.mu.Lock()
	delete(s.lines, id)
	s.mu.Unlock()
	// Without its description the folder is rubbish that the next start removes.
	if err := os.Remove(filepath.Join(t.dir(), metaFile)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("delete timeline %s: %w", id, err)
	}
	if err := os.RemoveAll(t.dir()); err != nil {
		return fmt.Errorf("delete timeline %s: %w", id, err)
	}
	return nil
}

// Close stops every server cleanly, several at a time.
func (s *Store) Close(ctx context.Context) error {
	s.mu.Lock()
	var group errgroup.Group
	group.SetLimit(4)
	for _, t := range s.lines {
		group.Go(func() error { return t.Set(ctx, Stopped) })
	}
	s.mu.Unlock()
	err := group.Wait()
	return errors.Join(err, os.RemoveAll(s.sockets))
}

// globQuote makes a path stand for itself in a pattern.
func globQuote(path string) string {
	return strings.NewReplacer("*", `\*`, "?", `\?`, "[", `\[`).Replace(path)
}
