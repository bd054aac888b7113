package archive_test

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"sync"
	"testing"

	"filippo.io/age"

	"github.com/lifeboat-dr/lifeboat/internal/archive"
)

func TestObjectsStaySmallWhateverTheRowsAre(t *testing.T) {
	b := newBench(t)
	rows := [][]byte{}
	for range 46 { // not quite enough for a cut
		rows = append(rows, noisy(128<<10))
	}
	rows = append(rows, noisy(1<<20), noisy(7<<20), noisy(20<<20), noisy(100))
	text := bytes.Join(rows, nil)
	chunk := b.write(t, "c00000", text)
	ends := map[int64]bool{}
	sum := int64(0)
	for _, row := range rows {
		sum += int64(len(row))
		ends[sum] = true
	}
	whole := 0
	for _, p := range chunk.Parts {
		if p.Size > 8<<20 || p.Size < 6<<20 && p.Offset+p.Bytes != chunk.Bytes {
			t.Errorf("part %s has %d bytes", p.Key, p.Size)
		}
		if ends[p.Offset+p.Bytes] {
			whole++
		}
	}
	// Only the row of 20 MiB needs more than one.
	if len(chunk.Parts) != 5 || whole != 3 {
		t.Errorf("%d parts, of which %d end with a row", len(chunk.Parts), whole)
	}
	if got, err := b.read(t.Context(), chunk); err != nil || !bytes.Equal(got, text) {
		t.Errorf("%d bytes came back of %d: %v", len(got), chunk.Bytes, err)
	}
}

func TestPlaintextOfPartsIsBounded(t *testing.T) {
	b := newBench(t)
	chunk := b.write(t, "c00000", slices.Repeat([][]byte{make([]byte, 1<<20)}, 90)...) // one row, which compresses to nothing
	for _, p := range chunk.Parts {
		if p.Bytes > archive.MaxPlain || p.Bytes < 32<<20 && p.Offset+p.Bytes != chunk.Bytes {
			t.Errorf("part %s has %d bytes of plaintext", p.Key, p.Bytes)
		}
	}
	if got, err := b.read(t.Context(), chunk); err != nil || len(got) != 90<<20 {
		t.Errorf("%d bytes came back: %v", len(got), err)
	}
}

// TestOneRoomIsEnough: whatever shares a budget makes progress, and all of it is given back in the end.
func TestOneRoomIsEnough(t *testing.T) {
	b := newBench(t)
	b.budget = archive.NewBudget(1)
	text := slices.Repeat([][]byte{noisy(1 << 20)}, 20)
	var group sync.WaitGroup
	for n := range 3 {
		group.Go(func() {
			chunk := b.write(t, fmt.Sprintf("c%05d", n), text...)
			got, err := b.read(t.Context(), chunk)
			if err != nil || int64(len(got)) != chunk.Bytes {
				t.Errorf("%d bytes came back of %d: %v", len(got), chunk.Bytes, err)
			}
		})
	}
	group.Wait()
	given := b.writer(t, "c00009")
	if _, err := given.Write(text[0]); err != nil {
		t.Fatal(err)
	}
	given.Abort()
	chunk := b.write(t, "c00010", text...)
	r, err := archive.NewReader(t.Context(), archive.ReaderConfig{Store: b.store, Identities: []age.Identity{b.id}, Chunk: chunk, Budget: b.budget})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(r, make([]byte, 7<<20)); err != nil {
		t.Fatal(err)
	}
	_ = r.Close() // in the middle of a part
	if _, err := b.read(t.Context(), chunk); err != nil {
		t.Error(err)
	}
}

func TestNothingIsWrittenToNobody(t *testing.T) {
	b := newBench(t)
	if _, err := archive.NewWriter(t.Context(), archive.WriterConfig{Store: b.store, Notes: b.notes}); err == nil {
		t.Fatal("a writer without recipients was made")
	}
}
