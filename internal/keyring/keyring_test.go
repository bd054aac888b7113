package keyring_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lifeboat-dr/lifeboat/internal/keyring"
)

func TestGenerateMakesKeysThatTheProgramsTake(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "keys")
	ring, err := keyring.Generate(dir, "lifeboat@medlink", "owner@medlink")
	if err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("ssh-keygen", "-y", "-f", filepath.Join(dir, keyring.Signing)).CombinedOutput(); err != nil || !strings.HasPrefix(strings.TrimSpace(string(out)), ring.SigningKey) {
		t.Errorf("ssh-keygen says %q (%v), want %q", out, err, ring.SigningKey)
	}
	if out, err := exec.Command("age-keygen", "-y", filepath.Join(dir, keyring.Escrow)).Output(); err != nil || strings.TrimSpace(string(out)) != ring.EscrowRecipient {
		t.Errorf("age-keygen says %q (%v), want %q", out, err, ring.EscrowRecipient)
	}
	for _, name := range []string{keyring.Verification, keyring.Escrow, keyring.Signing, keyring.Owner, keyring.Fleet, keyring.WebhookSecret} {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %v", name, info.Mode())
		}
	}
}

func TestGenerateOverwritesNothing(t *testing.T) {
	dir := t.TempDir()
	precious := filepath.Join(dir, keyring.Escrow)
	if err := os.WriteFile(precious, []byte("the only copy"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := keyring.Generate(dir, "a", "b"); err == nil {
		t.Fatal("a directory with a key in it was accepted")
	}
	if data, _ := os.ReadFile(precious); string(data) != "the only copy" {
		t.Fatal("the key was overwritten")
	}
	if entries, _ := os.ReadDir(dir); len(entries) != 1 {
		t.Fatalf("%d files, want the old one only", len(entries))
	}
}
