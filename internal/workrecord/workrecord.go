// Package workrecord seals what workers of one fleet note for each other in a vault: the plan of a
// snapshot, the result of a finished chunk, whose a half-written object is. Only the fleet's key opens
// and makes them, so nobody else can slip one in; no restore ever needs one.
//
// A record is XChaCha20-Poly1305 under a key of its own backup, derived with HKDF-SHA256 from the fleet's
// key; the object's key is authenticated with it, so a record cannot be moved.
package workrecord

import (
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"

	"golang.org/x/crypto/chacha20poly1305"

	"github.com/lifeboat-dr/lifeboat/internal/secret"
)

// keyBytes is the size of a fleet key.
const keyBytes = 32

// idBytes is how much of a key's digest names it in records.
const idBytes = 4

// ErrForeign says that a record was not made by this fleet for this place.
var ErrForeign = errors.New("not a record of this fleet for this place")

// Key is one fleet key. It prints as nothing.
type Key struct {
	id    [idBytes]byte
	value secret.String
}

// Keys are the fleet's keys: the first one writes, all of them open.
type Keys []Key

// ParseKeys reads fleet keys: 32 random bytes in base64 each, as `openssl rand -base64 32` makes them.
func ParseKeys(texts []secret.String) (Keys, error) {
	if len(texts) == 0 {
		return nil, errors.New("there is no fleet key: make one with openssl rand -base64 32")
	}
	var keys Keys
	for i, text := range texts {
		raw, err := base64.StdEncoding.DecodeString(text.Reveal())
		if err != nil || len(raw) != keyBytes {
			return nil, fmt.Errorf("fleet key %d is not 32 bytes in base64: make one with openssl rand -base64 32", i)
		}
		sum := sha256.Sum256(append([]byte("lifeboat fleet key id v1"), raw...))
		keys = append(keys, Key{id: [idBytes]byte(sum[:idBytes]), value: secret.New(string(raw))})
	}
	return keys, nil
}

// ID names the key without telling it.
func (k Key) ID() string { return hex.EncodeToString(k.id[:]) }

// Derive makes a 32-byte key for one use from the fleet's key.
func (k Key) Derive(use string) ([]byte, error) {
	derived, err := hkdf.Key(sha256.New, []byte(k.value.Reveal()), nil, use, keyBytes)
	if err != nil {
		return nil, fmt.Errorf("derive key: %w", err)
	}
	return derived, nil
}

// Box seals and opens the records of one backup.
type Box struct {
	ids  [][idBytes]byte
	aead []cipher.AEAD
	mac  [][]byte
}

// New makes the box of a backup.
func New(keys Keys, component, backup string) (*Box, error) {
	if len(keys) == 0 {
		return nil, errors.New("there is no fleet key")
	}
	b := &Box{}
	for _, k := range keys {
		sealing, err := k.Derive("lifeboat work record v1/" + component + "/" + backup)
		if err != nil {
			return nil, err
		}
		aead, err := chacha20poly1305.NewX(sealing)
		if err != nil {
			return nil, fmt.Errorf("make cipher: %w", err)
		}
		mac, err := k.Derive("lifeboat object mac v1/" + component + "/" + backup)
		if err != nil {
			return nil, err
		}
		b.ids, b.aead, b.mac = append(b.ids, k.id), append(b.aead, aead), append(b.mac, mac)
	}
	return b, nil
}

// Seal renders a value as the record for one object key.
func (b *Box) Seal(objectKey string, value any) ([]byte, error) {
	text, err := json.Marshal(value)
	if err != nil {
		return nil, fmt.Errorf("render record: %w", err)
	}
	out := append([]byte{}, b.ids[0][:]...)
	nonce := make([]byte, chacha20poly1305.NonceSizeX)
	_, _ = rand.Read(nonce) // it never fails since Go 1.24
	out = append(out, nonce...)
	return b.aead[0].Seal(out, nonce, text, []byte(objectKey)), nil
}

// Open reads the record of an object key. Anything that was not sealed for this very key is [ErrForeign].
func (b *Box) Open(objectKey string, data []byte, into any) error {
	const header = idBytes + chacha20poly1305.NonceSizeX
	if len(data) < header {
		return ErrForeign
	}
	for i, id := range b.ids {
		if id != [idBytes]byte(data[:idBytes]) {
			continue
		}
		text, err := b.aead[i].Open(nil, data[idBytes:header], data[header:], []byte(objectKey))
		if err != nil {
			return ErrForeign
		}
		if err := json.Unmarshal(text, into); err != nil {
			return fmt.Errorf("parse record: %w", err)
		}
		return nil
	}
	return fmt.Errorf("%w: it was sealed with a fleet key that this worker does not have", ErrForeign)
}

// MAC authenticates a text for one object key, as lower-case hex behind the id of the key that made it.
func (b *Box) MAC(objectKey, text string) string {
	return hex.EncodeToString(b.ids[0][:]) + hex.EncodeToString(sum(b.mac[0], objectKey, text))
}

// CheckMAC says whether a MAC was made by this fleet for this object key and text.
func (b *Box) CheckMAC(objectKey, text, mac string) bool {
	raw, err := hex.DecodeString(mac)
	if err != nil || len(raw) != idBytes+sha256.Size {
		return false
	}
	for i, id := range b.ids {
		if id == [idBytes]byte(raw[:idBytes]) {
			return hmac.Equal(raw[idBytes:], sum(b.mac[i], objectKey, text))
		}
	}
	return false
}

func sum(key []byte, objectKey, text string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(objectKey))
	h.Write([]byte{0})
	h.Write([]byte(text))
	return h.Sum(nil)
}
