// Package archive moves the plaintext of a chunk into a vault and back, as parts: objects that are
// compressed and sealed on their own, none too large to be held in memory. It knows no database: of rows it
// knows that each ends with a newline, and prefers to cut there.
package archive

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"filippo.io/age"

	"github.com/lifeboat-dr/lifeboat/internal/manifest"
	"github.com/lifeboat-dr/lifeboat/internal/store"
	"github.com/lifeboat-dr/lifeboat/internal/workrecord"
)

// The names of the metadata that tell a part's place to whoever repeats an interrupted write.
const (
	metaRange = "lifeboat-range"
	metaMAC   = "lifeboat-mac"
)

// ErrForeign says that another object sits in a part's place.
var ErrForeign = errors.New("an object that is not this part is in its place")

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
	// Bytes are those of the whole plaintext.
	Bytes int64
}

// Writer writes one chunk. While rows come in, those before are sealed, and the part before is uploaded. Its
// methods are for one goroutine.
type Writer struct {
	cfg    WriterConfig
	cancel context.CancelFunc
	total  int64
	// block is being filled; blocks carries full ones to the sealer, which ends when it is closed.
	block  []byte
	blocks chan []byte
	// sealed is closed when the sealer has ended; result and failure are its.
	sealed  chan struct{}
	result  Sealed
	failure error
	// ended says that blocks is closed, closed that the writer is.
	ended, closed bool
}

// blockPool holds blocks: a writer uses three.
var blockPool = sync.Pool{New: func() any { b := make([]byte, 0, blockBytes); return &b }}

func newBlock() []byte { return (*blockPool.Get().(*[]byte))[:0] }

func freeBlock(b []byte) { blockPool.Put(&b) }

// NewWriter begins a chunk. Close it to end it, or Abort it.
func NewWriter(ctx context.Context, cfg WriterConfig) (*Writer, error) {
	if len(cfg.Recipients) == 0 {
		return nil, errors.New("archive: there are no recipients, and nothing is ever written in the clear")
	}
	w := &Writer{cfg: cfg, block: newBlock(), blocks: make(chan []byte, 1), sealed: make(chan struct{})}
	ctx, w.cancel = context.WithCancel(ctx)
	s := &sealer{ctx: ctx, cfg: cfg}
	go func() {
		defer close(w.sealed)
		w.result, w.failure = s.run(w.blocks)
	}()
	return w, nil
}

// Write takes text in pieces of any size. After an error the chunk cannot be completed, and every call fails.
func (w *Writer) Write(text []byte) (int, error) {
	if w.closed {
		return 0, errors.New("archive: writer is closed")
	}
	for rest := text; len(rest) > 0; {
		n := copy(w.block[len(w.block):cap(w.block)], rest)
		w.block, rest = w.block[:len(w.block)+n], rest[n:]
		if len(w.block) < cap(w.block) {
			break
		}
		select {
		case w.blocks <- w.block:
			w.block = newBlock()
		case <-w.sealed:
			w.block = w.block[:0] // nothing of it counts any more
			return 0, w.failure
		}
	}
	w.total += int64(len(text))
	return len(text), nil
}

// Close ends the chunk and returns when all of it is in the vault. A chunk without rows is one empty part.
// After a failed Write it fails, too.
func (w *Writer) Close() (Sealed, error) {
	if w.closed {
		return Sealed{}, errors.New("archive: writer is closed")
	}
	defer w.Abort()
	select {
	case w.blocks <- w.block:
		w.block = nil
	case <-w.sealed:
		return Sealed{}, w.failure
	}
	w.end()
	if w.failure != nil {
		return Sealed{}, w.failure
	}
	if w.result.Bytes != w.total {
		return Sealed{}, fmt.Errorf("chunk %s: %d bytes were sealed of %d", w.cfg.Chunk, w.result.Bytes, w.total)
	}
	return w.result, nil
}

// end waits until the sealer has done what it got.
func (w *Writer) end() {
	if !w.ended {
		w.ended = true
		close(w.blocks)
	}
	<-w.sealed
}

// Abort gives up what is not finished. After Close, and a second time, it does nothing.
func (w *Writer) Abort() {
	if w.closed {
		return
	}
	w.closed = true
	w.cancel()
	w.end()
	if w.block != nil {
		freeBlock(w.block)
	}
}
