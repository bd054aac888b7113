package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"

	"github.com/lifeboat-dr/lifeboat/internal/plan"
	"github.com/lifeboat-dr/lifeboat/internal/roster"
	"github.com/lifeboat-dr/lifeboat/internal/signature"
)

// draft is the next version of the roster while it is made and signed, in a file beside it.
type draft struct {
	path string
	// chain is nil before the first version is complete.
	chain   *roster.Chain
	signed  *roster.SignedVersion // nil when there is no draft
	version roster.Version
}

func (d *draft) draftPath() string { return d.path + ".draft" }

func (a *app) draft() (*draft, error) {
	if err := a.needRoster(); err != nil {
		return nil, err
	}
	d := &draft{path: string(a.config.Roster.File)}
	var err error
	if d.chain, err = roster.ReadChain(d.path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	data, err := os.ReadFile(d.draftPath())
	if errors.Is(err, fs.ErrNotExist) {
		return d, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read draft: %w", err)
	}
	d.signed = &roster.SignedVersion{}
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(d.signed); err != nil {
		return nil, fmt.Errorf("read draft %s: %w", d.draftPath(), err)
	}
	if d.version, err = d.signed.Read(); err != nil {
		return nil, fmt.Errorf("read draft %s: %w", d.draftPath(), err)
	}
	return d, nil
}

// before is the version that the draft follows; nil for the first.
func (d *draft) before() *roster.Version {
	if d.chain == nil {
		return nil
	}
	v, err := d.chain.Versions[len(d.chain.Versions)-1].Read()
	if err != nil {
		return nil
	}
	return &v
}

func (d *draft) changes() []string { return roster.Changes(d.before(), d.version) }

// owns says whether a key is of an owner whose signature under the draft counts.
func (d *draft) owns(key signature.PublicKey) bool {
	judges := d.version
	if before := d.before(); before != nil {
		judges = *before
	}
	for _, p := range judges.People {
		for _, k := range p.Keys {
			if k.Key == key && p.Holds(plan.RoleOwner) && k.ValidAt(d.version.Issued) {
				return true
			}
		}
	}
	return false
}

func (d *draft) save() error {
	data, err := json.MarshalIndent(d.signed, "", "  ")
	if err != nil {
		return fmt.Errorf("render draft: %w", err)
	}
	return replaceFile(d.draftPath(), append(data, '\n'))
}

// edit changes the draft, or makes one after the newest version. Signatures under it are gone then: they were
// for something else.
func (a *app) edit(required int, change func(*roster.Version) error) error {
	d, err := a.draft()
	if err != nil {
		return err
	}
	dropped := 0
	switch {
	case d.signed != nil:
		dropped = len(d.signed.Signatures)
		d.version.Date(time.Now())
	case d.chain != nil:
		if d.version, err = d.chain.Next(time.Now()); err != nil {
			return err
		}
	default:
		return failWith(exitNotFound, "there is no roster yet: begin one with lifeboat roster init")
	}
	if err := change(&d.version); err != nil {
		return err
	}
	return a.keepDraft(d, required, dropped)
}

func (a *app) keepDraft(d *draft, required, dropped int) (err error) {
	if required != 0 || d.version.Required > len(d.version.Owners(d.version.Issued)) || d.version.Required < 2 {
		d.version.Require(required)
	}
	if d.signed, err = roster.NewVersion(d.version); err != nil {
		return failWith(exitUsage, "%w", err)
	}
	if _, _, _, err := d.chain.Complete(d.signed); err != nil {
		return failWith(exitUsage, "%w", err)
	}
	if err := d.save(); err != nil {
		return err
	}
	if dropped > 0 {
		fmt.Fprintf(a.stderr, "%d signatures under the draft are dropped: it is another one now.\n", dropped)
	}
	return a.print(map[string]any{"version": d.version.Number, "changes": d.changes(), "draft": d.draftPath()}, func() {
		a.printChanges(a.stdout, d)
		fmt.Fprintf(a.stdout, "\nNow bring %s to the owners: lifeboat roster sign\n", d.draftPath())
	})
}

func (a *app) printChanges(to io.Writer, d *draft) {
	fmt.Fprintf(to, "Version %d, %s:\n", d.version.Number, d.version.Issued.Format(time.RFC3339))
	for _, change := range d.changes() {
		fmt.Fprintln(to, " ", change)
	}
	for _, w := range d.version.Warnings(time.Now()) {
		fmt.Fprintln(to, "warning:", w)
	}
}
