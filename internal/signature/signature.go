// Package signature signs and checks what Lifeboat vouches for, as SSHSIG: the format of
// `ssh-keygen -Y sign`, so that anybody can check it with OpenSSH and without Lifeboat. Each use has a
// namespace of its own: a signature made for one is worth nothing for another. Who may sign, and until
// when, stands in OpenSSH's allowed_signers format (ssh-keygen(1), ALLOWED SIGNERS).
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

// Namespace is what a signature is for.
type Namespace string

// The namespaces, one for each use.
const (
	// Manifest is for manifests and the records beside them.
	Manifest Namespace = "manifest@lifeboat-dr"
	// Command is for what people decide.
	Command Namespace = "command@lifeboat-dr"
	// Runbook is for runbooks, by their owners.
	Runbook Namespace = "runbook@lifeboat-dr"
	// Roster is for versions of the roster.
	Roster Namespace = "roster@lifeboat-dr"
	// Journal is for entries of an execution's journal.
	Journal Namespace = "journal@lifeboat-dr"
	// Order is for standing orders, by their owners.
	Order Namespace = "order@lifeboat-dr"
)

// ErrUntrusted says that a signature does not hold: made by nobody who may, for something else, too late,
// or over other bytes.
var ErrUntrusted = errors.New("signature does not hold")

// Signer signs with one private key.
type Signer struct{ key ssh.Signer }

// NewSigner reads an OpenSSH private key: ed25519 and without a passphrase, for nobody is there to type it.
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
	return &Signer{signer}, nil
}

// Sign signs a message for one use and returns the armored signature.
func (s *Signer) Sign(namespace Namespace, message []byte) ([]byte, error) {
	sig, err := sshsig.Sign(bytes.NewReader(message), s.key, sshsig.HashSHA512, string(namespace))
	if err != nil {
		return nil, fmt.Errorf("sign: %w", err)
	}
	return sshsig.Armor(sig), nil
}

// PublicKey is the public half in authorized_keys format, without a comment.
func (s *Signer) PublicKey() string {
	return string(bytes.TrimSpace(ssh.MarshalAuthorizedKey(s.key.PublicKey())))
}
