package archive_test

import (
	"fmt"
	"io"
	"math/rand/v2"
	"testing"

	"filippo.io/age"

	"github.com/lifeboat-dr/lifeboat/internal/archive"
	"github.com/lifeboat-dr/lifeboat/internal/manifest"
)

// claims is COPY text like that of an application: keys, dates, words, amounts, now and then a note.
func claims(n int) []byte {
	rnd := rand.New(rand.NewPCG(1, 2))
	status := []string{"submitted", "in_review", "approved", "paid", "denied", "appealed"}
	var text []byte
	for i := 0; len(text) < n; i++ {
		text = fmt.Appendf(text, "%d\t%d\t%d\tMC%010d\t2026-%02d-%02d %02d:%02d:%02d.%06d+00\t%s\t%d.%02d\t\\N\t%08x-%04x-4%03x-%04x-%012x\t", i, rnd.IntN(50_000), rnd.IntN(4_000), i,
			1+rnd.IntN(12), 1+rnd.IntN(28), rnd.IntN(24), rnd.IntN(60), rnd.IntN(60), rnd.IntN(1_000_000), status[rnd.IntN(6)], rnd.IntN(9_000), rnd.IntN(100),
			rnd.Uint32(), rnd.IntN(1<<16), rnd.IntN(1<<12), rnd.IntN(1<<16), rnd.Uint64()>>16)
		for range rnd.IntN(20) {
			text = append(append(text, status[rnd.IntN(6)]...), ' ')
		}
		text = append(text, '\n')
	}
	return text
}

func BenchmarkWriter(b *testing.B) {
	bench := newBench(b)
	text := claims(64 << 20)
	b.SetBytes(int64(len(text)))
	n := 0
	var stored int64
	for b.Loop() {
		n++
		w := bench.writer(b, fmt.Sprintf("c%05d", n))
		if _, err := w.Write(text); err != nil {
			b.Fatal(err)
		}
		sealed, err := w.Close()
		if err != nil {
			b.Fatal(err)
		}
		for _, p := range sealed.Parts {
			stored += p.Size
		}
	}
	b.ReportMetric(float64(len(text))*float64(n)/float64(stored), "ratio")
}

func BenchmarkReader(b *testing.B) {
	bench := newBench(b)
	text := claims(64 << 20)
	chunk := bench.write(b, "c00000", text)
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		r, err := archive.NewReader(b.Context(), archive.ReaderConfig{Store: bench.store, Identities: []age.Identity{bench.id}, Chunk: manifest.Chunk{ID: chunk.ID, Parts: chunk.Parts}, Budget: bench.budget})
		if err != nil {
			b.Fatal(err)
		}
		if n, err := io.Copy(io.Discard, r); err != nil || n != int64(len(text)) {
			b.Fatal(n, err)
		}
		_ = r.Close()
	}
}
