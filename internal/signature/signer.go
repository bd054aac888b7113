package signature

import (
	"bytes"
	"crypto"
	"crypto/ed25519"
	"errors"
	"fmt"

	"github.com/hiddeco/sshsig"
	"golang.org/x/crypto/ssh"
)

// Signer signs with one private key, wherever that is: in memory, in an agent, in a security key.
type Signer struct {
	public ssh.PublicKey
	sign   func(namespace Namespace, message []byte) (armored []byte, err error)
}

// NewSigner reads a worker's OpenSSH private key: ed25519 and without a passphrase, for nobody is there to
// type it. People's keys are read by [OpenKey] and [AgentKey].
func NewSigner(pemText []byte) (*Signer, error) {
	raw, err := ssh.ParseRawPrivateKey(pemText)
	var locked *ssh.PassphraseMissingError
	if errors.As(err, &locked) {
		return nil, errors.New("read signing key: it has a passphrase, which a worker cannot type: make one without (ssh-keygen -t ed25519 -N '')")
	}
	if err != nil {
		return nil, errors.New("read signing key: it is not an OpenSSH private key (ssh-keygen -t ed25519)")
	}
	key, ok := raw.(*ed25519.PrivateKey)
	if !ok {
		return nil, errors.New("read signing key: only ed25519 keys are taken (ssh-keygen -t ed25519)")
	}
	signer, err := ssh.NewSignerFromSigner(crypto.Signer(key))
	if err != nil {
		return nil, fmt.Errorf("read signing key: %w", err)
	}
	return inProcess(signer), nil
}

// Sign signs a message for one use and returns the armored signature. With a security key it waits until
// somebody touches it.
func (s *Signer) Sign(namespace Namespace, message []byte) ([]byte, error) {
	armored, err := s.sign(namespace, message)
	if err != nil {
		return nil, fmt.Errorf("sign: %w", err)
	}
	return armored, nil
}

// PublicKey is the public half in authorized_keys format, without a comment.
func (s *Signer) PublicKey() string { return string(publicKey(s.public)) }

// inProcess signs with what package ssh can sign with: keys in memory and keys of an agent.
func inProcess(key ssh.Signer) *Signer {
	return &Signer{key.PublicKey(), func(namespace Namespace, message []byte) ([]byte, error) {
		sig, err := sshsig.Sign(bytes.NewReader(message), key, sshsig.HashSHA512, string(namespace))
		if err != nil {
			return nil, err
		}
		return sshsig.Armor(sig), nil
	}}
}
