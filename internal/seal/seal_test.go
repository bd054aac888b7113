package seal_test

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"filippo.io/age"
	"pgregory.net/rapid"

	"github.com/lifeboat-dr/lifeboat/internal/seal"
)

func identity(t testing.TB) *age.X25519Identity {
	t.Helper()
	id, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func sealed(t testing.TB, text []byte, ids ...*age.X25519Identity) []byte {
	t.Helper()
	var list []age.Recipient
	for _, id := range ids {
		list = append(list, id.Recipient())
	}
	data, err := seal.Bytes(text, list)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestEveryRecipientOpensIt(t *testing.T) {
	a, b := identity(t), identity(t)
	rapid.Check(t, func(r *rapid.T) {
		text := rapid.SliceOfN(rapid.Byte(), 0, 1<<17).Draw(r, "text")
		data := sealed(t, text, a, b)
		for _, id := range []age.Identity{a, b} {
			got, err := seal.Open(data, []age.Identity{id}, int64(len(text)))
			if err != nil || !bytes.Equal(got, text) {
				r.Fatalf("%d bytes came back, want %d (%v)", len(got), len(text), err)
			}
		}
	})
}

func TestTheProgramsOpenIt(t *testing.T) {
	id := identity(t)
	dir := t.TempDir()
	text := bytes.Repeat([]byte("claim\t42\n"), 100_000)
	if err := os.WriteFile(filepath.Join(dir, "key"), []byte(id.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("sh", "-c", "age -d -i key | zstd -dc")
	cmd.Dir, cmd.Stdin = dir, bytes.NewReader(sealed(t, text, id))
	got, err := cmd.Output()
	if err != nil || !bytes.Equal(got, text) {
		t.Fatalf("age and zstd gave %d bytes, want %d (%v)", len(got), len(text), err)
	}
}

func TestDamageIsFound(t *testing.T) {
	id, stranger := identity(t), identity(t)
	text := []byte("a small object")
	data := sealed(t, text, id)
	if _, err := seal.Open(data, []age.Identity{stranger}, 100); !errors.Is(err, seal.ErrWrongKey) {
		t.Errorf("a stranger's key: %v", err)
	}
	if _, err := seal.Open(data, []age.Identity{id}, int64(len(text))-1); !errors.Is(err, seal.ErrTooLarge) {
		t.Errorf("more than the limit: %v", err)
	}
	for bit := range len(data) * 8 {
		bad := append([]byte{}, data...)
		bad[bit/8] ^= 1 << (bit % 8)
		if got, err := seal.Open(bad, []age.Identity{id}, 100); err == nil {
			t.Fatalf("bit %d flipped: opened as %q", bit, got)
		}
	}
	for n := range data {
		if _, err := seal.Open(data[:n], []age.Identity{id}, 100); err == nil {
			t.Fatalf("cut off after %d bytes: opened", n)
		}
	}
	if _, err := seal.Open(append(data, 'x'), []age.Identity{id}, 100); err == nil {
		t.Error("a byte more: opened")
	}
}

func TestNothingIsSealedToNobody(t *testing.T) {
	if _, err := seal.NewWriter(&bytes.Buffer{}, nil); err == nil {
		t.Error("NewWriter took no recipients")
	}
	if _, err := seal.ParseRecipients(nil); err == nil {
		t.Error("ParseRecipients took an empty list")
	}
	if _, err := seal.ParseRecipients([]string{"age1x"}); err == nil {
		t.Error("ParseRecipients took nonsense")
	}
}

func BenchmarkSeal(b *testing.B) {
	id := identity(b)
	rnd := rand.New(rand.NewPCG(1, 2))
	var text bytes.Buffer
	for text.Len() < 32<<20 {
		for range 12 {
			text.WriteString([]string{"claim", "2026-11-25", "approved", "MC", "\t", "0"}[rnd.IntN(6)])
			text.WriteByte(byte('0' + rnd.IntN(10)))
		}
		text.WriteByte('\n')
	}
	b.SetBytes(int64(text.Len()))
	for b.Loop() {
		w, err := seal.NewWriter(discard{}, []age.Recipient{id.Recipient()})
		if err != nil {
			b.Fatal(err)
		}
		_, _ = w.Write(text.Bytes())
		if err := w.Close(); err != nil {
			b.Fatal(err)
		}
	}
}

type discard struct{}

func (discard) Write(p []byte) (int, error) { return len(p), nil }
