// Package corruption damages backups in every way there is and holds restores to it: nothing of a damaged
// object is ever committed, the message names it, and the target stays marked as incomplete.
package corruption

import (
	"bytes"
	"context"
	"io"
	"iter"
	"sync"
	"testing"

	"github.com/lifeboat-dr/lifeboat/internal/store"
)

// liar is a vault whose owner serves what he likes: under a pinned version, too, and without a digest of the
// store's own. What is found out is found out by the manifest, not by the store.
type liar struct {
	store.Store
	mu     sync.Mutex
	bodies map[string][]byte
	gone   map[string]bool
	opened map[string]int
}

func newLiar(s store.Store) *liar {
	return &liar{Store: s, bodies: map[string][]byte{}, gone: map[string]bool{}, opened: map[string]int{}}
}

// honest serves everything as it is again.
func (l *liar) honest() {
	clear(l.bodies)
	clear(l.gone)
	clear(l.opened)
}

func (l *liar) Open(ctx context.Context, key, version string) (io.ReadCloser, store.Object, error) {
	l.mu.Lock()
	l.opened[key]++
	l.mu.Unlock()
	if l.gone[key] {
		return nil, store.Object{}, &store.Error{Op: "open", Key: key, Kind: store.ErrNotFound}
	}
	if body, ok := l.bodies[key]; ok {
		return io.NopCloser(bytes.NewReader(body)), store.Object{Key: key, Version: version, Size: int64(len(body))}, nil
	}
	return l.Store.Open(ctx, key, version)
}

func (l *liar) Versions(ctx context.Context, prefix string) iter.Seq2[store.Object, error] {
	return func(yield func(store.Object, error) bool) {
		for o, err := range l.Store.Versions(ctx, prefix) {
			if body, ok := l.bodies[o.Key]; ok && err == nil {
				o.Size, o.SHA256 = int64(len(body)), ""
			}
			if err == nil && l.gone[o.Key] {
				continue
			}
			if !yield(o, err) {
				return
			}
		}
	}
}

// get reads an object as it really is.
func (l *liar) get(t *testing.T, key string) []byte {
	t.Helper()
	body, _, err := l.Store.Open(t.Context(), key, "")
	if err != nil {
		t.Fatal(err)
	}
	defer body.Close()
	data, err := io.ReadAll(body)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// damage is one way to spoil an object.
type damage struct {
	name string
	// do returns what is served instead, nil for nothing at all. It may spoil other objects, too.
	do func(t *testing.T, v *liar, key string) []byte
}

func flip(at func(size int) int) func(*testing.T, *liar, string) []byte {
	return func(t *testing.T, v *liar, key string) []byte {
		data := bytes.Clone(v.get(t, key))
		data[at(len(data))] ^= 1
		return data
	}
}

// damages are all that can be done to an object without knowing more than its backup does.
func damages(neighbour, older map[string]string, foreign func(t *testing.T, key string) []byte) []damage {
	return []damage{
		{"a bit flipped at the start", flip(func(int) int { return 0 })},
		{"a bit flipped in the middle", flip(func(n int) int { return n / 2 })},
		{"a bit flipped at the end", flip(func(n int) int { return n - 1 })},
		{"the last byte cut off", func(t *testing.T, v *liar, key string) []byte { data := v.get(t, key); return data[:len(data)-1] }},
		{"cut off to nothing", func(*testing.T, *liar, string) []byte { return []byte{} }},
		{"a byte appended", func(t *testing.T, v *liar, key string) []byte { return append(v.get(t, key), 0) }},
		{"missing", func(*testing.T, *liar, string) []byte { return nil }},
		{"swapped with another", func(t *testing.T, v *liar, key string) []byte {
			v.bodies[neighbour[key]] = v.get(t, key)
			return v.get(t, neighbour[key])
		}},
		{"replaced by an older backup's", func(t *testing.T, v *liar, key string) []byte { return v.get(t, older[key]) }},
		{"sealed by somebody else", func(t *testing.T, _ *liar, key string) []byte { return foreign(t, key) }},
	}
}

// apply spoils an object.
func (d damage) apply(t *testing.T, v *liar, key string) {
	t.Helper()
	v.honest()
	data := d.do(t, v, key)
	if data == nil {
		v.gone[key] = true
		return
	}
	v.bodies[key] = data
}
