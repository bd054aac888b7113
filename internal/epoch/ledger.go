package epoch

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/lifeboat-dr/lifeboat/internal/manifest"
	"github.com/lifeboat-dr/lifeboat/internal/signature"
	"github.com/lifeboat-dr/lifeboat/internal/store"
)

const (
	// maxObjects bounds how many objects below the prefix are looked at, maxDocument how long one may be.
	maxObjects  = 20_000
	maxDocument = 1 << 20
	// longFresh is how long an answer counts to which a vault was missing: else a dead region would hold up every
	// step by a vault's patience.
	longFresh = 5
)

// Vault is one of the places that hold epochs.
type Vault struct {
	Name  string
	Store store.Store
	// Retain is how long a record is locked; zero leaves it unlocked.
	Retain time.Duration
}

// Ledger reads and takes epochs.
type Ledger struct {
	Application string
	// Vaults are all configured ones: a majority is counted among them, also those that are away.
	Vaults []Vault
	// Signers are those whose records are believed.
	Signers *signature.Verifier
	// Signer signs new ones; nil where only the reading is wanted.
	Signer *signature.Signer
	// Patience bounds how long one vault may take, and Fresh how long an answer is believed without asking again:
	// five times as long when a vault did not answer.
	Patience, Fresh time.Duration
	// Prefix is where the records are; empty means production's.
	Prefix string
	// Now is the clock; nil means the system's.
	Now func() time.Time

	mu   sync.Mutex
	last *Seen
	// read are the objects that were read before: what a version holds never changes.
	read map[objectID]place
}

type objectID struct{ vault, key, version string }

func (l *Ledger) now() time.Time {
	if l.Now != nil {
		return l.Now()
	}
	return time.Now()
}

func (l *Ledger) prefix() string {
	if l.Prefix != "" {
		return l.Prefix
	}
	return manifest.EpochsPrefix
}

// Look says what the vaults hold, or held some seconds ago. Vaults that are away are no error as long as one
// answers; with none the error is ErrAway.
func (l *Ledger) Look(ctx context.Context) (Seen, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if last := l.last; last != nil {
		fresh := l.Fresh
		if last.away() > 0 {
			fresh *= longFresh
		}
		if age := l.now().Sub(last.At); age >= 0 && age < fresh {
			return *last, nil
		}
	}
	return l.ask(ctx)
}

// LookNow is Look without believing an earlier answer.
func (l *Ledger) LookNow(ctx context.Context) (Seen, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.ask(ctx)
}

// ask reads every vault; the lock is held.
func (l *Ledger) ask(ctx context.Context) (Seen, error) {
	type answer struct {
		places   map[int64]place
		problems []error
		err      error
	}
	answers := make([]answer, len(l.Vaults))
	var wg sync.WaitGroup
	var reading sync.Mutex
	if l.read == nil {
		l.read = map[objectID]place{}
	}
	for i, vault := range l.Vaults {
		wg.Go(func() {
			a := &answers[i]
			a.places, a.problems, a.err = l.list(ctx, vault, &reading)
		})
	}
	began := l.now()
	wg.Wait()
	seen := Seen{Vaults: len(l.Vaults), At: began, places: map[int64][]place{}}
	for i, a := range answers {
		name := l.Vaults[i].Name
		if a.err != nil {
			seen.Unreached = append(seen.Unreached, fmt.Errorf("vault %s: %w", name, a.err))
			continue
		}
		seen.Reached = append(seen.Reached, name)
		for _, problem := range a.problems {
			seen.Problems = append(seen.Problems, fmt.Errorf("vault %s: %w", name, problem))
		}
		for n, p := range a.places {
			seen.places[n] = append(seen.places[n], p)
		}
	}
	if ctx.Err() != nil {
		return Seen{}, ctx.Err()
	}
	if len(seen.Reached) == 0 {
		return Seen{}, fmt.Errorf("read the epoch: %w: %w", ErrAway, errors.Join(seen.Unreached...))
	}
	seen.count()
	l.last = &seen
	return seen, nil
}

// list reads one vault: per number the oldest validly signed record, or that something else is there.
func (l *Ledger) list(ctx context.Context, vault Vault, reading *sync.Mutex) (places map[int64]place, problems []error, err error) {
	if l.Patience > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, l.Patience)
		defer cancel()
	}
	places = map[int64]place{}
	looked := 0
	for object, err := range vault.Store.Versions(ctx, l.prefix()) {
		if err != nil {
			return nil, nil, err
		}
		number, ok := numberOf(strings.TrimPrefix(object.Key, l.prefix()))
		if !ok || object.DeleteMarker || places[number].held {
			continue
		}
		if looked++; looked > maxObjects {
			return nil, nil, fmt.Errorf("more than %d objects lie below %s: somebody fills it with rubbish", maxObjects, l.prefix())
		}
		p, problem, err := l.open(ctx, vault, object, number, reading)
		if err != nil {
			return nil, nil, err
		}
		if problem != nil {
			problems = append(problems, fmt.Errorf("%s: %w", object.Key, problem))
		}
		places[number] = p
	}
	return places, problems, nil
}

// open reads one object, once. An error is the vault's; a problem is the object's.
func (l *Ledger) open(ctx context.Context, vault Vault, object store.Object, number int64, reading *sync.Mutex) (p place, problem, err error) {
	id := objectID{vault.Name, object.Key, object.Version}
	reading.Lock()
	known, ok := l.read[id]
	reading.Unlock()
	if ok {
		return known, nil, nil
	}
	p = place{vault: vault.Name}
	body, _, err := vault.Store.Open(ctx, object.Key, object.Version)
	if errors.Is(err, store.ErrNotFound) || errors.Is(err, store.ErrCorrupt) {
		return p, err, nil
	}
	if err != nil {
		return p, nil, err
	}
	defer body.Close()
	p.document, err = io.ReadAll(io.LimitReader(body, maxDocument))
	if errors.Is(err, store.ErrCorrupt) {
		return p, err, nil
	}
	if err != nil {
		return p, nil, err
	}
	if p.record, problem = l.believe(p.document, number, object.Modified); problem != nil {
		return p, problem, nil
	}
	p.held = true
	reading.Lock()
	l.read[id] = p
	reading.Unlock()
	return p, nil, nil
}

// believe reads a record whose signature held when the store says that it was written.
func (l *Ledger) believe(data []byte, number int64, at time.Time) (Record, error) {
	doc, err := manifest.ParseDocument(data)
	if err != nil {
		return Record{}, err
	}
	if _, err := l.Signers.Verify(signature.Epoch, []byte(doc.Signed), []byte(doc.Signature), at); err != nil {
		return Record{}, err
	}
	r, err := decode(doc.Signed)
	if err != nil {
		return Record{}, err
	}
	return r, r.validate(l.Application, number)
}

// numberOf reads the number in an object's name, as [manifest.EpochKey] writes it.
func numberOf(name string) (int64, bool) {
	text, ok := strings.CutSuffix(name, ".json")
	n, err := strconv.ParseInt(text, 10, 64)
	return n, ok && err == nil && n > 0 && name == manifest.EpochName(n)
}
