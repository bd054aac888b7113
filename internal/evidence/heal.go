package evidence

import (
	"context"

	"github.com/lifeboat-dr/lifeboat/internal/signature"
)

// Healed says what became of the gaps of a journal.
type Healed struct {
	// Filled counts the entries that each vault got.
	Filled map[string]int
	// Left are the vaults that are still not whole, with the reason.
	Left map[string]error
}

// Heal copies to each vault the entries that it lacks and another has, with the signatures that they have: it
// needs no key. It is safe to repeat.
func (j *Journal) Heal(ctx context.Context, signers *signature.Verifier, execution string) (Healed, error) {
	h := Healed{Filled: map[string]int{}, Left: map[string]error{}}
	read, err := Load(ctx, j.Vaults, signers, execution)
	if err != nil {
		return h, err
	}
	for _, vault := range j.Vaults {
		for _, seq := range read.Gaps[vault.Name] {
			doc := read.documents[seq-1]
			body, err := doc.Bytes()
			if err == nil {
				err = j.write(ctx, vault, execution, seq, doc.Signed, body)
			}
			if err != nil {
				h.Left[vault.Name] = err
				break
			}
			h.Filled[vault.Name]++
		}
	}
	return h, nil
}
