package signature_test

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/lifeboat-dr/lifeboat/internal/signature"
)

// keygen makes a key with OpenSSH's own program.
func keygen(t *testing.T) (path string, private []byte, public string) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "key")
	if out, err := exec.Command("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "", "-f", path).CombinedOutput(); err != nil {
		t.Fatalf("ssh-keygen: %v %s", err, out)
	}
	private, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path + ".pub")
	if err != nil {
		t.Fatal(err)
	}
	return path, private, strings.TrimSpace(string(text))
}

func signer(t *testing.T, private []byte) *signature.Signer {
	t.Helper()
	s, err := signature.NewSigner(private)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func verifier(t *testing.T, lines string) *signature.Verifier {
	t.Helper()
	v, err := signature.ParseAllowedSigners([]byte(lines))
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestOpenSSHAcceptsOurs(t *testing.T) {
	_, private, public := keygen(t)
	message := []byte(`{"backup":"x"}`)
	armored, err := signer(t, private).Sign(signature.Manifest, message)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	write := func(name string, data []byte) string {
		p := filepath.Join(dir, name)
		if err := os.WriteFile(p, data, 0o600); err != nil {
			t.Fatal(err)
		}
		return p
	}
	check := func(message []byte) error {
		cmd := exec.Command("ssh-keygen", "-Y", "verify", "-f", write("allowed", []byte("worker "+public+"\n")), "-I", "worker",
			"-n", string(signature.Manifest), "-s", write("sig", armored))
		cmd.Stdin = bytes.NewReader(message)
		return cmd.Run()
	}
	if err := check(message); err != nil {
		t.Errorf("ssh-keygen refuses our signature: %v", err)
	}
	if err := check([]byte("other")); err == nil {
		t.Error("ssh-keygen accepts our signature over other bytes")
	}
}

func TestWeAcceptOpenSSHs(t *testing.T) {
	path, _, public := keygen(t)
	cmd := exec.Command("ssh-keygen", "-Y", "sign", "-q", "-f", path, "-n", string(signature.Order))
	cmd.Stdin = strings.NewReader("an order")
	armored, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	who, err := verifier(t, "owner "+public).Verify(signature.Order, []byte("an order"), armored, time.Now())
	if err != nil || who != "owner" {
		t.Fatalf("%q, %v", who, err)
	}
}

func TestVerifyRefuses(t *testing.T) {
	_, private, public := keygen(t)
	_, _, stranger := keygen(t)
	message := []byte("message")
	armored, err := signer(t, private).Sign(signature.Manifest, message)
	if err != nil {
		t.Fatal(err)
	}
	at := time.Date(2026, 11, 25, 2, 0, 0, 0, time.UTC)
	for _, tc := range []struct {
		name, lines string
		namespace   signature.Namespace
		message     string
		want        string // part of the error; empty means accepted
	}{
		{"as it should be", "w " + public, signature.Manifest, "message", ""},
		{"a stranger's", "w " + stranger, signature.Manifest, "message", "not among"},
		{"another use", "w " + public, signature.Order, "message", "another use"},
		{"other bytes", "w " + public, signature.Manifest, "massage", "other bytes"},
		{"not for this use", `w namespaces="order@lifeboat-dr" ` + public, signature.Manifest, "message", "may not sign"},
		{"for this use", `w namespaces="*@lifeboat-dr" ` + public, signature.Manifest, "message", ""},
		{"revoked before", `w valid-before="20261125015959Z" ` + public, signature.Manifest, "message", "no longer valid"},
		{"revoked at that moment", `w valid-before="20261125020000Z" ` + public, signature.Manifest, "message", "no longer valid"},
		{"revoked after", `w valid-before="20261125020001Z" ` + public, signature.Manifest, "message", ""},
		{"not valid yet", `w valid-after="20261126Z" ` + public, signature.Manifest, "message", "not valid yet"},
		{"old entry revoked, new one good", "w valid-before=\"20200101Z\" " + public + "\nw " + public, signature.Manifest, "message", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := verifier(t, tc.lines).Verify(tc.namespace, []byte(tc.message), armored, at)
			if tc.want == "" {
				if err != nil {
					t.Fatal(err)
				}
				return
			}
			if !errors.Is(err, signature.ErrUntrusted) || !strings.Contains(err.Error(), tc.want) {
				t.Fatalf("got %v, want an error with %q", err, tc.want)
			}
		})
	}
}

func TestParseAllowedSignersReportsEveryLine(t *testing.T) {
	_, err := signature.ParseAllowedSigners([]byte("# comment\nnobody\nw cert-authority ssh-ed25519 AAAA\nw valid-before=\"20260101\" ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIE8vmQv8g9w0a3jD5n0i1wDqAw0mC5fQm1x0h8b9Yw3b\n"))
	for _, want := range []string{"line 2", "line 3", "line 4"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v does not mention %s", err, want)
		}
	}
	if _, err := signature.ParseAllowedSigners(nil); err == nil {
		t.Error("an empty list was accepted")
	}
}

func TestNewSignerSaysWhatIsWrong(t *testing.T) {
	path := filepath.Join(t.TempDir(), "key")
	if out, err := exec.Command("ssh-keygen", "-q", "-t", "ed25519", "-N", "secret", "-f", path).CombinedOutput(); err != nil {
		t.Fatalf("ssh-keygen: %v %s", err, out)
	}
	locked, _ := os.ReadFile(path)
	for text, want := range map[string]string{string(locked): "passphrase", "hello": "not an OpenSSH"} {
		if _, err := signature.NewSigner([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want an error with %q", err, want)
		}
	}
}

// TestNoLineIsReadMoreGenerouslyThanByOpenSSH: what ssh-keygen refuses must not count here.
func TestNoLineIsReadMoreGenerouslyThanByOpenSSH(t *testing.T) {
	_, private, public := keygen(t)
	message := []byte("an order")
	armored, err := signer(t, private).Sign(signature.Order, message)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	sig, allowed := filepath.Join(dir, "sig"), filepath.Join(dir, "allowed")
	if err := os.WriteFile(sig, armored, 0o600); err != nil {
		t.Fatal(err)
	}
	for prefix, good := range map[string]bool{
		"w ": true, "w\t": true, `"w" `: true, `w  namespaces="order@lifeboat-dr" `: true, `w namespaces="*" `: true, `w namespaces="order@*" `: true,
		`w namespaces="!order@lifeboat-dr,*" `: false, `w namespaces="[a-z]*@lifeboat-dr" `: false, `w namespaces="" `: false,
		`w namespaces="order" `: false, `!w,* `: false,
	} {
		if err := os.WriteFile(allowed, []byte(prefix+public+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command("ssh-keygen", "-Y", "verify", "-f", allowed, "-I", "w", "-n", string(signature.Order), "-s", sig)
		cmd.Stdin = bytes.NewReader(message)
		theirs := cmd.Run() == nil
		v, err := signature.ParseAllowedSigners([]byte(prefix + public))
		if err == nil {
			_, err = v.Verify(signature.Order, message, armored, time.Now())
		}
		if theirs != good || (err == nil) != good {
			t.Errorf("%q: ssh-keygen accepts: %v, we say %v, want %v", prefix, theirs, err, good)
		}
	}
}

func TestShortRSAKeysAreRefused(t *testing.T) {
	for bits, want := range map[string]bool{"1024": false, "2048": true} {
		path := filepath.Join(t.TempDir(), "key")
		if out, err := exec.Command("ssh-keygen", "-q", "-t", "rsa", "-b", bits, "-N", "", "-f", path).CombinedOutput(); err != nil {
			t.Fatalf("ssh-keygen: %v %s", err, out)
		}
		public, err := os.ReadFile(path + ".pub")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := signature.ParseAllowedSigners(append([]byte("w "), public...)); (err == nil) != want {
			t.Errorf("RSA of %s bits: %v", bits, err)
		}
	}
}

// TestEveryBitOfASignatureCounts flips each bit of some signatures' armor: none is of no matter.
func TestEveryBitOfASignatureCounts(t *testing.T) {
	_, private, public := keygen(t)
	v := verifier(t, "w "+public)
	s := signer(t, private)
	for i := range 20 {
		message := bytes.Repeat([]byte("m"), i)
		armored, err := s.Sign(signature.Manifest, message)
		if err != nil {
			t.Fatal(err)
		}
		armored = bytes.TrimSpace(armored)
		for bit := range len(armored) * 8 {
			bad := bytes.Clone(armored)
			bad[bit/8] ^= 1 << (bit % 8)
			if _, err := v.Verify(signature.Manifest, message, bad, time.Now()); err == nil {
				t.Errorf("signature %d: bit %d flipped (%q) and it holds", i, bit, bad[max(0, bit/8-8):min(len(bad), bit/8+8)])
			}
		}
	}
}
