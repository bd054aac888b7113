package signature_test

import (
	"bytes"
	"crypto/rand"
	"crypto/rsa"
	"encoding/pem"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/lifeboat-dr/lifeboat/internal/signature"
)

var text = []byte(`{"kind":"approve"}`)

// personKey makes a key with OpenSSH and returns its path and public half.
func personKey(t *testing.T, args ...string) (path string, public signature.PublicKey) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "key")
	run(t, "ssh-keygen", append([]string{"-q", "-C", "someone", "-f", path}, args...)...)
	line, err := os.ReadFile(path + ".pub")
	if err != nil {
		t.Fatal(err)
	}
	public, comment, err := signature.ParsePublicKey(string(line))
	if err != nil || comment != "someone" {
		t.Fatalf("comment %q, %v", comment, err)
	}
	return path, public
}

// rsaKey is one RSA key for all tests: making one takes seconds on a busy machine.
func rsaKey(t *testing.T) (path string, public signature.PublicKey) {
	t.Helper()
	key, err := rsaPrivate()
	if err != nil {
		t.Fatal(err)
	}
	block, err := ssh.MarshalPrivateKey(key, "someone")
	if err != nil {
		t.Fatal(err)
	}
	path = filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
		t.Fatal(err)
	}
	line := run(t, "ssh-keygen", "-y", "-f", path)
	if err := os.WriteFile(path+".pub", []byte(line), 0o600); err != nil {
		t.Fatal(err)
	}
	if public, _, err = signature.ParsePublicKey(line); err != nil {
		t.Fatal(err)
	}
	return path, public
}

var rsaPrivate = sync.OnceValues(func() (*rsa.PrivateKey, error) { return rsa.GenerateKey(rand.Reader, 3072) })

func run(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := exec.Command(name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v: %s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}

func asking(answer string) signature.Terminal {
	return signature.Terminal{Passphrase: func(string) ([]byte, error) { return []byte(answer), nil }}
}

// proves that both we and OpenSSH take a signature as made by the key.
func proves(t *testing.T, s *signature.Signer, public signature.PublicKey) {
	t.Helper()
	if s.PublicKey() != string(public) {
		t.Errorf("the signer says it is %s, want %s", s.PublicKey(), public)
	}
	armored, err := s.Sign(signature.Command, text)
	if err != nil {
		t.Fatal(err)
	}
	if by, err := signature.SignedBy(signature.Command, text, armored); err != nil || by != public {
		t.Errorf("signed by %q, %v; want %q", by, err, public)
	}
	if _, err := signature.SignedBy(signature.Runbook, text, armored); !errors.Is(err, signature.ErrUntrusted) {
		t.Errorf("for another use: %v", err)
	}
	dir := t.TempDir()
	for name, data := range map[string][]byte{"allowed": []byte("me " + string(public) + "\n"), "sig": armored} {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command("ssh-keygen", "-Y", "verify", "-f", filepath.Join(dir, "allowed"), "-I", "me", "-n", string(signature.Command), "-s", filepath.Join(dir, "sig"))
	cmd.Stdin = bytes.NewReader(text)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("ssh-keygen refuses it: %v %s", err, out)
	}
}

func TestPeopleSignWithTheirFiles(t *testing.T) {
	for name, args := range map[string][]string{
		"ed25519":                   {"-t", "ed25519", "-N", ""},
		"ed25519 with a passphrase": {"-t", "ed25519", "-N", "a phrase"},
		"ecdsa 256":                 {"-t", "ecdsa", "-b", "256", "-N", ""},
		"ecdsa 521 with one":        {"-t", "ecdsa", "-b", "521", "-N", "a phrase"},
		"rsa":                       nil,
		"pem with a passphrase":     {"-t", "ecdsa", "-m", "PEM", "-N", "a phrase"},
	} {
		t.Run(name, func(t *testing.T) {
			path, public := "", signature.PublicKey("")
			if args == nil {
				path, public = rsaKey(t)
			} else {
				path, public = personKey(t, args...)
			}
			s, err := signature.OpenKey(path, asking("a phrase"))
			if err != nil {
				t.Fatal(err)
			}
			proves(t, s, public)
		})
	}
}

func TestWhatIsNoKeyForPeopleIsRefused(t *testing.T) {
	locked, _ := personKey(t, "-t", "ed25519", "-N", "a phrase")
	short := filepath.Join(t.TempDir(), "short")
	run(t, "ssh-keygen", "-q", "-t", "rsa", "-b", "2048", "-N", "", "-f", short)
	nothing := filepath.Join(t.TempDir(), "nothing")
	if err := os.WriteFile(nothing, []byte("hello"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		path     string
		terminal signature.Terminal
		want     string
	}{
		{locked, asking("another phrase"), "the passphrase is wrong"},
		{locked, signature.Terminal{}, "nobody can be asked"},
		{short, signature.Terminal{}, "3072 bits"},
		{nothing, signature.Terminal{}, "not a private key"},
	} {
		_, err := signature.OpenKey(tc.path, tc.terminal)
		if err == nil || !strings.Contains(err.Error(), tc.want) || strings.Contains(err.Error(), "another phrase") {
			t.Errorf("%v, want an error with %q", err, tc.want)
		}
	}
	shortPublic, _ := os.ReadFile(short + ".pub")
	for _, line := range []string{string(shortPublic), "no-pty ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIE8vmQv8g9w0a3jD5n0i1wDqAw0mC5fQm1x0h8b9Yw3b", ""} {
		if _, _, err := signature.ParsePublicKey(line); err == nil {
			t.Errorf("%q was taken as a person's key", line)
		}
	}
}

// startAgent starts OpenSSH's own agent for the test, and lets the process know of it.
func startAgent(t *testing.T, args ...string) {
	t.Helper()
	dir, err := os.MkdirTemp("", "agent") // short: the path of a socket has 108 bytes
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	socket := filepath.Join(dir, "s")
	cmd := exec.Command("ssh-agent", append([]string{"-D", "-a", socket}, args...)...)
	said, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	// It speaks once it listens.
	if _, err := said.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	t.Setenv("SSH_AUTH_SOCK", socket)
}

func is(public signature.PublicKey) func(signature.PublicKey) bool {
	return func(k signature.PublicKey) bool { return k == public }
}

func TestPeopleSignThroughTheirAgent(t *testing.T) {
	startAgent(t)
	if _, err := signature.AgentKey(func(signature.PublicKey) bool { return true }); err == nil || !strings.Contains(err.Error(), "holds no key") {
		t.Errorf("an empty agent: %v", err)
	}
	var paths []string
	for _, kind := range []string{"ed25519", "rsa", "ecdsa"} {
		path, public := "", signature.PublicKey("")
		if kind == "rsa" {
			path, public = rsaKey(t)
		} else {
			path, public = personKey(t, "-t", kind, "-N", "")
		}
		run(t, "ssh-add", "-q", path)
		paths = append(paths, path)
		s, err := signature.AgentKey(is(public))
		if err != nil {
			t.Fatal(err)
		}
		proves(t, s, public)
		// The public half's file stands for the agent's private one.
		if s, err = signature.OpenKey(path+".pub", signature.Terminal{}); err != nil {
			t.Fatal(err)
		}
		proves(t, s, public)
	}
	_, stranger := personKey(t, "-t", "ed25519", "-N", "")
	if _, err := signature.AgentKey(is(stranger)); err == nil || !strings.Contains(err.Error(), "none of the keys") {
		t.Errorf("a key that is not there: %v", err)
	}
	s, err := signature.OpenKey(paths[0]+".pub", signature.Terminal{})
	if err != nil {
		t.Fatal(err)
	}
	run(t, "ssh-add", "-q", "-d", paths[0])
	if _, err := s.Sign(signature.Command, text); err == nil || !strings.Contains(err.Error(), "any more") {
		t.Errorf("a key that was taken out of the agent: %v", err)
	}
	t.Setenv("SSH_AUTH_SOCK", "")
	if _, err := signature.AgentKey(is(stranger)); err == nil || !strings.Contains(err.Error(), "no SSH agent") {
		t.Errorf("no agent: %v", err)
	}
}

// softKey builds a security key in software, which OpenSSH's own programs use in place of a device, and
// enrols a key with it.
func softKey(t *testing.T) (provider, path string, public signature.PublicKey) {
	t.Helper()
	provider = filepath.Join(t.TempDir(), "softkey.so")
	var last []byte
	for _, version := range []string{"0x000a0000", "0x00090000"} { // of OpenSSH's sk-api.h
		run(t, "gcc", "-shared", "-fPIC", "-DVERSION="+version, "-o", provider, filepath.Join("testdata", "softkey.c"))
		t.Setenv("SSH_SK_PROVIDER", provider)
		path = filepath.Join(t.TempDir(), "key")
		out, err := exec.Command("ssh-keygen", "-q", "-t", "ed25519-sk", "-N", "", "-C", "", "-f", path).CombinedOutput()
		if last = out; err == nil {
			line, err := os.ReadFile(path + ".pub")
			if err != nil {
				t.Fatal(err)
			}
			if public, _, err = signature.ParsePublicKey(string(line)); err != nil {
				t.Fatal(err)
			}
			return provider, path, public
		}
	}
	t.Fatalf("enrol: %s", last)
	return "", "", ""
}

func TestPeopleSignWithSecurityKeys(t *testing.T) {
	provider, path, public := softKey(t)
	if !public.SecurityKey() || signature.PublicKey("ssh-ed25519 A").SecurityKey() {
		t.Error("security keys are not told from others")
	}
	// The handle's file: the program ssh-keygen talks to the device.
	var notices bytes.Buffer
	s, err := signature.OpenKey(path, signature.Terminal{Notices: &notices})
	if err != nil {
		t.Fatal(err)
	}
	proves(t, s, public)
	if !strings.Contains(notices.String(), "presence") {
		t.Errorf("nobody was asked to touch it: %q", notices.String())
	}
	t.Setenv("SSH_SK_PROVIDER", filepath.Join(t.TempDir(), "unplugged.so"))
	if _, err := s.Sign(signature.Command, text); err == nil || !strings.Contains(err.Error(), "plugged in") {
		t.Errorf("without the device: %v", err)
	}
	t.Setenv("SSH_SK_PROVIDER", provider)

	// The agent: it talks to the device by itself.
	startAgent(t, "-P", provider)
	run(t, "ssh-add", "-q", "-S", provider, path)
	if s, err = signature.AgentKey(is(public)); err != nil {
		t.Fatal(err)
	}
	proves(t, s, public)
}

// TestUntouchedSecurityKeysSignNothing: the signature is right in every bit but says that nobody was there.
func TestUntouchedSecurityKeysSignNothing(t *testing.T) {
	_, path, public := softKey(t)
	t.Setenv("SOFTKEY_FLAGS", "0")
	s, err := signature.OpenKey(path, signature.Terminal{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Sign(signature.Command, text); !errors.Is(err, signature.ErrUntrusted) || !strings.Contains(err.Error(), "not touched") {
		t.Errorf("signed without a touch: %v", err)
	}
	cmd := exec.Command("ssh-keygen", "-Y", "sign", "-q", "-n", string(signature.Command), "-f", path)
	cmd.Stdin = bytes.NewReader(text)
	armored, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	for name, check := range map[string]func([]byte) error{
		"SignedBy": func(a []byte) error { _, err := signature.SignedBy(signature.Command, text, a); return err },
		"Verifier": func(a []byte) error {
			_, err := verifier(t, "me "+string(public)).Verify(signature.Command, text, a, time.Now())
			return err
		},
	} {
		if err := check(armored); !errors.Is(err, signature.ErrUntrusted) || !strings.Contains(err.Error(), "not touched") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestSignedByRefusesWhatWasChanged(t *testing.T) {
	path, _ := personKey(t, "-t", "ed25519", "-N", "")
	s, err := signature.OpenKey(path, signature.Terminal{})
	if err != nil {
		t.Fatal(err)
	}
	armored, err := s.Sign(signature.Command, text)
	if err != nil {
		t.Fatal(err)
	}
	for i := range text {
		changed := slices.Clone(text)
		changed[i] ^= 1
		if _, err := signature.SignedBy(signature.Command, changed, armored); !errors.Is(err, signature.ErrUntrusted) {
			t.Fatalf("byte %d changed: %v", i, err)
		}
	}
	if _, err := signature.SignedBy(signature.Command, text, []byte("no signature")); !errors.Is(err, signature.ErrUntrusted) {
		t.Errorf("no signature: %v", err)
	}
}
