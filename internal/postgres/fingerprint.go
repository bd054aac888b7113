package postgres

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
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
	// SHA256 is the hex digest of all bytes in their order; empty where the order has no meaning.
	SHA256      string
	Fingerprint Fingerprint
}

// matches says whether these are the rows that a chunk's record tells of.
func (s Stats) matches(c manifest.Chunk) error {
	switch {
	case s.Rows != c.Rows:
		return fmt.Errorf("%d rows where the manifest says %d", s.Rows, c.Rows)
	case s.Bytes != c.Bytes:
		return fmt.Errorf("%d bytes where the manifest says %d", s.Bytes, c.Bytes)
	case s.SHA256 != c.SHA256:
		return fmt.Errorf("SHA-256 differs from the manifest's")
	case s.Fingerprint.String() != c.Fingerprint:
		return fmt.Errorf("fingerprint differs from the manifest's")
	}
	return nil
}

// tally counts and hashes rows that come in pieces of any size.
type tally struct {
	rows, bytes int64
	sum         Fingerprint
	// digest is nil where the order of rows has no meaning.
	digest hash.Hash
	// begun is the start of a row whose end is still to come.
	begun []byte
}

func newTally() *tally { return &tally{digest: sha256.New()} }

func (t *tally) write(p []byte) {
	t.bytes += int64(len(p))
	if t.digest != nil {
		t.digest.Write(p)
	}
	for len(p) > 0 {
		end := bytes.IndexByte(p, '\n')
		if end < 0 {
			t.begun = append(t.begun, p...)
			return
		}
		row := p[:end]
		if len(t.begun) > 0 {
			t.begun = append(t.begun, row...)
			row = t.begun
		}
		sum := xxh3.Hash128(row)
		t.sum = t.sum.Add(Fingerprint{hi: sum.Hi, lo: sum.Lo})
		t.rows++
		t.begun = t.begun[:0]
		p = p[end+1:]
	}
}

func (t *tally) stats() Stats {
	s := Stats{Rows: t.rows, Bytes: t.bytes, Fingerprint: t.sum}
	if t.digest != nil {
		s.SHA256 = hex.EncodeToString(t.digest.Sum(nil))
	}
	return s
}
