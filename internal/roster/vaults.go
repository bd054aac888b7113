package roster

import (
	"context"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/lifeboat-dr/lifeboat/internal/manifest"
	"github.com/lifeboat-dr/lifeboat/internal/store"
)

// maxObjects bounds how many objects below a roster's prefix are looked at: whoever fills a vault with rubbish
// must not keep workers busy.
const maxObjects = 2 * maxVersions

// Vault is one of the places where the versions of a roster are kept besides the file.
type Vault struct {
	Name  string
	Store store.Store
	// Retain is how long a version is locked; zero leaves it unlocked.
	Retain time.Duration
}

// Vaults hold every version of a roster, each as an object of its own that is created once and never changed.
// They remember for everybody what a process forgets when it ends: an older file on a fresh machine is told
// from the newest by what lies there. They are believed for signatures only, like the file.
type Vaults struct {
	Vaults []Vault
	// Fingerprint is the pinned digest of the first version.
	Fingerprint string
	// Patience bounds how long one vault may take, so that a dead region does not hold up a recovery; zero
	// waits as long as the context.
	Patience time.Duration

	mu sync.Mutex
	// read are the objects that were read before: what a version of an object holds never changes.
	read map[objectID]heldVersion
	// renewed are the locks that this process made longer already.
	renewed map[objectID]bool
}

type objectID struct{ vault, key, version string }

// heldVersion is what one object holds, or why it is nothing.
type heldVersion struct {
	signed *SignedVersion
	digest string
	err    error
}

// copyOf is a version of a roster in a vault.
type copyOf struct {
	vault  string
	object store.Object
	heldVersion
}

// Looked is what the vaults were found to hold.
type Looked struct {
	// Marks are the versions that are validly signed, each with where it lies.
	Marks []Mark
	// Reached are the vaults that could be read, and Unreached why the others could not.
	Reached   []string
	Unreached []error
	// Problems are objects that pretend to be versions and are not believed.
	Problems []error

	copies []copyOf
	// believed are all versions that follow from the pinned one, by digest, also those of the chain at hand.
	believed map[string]*SignedVersion
}

// Newest is the version with the highest number; the zero [Mark] when there is none.
func (l Looked) Newest() (newest Mark) {
	for _, m := range l.Marks {
		if m.Number > newest.Number {
			newest = m
		}
	}
	return newest
}

var versionName = regexp.MustCompile(`^(\d{8})-([0-9a-f]{64})\.json$`)

// Look reads every vault. A version counts when enough owners of the one before signed it, from the pinned one
// on; versions of local, the chain at hand, help where a vault lacks one, and may be nil. What is not signed
// well is a problem and changes nothing.
func (v *Vaults) Look(ctx context.Context, local *Chain, now time.Time) Looked {
	found := make([][]copyOf, len(v.Vaults))
	errs := make([]error, len(v.Vaults))
	var wg sync.WaitGroup
	for i, vault := range v.Vaults {
		wg.Go(func() { found[i], errs[i] = v.list(ctx, vault) })
	}
	wg.Wait()
	var l Looked
	for i, vault := range v.Vaults {
		if errs[i] != nil {
			l.Unreached = append(l.Unreached, fmt.Errorf("vault %s: %w", vault.Name, errs[i]))
			continue
		}
		l.Reached = append(l.Reached, vault.Name)
		l.copies = append(l.copies, found[i]...)
	}
	l.believe(v.Fingerprint, local, now)
	return l
}

// list reads every object that is named like a version, also behind delete markers.
func (v *Vaults) list(ctx context.Context, vault Vault) (found []copyOf, err error) {
	if v.Patience > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, v.Patience)
		defer cancel()
	}
	prefix := manifest.RosterPrefix(v.Fingerprint)
	for object, err := range vault.Store.Versions(ctx, prefix) {
		if err != nil {
			return nil, err
		}
		name := versionName.FindStringSubmatch(strings.TrimPrefix(object.Key, prefix))
		if name == nil || object.DeleteMarker {
			continue
		}
		if len(found) == maxObjects {
			return nil, fmt.Errorf("more than %d objects lie below %s: somebody fills it with rubbish", maxObjects, prefix)
		}
		held, err := v.open(ctx, vault, object, name[2])
		if err != nil {
			return nil, err
		}
		if n, err := strconv.Atoi(name[1]); held.err == nil && (err != nil || held.number() != n) {
			held.err = errors.New("it holds a version of another number")
		}
		found = append(found, copyOf{vault.Name, object, held})
	}
	return found, nil
}

// open reads one object, once. An error is the vault's; what is wrong with the object stands in its result.
func (v *Vaults) open(ctx context.Context, vault Vault, object store.Object, digest string) (heldVersion, error) {
	id := objectID{vault.Name, object.Key, object.Version}
	v.mu.Lock()
	held, known := v.read[id]
	v.mu.Unlock()
	if known {
		return held, nil
	}
	body, _, err := vault.Store.Open(ctx, object.Key, object.Version)
	if errors.Is(err, store.ErrNotFound) {
		return heldVersion{err: errors.New("it is listed and not there")}, nil
	}
	if err != nil {
		return held, err
	}
	defer body.Close()
	data, err := io.ReadAll(io.LimitReader(body, 4*maxVersionText))
	switch {
	case errors.Is(err, store.ErrCorrupt):
		held.err = err
	case err != nil:
		return held, err
	default:
		held = readVersion(data, digest)
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.read == nil {
		v.read = map[objectID]heldVersion{}
	}
	v.read[id] = held
	return held, nil
}

// readVersion reads an object that should hold the version with a digest.
func readVersion(data []byte, digest string) heldVersion {
	var signed SignedVersion
	if err := strict(data, &signed); err != nil {
		return heldVersion{err: err}
	}
	if signed.Digest() != digest {
		return heldVersion{err: fmt.Errorf("its text was changed: it has the digest %s", signed.Digest())}
	}
	if _, err := signed.Read(); err != nil {
		return heldVersion{err: err}
	}
	return heldVersion{signed: &signed, digest: digest}
}

// number is the version's number; 0 for none.
func (h heldVersion) number() int {
	if h.signed == nil {
		return 0
	}
	v, err := h.signed.Read()
	if err != nil {
		return 0
	}
	return v.Number
}
