package epoch

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"sync"
	"time"

	"github.com/lifeboat-dr/lifeboat/internal/manifest"
	"github.com/lifeboat-dr/lifeboat/internal/store"
)

// mostSpoiled is how many numbers in a row may be unusable before somebody has to look.
const mostSpoiled = 32

// Claim asks for the next epoch.
type Claim struct {
	// Believed is the epoch that the execution was begun in; nothing is taken when a later one was.
	Believed int64
	// Primaries are the components that move, each with the site where it lives from then on.
	Primaries map[string]string
	// Execution takes it, and Brief is the digest of what its commander signed.
	Execution, Brief string
}

// Take takes the next epoch: the claimant's record, written once into a majority of all vaults. It is safe to
// repeat by the same execution, also when it was killed half-way; nobody else finishes what it began. ErrOvertaken
// says that another execution has the epoch, ErrAway that too few vaults answer to know.
//
// A number that nobody can win any more, because vaults hold several records or rubbish under it, is left out.
func (l *Ledger) Take(ctx context.Context, c Claim) (Record, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.Signer == nil {
		return Record{}, errors.New("take epoch: this process has no key to sign with")
	}
	seen, err := l.ask(ctx)
	if err != nil {
		return Record{}, err
	}
	primaries := maps.Clone(seen.Current.Primaries)
	if primaries == nil {
		primaries = map[string]string{}
	}
	maps.Copy(primaries, c.Primaries)
	mine := Record{
		Format: Format, Application: l.Application, Primaries: primaries, Execution: c.Execution, Brief: c.Brief,
		Taken: l.now().UTC().Truncate(time.Millisecond),
	}
	for n := c.Believed + 1; n <= max(c.Believed, seen.Highest)+mostSpoiled; n++ {
		mine.Number = n
		record, done, err := l.verdict(seen, mine, false)
		if err != nil || done {
			return record, err
		}
		// Every free place is filled, also where it cannot be won any more: a place that stays free would let
		// somebody else win the number after it was given up here.
		var written error
		if seen.standing(mine).free > 0 {
			written = l.write(ctx, seen, mine)
			if seen, err = l.ask(ctx); err != nil {
				return Record{}, err
			}
		}
		record, done, err = l.verdict(seen, mine, true)
		if errors.Is(err, ErrAway) {
			err = errors.Join(err, written)
		}
		if err != nil || done {
			return record, err
		}
	}
	return Record{}, fmt.Errorf("take epoch: %d numbers from %d on are unusable in the vaults: somebody fills %s with rubbish", mostSpoiled, c.Believed+1, l.prefix())
}

// verdict says whether a number is the claimant's, somebody else's (ErrOvertaken) or undecided while vaults are away
// (ErrAway). Otherwise it can still be won or, once written says that the free places were filled, by nobody.
func (l *Ledger) verdict(seen Seen, mine Record, written bool) (Record, bool, error) {
	s, needed := seen.standing(mine), majority(seen.Vaults)
	switch current := seen.Current; {
	case current.Number >= mine.Number && current.Execution != mine.Execution:
		return Record{}, false, fmt.Errorf("take epoch %d: %w: %s took epoch %d at %s", mine.Number, ErrOvertaken, current.Execution, current.Number, current.Taken.Format(time.RFC3339))
	case s.mine >= needed:
		return s.record, true, nil
	case s.mine+s.free < needed && s.mine+s.free+seen.away() >= needed, written && s.free > 0:
		return Record{}, false, fmt.Errorf("take epoch %d: %w: %w", mine.Number, ErrAway, errors.Join(seen.Unreached...))
	}
	return Record{}, false, nil
}

// standing is how the vaults that answered stand on a number, seen by one claimant.
type standing struct {
	// mine hold the claimant's record, and free hold nothing.
	mine, free int
	record     Record
	document   []byte
}

func (s Seen) standing(claimed Record) standing {
	out := standing{free: len(s.Reached) - len(s.places[claimed.Number])}
	for _, p := range s.places[claimed.Number] {
		if p.held && p.record.Execution == claimed.Execution && p.record.Brief == claimed.Brief {
			out.mine++
			out.record, out.document = p.record, p.document
		}
	}
	return out
}

// write puts the record into every vault that has none. What an earlier try wrote elsewhere is written word for word.
func (l *Ledger) write(ctx context.Context, seen Seen, mine Record) error {
	document := seen.standing(mine).document
	if document == nil {
		var err error
		if document, err = Sign(l.Signer, mine); err != nil {
			return err
		}
	}
	errs := make([]error, len(l.Vaults))
	var wg sync.WaitGroup
	for i, vault := range l.Vaults {
		wg.Go(func() { errs[i] = l.create(ctx, vault, l.prefix()+manifest.EpochName(mine.Number), document) })
	}
	wg.Wait()
	return errors.Join(errs...)
}

func (l *Ledger) create(ctx context.Context, vault Vault, key string, document []byte) error {
	if l.Patience > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, l.Patience)
		defer cancel()
	}
	opt := store.CreateOptions{ContentType: "application/json"}
	if vault.Retain > 0 {
		opt.RetainUntil = l.now().Add(vault.Retain)
	}
	_, err := vault.Store.Create(ctx, key, document, opt)
	if err == nil || errors.Is(err, store.ErrExists) {
		return nil // what holds there is read back
	}
	return fmt.Errorf("vault %s: %w", vault.Name, err)
}

// Takeable says why no epoch could be taken now: too few vaults answer.
func (s Seen) Takeable() error {
	if len(s.Reached) >= majority(s.Vaults) {
		return nil
	}
	return fmt.Errorf("%d of %d vaults have to take it: %w: %w", majority(s.Vaults), s.Vaults, ErrAway, errors.Join(s.Unreached...))
}

// In is a ledger of other epochs in the same vaults, such as those of a drill.
func (l *Ledger) In(prefix string) *Ledger {
	return &Ledger{Application: l.Application, Vaults: l.Vaults, Signers: l.Signers, Signer: l.Signer, Patience: l.Patience, Fresh: l.Fresh, Prefix: prefix, Now: l.Now}
}
