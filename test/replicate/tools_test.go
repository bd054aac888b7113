package replicate

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"iter"
	"os"
	"path/filepath"
	"testing"

	"github.com/lifeboat-dr/lifeboat/internal/keyring"
	"github.com/lifeboat-dr/lifeboat/internal/signature"
	"github.com/lifeboat-dr/lifeboat/internal/store"
)

// without is a vault that has lost an object.
type without struct {
	store.Store
	key string
}

func (w *without) Versions(ctx context.Context, prefix string) iter.Seq2[store.Object, error] {
	return func(yield func(store.Object, error) bool) {
		for o, err := range w.Store.Versions(ctx, prefix) {
			if o.Key != w.key && !yield(o, err) {
				return
			}
		}
	}
}

// newSigner gives the scene's workers another signing key, and returns its line for the allowed signers.
func (s *scene) newSigner(t *testing.T) string {
	t.Helper()
	ring, err := keyring.Generate(t.TempDir(), "next@medlink.example", "x")
	if err != nil {
		t.Fatal(err)
	}
	key, err := os.ReadFile(filepath.Join(ring.Dir, keyring.Signing))
	if err != nil {
		t.Fatal(err)
	}
	if s.Signer, err = signature.NewSigner(key); err != nil {
		t.Fatal(err)
	}
	line, err := os.ReadFile(filepath.Join(ring.Dir, keyring.AllowedSigners))
	if err != nil {
		t.Fatal(err)
	}
	return string(line)
}

func mustJSON(t *testing.T, v any) []byte {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func digest(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}
