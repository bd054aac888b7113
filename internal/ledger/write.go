package ledger

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"filippo.io/age"

	"github.com/lifeboat-dr/lifeboat/internal/manifest"
	"github.com/lifeboat-dr/lifeboat/internal/seal"
	"github.com/lifeboat-dr/lifeboat/internal/store"
)

const (
	// partBytes is how much text goes into a part, in bytes: a part is held in memory while it is written.
	partBytes = 16 << 20
	// indexBytes bounds an index, also one that is read.
	indexBytes = 16 << 20
)

// Writer writes one ledger. It is for one goroutine.
type Writer struct {
	vault      store.Store
	fleet      Fleet
	recipients []age.Recipient
	until      time.Time
	prefix     string
	index      Index
	sealed     *bytes.Buffer
	part       *seal.Writer
	text, rows int64
}

// Find is the ledger that a step wrote already, with the digest of its index; nil when there is none. One that no worker
// of the fleet wrote is ErrAltered; a nil fleet leaves it to the caller to know the digest.
func Find(ctx context.Context, vault store.Store, fleet Fleet, execution, step string) (*Index, string, error) {
	return readIndex(ctx, vault, fleet, manifest.LedgerKey(execution, step))
}

// NewWriter begins a ledger. What is written is locked until then; zero locks nothing. An attempt that ends without
// [Writer.Close] leaves sealed parts that no index names.
func NewWriter(vault store.Store, fleet Fleet, recipients []age.Recipient, until time.Time, index Index) (*Writer, error) {
	if len(recipients) == 0 {
		return nil, errors.New("write ledger: there are no recipients, and nothing is ever written in the clear")
	}
	index.Format, index.Parts = Format, []Part{}
	attempt := strings.ToLower(rand.Text()[:8])
	return &Writer{vault: vault, fleet: fleet, recipients: recipients, until: until, index: index, prefix: manifest.LedgerPrefix(index.Execution, index.Step) + attempt + "/"}, nil
}

// Add writes one row.
func (w *Writer) Add(ctx context.Context, row Row) error {
	line, err := json.Marshal(row)
	if err != nil {
		return fmt.Errorf("write row: %w", err)
	}
	if w.part == nil {
		w.sealed = &bytes.Buffer{}
		if w.part, err = seal.NewWriter(w.sealed, w.recipients); err != nil {
			return err
		}
	}
	if _, err := w.part.Write(append(line, '\n')); err != nil {
		return fmt.Errorf("seal row: %w", err)
	}
	w.text, w.rows = w.text+int64(len(line)), w.rows+1
	switch row.Change {
	case "inserted":
		w.index.Inserted++
	case "updated":
		w.index.Updated++
	case "deleted":
		w.index.Deleted++
	}
	if w.text < partBytes {
		return nil
	}
	return w.flush(ctx)
}

// flush puts the part into the vault.
func (w *Writer) flush(ctx context.Context) error {
	if w.part == nil {
		return nil
	}
	if err := w.part.Close(); err != nil {
		return err
	}
	body := w.sealed.Bytes()
	key := fmt.Sprintf("%s%06d.jsonl.zst.age", w.prefix, len(w.index.Parts))
	if _, err := w.vault.Create(ctx, key, body, store.CreateOptions{RetainUntil: w.until}); err != nil {
		return fmt.Errorf("write part of the ledger: %w", err)
	}
	sum := sha256.Sum256(body)
	w.index.Parts = append(w.index.Parts, Part{Key: key, Size: int64(len(body)), SHA256: hex.EncodeToString(sum[:]), Rows: w.rows})
	w.part, w.sealed, w.text, w.rows = nil, nil, 0, 0
	return nil
}

// Close writes what is left and then the index. When another attempt was quicker, its ledger is the one that counts, and
// is returned.
func (w *Writer) Close(ctx context.Context) (Index, string, error) {
	if err := w.flush(ctx); err != nil {
		return Index{}, "", err
	}
	written, err := json.Marshal(w.index)
	if err != nil {
		return Index{}, "", fmt.Errorf("write index: %w", err)
	}
	key := manifest.LedgerKey(w.index.Execution, w.index.Step)
	text, err := json.Marshal(document{Index: string(written), MAC: w.fleet.MAC(key, string(written))})
	if err != nil {
		return Index{}, "", fmt.Errorf("write index: %w", err)
	}
	if len(text) > indexBytes {
		return Index{}, "", fmt.Errorf("write index: it has %d parts, which is more than an index holds", len(w.index.Parts))
	}
	_, err = w.vault.Create(ctx, key, text, store.CreateOptions{ContentType: "application/json", RetainUntil: w.until})
	if errors.Is(err, store.ErrExists) {
		found, digest, err := readIndex(ctx, w.vault, w.fleet, key)
		if err != nil {
			return Index{}, "", err
		}
		if found == nil {
			return Index{}, "", errors.New("write index: another one was there, and is gone")
		}
		return *found, digest, nil
	}
	if err != nil {
		return Index{}, "", fmt.Errorf("write index: %w", err)
	}
	return w.index, Digest(text), nil
}

// Abandon frees what a writer that is not closed holds.
func (w *Writer) Abandon() {
	if w.part != nil {
		_ = w.part.Close() // into memory that is given up
		w.part = nil
	}
}
