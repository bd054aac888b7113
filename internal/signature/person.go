package signature

import (
	"bytes"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"

	"golang.org/x/crypto/ssh"
)

// maxKeyFile bounds a key's file in bytes.
const maxKeyFile = 64 << 10

// Terminal is the person at the keyboard.
type Terminal struct {
	// Passphrase asks for the passphrase of a key; nil where nobody can be asked.
	Passphrase func(prompt string) ([]byte, error)
	// Notices is where OpenSSH asks for the touch of a security key; nil drops it.
	Notices io.Writer
}

// OpenKey opens a person's private key by the path of its file, in OpenSSH's or PEM format: ed25519,
// ecdsa, RSA of 3072 bits or more, with or without a passphrase; the handle of a security key, which signs
// through the program ssh-keygen; or a public key (.pub), whose private half is then sought in the agent.
func OpenKey(path string, t Terminal) (*Signer, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read key: %w", err)
	}
	if len(text) > maxKeyFile {
		return nil, fmt.Errorf("read key %s: %d bytes are too many for a key", path, len(text))
	}
	if public, _, err := ParsePublicKey(string(text)); err == nil {
		return AgentKey(func(k PublicKey) bool { return k == public })
	}
	public := handleOf(text)
	if public != nil && strings.HasPrefix(public.Type(), "sk-") {
		return throughOpenSSH(path, public, t.Notices), nil
	}
	raw, err := ssh.ParseRawPrivateKey(text)
	var locked *ssh.PassphraseMissingError
	if errors.As(err, &locked) {
		raw, err = unlock(path, text, t)
		if err != nil {
			return nil, err
		}
	}
	if err != nil {
		return nil, fmt.Errorf("read key %s: it is not a private key that OpenSSH knows", path)
	}
	signer, err := ssh.NewSignerFromKey(raw)
	if err != nil {
		return nil, fmt.Errorf("read key %s: %w", path, err)
	}
	if err := fit(signer.PublicKey()); err != nil {
		return nil, fmt.Errorf("read key %s: %w", path, err)
	}
	return inProcess(signer), nil
}

// unlock asks for the passphrase. Its errors never hold it.
func unlock(path string, text []byte, t Terminal) (any, error) {
	if t.Passphrase == nil {
		return nil, fmt.Errorf("read key %s: it has a passphrase and nobody can be asked for it: add the key to an agent (ssh-add %s)", path, path)
	}
	phrase, err := t.Passphrase(fmt.Sprintf("Passphrase of %s: ", path))
	if err != nil {
		return nil, fmt.Errorf("ask for the passphrase of %s: %w", path, err)
	}
	defer clear(phrase)
	raw, err := ssh.ParseRawPrivateKeyWithPassphrase(text, phrase)
	if err != nil {
		return nil, fmt.Errorf("read key %s: the passphrase is wrong", path)
	}
	return raw, nil
}

// handleOf reads the public half that OpenSSH's format keeps in the clear; nil when it is not that format.
// Package ssh cannot read the handles of security keys, and needs not to: only OpenSSH can talk to the device.
func handleOf(text []byte) ssh.PublicKey {
	const magic = "openssh-key-v1\x00"
	block, _ := pem.Decode(text)
	if block == nil || block.Type != "OPENSSH PRIVATE KEY" || !bytes.HasPrefix(block.Bytes, []byte(magic)) {
		return nil
	}
	var envelope struct {
		Cipher, KDF, Options string
		Keys                 uint32
		Public, Private      []byte
		Rest                 []byte `ssh:"rest"`
	}
	if ssh.Unmarshal(block.Bytes[len(magic):], &envelope) != nil || envelope.Keys != 1 {
		return nil
	}
	public, err := ssh.ParsePublicKey(envelope.Public)
	if err != nil {
		return nil
	}
	return public
}

// throughOpenSSH signs by the program that can talk to security keys. It asks for PIN and passphrase on the
// terminal by itself.
func throughOpenSSH(path string, public ssh.PublicKey, notices io.Writer) *Signer {
	return &Signer{public, func(namespace Namespace, message []byte) ([]byte, error) {
		var out, said bytes.Buffer
		cmd := exec.Command("ssh-keygen", "-Y", "sign", "-q", "-n", string(namespace), "-f", path)
		cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(message), &out, &said
		if notices != nil {
			cmd.Stderr = io.MultiWriter(&said, notices)
		}
		if err := cmd.Run(); err != nil {
			if errors.Is(err, exec.ErrNotFound) {
				return nil, errors.New("the program ssh-keygen is needed for security keys: install the OpenSSH client")
			}
			return nil, fmt.Errorf("the security key did not sign: is it plugged in, and was it touched? (%s)", lastLine(said.String()))
		}
		// What it says is not believed: the signature is checked before anybody relies on it.
		by, err := SignedBy(namespace, message, out.Bytes())
		if err != nil {
			return nil, err
		}
		if by != publicKey(public) {
			return nil, fmt.Errorf("%s and the security key do not belong together", path)
		}
		return out.Bytes(), nil
	}}
}

func lastLine(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return lines[len(lines)-1]
}
