// Package roster knows who may decide. The roster is a chain of versions, each signed by owners of the version
// before; who pins the first one can trust the last one. The package signs and checks what people say with it:
// commands to executions, work orders, runbooks, standing orders. What those allow is arithmetic of package plan.
package roster

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/lifeboat-dr/lifeboat/internal/manifest"
	"github.com/lifeboat-dr/lifeboat/internal/plan"
	"github.com/lifeboat-dr/lifeboat/internal/signature"
)

// maxOrder bounds a signed order in bytes: it is one page of text.
const maxOrder = 64 << 10

// Signed is an order with its owners' signatures, each an SSHSIG over the exact text of Order in the
// namespace of orders, so that `jq -j .signed | ssh-keygen -Y verify` checks it.
type Signed struct {
	Order      string   `json:"signed"`
	Signatures []string `json:"signatures"`
}

// Sign adds an owner's signature to the text of an order.
func (s *Signed) Sign(signer *signature.Signer) error {
	armored, err := signer.Sign(signature.Order, []byte(s.Order))
	if err != nil {
		return fmt.Errorf("sign order: %w", err)
	}
	s.Signatures = append(s.Signatures, string(armored))
	return nil
}

// SignedBy says whether a key has signed the order already.
func (s *Signed) SignedBy(key signature.PublicKey) bool {
	return slices.ContainsFunc(s.Signatures, func(armored string) bool {
		by, err := signature.SignedBy(signature.Order, []byte(s.Order), []byte(armored))
		return err == nil && by == key
	})
}

// NewSigned renders an order as the text that owners sign.
func NewSigned(order plan.Order) (*Signed, error) {
	if err := order.Validate(); err != nil {
		return nil, fmt.Errorf("check order: %w", err)
	}
	text, err := json.MarshalIndent(order, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("render order: %w", err)
	}
	return &Signed{Order: string(text)}, nil
}

// Digest identifies an order: the SHA-256 of its text, in hex.
func (s *Signed) Digest() string {
	sum := sha256.Sum256([]byte(s.Order))
	return hex.EncodeToString(sum[:])
}

// Bytes is the signed order as a file.
func (s *Signed) Bytes() ([]byte, error) {
	data, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("render order: %w", err)
	}
	return append(data, '\n'), nil
}

// ParseSigned reads a signed order without trusting it.
func ParseSigned(data []byte) (*Signed, error) {
	if len(data) > maxOrder {
		return nil, fmt.Errorf("parse order: %d bytes are too many for an order", len(data))
	}
	var s Signed
	if err := strict(data, &s); err != nil {
		return nil, fmt.Errorf("parse order: %w", err)
	}
	return &s, nil
}

// Open returns the order when at least required distinct owners signed it and their keys hold at time now.
func (s *Signed) Open(owners *signature.Verifier, required int, now time.Time) (plan.Order, error) {
	signed := map[string]bool{}
	var refused []error
	for _, armored := range s.Signatures {
		who, err := owners.Verify(signature.Order, []byte(s.Order), []byte(armored), now)
		if err != nil {
			refused = append(refused, err)
			continue
		}
		signed[who] = true
	}
	if len(signed) < max(1, required) {
		return plan.Order{}, errors.Join(fmt.Errorf("the order is signed by %d owners, %d are needed", len(signed), max(1, required)), errors.Join(refused...))
	}
	return s.read()
}

// OpenBy is Open with the owners of a roster: as many as its version asks for, with keys that count now. What
// an owner signed who was removed since, or whose key was revoked, does not count any more.
func (s *Signed) OpenBy(r *Roster, now time.Time) (plan.Order, error) {
	by, refused := r.SignersOf(signature.Order, s.Order, s.Signatures, plan.RoleOwner, now)
	if required := max(1, r.Version.Required); len(by) < required {
		return plan.Order{}, errors.Join(fmt.Errorf("the order is signed by %d owners of the roster, %d are needed (lifeboat order sign)", len(by), required), refused)
	}
	return s.read()
}

// read is the order, whoever signed it.
func (s *Signed) read() (plan.Order, error) {
	var order plan.Order
	if err := strict([]byte(s.Order), &order); err != nil {
		return plan.Order{}, fmt.Errorf("parse order: %w", err)
	}
	if err := order.Validate(); err != nil {
		return plan.Order{}, fmt.Errorf("check order: %w", err)
	}
	return order, nil
}

// strict reads JSON one way only, as manifests are read.
func strict(data []byte, into any) error { return manifest.Decode(data, into) }
