// Package keyring makes the keys that a Lifeboat needs, each in a file of its own that only its owner can
// read. It never overwrites one: a key that is gone takes every backup with it that only it could open.
package keyring

import (
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"filippo.io/age"
	"golang.org/x/crypto/ssh"
)

// The files of a keyring.
const (
	// Verification is the age identity that opens recent backups every night; it is online.
	Verification = "verification.agekey"
	// Escrow is the age identity that opens everything; it belongs offline, in two places.
	Escrow = "escrow.agekey"
	// Signing is the OpenSSH key that signs manifests and records.
	Signing = "signing_ed25519"
	// Owner is the OpenSSH key of an owner, who signs orders; it belongs to a person.
	Owner = "owner_ed25519"
	// Fleet seals what workers write for each other, and Temporal's payloads.
	Fleet = "fleet.key"
	// WebhookSecret signs alerts (Standard Webhooks).
	WebhookSecret = "webhook.secret"
	// AllowedSigners and Owners are public: who may sign manifests, and who orders.
	AllowedSigners = "allowed_signers"
	Owners         = "owners"
)

// Ring is what was made, public halves only.
type Ring struct {
	Dir string
	// VerificationRecipient and EscrowRecipient are age public keys.
	VerificationRecipient, EscrowRecipient string
	// SigningKey and OwnerKey are public keys in authorized_keys format.
	SigningKey, OwnerKey string
}

// Generate makes all keys in a directory, which is created. A directory that holds any of them already is
// refused and nothing is written.
func Generate(dir, signer, owner string) (*Ring, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make key directory: %w", err)
	}
	for _, name := range []string{Verification, Escrow, Signing, Owner, Fleet, WebhookSecret, AllowedSigners, Owners} {
		if _, err := os.Lstat(filepath.Join(dir, name)); !errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("%s holds a key %s already: keys are never overwritten; choose another directory", dir, name)
		}
	}
	ring := &Ring{Dir: dir}
	var err error
	if ring.VerificationRecipient, err = ring.identity(Verification); err != nil {
		return nil, err
	}
	if ring.EscrowRecipient, err = ring.identity(Escrow); err != nil {
		return nil, err
	}
	if ring.SigningKey, err = ring.signer(Signing, AllowedSigners, signer); err != nil {
		return nil, err
	}
	if ring.OwnerKey, err = ring.signer(Owner, Owners, owner); err != nil {
		return nil, err
	}
	if err := ring.random(Fleet, ""); err != nil {
		return nil, err
	}
	return ring, ring.random(WebhookSecret, "whsec_")
}

func (r *Ring) identity(name string) (recipient string, err error) {
	id, err := age.GenerateX25519Identity()
	if err != nil {
		return "", fmt.Errorf("generate %s: %w", name, err)
	}
	text := "# public key: " + id.Recipient().String() + "\n" + id.String() + "\n"
	return id.Recipient().String(), r.write(name, text, 0o600)
}

// Person makes somebody's OpenSSH key in a directory, in the file NAME with its public half in NAME.pub. It
// overwrites nothing.
func Person(dir, name, comment string) error {
	_, err := (&Ring{Dir: dir}).pair(name, comment)
	return err
}

// signer makes a key pair, and lists its public half as the only one that is believed.
func (r *Ring) signer(name, list, principal string) (public string, err error) {
	if public, err = r.pair(name, principal); err != nil {
		return "", err
	}
	return public, r.write(list, principal+" "+public+"\n", 0o644)
}

func (r *Ring) pair(name, principal string) (public string, err error) {
	pub, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return "", fmt.Errorf("generate %s: %w", name, err)
	}
	block, err := ssh.MarshalPrivateKey(private, principal)
	if err != nil {
		return "", fmt.Errorf("render %s: %w", name, err)
	}
	key, err := ssh.NewPublicKey(pub)
	if err != nil {
		return "", fmt.Errorf("render %s: %w", name, err)
	}
	public = strings.TrimSpace(string(ssh.MarshalAuthorizedKey(key)))
	if err := r.write(name, string(pem.EncodeToMemory(block)), 0o600); err != nil {
		return "", err
	}
	return public, r.write(name+".pub", public+" "+principal+"\n", 0o644)
}

func (r *Ring) random(name, prefix string) error {
	var key [32]byte
	_, _ = rand.Read(key[:]) // it never fails since Go 1.24
	return r.write(name, prefix+base64.StdEncoding.EncodeToString(key[:])+"\n", 0o600)
}

func (r *Ring) write(name, text string, mode fs.FileMode) error {
	f, err := os.OpenFile(filepath.Join(r.Dir, name), os.O_CREATE|os.O_EXCL|os.O_WRONLY, mode)
	if err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	_, err = f.WriteString(text)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return fmt.Errorf("write %s: %w", name, err)
	}
	return nil
}
