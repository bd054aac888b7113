package signature

import (
	"bytes"
	"crypto/rsa"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"github.com/hiddeco/sshsig"
	"golang.org/x/crypto/ssh"
)

// PublicKey is a person's public key as `type base64`, a line of authorized_keys without options and
// comment, so that two of them are equal when the keys are.
type PublicKey string

// minPersonRSA is the size in bits of an RSA key that people may decide with. A roster outlives years.
const minPersonRSA = 3072

// personTypes are the types of keys that people may have. Certificates are missing: nobody here issues them.
var personTypes = map[string]bool{
	ssh.KeyAlgoED25519: true, ssh.KeyAlgoECDSA256: true, ssh.KeyAlgoECDSA384: true, ssh.KeyAlgoECDSA521: true,
	ssh.KeyAlgoRSA: true, ssh.KeyAlgoSKED25519: true, ssh.KeyAlgoSKECDSA256: true,
}

// ParsePublicKey reads a person's public key from the text of a .pub file and returns it with its comment.
// Keys that are too weak to decide with are refused.
func ParsePublicKey(text string) (key PublicKey, comment string, err error) {
	parsed, comment, options, rest, err := ssh.ParseAuthorizedKey([]byte(text))
	if err != nil {
		return "", "", errors.New("read public key: it is not one: give the text of a .pub file, for example of ~/.ssh/id_ed25519.pub")
	}
	if len(options) > 0 || len(bytes.TrimSpace(rest)) > 0 {
		return "", "", errors.New("read public key: give one key, without options before it")
	}
	if err := fit(parsed); err != nil {
		return "", "", fmt.Errorf("read public key: %w", err)
	}
	return publicKey(parsed), comment, nil
}

// Fingerprint is how OpenSSH shows the key, SHA256:….
func (k PublicKey) Fingerprint() string {
	parsed, _, _, _, err := ssh.ParseAuthorizedKey([]byte(k))
	if err != nil {
		return "no key"
	}
	return ssh.FingerprintSHA256(parsed)
}

// SecurityKey says that the private half is in a device that has to be touched for every signature.
func (k PublicKey) SecurityKey() bool { return strings.HasPrefix(string(k), "sk-") }

// SignedBy says which key made a signature over a message for a use. Whose it is, and whether it was valid, is
// not its business. A security key's signature counts only when the key was touched.
func SignedBy(namespace Namespace, message, armored []byte) (PublicKey, error) {
	sig, err := unarmor(armored)
	if err != nil {
		return "", err
	}
	if err := fit(sig.PublicKey); err != nil {
		return "", fmt.Errorf("%w: %w", ErrUntrusted, err)
	}
	if err := holds(namespace, message, sig, sig.PublicKey); err != nil {
		return "", err
	}
	return publicKey(sig.PublicKey), nil
}

func unarmor(armored []byte) (*sshsig.Signature, error) {
	sig, err := sshsig.Unarmor(armored)
	if err != nil || !exactArmor(armored) {
		return nil, fmt.Errorf("%w: it is not an SSH signature", ErrUntrusted)
	}
	return sig, nil
}

// exactArmor says whether armor is written in the one way there is. Decoders pass over spaces, and over bits at
// the end that carry nothing; here no bit may change unnoticed.
func exactArmor(armored []byte) bool {
	body, begins := bytes.CutPrefix(armored, []byte("-----BEGIN SSH SIGNATURE-----"))
	body, ends := bytes.CutSuffix(bytes.TrimRight(body, "\r\n"), []byte("-----END SSH SIGNATURE-----"))
	_, err := base64.StdEncoding.Strict().DecodeString(string(body)) // it passes over line ends only
	return begins && ends && err == nil
}

func holds(namespace Namespace, message []byte, sig *sshsig.Signature, key ssh.PublicKey) error {
	if err := sshsig.Verify(bytes.NewReader(message), sig, key, sig.HashAlgorithm, string(namespace)); err != nil {
		if touchless(sig) {
			return fmt.Errorf("%w: the security key was not touched", ErrUntrusted)
		}
		return fmt.Errorf("%w: it was made over other bytes or for another use", ErrUntrusted)
	}
	return nil
}

// touchless says that a security key signed without proof that somebody was there. The flags come first in
// what follows the signature (OpenSSH's PROTOCOL.u2f); package ssh refuses such a signature.
func touchless(sig *sshsig.Signature) bool {
	const userPresent = 1
	rest := sig.Signature.Rest
	return strings.HasPrefix(sig.PublicKey.Type(), "sk-") && len(rest) > 0 && rest[0]&userPresent == 0
}

func fit(key ssh.PublicKey) error {
	if !personTypes[key.Type()] {
		return fmt.Errorf("a key of type %s is not taken: use ed25519, ecdsa, a security key (sk) or RSA", key.Type())
	}
	if short(key, minPersonRSA) {
		return fmt.Errorf("an RSA key needs %d bits or more: make an ed25519 key", minPersonRSA)
	}
	return nil
}

// short says that a key is an RSA key of fewer bits.
func short(key ssh.PublicKey, bits int) bool {
	held, ok := key.(ssh.CryptoPublicKey)
	if !ok {
		return false // a security key, which is never RSA
	}
	public, ok := held.CryptoPublicKey().(*rsa.PublicKey)
	return ok && public.N.BitLen() < bits
}

func publicKey(key ssh.PublicKey) PublicKey {
	return PublicKey(bytes.TrimSpace(ssh.MarshalAuthorizedKey(key)))
}
