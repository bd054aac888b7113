package evidence

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/lifeboat-dr/lifeboat/internal/manifest"
	"github.com/lifeboat-dr/lifeboat/internal/signature"
	"github.com/lifeboat-dr/lifeboat/internal/store"
)

// Read is a journal that was read back and checked.
type Read struct {
	Entries []Entry
	Head    Head
	// Signers are those who signed entries.
	Signers []string
	// Gaps says which entries a vault lacks, by vault, as numbers.
	Gaps map[string][]int64
	// Problems are vaults that could not be read, and documents that were not believed: what was found in
	// spite of them holds.
	Problems []error
	// documents are the entries as they are stored, with their signatures.
	documents []manifest.Document
}

// candidate is one version of one entry in one vault.
type candidate struct {
	vault   Vault
	version store.Object
}

// Load reads the journal of an execution from all vaults that can be reached, and believes an entry when
// its signature holds at the time the store has for it and it continues the one before. What one vault
// lacks another may have. Two entries that both could be believed in one place are ErrFork; a journal
// with a hole is ErrBroken, and what was read before the hole is returned with it.
func Load(ctx context.Context, vaults []Vault, signers *signature.Verifier, execution string) (*Read, error) {
	if !ValidExecution(execution) {
		return nil, fmt.Errorf("read journal: %q is not the id of an execution, such as data-deletion/database/20261125T030000Z", execution)
	}
	r := &Read{Gaps: map[string][]int64{}}
	found := map[int64][]candidate{}
	reached := 0
	for _, vault := range vaults {
		if err := list(ctx, vault, execution, found); err != nil {
			r.Problems = append(r.Problems, fmt.Errorf("vault %s: %w", vault.Name, err))
			continue
		}
		reached++
	}
	if reached == 0 {
		return nil, fmt.Errorf("read journal of %s: no vault could be read: %w", execution, errors.Join(r.Problems...))
	}
	if len(found) == 0 {
		return nil, fmt.Errorf("read journal of %s: %w", execution, store.ErrNotFound)
	}
	last := slices.Max(slices.Collect(maps.Keys(found)))
	who := map[string]bool{}
	for seq := int64(1); seq <= last; seq++ {
		e, doc, signer, err := r.choose(ctx, signers, execution, seq, found[seq])
		if err != nil {
			return r, err
		}
		who[signer] = true
		r.Entries, r.documents = append(r.Entries, e), append(r.documents, doc)
		r.Head = Head{Seq: seq, Hash: hashOf(doc.Signed)}
		for _, vault := range vaults {
			if !slices.ContainsFunc(found[seq], func(c candidate) bool { return c.vault.Name == vault.Name }) {
				r.Gaps[vault.Name] = append(r.Gaps[vault.Name], seq)
			}
		}
	}
	r.Signers = slices.Sorted(maps.Keys(who))
	return r, nil
}

// list notes every version of every entry of a vault, from the oldest to the newest.
func list(ctx context.Context, vault Vault, execution string, found map[int64][]candidate) error {
	prefix := manifest.ExecutionPrefix(execution)
	for version, err := range vault.Store.Versions(ctx, prefix) {
		if err != nil {
			return err
		}
		name, isEntry := strings.CutSuffix(strings.TrimPrefix(version.Key, prefix), ".json")
		seq, err := strconv.ParseInt(name, 10, 64)
		if !isEntry || err != nil || seq < 1 || version.DeleteMarker || manifest.JournalKey(execution, seq) != version.Key {
			continue
		}
		found[seq] = append(found[seq], candidate{vault, version})
	}
	return nil
}

// choose finds the entry that holds at a place: in each vault the oldest version that is validly signed.
func (r *Read) choose(ctx context.Context, signers *signature.Verifier, execution string, seq int64, all []candidate) (chosen Entry, held manifest.Document, signer string, err error) {
	believed := map[string]bool{}
	for _, c := range all {
		if believed[c.vault.Name] {
			continue // a later version changes nothing
		}
		doc, err := document(ctx, c.vault.Store, c.version.Key, c.version.Version)
		if err != nil {
			r.Problems = append(r.Problems, fmt.Errorf("vault %s: %s: %w", c.vault.Name, c.version.Key, err))
			continue
		}
		who, err := signers.Verify(signature.Journal, []byte(doc.Signed), []byte(doc.Signature), c.version.Modified)
		if err != nil {
			r.Problems = append(r.Problems, fmt.Errorf("vault %s: %s: %w", c.vault.Name, c.version.Key, err))
			continue
		}
		e, err := parse(execution, seq, doc.Signed)
		if err != nil {
			r.Problems = append(r.Problems, fmt.Errorf("vault %s: %s: %w", c.vault.Name, c.version.Key, err))
			continue
		}
		believed[c.vault.Name] = true
		if held.Signed != "" && doc.Signed != held.Signed {
			return Entry{}, held, "", fmt.Errorf("%w: %s is not the same in vault %s as in another", ErrFork, c.version.Key, c.vault.Name)
		}
		chosen, held, signer = e, doc, who
	}
	switch {
	case held.Signed == "":
		return Entry{}, held, "", fmt.Errorf("%w: entry %d of %s is in no vault that could be read", ErrBroken, seq, execution)
	case chosen.Previous != r.Head.Hash:
		return Entry{}, held, "", fmt.Errorf("%w: entry %d of %s does not continue entry %d", ErrBroken, seq, execution, seq-1)
	}
	return chosen, held, signer, nil
}
