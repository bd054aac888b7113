// Package storetest is the suite that every implementation of [store.Store] passes: what the contract
// says, as tests. [Run] needs nothing but the store; [RunIntruded] also needs somebody who does to the
// store what the engine never does.
package storetest

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"testing"
	"time"

	"github.com/lifeboat-dr/lifeboat/internal/store"
	"github.com/lifeboat-dr/lifeboat/internal/store/dir"
)

// Run tests a store. Each call of open returns an empty one that accepts locks.
func Run(t *testing.T, open func(t *testing.T) store.Store) {
	tests := []struct {
		name string
		test func(*testing.T, store.Store)
	}{
		{"round trip", roundTrip},
		{"bodies", bodies},
		{"odd keys", oddKeys},
		{"create only", createOnly},
		{"one of many writers wins", oneWriterWins},
		{"one of many equal writers wins", oneEqualWriterWins},
		{"not found", notFound},
		{"invalid requests", invalidRequests},
		{"cancelled", cancelled},
		{"order of versions", orderOfVersions},
		{"folders", folders},
		{"long listings", longListings},
		{"locks", locks},
		{"inspect", inspect},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) { test.test(t, open(t)) })
	}
}

// Dir is an empty store in a temporary directory, for tests of those who use a store.
func Dir(t testing.TB) store.Store {
	t.Helper()
	s, err := dir.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// create writes or ends the test.
func create(t *testing.T, s store.Store, key string, body []byte, opt store.CreateOptions) store.Object {
	t.Helper()
	o, err := s.Create(t.Context(), key, body, opt)
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// read returns what a version holds or ends the test.
func read(t *testing.T, s store.Store, key, version string) ([]byte, store.Object) {
	t.Helper()
	b, o, err := tryRead(t, s, key, version)
	if err != nil {
		t.Fatal(err)
	}
	return b, o
}

func tryRead(t *testing.T, s store.Store, key, version string) ([]byte, store.Object, error) {
	t.Helper()
	r, o, err := s.Open(t.Context(), key, version)
	if err != nil {
		return nil, o, err
	}
	b, err := io.ReadAll(r)
	if closed := r.Close(); err == nil {
		err = closed
	}
	return b, o, err
}

// versions collects a listing or ends the test.
func versions(t *testing.T, s store.Store, prefix string) []store.Object {
	t.Helper()
	var all []store.Object
	for o, err := range s.Versions(t.Context(), prefix) {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, o)
	}
	return all
}

func keys(objects []store.Object) []string {
	var k []string
	for _, o := range objects {
		k = append(k, o.Key)
	}
	return k
}

// failed checks the form of an error: an [*store.Error] of one kind that says which operation on what.
func failed(t *testing.T, err error, kind error, op, key string) {
	t.Helper()
	var e *store.Error
	switch {
	case !errors.As(err, &e):
		t.Errorf("%s %q: got %v, not a *store.Error", op, key, err)
	case !errors.Is(err, kind):
		t.Errorf("%s %q: got %v, want the kind %q", op, key, err, kind)
	case e.Op != op || e.Key != key:
		t.Errorf("%s %q: the error names %s %q", op, key, e.Op, e.Key)
	}
	if errors.Is(err, store.ErrUnavailable) != store.Retryable(err) {
		t.Errorf("%v: wrong about being retryable", err)
	}
}

func sum(body []byte) string {
	s := sha256.Sum256(body)
	return hex.EncodeToString(s[:])
}

// pattern is a body that is nowhere the same, so that swapped blocks are noticed.
func pattern(size int) []byte {
	var b bytes.Buffer
	for block := sha256.Sum256(nil); b.Len() < size; block = sha256.Sum256(block[:]) {
		b.Write(block[:])
	}
	return b.Bytes()[:size]
}

// soon is a time to retain until, on a whole second as most stores keep it.
func soon(d time.Duration) time.Time { return time.Now().Add(d).UTC().Truncate(time.Second) }
