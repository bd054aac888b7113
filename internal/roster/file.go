package roster

import (
	"crypto/sha256"
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
	// held is what the chain of these bytes gave at a moment, with that many marks seen.
	held struct {
		data  [sha256.Size]byte
		at    time.Time
		marks int
		r     *Roster
	}
}

// freshFor is how long a roster that was verified counts without being verified again, while its file has the same bytes
// and nobody has seen another version. Every activity of an execution asks for it, some dozen times in a second.
const freshFor = time.Second

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
	data, err := readChain(f.Path)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(data)
	f.mu.Lock()
	defer f.mu.Unlock()
	if age := now.Sub(f.held.at); f.held.r != nil && f.held.data == sum && f.held.marks == len(f.seen) && age >= 0 && age < freshFor {
		return f.held.r, nil
	}
	chain, err := ParseChain(data)
	if err != nil {
		return nil, err
	}
	r, err := chain.Verify(f.Fingerprint, now, f.seen...)
	if err != nil {
		return nil, fmt.Errorf("verify roster %s: %w", f.Path, err)
	}
	f.remember(r.Mark())
	f.held.data, f.held.at, f.held.marks, f.held.r = sum, now, len(f.seen), r
	return r, nil
}

// ReadChain reads a roster's file without trusting it. The error is [fs.ErrNotExist] when there is none.
func ReadChain(path string) (*Chain, error) {
	data, err := readChain(path)
	if err != nil {
		return nil, err
	}
	return ParseChain(data)
}

func readChain(path string) ([]byte, error) {
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
	return data, nil
}
