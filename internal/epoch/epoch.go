// Package epoch is the number that grows with every failover, and the fence of engines against each other: whoever
// believes in a lower one than the vaults hold was overtaken, and does nothing any more.
//
// An epoch is a signed record in every vault, created once. Of several versions in one vault the oldest validly
// signed one holds. An epoch is taken when the same execution's record holds in a majority of all configured
// vaults; so two never take the same number. It is believed as soon as it may have been taken: when the vaults
// that hold it and those that do not answer are a majority together. What this guarantees:
//
//   - one vault: it decides, and without it nothing is taken and nothing is done;
//   - two vaults: both are needed to take an epoch, either one is enough to see it;
//   - three vaults: two are needed to take it, and any two see it. With one alone an epoch may be overlooked, and
//     [Seen.Blind] says so.
//
// What one process saw it believes for some seconds ([Ledger.Fresh]), so an overtaken execution may finish what it
// began within them. Doors know their own epoch and are asked at every change.
package epoch

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/lifeboat-dr/lifeboat/internal/manifest"
	"github.com/lifeboat-dr/lifeboat/internal/signature"
)

// Format is the version of the record's format.
const Format = 1

// Record is one epoch, as it was taken.
type Record struct {
	Format      int    `json:"format"`
	Number      int64  `json:"number"`
	Application string `json:"application"`
	// Primaries are the sites where components live from this epoch on, by component. Those that no failover has
	// ever moved are absent: they live where the configuration's source is.
	Primaries map[string]string `json:"primaries"`
	// Execution took it, and Brief is the digest of what its commander signed.
	Execution string    `json:"execution"`
	Brief     string    `json:"brief"`
	Taken     time.Time `json:"taken"`
}

// same says whether two records are of one take; the time may differ, since a try may be repeated.
func (r Record) same(o Record) bool {
	return r.Number == o.Number && r.Application == o.Application && r.Execution == o.Execution && r.Brief == o.Brief && maps.Equal(r.Primaries, o.Primaries)
}

// validate says why a record does not hold in the place where it lies.
func (r Record) validate(application string, number int64) error {
	switch {
	case r.Format != Format:
		return fmt.Errorf("format %d is not known, only %d", r.Format, Format)
	case r.Application != application:
		return fmt.Errorf("it is of application %q: two applications share the vault, give each a prefix of its own", r.Application)
	case r.Number != number:
		return fmt.Errorf("it is of epoch %d", r.Number)
	case r.Execution == "" || len(r.Brief) != 64 || r.Taken.IsZero():
		return errors.New("it does not say who took it and when")
	}
	for component, site := range r.Primaries {
		if !manifest.ValidComponent(component) || site == "" {
			return fmt.Errorf("it says that %q lives at %q", component, site)
		}
	}
	return nil
}

func decode(text string) (r Record, err error) {
	return r, manifest.Decode([]byte(text), &r)
}

// Sign makes the document of a record, as it lies in a vault.
func Sign(signer *signature.Signer, r Record) ([]byte, error) {
	text, err := json.Marshal(r)
	if err != nil {
		return nil, fmt.Errorf("write epoch %d: %w", r.Number, err)
	}
	sig, err := signer.Sign(signature.Epoch, text)
	if err != nil {
		return nil, fmt.Errorf("sign epoch %d: %w", r.Number, err)
	}
	return manifest.Document{Signed: string(text), Signature: string(sig)}.Bytes()
}

// ErrOvertaken says that a later epoch was taken, by another execution.
var ErrOvertaken = errors.New("overtaken by a later epoch")

// ErrAway says that too few vaults answered to decide. Asking again later helps.
var ErrAway = errors.New("too few vaults answer")

// Seen is what the vaults hold.
type Seen struct {
	// Current is the highest epoch that was taken, as far as the vaults that answered show; its number is 0 when
	// none ever was.
	Current Record
	// Highest is the highest number of which any vault that answered holds a valid record. It is above Current
	// when a take was begun and is known not to be whole.
	Highest int64
	// Vaults is how many there are, and Reached the names of those that answered.
	Vaults  int
	Reached []string
	// Unreached is why the others did not, and Problems are objects that pretend to be epochs.
	Unreached []error
	Problems  []error
	// At is when the vaults were asked.
	At time.Time

	places map[int64][]place
}

// place is what one vault has under one number: a record, or something that is none.
type place struct {
	vault  string
	held   bool
	record Record
	// document is the whole object, to be written to other vaults.
	document []byte
}

// Primary is the site where a component lives: that of the newest epoch that names it, else home.
func (s Seen) Primary(component, home string) string {
	if site := s.Current.Primaries[component]; site != "" {
		return site
	}
	return home
}

// PrimaryIn is Primary as it was in an earlier epoch.
func (s Seen) PrimaryIn(number int64, component, home string) string {
	numbers := slices.Sorted(maps.Keys(s.places))
	slices.Reverse(numbers)
	for _, n := range numbers {
		if r, held := s.leader(n); n <= number && held > 0 {
			return Seen{Current: r}.Primary(component, home)
		}
	}
	return home
}

// Blind says that an epoch may have been taken without being seen, because too few vaults answer.
func (s Seen) Blind() bool { return len(s.Reached) <= s.Vaults-majority(s.Vaults) }

func majority(vaults int) int { return vaults/2 + 1 }

// away is how many vaults did not answer.
func (s Seen) away() int { return s.Vaults - len(s.Reached) }

// count finds the current epoch and the highest number.
func (s *Seen) count() {
	numbers := slices.Sorted(maps.Keys(s.places))
	slices.Reverse(numbers)
	for _, n := range numbers {
		best, held := s.leader(n)
		if held == 0 {
			continue
		}
		s.Highest = max(s.Highest, n)
		if held+s.away() >= majority(s.Vaults) {
			s.Current = best
			return
		}
	}
}

// leader is the record that most vaults hold under a number, and how many do.
func (s Seen) leader(n int64) (best Record, held int) {
	for _, p := range s.places[n] {
		if !p.held {
			continue
		}
		count := 0
		for _, other := range s.places[n] {
			if other.held && other.record.same(p.record) {
				count++
			}
		}
		if count > held {
			best, held = p.record, count
		}
	}
	return best, held
}
