package evidence

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/lifeboat-dr/lifeboat/internal/manifest"
	"github.com/lifeboat-dr/lifeboat/internal/signature"
	"github.com/lifeboat-dr/lifeboat/internal/store"
)

// Vault is where a journal is written.
type Vault struct {
	Name  string
	Store store.Store
	// Retain is how long entries are locked; zero leaves them unlocked.
	Retain time.Duration
}

// Journal writes an execution's entries.
type Journal struct {
	Vaults []Vault
	Signer *signature.Signer
	// Patience bounds one write to one vault, so that a dead region does not hold up a recovery.
	Patience time.Duration
}

// Appended says how an append ended.
type Appended struct {
	// Head is the new end.
	Head Head `json:"head"`
	// Vaults are those that hold every entry of this append.
	Vaults []string `json:"vaults"`
	// Missed are those that do not. They are filled by [Journal.Heal].
	Missed []string `json:"missed,omitempty"`
}

// Append continues a journal behind head, in all vaults at the same time. One vault is enough; with none
// its error is the vaults' errors, joined. It is safe to repeat: entries that are there already, word for
// word, are left alone; others in their place are ErrFork.
func (j *Journal) Append(ctx context.Context, execution string, head Head, events []Event) (Appended, error) {
	type written struct {
		seq  int64
		text string
		body []byte
	}
	var list []written
	for _, event := range events {
		e, text, err := next(execution, head, event)
		if err != nil {
			return Appended{}, err
		}
		sig, err := j.Signer.Sign(signature.Journal, []byte(text))
		if err != nil {
			return Appended{}, err
		}
		body, err := manifest.Document{Signed: text, Signature: string(sig)}.Bytes()
		if err != nil {
			return Appended{}, err
		}
		list = append(list, written{e.Seq, text, body})
		head = Head{Seq: e.Seq, Hash: hashOf(text)}
	}
	errs := make([]error, len(j.Vaults))
	var wg sync.WaitGroup
	for i, vault := range j.Vaults {
		wg.Go(func() {
			for _, w := range list {
				if errs[i] = j.write(ctx, vault, execution, w.seq, w.text, w.body); errs[i] != nil {
					return
				}
			}
		})
	}
	wg.Wait()
	out := Appended{Head: head}
	for i, vault := range j.Vaults {
		switch {
		case errors.Is(errs[i], ErrFork):
			return Appended{}, errs[i]
		case errs[i] != nil:
			out.Missed = append(out.Missed, vault.Name)
		default:
			out.Vaults = append(out.Vaults, vault.Name)
		}
	}
	if len(out.Vaults) == 0 {
		return Appended{}, fmt.Errorf("write journal of %s: no vault took it: %w", execution, errors.Join(errs...))
	}
	return out, nil
}

func (j *Journal) write(ctx context.Context, vault Vault, execution string, seq int64, text string, body []byte) error {
	if j.Patience > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, j.Patience)
		defer cancel()
	}
	key := manifest.JournalKey(execution, seq)
	opt := store.CreateOptions{ContentType: "application/json"}
	if vault.Retain > 0 {
		opt.RetainUntil = time.Now().Add(vault.Retain)
	}
	_, err := vault.Store.Create(ctx, key, body, opt)
	if !errors.Is(err, store.ErrExists) {
		return err
	}
	// What is there may be ours, from a try whose answer was lost, or from a worker that was killed.
	held, err := heldText(ctx, vault.Store, key, "")
	if err != nil {
		return err
	}
	if held != text {
		return fmt.Errorf("%w: %s in vault %s", ErrFork, key, vault.Name)
	}
	return nil
}

// heldText is the signed text of a stored document; its signature is not looked at.
func heldText(ctx context.Context, s store.Store, key, version string) (string, error) {
	doc, err := document(ctx, s, key, version)
	return doc.Signed, err
}

func document(ctx context.Context, s store.Store, key, version string) (manifest.Document, error) {
	body, _, err := s.Open(ctx, key, version)
	if err != nil {
		return manifest.Document{}, err
	}
	defer body.Close()
	data, err := io.ReadAll(io.LimitReader(body, 4*maxEvent))
	if err != nil {
		return manifest.Document{}, err
	}
	return manifest.ParseDocument(data)
}
