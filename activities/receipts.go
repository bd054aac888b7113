package activities

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/lifeboat-dr/lifeboat/internal/manifest"
	"github.com/lifeboat-dr/lifeboat/internal/plan"
	"github.com/lifeboat-dr/lifeboat/internal/workrecord"
)

// The kinds of receipts, one for each thing that a verification has to have done.
const (
	receiptCompared = "compared"
	receiptSmoked   = "smoked"
	receiptDropped  = "dropped"
	// ofAPart is added to the kind where only some tables were worked with: no verification takes such a
	// receipt.
	ofAPart = "-part"
)

// Receipt is a worker's word for what it did to a target, authenticated with the fleet's key. Whoever owns
// the Temporal namespace can start any activity with any input, but cannot make one: without receipts
// nothing is ever recorded as verified.
type Receipt struct {
	// Kind is "compared", "smoked" or "dropped", with "-part" behind it for a selection of tables.
	Kind      string `json:"kind"`
	Execution string `json:"execution"`
	Component string `json:"component"`
	Backup    string `json:"backup"`
	// Manifest is the SHA-256 (hex) of the manifest object that was worked with. A dropped target has none:
	// its receipt names the others instead.
	Manifest string           `json:"manifest,omitempty"`
	Target   Target           `json:"target"`
	Checks   []manifest.Check `json:"checks,omitempty"`
	// Rows is how many rows the backup has, or the part of it that was selected, in what was compared.
	Rows int64     `json:"rows,omitempty"`
	At   time.Time `json:"at"`
	// After are the MACs of the receipts that were there before: a target is dropped after it was compared.
	After []string `json:"after,omitempty"`
	MAC   string   `json:"mac"`
}

// text is what the MAC is over.
func (r Receipt) text() (string, error) {
	r.MAC = ""
	text, err := json.Marshal(r)
	if err != nil {
		return "", fmt.Errorf("render receipt: %w", err)
	}
	return string(text), nil
}

// place keeps MACs of receipts apart from those of objects: no object has such a key.
func (r Receipt) place() string {
	return manifest.VerifiedPrefix(r.Component, r.Backup) + "#" + r.Kind
}

// issue completes a receipt with its time and MAC.
func issue(keys workrecord.Keys, r Receipt) (Receipt, error) {
	box, err := workrecord.New(keys, r.Component, r.Backup)
	if err != nil {
		return r, Misconfigured(err, "fleet keys")
	}
	r.At = time.Now().UTC()
	text, err := r.text()
	if err != nil {
		return r, err
	}
	r.MAC = box.MAC(r.place(), text)
	return r, nil
}

// vouched are the receipts of one verification, whose MACs hold and which fit each other.
type vouched struct{ compared, smoked, dropped Receipt }

// check believes receipts only when this fleet issued all of them, in one execution, for one backup with one
// manifest and one scratch target, and the target was dropped after it was compared and asked.
func (in RecordVerifiedInput) check(keys workrecord.Keys, b *Backup) (vouched, error) {
	v := vouched{in.Compared, in.Smoked, in.Dropped}
	for i, r := range []Receipt{v.compared, v.smoked, v.dropped} {
		kind := []string{receiptCompared, receiptSmoked, receiptDropped}[i]
		if err := r.holds(kind, keys, in.Guard, b); err != nil {
			return v, err
		}
		if r.Target != v.compared.Target || r.Target.Kind != ScratchTarget {
			return v, refusedReceipt(kind, "it is of another target, or of one that is kept")
		}
	}
	if v.compared.Manifest != b.SHA256 || v.smoked.Manifest != b.SHA256 {
		return v, refusedReceipt(receiptCompared, "another manifest was restored")
	}
	if !slices.Equal(v.dropped.After, []string{v.compared.MAC, v.smoked.MAC}) {
		return v, refusedReceipt(receiptDropped, "the target was not dropped after it was compared")
	}
	if len(v.compared.Checks) == 0 {
		return v, refusedReceipt(receiptCompared, "nothing was compared")
	}
	for _, check := range append(slices.Clone(v.compared.Checks), v.smoked.Checks...) {
		if !check.OK {
			return v, refusedReceipt(receiptCompared, fmt.Sprintf("check %q failed", check.Name))
		}
	}
	return v, nil
}

// holds says why a receipt is not this fleet's word for this execution and backup.
func (r Receipt) holds(kind string, keys workrecord.Keys, g plan.Guard, b *Backup) error {
	if r.MAC == "" {
		return refusedReceipt(kind, "it is missing")
	}
	if r.Kind != kind || r.Execution != g.Execution || r.Component != b.Envelope.Component || r.Backup != b.Envelope.Backup {
		return refusedReceipt(kind, fmt.Sprintf("it is a receipt %q of execution %s for backup %s of %s", r.Kind, r.Execution, r.Backup, r.Component))
	}
	box, err := workrecord.New(keys, r.Component, r.Backup)
	if err != nil {
		return Misconfigured(err, "fleet keys")
	}
	text, err := r.text()
	if err != nil {
		return err
	}
	if !box.CheckMAC(r.place(), text, r.MAC) {
		return refusedReceipt(kind, "no worker of this fleet issued it")
	}
	return nil
}

func refusedReceipt(kind, why string) error {
	return hinted(TypeUntrusted, nil, "start the verification again; if nobody tampered with it, look at who may write to the Temporal namespace, and whether all workers have the same fleet keys",
		"the receipt that the target was %s does not hold: %s", kind, why)
}
