// Package archive moves the plaintext of a chunk into a vault and back, as parts: objects that are
// compressed and sealed on their own, none too large to be held in memory, each ending after a whole row.
// It knows no database: rows are runs of bytes.
package archive

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"time"

	"filippo.io/age"

	"github.com/lifeboat-dr/lifeboat/internal/manifest"
	"github.com/lifeboat-dr/lifeboat/internal/seal"
	"github.com/lifeboat-dr/lifeboat/internal/store"
	"github.com/lifeboat-dr/lifeboat/internal/workrecord"
)

// A part is cut after the run of rows with which it reaches one of these, in bytes, and before a row that might
// not fit into what is left of partRoom. The plaintext's bound keeps restores' memory flat, the ciphertext's
// bound is what one request carries. So an object stays below 16 MiB unless one row is larger.
const (
	partPlain  = 48 << 20
	partSealed = 12 << 20
	// partRoom is what a part takes of the memory budget.
	partRoom = 16 << 20
	// partSlack is more than the compressor and age hold back before it is in a part's buffer.
	partSlack = 512 << 10
	// MaxPlain bounds the plaintext of one part: a part may end in one row that is larger than all bounds,
	// as long as its ciphertext can be stored at all.
	MaxPlain = 1 << 30
)

// The names of the metadata that tell a part's place to whoever repeats an interrupted write.
const (
	metaRange = "lifeboat-range"
	metaMAC   = "lifeboat-mac"
)

var (
	// ErrForeign says that another object sits in a part's place.
	ErrForeign = errors.New("an object that is not this part is in its place")
	// ErrRowTooLarge says that one row does not fit into one object.
	ErrRowTooLarge = errors.New("a row is too large for one object")
)

// WriterConfig says where a chunk goes.
type WriterConfig struct {
	Store      store.Store
	Recipients []age.Recipient
	// Notes authenticate the metadata of parts.
	Notes  *workrecord.Box
	Budget *Budget // nil is no bound

	Component, Backup, Snapshot, Chunk string
	// RetainUntil locks the objects from the beginning; zero leaves them unlocked.
	RetainUntil time.Time
}

// Sealed is a chunk that is in the vault.
type Sealed struct {
	Parts []manifest.Part
	// Bytes and SHA256 (hex) are those of the whole plaintext.
	Bytes  int64
	SHA256 string
}

// Writer writes one chunk. While one part is uploaded the next one is filled. It is for one goroutine.
type Writer struct {
	ctx    context.Context
	cancel context.CancelFunc
	cfg    WriterConfig

	whole hash.Hash
	total int64
	part  *part
	next  int
	// uploads carries the outcome of the upload that is under way; nil when there is none.
	upload chan uploaded
	parts  []manifest.Part
	// err is the first failure: after it the chunk has a hole, and nothing may claim otherwise.
	err    error
	closed bool
}

// part is a part that is being filled.
type part struct {
	number int
	offset int64
	bytes  int64
	plain  hash.Hash
	buffer body
	sealed *seal.Writer
}

// body is the sealed bytes of a part, which never grow beyond what a store takes.
type body struct{ bytes.Buffer }

func (b *body) Write(p []byte) (int, error) {
	if b.Len()+len(p) > store.MaxBody {
		return 0, ErrRowTooLarge
	}
	return b.Buffer.Write(p)
}

type uploaded struct {
	part manifest.Part
	err  error
}

// NewWriter begins a chunk. Close it to end it, or Abort it.
func NewWriter(ctx context.Context, cfg WriterConfig) (*Writer, error) {
	if len(cfg.Recipients) == 0 {
		return nil, errors.New("archive: there are no recipients, and nothing is ever written in the clear")
	}
	w := &Writer{cfg: cfg, whole: sha256.New()}
	w.ctx, w.cancel = context.WithCancel(ctx)
	return w, nil
}

// Write takes one or more whole rows. After an error the chunk cannot be completed, and every call fails.
func (w *Writer) Write(rows []byte) (int, error) {
	if w.err == nil {
		w.err = w.write(rows)
	}
	if w.err != nil {
		return 0, w.err
	}
	return len(rows), nil
}

func (w *Writer) write(rows []byte) error {
	if p := w.part; p != nil && len(rows) > partRoom-partSealed-partSlack && p.buffer.Len()+len(rows) > partRoom-partSlack {
		if err := w.finish(); err != nil {
			return err
		}
	}
	if w.part == nil {
		if err := w.begin(); err != nil {
			return err
		}
	}
	if w.part.bytes+int64(len(rows)) > MaxPlain {
		return fmt.Errorf("chunk %s: %w", w.cfg.Chunk, ErrRowTooLarge)
	}
	w.whole.Write(rows)
	w.part.plain.Write(rows)
	if _, err := w.part.sealed.Write(rows); err != nil {
		return fmt.Errorf("seal part of chunk %s: %w", w.cfg.Chunk, err)
	}
	w.total += int64(len(rows))
	w.part.bytes += int64(len(rows))
	if w.part.bytes >= partPlain || w.part.buffer.Len() >= partSealed {
		return w.finish()
	}
	return nil
}

func (w *Writer) begin() error {
	if err := w.cfg.Budget.take(w.ctx); err != nil {
		return fmt.Errorf("wait for memory: %w", err)
	}
	p := &part{number: w.next, offset: w.total, plain: sha256.New()}
	sealed, err := seal.NewWriter(&p.buffer, w.cfg.Recipients)
	if err != nil {
		w.cfg.Budget.give()
		return err
	}
	p.sealed = sealed
	w.part, w.next = p, w.next+1
	return nil
}

// finish ends the part that is being filled and uploads it, after the upload before it has ended.
func (w *Writer) finish() error {
	p := w.part
	w.part = nil
	if err := p.sealed.Close(); err != nil {
		w.cfg.Budget.give()
		return fmt.Errorf("chunk %s: %w", w.cfg.Chunk, err)
	}
	if err := w.await(); err != nil {
		w.cfg.Budget.give()
		return err
	}
	w.upload = make(chan uploaded, 1)
	go func() {
		defer w.cfg.Budget.give()
		stored, err := w.store(p)
		w.upload <- uploaded{stored, err}
	}()
	return nil
}

// await waits for the upload that is under way.
func (w *Writer) await() error {
	if w.upload == nil {
		return nil
	}
	done := <-w.upload
	w.upload = nil
	if done.err != nil {
		return done.err
	}
	w.parts = append(w.parts, done.part)
	return nil
}

// Close ends the chunk and returns when all of it is in the vault. A chunk without rows is one empty part.
// After a failed Write it fails, too.
func (w *Writer) Close() (Sealed, error) {
	defer w.Abort()
	if w.err != nil {
		return Sealed{}, w.err
	}
	if w.part == nil && w.next == 0 {
		if err := w.begin(); err != nil {
			return Sealed{}, err
		}
	}
	if w.part != nil {
		if err := w.finish(); err != nil {
			return Sealed{}, err
		}
	}
	if err := w.await(); err != nil {
		return Sealed{}, err
	}
	return Sealed{Parts: w.parts, Bytes: w.total, SHA256: hex.EncodeToString(w.whole.Sum(nil))}, nil
}

// Abort gives up what is not finished. After Close, and a second time, it does nothing.
func (w *Writer) Abort() {
	if w.closed {
		return
	}
	w.closed = true
	w.cancel()
	if w.err == nil {
		w.err = errors.New("archive: writer is closed")
	}
	if w.part != nil {
		_ = w.part.sealed.Close() // gives the encoder back
		w.part = nil
		w.cfg.Budget.give()
	}
	if w.upload != nil {
		<-w.upload
		w.upload = nil
	}
}
