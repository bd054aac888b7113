package fault

import (
	"io"

	"github.com/lifeboat-dr/lifeboat/internal/store"
)

// damage is what happens to the bytes of a key on the way to the reader.
type damage struct {
	silent bool
	cut    bool
	after  int64 // cut after so many bytes
}

// Corrupt flips a bit of every read of the key until healed; the reader fails with [store.ErrCorrupt] at
// the end, as that of a store with a digest of its own. An empty object gets a byte instead.
func (s *Store) Corrupt(key string) { s.damage(key, damage{}) }

// CorruptSilently does so to a reader that says nothing: a store without digests. Only a caller who
// knows the digest can tell.
func (s *Store) CorruptSilently(key string) { s.damage(key, damage{silent: true}) }

// Cut breaks every read of the key off after n bytes with [store.ErrUnavailable] until healed.
func (s *Store) Cut(key string, n int64) { s.damage(key, damage{cut: true, after: n}) }

func (s *Store) damage(key string, d damage) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.reads[key] = d
}

func (d damage) apply(r io.ReadCloser, o store.Object) (io.ReadCloser, store.Object) {
	failed := func(err error) error {
		return &store.Error{Op: "open", Key: o.Key, Kind: store.ErrUnavailable, Err: err}
	}
	switch {
	case d.cut:
		return &cutter{r, d.after, failed}, o
	case d.silent:
		o.SHA256 = ""
		return &flipper{ReadCloser: r}, o
	default:
		return store.Verify(&flipper{ReadCloser: r}, o, failed), o
	}
}

type cutter struct {
	io.ReadCloser
	left   int64
	failed func(error) error
}

func (c *cutter) Read(p []byte) (int, error) {
	if c.left <= 0 {
		return 0, c.failed(io.ErrUnexpectedEOF)
	}
	n, err := c.ReadCloser.Read(p[:min(int64(len(p)), c.left)])
	c.left -= int64(n)
	return n, err
}

// flipper changes the first byte.
type flipper struct {
	io.ReadCloser
	done bool
}

func (f *flipper) Read(p []byte) (int, error) {
	if f.done || len(p) == 0 {
		return f.ReadCloser.Read(p)
	}
	n, err := f.ReadCloser.Read(p)
	switch {
	case n > 0:
		p[0] ^= 1
		f.done = true
	case err == io.EOF:
		p[0], n, err = 'x', 1, nil
		f.done = true
	}
	return n, err
}
