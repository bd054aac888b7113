// Package fault makes stores fail on purpose, for tests: [Store] wraps any store, [Proxy] stands between
// an HTTP client and its server. Both do what is injected, in the order it was injected, and otherwise
// nothing; both count.
package fault

import (
	"context"
	"errors"
	"io"
	"iter"
	"sync"
	"time"

	"github.com/lifeboat-dr/lifeboat/internal/store"
)

// Op names a method of a store as [store.Error] does. List stands for Versions and Folders.
type Op string

// The operations of a store; Any is each of them.
const (
	Any     Op = ""
	Create  Op = "create"
	Open    Op = "open"
	Stat    Op = "stat"
	List    Op = "list"
	Extend  Op = "extend"
	Inspect Op = "inspect"
)

// Always injects until [Store.Heal] or [Proxy.Heal].
const Always = -1

// errInjected is the cause of every injected failure.
var errInjected = errors.New("injected by a test")

// Store is a store that fails on purpose. It is safe for use by many goroutines.
type Store struct {
	inner store.Store

	mu    sync.Mutex
	rules []*rule
	reads map[string]damage
	calls map[call]int
}

var _ store.Store = (*Store)(nil)

type call struct {
	op  Op
	key string
}

// rule applies to the next left calls of op, or to all while left is Always.
type rule struct {
	op    Op
	left  int
	kind  error
	late  bool // do it, then fail
	delay time.Duration
}

// Wrap returns a store that does what inner does until something is injected.
func Wrap(inner store.Store) *Store {
	return &Store{inner: inner, reads: map[string]damage{}, calls: map[call]int{}}
}

// FailNext makes the next n calls of op fail with a kind such as [store.ErrFull], without reaching the
// store. A listing fails at its beginning.
func (s *Store) FailNext(op Op, n int, kind error) { s.inject(rule{op: op, left: n, kind: kind}) }

// LoseAnswer makes the next n calls of op happen and fail with [store.ErrUnavailable] all the same.
func (s *Store) LoseAnswer(op Op, n int) {
	s.inject(rule{op: op, left: n, kind: store.ErrUnavailable, late: true})
}

// Delay makes the next n calls of op take d longer, or until their context ends.
func (s *Store) Delay(op Op, n int, d time.Duration) { s.inject(rule{op: op, left: n, delay: d}) }

// Heal takes back everything that was injected and keeps the counts.
func (s *Store) Heal() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rules = nil
	clear(s.reads)
}

// Calls is how many calls of op there were, failed ones included.
func (s *Store) Calls(op Op) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for c, times := range s.calls {
		if op == Any || c.op == op {
			n += times
		}
	}
	return n
}

// CallsFor is how many calls of op there were for a key, or for a prefix in the case of List.
func (s *Store) CallsFor(op Op, key string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.calls[call{op, key}]
}

func (s *Store) inject(r rule) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rules = append(s.rules, &r)
}

// enter counts a call and applies the first rule that fits. The error of a late rule comes as late.
func (s *Store) enter(ctx context.Context, op Op, key string) (late, err error) {
	s.mu.Lock()
	s.calls[call{op, key}]++
	var hit *rule
	for _, r := range s.rules {
		if r.left != 0 && (r.op == Any || r.op == op) {
			if r.left > 0 {
				r.left--
			}
			hit = r
			break
		}
	}
	s.mu.Unlock()
	if hit == nil {
		return nil, nil
	}
	if hit.delay > 0 {
		timer := time.NewTimer(hit.delay)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-ctx.Done():
			return nil, &store.Error{Op: string(op), Key: key, Kind: store.ErrUnavailable, Err: ctx.Err()}
		}
	}
	if hit.kind == nil {
		return nil, nil
	}
	failed := &store.Error{Op: string(op), Key: key, Kind: hit.kind, Err: errInjected}
	if hit.late {
		return failed, nil
	}
	return nil, failed
}

// Location implements [store.Store].
func (s *Store) Location() string { return s.inner.Location() }

// Create implements [store.Store].
func (s *Store) Create(ctx context.Context, key string, body []byte, opt store.CreateOptions) (store.Object, error) {
	return around(ctx, s, Create, key, func() (store.Object, error) { return s.inner.Create(ctx, key, body, opt) })
}

// Stat implements [store.Store].
func (s *Store) Stat(ctx context.Context, key, version string) (store.Object, error) {
	return around(ctx, s, Stat, key, func() (store.Object, error) { return s.inner.Stat(ctx, key, version) })
}

// Extend implements [store.Store].
func (s *Store) Extend(ctx context.Context, key, version string, until time.Time) error {
	_, err := around(ctx, s, Extend, key, func() (struct{}, error) {
		return struct{}{}, s.inner.Extend(ctx, key, version, until)
	})
	return err
}

// Inspect implements [store.Store].
func (s *Store) Inspect(ctx context.Context) (store.Properties, error) {
	return around(ctx, s, Inspect, "", func() (store.Properties, error) { return s.inner.Inspect(ctx) })
}

// Open implements [store.Store].
func (s *Store) Open(ctx context.Context, key, version string) (io.ReadCloser, store.Object, error) {
	late, err := s.enter(ctx, Open, key)
	if err != nil {
		return nil, store.Object{}, err
	}
	r, o, err := s.inner.Open(ctx, key, version)
	if err != nil {
		return nil, store.Object{}, err
	}
	if late != nil {
		_ = r.Close() // nobody will read it
		return nil, store.Object{}, late
	}
	s.mu.Lock()
	d, damaged := s.reads[key]
	s.mu.Unlock()
	if damaged {
		r, o = d.apply(r, o)
	}
	return r, o, nil
}

// Versions implements [store.Store].
func (s *Store) Versions(ctx context.Context, prefix string) iter.Seq2[store.Object, error] {
	return listing(ctx, s, prefix, s.inner.Versions(ctx, prefix))
}

// Folders implements [store.Store].
func (s *Store) Folders(ctx context.Context, prefix string) iter.Seq2[string, error] {
	return listing(ctx, s, prefix, s.inner.Folders(ctx, prefix))
}

func around[T any](ctx context.Context, s *Store, op Op, key string, do func() (T, error)) (T, error) {
	var nothing T
	late, err := s.enter(ctx, op, key)
	if err != nil {
		return nothing, err
	}
	got, err := do()
	if err == nil && late != nil {
		return nothing, late
	}
	return got, err
}

// listing loses an answer after its first entry.
func listing[T any](ctx context.Context, s *Store, prefix string, inner iter.Seq2[T, error]) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		var nothing T
		late, err := s.enter(ctx, List, prefix)
		if err != nil {
			yield(nothing, err)
			return
		}
		for got, err := range inner {
			if !yield(got, err) || err != nil {
				return
			}
			if late != nil {
				yield(nothing, late)
				return
			}
		}
		if late != nil {
			yield(nothing, late)
		}
	}
}
