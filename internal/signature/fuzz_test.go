package signature_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/lifeboat-dr/lifeboat/internal/signature"
)

// The key of the seeds: a corpus has to mean the same tomorrow. It is for tests and signs nothing else.
const (
	seedPublic  = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIANyJ8odCYI6CUn2D4NiMJiCO4Ex6E3CxP7Q9m1ORZrG"
	seedMessage = "an order"
)

// FuzzAllowedSigners: a list of signers that is read lets nobody sign whom OpenSSH would refuse.
func FuzzAllowedSigners(f *testing.F) {
	armored := seedSignature(f)
	for _, seed := range []string{
		"w " + seedPublic, "w,v namespaces=\"order@lifeboat-dr,manifest@*\" " + seedPublic + " comment\n# more\n\n",
		"w valid-after=\"20200101Z\",valid-before=\"20990101000000Z\" " + seedPublic, `"w" namespaces="*" ` + seedPublic, "w cert-authority " + seedPublic,
	} {
		f.Add([]byte(seed))
	}
	dir := f.TempDir()
	sig := filepath.Join(dir, "sig")
	if err := os.WriteFile(sig, armored, 0o600); err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		v, err := signature.ParseAllowedSigners(data)
		if err != nil {
			return
		}
		if len(v.Principals()) == 0 {
			t.Error("a list of nobody was read")
		}
		who, err := v.Verify(signature.Order, []byte(seedMessage), armored, time.Now())
		if err != nil {
			return
		}
		allowed := filepath.Join(t.TempDir(), "allowed")
		if err := os.WriteFile(allowed, data, 0o600); err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command("ssh-keygen", "-Y", "verify", "-f", allowed, "-I", who, "-n", string(signature.Order), "-s", sig)
		cmd.Stdin = bytes.NewReader([]byte(seedMessage))
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("we believe %q, OpenSSH does not: %s", who, out)
		}
	})
}

// FuzzVerify: whatever is said to be a signature, only the real one holds, and only over its message.
func FuzzVerify(f *testing.F) {
	armored := seedSignature(f)
	v, err := signature.ParseAllowedSigners([]byte("w " + seedPublic))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(armored, []byte(seedMessage))
	f.Add([]byte("-----BEGIN SSH SIGNATURE-----\nU1NIU0lH\n-----END SSH SIGNATURE-----\n"), []byte("x"))
	f.Fuzz(func(t *testing.T, armored, message []byte) {
		if _, err := v.Verify(signature.Order, message, armored, time.Now()); err == nil && string(message) != seedMessage {
			t.Errorf("a signature over %q was believed", message)
		}
		if _, err := v.Verify(signature.Manifest, message, armored, time.Now()); err == nil {
			t.Error("a signature for an order was taken for a manifest's")
		}
	})
}

// seedSignature is the seed key's signature of the message, as an order.
func seedSignature(f *testing.F) []byte {
	f.Helper()
	data, err := os.ReadFile("testdata/seed.sig")
	if err != nil {
		f.Fatal(err)
	}
	return data
}
