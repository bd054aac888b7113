package postgres

import (
	"bytes"
	"fmt"
	"math/bits"
	"strconv"

	"github.com/zeebo/xxh3"

	"github.com/lifeboat-dr/lifeboat/internal/manifest"
)

// Fingerprint is the sum modulo 2^128 of the XXH3-128 hashes of rows. The zero value is that of no rows.
type Fingerprint struct{ hi, lo uint64 }

// Add is the fingerprint of the rows of both.
func (f Fingerprint) Add(o Fingerprint) Fingerprint {
	lo, carry := bits.Add64(f.lo, o.lo, 0)
	hi, _ := bits.Add64(f.hi, o.hi, carry)
	return Fingerprint{hi: hi, lo: lo}
}

// String is 32 hex digits.
func (f Fingerprint) String() string { return fmt.Sprintf("%016x%016x", f.hi, f.lo) }

// ParseFingerprint reads what [Fingerprint.String] writes.
func ParseFingerprint(s string) (Fingerprint, error) {
	if len(s) == 32 {
		hi, errHi := strconv.ParseUint(s[:16], 16, 64)
		lo, errLo := strconv.ParseUint(s[16:], 16, 64)
		if errHi == nil && errLo == nil {
			return Fingerprint{hi: hi, lo: lo}, nil
		}
	}
	return Fingerprint{}, fmt.Errorf("parse fingerprint: %w: not 32 hex digits", ErrInvalid)
}

// Stats are what was found while rows went by.
type Stats struct {
	Rows, Bytes int64
	Fingerprint Fingerprint
}

// matches says whether these are the rows that a chunk's record tells of.
func (s Stats) matches(c manifest.Chunk) error {
	switch {
	case s.Rows != c.Rows:
		return fmt.Errorf("%d rows where the manifest says %d", s.Rows, c.Rows)
	case s.Bytes != c.Bytes:
		return fmt.Errorf("%d bytes where the manifest says %d", s.Bytes, c.Bytes)
	case s.Fingerprint.String() != c.Fingerprint:
		return fmt.Errorf("fingerprint differs from the manifest's")
	}
	return nil
}

// tally counts and hashes rows that come in pieces of any size. It holds no row.
type tally struct {
	rows, bytes int64
	sum         Fingerprint
	// begun says that a row has begun whose end is still to come; hash has what there is of it.
	begun bool
	hash  xxh3.Hasher
}

func (t *tally) write(p []byte) {
	t.bytes += int64(len(p))
	for len(p) > 0 {
		end := bytes.IndexByte(p, '\n')
		if end < 0 {
			t.begin(p)
			return
		}
		var sum xxh3.Uint128
		if t.begun {
			t.begin(p[:end])
			sum, t.begun = t.hash.Sum128(), false
		} else {
			sum = xxh3.Hash128(p[:end])
		}
		t.sum = t.sum.Add(Fingerprint{hi: sum.Hi, lo: sum.Lo})
		t.rows++
		p = p[end+1:]
	}
}

// begin takes a piece of a row that is not whole in the buffer.
func (t *tally) begin(p []byte) {
	if !t.begun {
		t.begun = true
		t.hash.Reset()
	}
	_, _ = t.hash.Write(p)
}

func (t *tally) stats() Stats { return Stats{Rows: t.rows, Bytes: t.bytes, Fingerprint: t.sum} }
