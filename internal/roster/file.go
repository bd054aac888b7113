package roster

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"sync"
	"time"
)

// File is where a process finds the roster. It is read anew each time, so that a new version counts without a
// restart, and remembers what was seen, so that an older file put in its place does not.
type File struct {
	Path string
	// Fingerprint is the pinned digest of the first version.
	Fingerprint string

	mu   sync.Mutex
	seen []Mark
}

// See remembers versions that somebody else has seen, for example those that lie in a vault.
func (f *File) See(marks ...Mark) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, mark := range marks {
		f.remember(mark)
	}
}

// remember keeps one mark of each version, the newest first: a file that lacks several is told of the newest.
func (f *File) remember(mark Mark) {
	if slices.ContainsFunc(f.seen, func(m Mark) bool { return m.Number == mark.Number && m.Digest == mark.Digest }) {
		return
	}
	at := slices.IndexFunc(f.seen, func(m Mark) bool { return m.Number <= mark.Number })
	if at < 0 {
		at = len(f.seen)
	}
	f.seen = slices.Insert(f.seen, at, mark)
}

// Load reads and verifies the roster.
func (f *File) Load(now time.Time) (*Roster, error) {
	if f.Fingerprint == "" {
		return nil, errors.New("no roster is believed without its fingerprint: put what `lifeboat roster show` says into roster.fingerprint")
	}
	chain, err := ReadChain(f.Path)
	if err != nil {
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	r, err := chain.Verify(f.Fingerprint, now, f.seen...)
	if err != nil {
		return nil, fmt.Errorf("verify roster %s: %w", f.Path, err)
	}
	f.remember(r.Mark())
	return r, nil
}

// ReadChain reads a roster's file without trusting it. The error is [fs.ErrNotExist] when there is none.
func ReadChain(path string) (*Chain, error) {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("there is no roster %s: make one with: lifeboat roster init (%w)", path, fs.ErrNotExist)
	}
	if err != nil {
		return nil, fmt.Errorf("read roster: %w", err)
	}
	if info.Size() > maxChain {
		return nil, fmt.Errorf("read roster %s: %d bytes are too many", path, info.Size())
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read roster: %w", err)
	}
	return ParseChain(data)
}
