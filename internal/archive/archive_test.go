package archive_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"filippo.io/age"
	"pgregory.net/rapid"

	"github.com/lifeboat-dr/lifeboat/internal/archive"
	"github.com/lifeboat-dr/lifeboat/internal/manifest"
	"github.com/lifeboat-dr/lifeboat/internal/secret"
	"github.com/lifeboat-dr/lifeboat/internal/store"
	"github.com/lifeboat-dr/lifeboat/internal/store/dir"
	"github.com/lifeboat-dr/lifeboat/internal/store/fault"
	"github.com/lifeboat-dr/lifeboat/internal/workrecord"
)

const (
	component = "database"
	backup    = "20261125T020000Z-abcdef"
)

type bench struct {
	dir   string
	store store.Store
	id    *age.X25519Identity
	notes *workrecord.Box
	// budget is shared by all that the bench writes and reads.
	budget *archive.Budget
}

func newBench(t testing.TB) *bench {
	t.Helper()
	b := &bench{dir: t.TempDir(), budget: archive.NewBudget(64 << 20)}
	s, err := dir.Open(b.dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	b.store = s
	if b.id, err = age.GenerateX25519Identity(); err != nil {
		t.Fatal(err)
	}
	keys, err := workrecord.ParseKeys([]secret.String{secret.New(base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{7}, 32)))})
	if err != nil {
		t.Fatal(err)
	}
	if b.notes, err = workrecord.New(keys, component, backup); err != nil {
		t.Fatal(err)
	}
	return b
}

func (b *bench) writer(t testing.TB, chunk string) *archive.Writer {
	t.Helper()
	w, err := archive.NewWriter(t.Context(), archive.WriterConfig{
		Store: b.store, Recipients: []age.Recipient{b.id.Recipient()}, Notes: b.notes, Budget: b.budget,
		Component: component, Backup: backup, Snapshot: "s1", Chunk: chunk,
	})
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func (b *bench) write(t testing.TB, chunk string, rows ...[]byte) manifest.Chunk {
	t.Helper()
	w := b.writer(t, chunk)
	defer w.Abort()
	for _, row := range rows {
		if _, err := w.Write(row); err != nil {
			t.Fatal(err)
		}
	}
	sealed, err := w.Close()
	if err != nil {
		t.Fatal(err)
	}
	return manifest.Chunk{ID: chunk, Bytes: sealed.Bytes, Parts: sealed.Parts}
}

func (b *bench) read(ctx context.Context, chunk manifest.Chunk, ids ...age.Identity) ([]byte, error) {
	if len(ids) == 0 {
		ids = []age.Identity{b.id}
	}
	r, err := archive.NewReader(ctx, archive.ReaderConfig{Store: b.store, Identities: ids, Chunk: chunk, Budget: b.budget})
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return io.ReadAll(r)
}

func TestRowsComeBackAsTheyWent(t *testing.T) {
	b := newBench(t)
	n := 0
	rapid.Check(t, func(r *rapid.T) {
		rows := rapid.SliceOfN(rapid.SliceOfN(rapid.Byte(), 1, 2000), 0, 50).Draw(r, "rows")
		n++
		chunk := b.write(t, fmt.Sprintf("c%05d", n), rows...)
		got, err := b.read(t.Context(), chunk)
		if err != nil || !bytes.Equal(got, bytes.Join(rows, nil)) {
			r.Fatalf("%d bytes came back of %d: %v", len(got), chunk.Bytes, err)
		}
		if len(chunk.Parts) != 1 {
			r.Fatalf("%d parts for a small chunk", len(chunk.Parts))
		}
	})
}

func TestLargeChunksAreCutAndCutAlike(t *testing.T) {
	b := newBench(t)
	row := []byte(strings.Repeat("x\t2026-11-25\t", 1000) + "\n")
	rows := make([][]byte, 150<<20/len(row))
	for i := range rows {
		rows[i] = row
	}
	first := b.write(t, "c00000", rows...)
	if len(first.Parts) < 3 {
		t.Fatalf("%d parts of %d bytes", len(first.Parts), first.Bytes)
	}
	for _, p := range first.Parts {
		if p.Size > 8<<20 || p.Bytes%int64(len(row)) != 0 {
			t.Errorf("part %s: %d bytes stored, %d bytes of rows of %d", p.Key, p.Size, p.Bytes, len(row))
		}
	}
	// A second attempt at the same rows adopts what is there, to the version, in whatever pieces they come.
	second := b.write(t, "c00000", slices.Collect(slices.Chunk(bytes.Join(rows, nil), 77_777))...)
	for i := range first.Parts {
		if first.Parts[i] != second.Parts[i] {
			t.Errorf("part %d: %+v, then %+v", i, first.Parts[i], second.Parts[i])
		}
	}
	got, err := b.read(t.Context(), second)
	if err != nil || int64(len(got)) != first.Bytes {
		t.Fatalf("%d bytes, want %d: %v", len(got), first.Bytes, err)
	}
}

func TestAnotherObjectInThePlaceIsRefused(t *testing.T) {
	b := newBench(t)
	b.write(t, "c00000", []byte("row one\n"))
	w := b.writer(t, "c00000")
	defer w.Abort()
	if _, err := w.Write([]byte("row two\n")); err != nil { // as long as the first
		t.Fatal(err)
	}
	if _, err := w.Close(); !errors.Is(err, archive.ErrForeign) || !strings.Contains(err.Error(), "c00000.0000") {
		t.Fatalf("got %v", err)
	}
}

func TestEveryDamageNamesTheObject(t *testing.T) {
	b := newBench(t)
	chunk := b.write(t, "c00000", []byte("a row of a claim\n"))
	other := b.write(t, "c00001", []byte("another row\n"))
	path := filepath.Join(b.dir, filepath.FromSlash(chunk.Parts[0].Key))
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	put := func(data []byte) {
		t.Helper()
		_ = os.Remove(path)
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	refused := func(what string, chunk manifest.Chunk, ids ...age.Identity) {
		t.Helper()
		got, err := b.read(t.Context(), chunk, ids...)
		if !errors.Is(err, archive.ErrObject) || !strings.Contains(err.Error(), chunk.Parts[0].Key) {
			t.Errorf("%s: %q, %v", what, got, err)
		}
	}
	for i := range whole {
		bad := bytes.Clone(whole)
		bad[i] ^= 1
		put(bad)
		refused(fmt.Sprintf("byte %d changed", i), chunk)
	}
	put(whole[:len(whole)-1])
	refused("cut off", chunk)
	swapped, err := os.ReadFile(filepath.Join(b.dir, filepath.FromSlash(other.Parts[0].Key)))
	if err != nil {
		t.Fatal(err)
	}
	put(swapped)
	refused("swapped", chunk)
	_ = os.Remove(path)
	refused("missing", chunk)
	put(whole)
	stranger, _ := age.GenerateX25519Identity()
	if got, err := b.read(t.Context(), chunk, stranger); !errors.Is(err, archive.ErrNoKey) || errors.Is(err, archive.ErrObject) || !strings.Contains(err.Error(), chunk.Parts[0].Key) || len(got) > 0 {
		t.Errorf("wrong key: %q, %v", got, err)
	}
	lying := chunk
	lying.Parts = []manifest.Part{chunk.Parts[0]}
	lying.Parts[0].PlainSHA256 = other.Parts[0].PlainSHA256
	refused("other rows", lying)
	for _, n := range []int64{-1, 1} {
		lying.Parts[0] = chunk.Parts[0]
		lying.Parts[0].Bytes += n
		refused("fewer or more rows", lying)
	}
	if _, err := b.read(t.Context(), chunk); err != nil {
		t.Errorf("whole again: %v", err)
	}
}

// noisy is one row of n bytes that does not compress.
func noisy(n int) []byte {
	row := make([]byte, n)
	_, _ = rand.Read(row)
	for i, c := range row {
		if c == '\n' {
			row[i] = 'n'
		}
	}
	row[n-1] = '\n'
	return row
}

// stuck is a store that answers only the first read; the others wait until their context ends.
type stuck struct {
	store.Store
	opens int
	hangs chan struct{}
}

func (s *stuck) Open(ctx context.Context, key, version string) (io.ReadCloser, store.Object, error) {
	if s.opens++; s.opens == 1 {
		return s.Store.Open(ctx, key, version)
	}
	close(s.hangs)
	<-ctx.Done()
	return nil, store.Object{}, &store.Error{Op: "open", Key: key, Kind: store.ErrUnavailable, Err: ctx.Err()}
}

func TestACanceledReaderDoesNotEndLikeAChunk(t *testing.T) {
	b := newBench(t)
	row := noisy(7 << 20)
	chunk := b.write(t, "c00000", row, row)
	if len(chunk.Parts) != 2 {
		t.Fatalf("%d parts, want 2", len(chunk.Parts))
	}
	for range 5 { // which of two ends is seen first is chance
		ctx, cancel := context.WithCancel(t.Context())
		s := &stuck{Store: b.store, hangs: make(chan struct{})}
		r, err := archive.NewReader(ctx, archive.ReaderConfig{Store: s, Identities: []age.Identity{b.id}, Chunk: chunk})
		if err != nil {
			t.Fatal(err)
		}
		go func() { <-s.hangs; cancel() }()
		if got, err := io.ReadAll(r); !errors.Is(err, context.Canceled) {
			t.Errorf("%d of %d bytes and %v", len(got), chunk.Bytes, err)
		}
		_ = r.Close()
		cancel()
	}
}

func TestLostAnswersAndOutages(t *testing.T) {
	b := newBench(t)
	faulty := fault.Wrap(b.store)
	b.store = faulty
	faulty.LoseAnswer(fault.Create, 1)
	w := b.writer(t, "c00000")
	if _, err := w.Write([]byte("row\n")); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Close(); !store.Retryable(err) {
		t.Fatalf("a lost answer: %v", err)
	}
	chunk := b.write(t, "c00000", []byte("row\n")) // adopts what the first one wrote
	if got, err := b.read(t.Context(), chunk); err != nil || string(got) != "row\n" {
		t.Fatalf("%q, %v", got, err)
	}
	if n := faulty.CallsFor(fault.Create, chunk.Parts[0].Key); n != 2 {
		t.Errorf("%d writes, want 2", n)
	}
}

func TestAfterAFailedWriteNothingIsClaimed(t *testing.T) {
	b := newBench(t)
	faulty := fault.Wrap(b.store)
	b.store = faulty
	faulty.FailNext(fault.Create, 1, store.ErrUnavailable)
	w := b.writer(t, "c00000")
	row := noisy(7 << 20)
	_, err := w.Write(row)
	for err == nil { // the upload goes on in the background: its failure shows at the next part
		_, err = w.Write(row)
	}
	if !store.Retryable(err) {
		t.Fatal(err)
	}
	if _, err := w.Write(row); err == nil {
		t.Error("a row after the hole was taken")
	}
	if sealed, err := w.Close(); !store.Retryable(err) {
		t.Errorf("Close claims %d bytes in %d parts: %v", sealed.Bytes, len(sealed.Parts), err)
	}
	given := b.writer(t, "c00001")
	given.Abort()
	if _, err := given.Close(); err == nil {
		t.Error("a writer that was given up claims a chunk")
	}
}
