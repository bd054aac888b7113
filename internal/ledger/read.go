package ledger

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"filippo.io/age"

	"github.com/lifeboat-dr/lifeboat/internal/manifest"
	"github.com/lifeboat-dr/lifeboat/internal/seal"
	"github.com/lifeboat-dr/lifeboat/internal/store"
)

// ErrAltered says that a ledger is not what its index or the journal says.
var ErrAltered = errors.New("the ledger is not what was written")

// readIndex reads the oldest index: later versions of its name count for nothing. It is nil when there is none.
func readIndex(ctx context.Context, vault store.Store, fleet Fleet, key string) (*Index, string, error) {
	version := ""
	for o, err := range vault.Versions(ctx, key) {
		if err != nil {
			return nil, "", fmt.Errorf("look for the ledger: %w", err)
		}
		if o.Key == key && !o.DeleteMarker {
			version = o.Version
			break
		}
	}
	if version == "" {
		return nil, "", nil
	}
	text, err := readAll(ctx, vault, key, version, indexBytes)
	if err != nil {
		return nil, "", fmt.Errorf("read index of the ledger: %w", err)
	}
	var held document
	var index Index
	if json.Unmarshal(text, &held) != nil || json.Unmarshal([]byte(held.Index), &index) != nil {
		return nil, "", fmt.Errorf("read index of the ledger: %w", ErrAltered)
	}
	if fleet != nil && !fleet.CheckMAC(key, held.Index, held.MAC) {
		return nil, "", fmt.Errorf("read index of the ledger: no worker of this fleet wrote it: %w", ErrAltered)
	}
	if index.Format != Format {
		return nil, "", fmt.Errorf("read index of the ledger: its format is %d, this version reads %d", index.Format, Format)
	}
	if manifest.LedgerKey(index.Execution, index.Step) != key {
		return nil, "", fmt.Errorf("read index of the ledger: it is that of another step: %w", ErrAltered)
	}
	return &index, Digest(text), nil
}

func readAll(ctx context.Context, vault store.Store, key, version string, limit int64) ([]byte, error) {
	body, _, err := vault.Open(ctx, key, version)
	if err != nil {
		return nil, err
	}
	defer func() { _ = body.Close() }()
	text, err := io.ReadAll(io.LimitReader(body, limit+1))
	if err == nil && int64(len(text)) > limit {
		err = ErrAltered
	}
	return text, err
}

// Rows opens a ledger and calls each for every row. What is not what the index says is ErrAltered; rows that came before
// are authentic.
func Rows(ctx context.Context, vault store.Store, index Index, identities []age.Identity, each func(Row) error) error {
	for _, p := range index.Parts {
		if !strings.HasPrefix(p.Key, manifest.LedgerPrefix(index.Execution, index.Step)) || p.Size < 0 || p.Size > store.MaxBody {
			return fmt.Errorf("part %s: %w", p.Key, ErrAltered)
		}
		sealed, err := readAll(ctx, vault, p.Key, "", p.Size)
		if err != nil {
			return fmt.Errorf("read part %s: %w", p.Key, err)
		}
		if sum := sha256.Sum256(sealed); hex.EncodeToString(sum[:]) != p.SHA256 {
			return fmt.Errorf("part %s: %w", p.Key, ErrAltered)
		}
		if err := openPart(sealed, p, identities, each); err != nil {
			return fmt.Errorf("part %s: %w", p.Key, err)
		}
	}
	return nil
}

func openPart(sealed []byte, p Part, identities []age.Identity, each func(Row) error) error {
	text, err := seal.NewReader(bytes.NewReader(sealed), identities)
	if err != nil {
		return err
	}
	defer text.Close()
	lines, rows := bufio.NewReaderSize(text, 1<<20), int64(0)
	for {
		line, err := lines.ReadBytes('\n')
		if errors.Is(err, io.EOF) && len(line) == 0 {
			break
		}
		if err != nil {
			return err
		}
		var row Row
		if err := json.Unmarshal(line, &row); err != nil {
			return ErrAltered
		}
		rows++
		if err := each(row); err != nil {
			return err
		}
	}
	if rows != p.Rows {
		return ErrAltered
	}
	return nil
}
