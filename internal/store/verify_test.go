package store_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"testing"
	"testing/iotest"

	"github.com/lifeboat-dr/lifeboat/internal/store"
)

func verified(r io.Reader, size int, sum string) io.Reader {
	failed := func(err error) error { return &store.Error{Op: "open", Kind: store.ErrUnavailable, Err: err} }
	return store.Verify(io.NopCloser(r), store.Object{Key: "k", Size: int64(size), SHA256: sum}, failed)
}

func TestVerify(t *testing.T) {
	body := bytes.Repeat([]byte("lifeboat"), 1000)
	digest := sha256.Sum256(body)
	sum := hex.EncodeToString(digest[:])
	readers := map[string]func(io.Reader) io.Reader{
		"plain": func(r io.Reader) io.Reader { return r }, "bytewise": iotest.OneByteReader,
		"halves": iotest.HalfReader, "early EOF": iotest.DataErrReader,
	}
	for name, wrap := range readers {
		t.Run(name, func(t *testing.T) {
			if err := iotest.TestReader(verified(wrap(bytes.NewReader(body)), len(body), sum), body); err != nil {
				t.Error(err)
			}
			if _, err := io.ReadAll(verified(wrap(bytes.NewReader(nil)), 0, "")); err != nil {
				t.Errorf("an empty body: %v", err)
			}
			flipped := bytes.Clone(body)
			flipped[17] ^= 1
			for what, r := range map[string]io.Reader{
				"flipped": bytes.NewReader(flipped), "short": bytes.NewReader(body[:len(body)-1]),
				"long": io.MultiReader(bytes.NewReader(body), bytes.NewReader([]byte("x"))),
			} {
				// Exactly the announced number of bytes: a reader that only reports at EOF would pass.
				_, err := io.ReadFull(verified(wrap(r), len(body), sum), make([]byte, len(body)))
				if !errors.Is(err, store.ErrCorrupt) {
					t.Errorf("%s body: %v", what, err)
				}
			}
			broken := io.MultiReader(bytes.NewReader(body[:100]), iotest.ErrReader(io.ErrUnexpectedEOF))
			if _, err := io.ReadAll(verified(wrap(broken), len(body), sum)); !errors.Is(err, store.ErrUnavailable) {
				t.Errorf("a broken connection: %v", err)
			}
		})
	}
}
