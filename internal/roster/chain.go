package roster

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/lifeboat-dr/lifeboat/internal/plan"
	"github.com/lifeboat-dr/lifeboat/internal/signature"
)

// What is wrong with a chain of versions, for those who have to tell one from the other.
var (
	// ErrForeign says that the first version is not the one that was pinned: another roster.
	ErrForeign = errors.New("the roster does not begin with the pinned version")
	// ErrUnsigned says that a version lacks signatures of owners of the version before: an edit, or a version
	// that is not finished.
	ErrUnsigned = errors.New("a version of the roster is not signed by enough owners")
	// ErrBroken says that versions do not follow each other: a gap, an edit, a change that is not allowed.
	ErrBroken = errors.New("the versions of the roster do not follow each other")
	// ErrDowngraded says that newer versions, which were seen before, are missing.
	ErrDowngraded = errors.New("the roster is older than one that was seen before")
	// ErrForked says that a version is another one than was seen before under its number.
	ErrForked = errors.New("the roster was forked")
)

// maxChain bounds a roster's file in bytes, and maxVersions what is in it.
const (
	maxChain    = 32 << 20
	maxVersions = 10000
)

// clockSkew is how far a clock of ours and of whoever signed may be apart.
const clockSkew = 2 * time.Minute

// Chain is every version of a roster, the first one first. Only [Chain.Verify] makes it worth anything.
type Chain struct {
	Format   int              `json:"format"`
	Versions []*SignedVersion `json:"versions"`
}

// Mark is a version that somebody has seen: what the vaults hold, what a worker remembers.
type Mark struct {
	Number int    `json:"number"`
	Digest string `json:"digest"`
	// Place is where it was seen, such as "vault west"; empty for this process.
	Place string `json:"place,omitempty"`
}

// seen says where, for a person.
func (m Mark) seen() string {
	if m.Place == "" {
		return "was seen"
	}
	return "lies in " + m.Place
}

// ParseChain reads a roster's file without trusting it.
func ParseChain(data []byte) (*Chain, error) {
	if len(data) > maxChain {
		return nil, fmt.Errorf("parse roster: %d bytes are too many", len(data))
	}
	var c Chain
	if err := strict(data, &c); err != nil {
		return nil, fmt.Errorf("parse roster: %w", err)
	}
	if c.Format != 1 {
		return nil, fmt.Errorf("parse roster: format %d is not known, only 1", c.Format)
	}
	if n := len(c.Versions); n == 0 || n > maxVersions {
		return nil, fmt.Errorf("parse roster: it has %d versions, 1 to %d are allowed", n, maxVersions)
	}
	for i, v := range c.Versions {
		if v == nil {
			return nil, fmt.Errorf("parse roster: version %d is missing", i+1)
		}
	}
	return &c, nil
}

// Bytes is the chain as a file.
func (c *Chain) Bytes() ([]byte, error) {
	data, err := json.MarshalIndent(c, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("render roster: %w", err)
	}
	return append(data, '\n'), nil
}

// Fingerprint is what workers pin: the digest of the first version.
func (c *Chain) Fingerprint() string { return c.Versions[0].Digest() }

// Verify returns the newest version when the whole chain holds: it begins with the pinned version, each
// version is signed by enough distinct owners of the version before (the first by its own), with keys that
// counted when it was issued, and it still contains every version that was seen before. What was never seen
// cannot be missed: a downgrade is found by whoever gives its marks, one for each place that remembers.
func (c *Chain) Verify(fingerprint string, now time.Time, seen ...Mark) (*Roster, error) {
	if c.Fingerprint() != fingerprint {
		return nil, fmt.Errorf("%w: it begins with %s, pinned is %q; a file of another Lifeboat, or edited from the start", ErrForeign, c.Fingerprint(), fingerprint)
	}
	history := make([]Version, 0, len(c.Versions))
	for i, signed := range c.Versions {
		v, err := signed.Read()
		if err != nil {
			return nil, fmt.Errorf("%w: version %d: %w", ErrBroken, i+1, err)
		}
		if v.Number != i+1 {
			return nil, fmt.Errorf("%w: version %d stands where version %d belongs", ErrBroken, v.Number, i+1)
		}
		if v.Issued.After(now.Add(clockSkew)) {
			return nil, fmt.Errorf("%w: version %d is issued at %s, which has not come yet: check this machine's clock", ErrBroken, v.Number, v.Issued.Format(time.RFC3339))
		}
		judges := v
		if i > 0 {
			judges = history[i-1]
			if v.Previous != c.Versions[i-1].Digest() {
				return nil, fmt.Errorf("%w: version %d was made after another version %d than this one", ErrBroken, v.Number, i)
			}
			if err := v.follows(judges); err != nil {
				return nil, fmt.Errorf("%w: version %d: %w", ErrBroken, v.Number, err)
			}
		}
		if err := signed.signedBy(judges, v); err != nil {
			return nil, err
		}
		history = append(history, v)
	}
	for _, mark := range seen {
		if err := c.contains(mark); err != nil {
			return nil, err
		}
	}
	newest := len(history) - 1
	return &Roster{Version: history[newest], digest: c.Versions[newest].Digest()}, nil
}

func (c *Chain) contains(mark Mark) error {
	switch {
	case mark.Number == 0:
		return nil
	case mark.Number > len(c.Versions):
		return fmt.Errorf("%w: it ends with version %d, and version %d %s: get the newest (lifeboat roster fetch)", ErrDowngraded, len(c.Versions), mark.Number, mark.seen())
	case mark.Number < 0 || c.Versions[mark.Number-1].Digest() != mark.Digest:
		return fmt.Errorf("%w: version %d is %s here, and %s %s: owners signed two versions of the same number; find out why before anything else", ErrForked, mark.Number, c.Versions[max(mark.Number, 1)-1].Digest(), mark.Digest, mark.seen())
	}
	return nil
}

// signedBy counts distinct owners of the version that decides, whose keys counted when the new one was issued.
func (s *SignedVersion) signedBy(judges, issued Version) error {
	signers, refused := signers(judges.People, signature.Roster, s.Signed, s.Signatures, plan.RoleOwner, issued.Issued)
	if len(signers) < judges.Required {
		return errors.Join(fmt.Errorf("%w: version %d has %d of %d: an edited file, or a version that is not finished (lifeboat roster sign)", ErrUnsigned, issued.Number, len(signers), judges.Required), refused)
	}
	return nil
}

// Complete says whether enough owners signed a version that would follow the chain, and who did so far. An
// empty chain (nil) is followed by a first version.
func (c *Chain) Complete(next *SignedVersion) (complete bool, by []string, required int, err error) {
	v, err := next.Read()
	if err != nil {
		return false, nil, 0, err
	}
	judges := v
	if c != nil && len(c.Versions) > 0 {
		last := c.Versions[len(c.Versions)-1]
		if judges, err = last.Read(); err != nil {
			return false, nil, 0, err
		}
		if v.Number != judges.Number+1 || v.Previous != last.Digest() {
			return false, nil, 0, fmt.Errorf("%w: the draft was made after another version than the newest: remove the draft and make it again", ErrBroken)
		}
		if err := v.follows(judges); err != nil {
			return false, nil, 0, fmt.Errorf("%w: %w", ErrBroken, err)
		}
	}
	by, _ = signers(judges.People, signature.Roster, next.Signed, next.Signatures, plan.RoleOwner, v.Issued)
	return len(by) >= judges.Required, by, judges.Required, nil
}
