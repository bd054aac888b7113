package evidence_test

import (
	"bytes"
	"cmp"
	"context"
	"crypto/ed25519"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/lifeboat-dr/lifeboat/internal/evidence"
	"github.com/lifeboat-dr/lifeboat/internal/manifest"
	"github.com/lifeboat-dr/lifeboat/internal/signature"
	"github.com/lifeboat-dr/lifeboat/internal/store"
	"github.com/lifeboat-dr/lifeboat/internal/store/dir"
)

const execution = "data-deletion/database/20261125T030000Z"

type office struct {
	journal evidence.Journal
	signers *signature.Verifier
	allowed string
	dirs    []string
}

func newOffice(t *testing.T, vaults int) *office {
	t.Helper()
	o := &office{}
	o.journal.Signer, o.allowed = newSigner(t, "worker@medlink.example")
	var err error
	if o.signers, err = signature.ParseAllowedSigners([]byte(o.allowed)); err != nil {
		t.Fatal(err)
	}
	for i := range vaults {
		path := t.TempDir()
		s, err := dir.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		o.dirs = append(o.dirs, path)
		o.journal.Vaults = append(o.journal.Vaults, evidence.Vault{Name: fmt.Sprintf("v%d", i), Store: s})
	}
	return o
}

func newSigner(t *testing.T, name string) (*signature.Signer, string) {
	t.Helper()
	_, private, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	block, err := ssh.MarshalPrivateKey(private, "")
	if err != nil {
		t.Fatal(err)
	}
	signer, err := signature.NewSigner(pem.EncodeToMemory(block))
	if err != nil {
		t.Fatal(err)
	}
	return signer, name + " " + signer.PublicKey() + "\n"
}

func events(from, n int) (list []evidence.Event) {
	for i := range n {
		data, _ := json.Marshal(map[string]any{"n": from + i, "text": "<&>"})
		list = append(list, evidence.Event{Kind: "stepCompleted", Step: fmt.Sprintf("s%d", from+i), Time: time.Date(2026, 11, 25, 3, 0, from+i, 0, time.UTC), Data: data})
	}
	return list
}

func (o *office) append(t *testing.T, head evidence.Head, list []evidence.Event) evidence.Appended {
	t.Helper()
	done, err := o.journal.Append(t.Context(), execution, head, list)
	if err != nil {
		t.Fatal(err)
	}
	return done
}

func TestAppendIsRepeatable(t *testing.T) {
	o := newOffice(t, 2)
	first := o.append(t, evidence.Head{}, events(1, 3))
	if again := o.append(t, evidence.Head{}, events(1, 3)); again.Head != first.Head || len(again.Vaults) != 2 {
		t.Errorf("a repeated append gives %+v, the first gave %+v", again, first)
	}
	second := o.append(t, first.Head, events(4, 1))
	read, err := evidence.Load(t.Context(), o.journal.Vaults, o.signers, execution)
	if err != nil || len(read.Entries) != 4 || read.Head != second.Head || len(read.Problems) > 0 || len(read.Gaps) > 0 {
		t.Fatalf("read %+v: %v", read, err)
	}
	if read.Entries[2].Step != "s3" || read.Entries[3].Seq != 4 || read.Signers[0] != "worker@medlink.example" {
		t.Errorf("entries %+v by %v", read.Entries, read.Signers)
	}
}

func TestTwoEnginesAreFoundOut(t *testing.T) {
	o := newOffice(t, 2)
	first := o.append(t, evidence.Head{}, events(1, 1))
	o.append(t, first.Head, events(2, 1))
	if _, err := o.journal.Append(t.Context(), execution, first.Head, events(7, 1)); !errors.Is(err, evidence.ErrFork) {
		t.Errorf("another entry in a place that is taken: %v", err)
	}
	// Cut off from each other, both can write: reading finds it.
	lonely := o.journal
	lonely.Vaults = []evidence.Vault{o.journal.Vaults[0]}
	a, err := lonely.Append(t.Context(), execution, headOf(t, o), events(3, 1))
	if err != nil {
		t.Fatal(err)
	}
	_ = a
	lonely.Vaults = []evidence.Vault{o.journal.Vaults[1]}
	if _, err := lonely.Append(t.Context(), execution, evidence.Head{Seq: a.Head.Seq - 1, Hash: previous(t, o)}, events(9, 1)); err != nil {
		t.Fatal(err)
	}
	if _, err := evidence.Load(t.Context(), o.journal.Vaults, o.signers, execution); !errors.Is(err, evidence.ErrFork) {
		t.Errorf("two vaults that disagree: %v", err)
	}
}

func headOf(t *testing.T, o *office) evidence.Head {
	t.Helper()
	read, err := evidence.Load(t.Context(), o.journal.Vaults, o.signers, execution)
	if err != nil {
		t.Fatal(err)
	}
	return read.Head
}

// previous is the hash that the last entry of the first vault continues.
func previous(t *testing.T, o *office) string {
	t.Helper()
	read, err := evidence.Load(t.Context(), o.journal.Vaults[:1], o.signers, execution)
	if err != nil {
		t.Fatal(err)
	}
	return read.Entries[len(read.Entries)-1].Previous
}

func TestOneVaultIsEnoughAndTheOtherIsHealed(t *testing.T) {
	o := newOffice(t, 2)
	first := o.append(t, evidence.Head{}, events(1, 2))
	away := o.journal.Vaults[1].Store
	o.journal.Vaults[1].Store = gone{away}
	second := o.append(t, first.Head, events(3, 2))
	if len(second.Missed) != 1 || second.Missed[0] != "v1" {
		t.Errorf("missed %v", second.Missed)
	}
	o.journal.Vaults[0].Store, o.journal.Vaults[1].Store = gone{o.journal.Vaults[0].Store}, gone{away}
	if _, err := o.journal.Append(t.Context(), execution, second.Head, events(5, 1)); err == nil {
		t.Error("an entry that no vault took counts as written")
	}
	o.journal.Vaults[0].Store, o.journal.Vaults[1].Store = o.journal.Vaults[0].Store.(gone).Store, away
	keyless := evidence.Journal{Vaults: o.journal.Vaults}
	if healed, err := keyless.Heal(t.Context(), o.signers, execution); err != nil || len(healed.Left) > 0 || healed.Filled["v1"] != 2 {
		t.Fatalf("heal: %v, %+v", err, healed)
	}
	read, err := evidence.Load(t.Context(), o.journal.Vaults[1:], o.signers, execution)
	if err != nil || read.Head != second.Head {
		t.Errorf("the healed vault ends at %+v, want %+v: %v", read.Head, second.Head, err)
	}
}

// gone is a store that cannot be reached.
type gone struct{ store.Store }

func (gone) Create(context.Context, string, []byte, store.CreateOptions) (store.Object, error) {
	return store.Object{}, errors.New("no route to host")
}

func TestDamageIsFound(t *testing.T) {
	stranger, _ := newSigner(t, "mallory")
	for name, tc := range map[string]struct {
		signer *signature.Signer // nil is the worker's own
		change func(text string) string
	}{
		"a missing entry":                  {nil, nil},
		"an entry signed by somebody else": {stranger, func(text string) string { return text }},
		"an entry of another execution": {nil, func(text string) string {
			return strings.Replace(text, "data-deletion/database", "data-deletion/other", 1)
		}},
		"an entry of another place":           {nil, func(text string) string { return strings.Replace(text, `"seq":2`, `"seq":3`, 1) }},
		"an entry that continues another one": {nil, func(text string) string { return strings.Replace(text, `"previous":"`, `"previous":"0`, 1) }},
		"an entry with more in it":            {nil, func(text string) string { return strings.Replace(text, `{"format"`, `{"more":1,"format"`, 1) }},
		"an entry that was rewritten and signed with a worker's key": {nil, func(text string) string {
			return strings.Replace(text, `"step":"s2"`, `"step":"s9"`, 1)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			o := newOffice(t, 1)
			o.append(t, evidence.Head{}, events(1, 3))
			forged, err := dir.Open(t.TempDir())
			if err != nil {
				t.Fatal(err)
			}
			for seq := range int64(3) {
				key := manifest.JournalKey(execution, seq+1)
				doc := held(t, o.journal.Vaults[0].Store, key)
				if seq == 1 {
					if tc.change == nil {
						continue
					}
					doc = resigned(t, doc, cmp.Or(tc.signer, o.journal.Signer), tc.change)
				}
				body, err := doc.Bytes()
				if err != nil {
					t.Fatal(err)
				}
				if _, err := forged.Create(t.Context(), key, body, store.CreateOptions{}); err != nil {
					t.Fatal(err)
				}
			}
			read, err := evidence.Load(t.Context(), []evidence.Vault{{Name: "forged", Store: forged}}, o.signers, execution)
			if !errors.Is(err, evidence.ErrBroken) || len(read.Entries) > 2 {
				t.Errorf("read %+v: %v", read, err)
			}
		})
	}
}

func held(t *testing.T, s store.Store, key string) manifest.Document {
	t.Helper()
	body, _, err := s.Open(t.Context(), key, "")
	if err != nil {
		t.Fatal(err)
	}
	defer body.Close()
	var doc manifest.Document
	if err := json.NewDecoder(body).Decode(&doc); err != nil {
		t.Fatal(err)
	}
	return doc
}

func resigned(t *testing.T, doc manifest.Document, signer *signature.Signer, change func(string) string) manifest.Document {
	t.Helper()
	text := change(doc.Signed)
	sig, err := signer.Sign(signature.Journal, []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return manifest.Document{Signed: text, Signature: string(sig)}
}

// TestRevokedKey: what a key signed before its revocation holds, by the store's time; what it signed later
// does not.
func TestRevokedKey(t *testing.T) {
	o := newOffice(t, 1)
	o.append(t, evidence.Head{}, events(1, 1))
	for option, want := range map[string]error{
		`valid-before="` + time.Now().Add(-time.Hour).UTC().Format("20060102150405Z") + `"`: evidence.ErrBroken,
		`valid-before="` + time.Now().Add(time.Hour).UTC().Format("20060102150405Z") + `"`:  nil,
	} {
		signers, err := signature.ParseAllowedSigners([]byte(strings.Replace(o.allowed, " ", " "+option+" ", 1)))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := evidence.Load(t.Context(), o.journal.Vaults, signers, execution); !errors.Is(err, want) {
			t.Errorf("with %s: %v", option, err)
		}
	}
}

func TestOpenSSHChecksAnEntry(t *testing.T) {
	o := newOffice(t, 1)
	o.append(t, evidence.Head{}, events(1, 1))
	doc := held(t, o.journal.Vaults[0].Store, manifest.JournalKey(execution, 1))
	work := t.TempDir()
	for name, text := range map[string]string{"sig": doc.Signature, "allowed": o.allowed} {
		if err := os.WriteFile(filepath.Join(work, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.CommandContext(t.Context(), "ssh-keygen", "-Y", "verify", "-f", filepath.Join(work, "allowed"), "-I", "worker@medlink.example", "-n", string(signature.Journal), "-s", filepath.Join(work, "sig"))
	cmd.Stdin = bytes.NewReader([]byte(doc.Signed))
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("ssh-keygen refuses the entry: %v: %s", err, out)
	}
}

func TestNonsenseIsRefused(t *testing.T) {
	o := newOffice(t, 1)
	for _, id := range []string{"", "x", "../../etc/passwd", "a/b/c", "a//20261125T030000Z", "a/../b/20261125T030000Z", "A/b/20261125T030000Z"} {
		if _, err := o.journal.Append(t.Context(), id, evidence.Head{}, events(1, 1)); err == nil {
			t.Errorf("execution %q was taken", id)
		}
	}
	if _, err := o.journal.Append(t.Context(), execution, evidence.Head{}, []evidence.Event{{Kind: "x"}}); err == nil {
		t.Error("an event without a time was taken")
	}
	if _, err := evidence.Load(t.Context(), o.journal.Vaults, o.signers, execution); !errors.Is(err, store.ErrNotFound) {
		t.Errorf("a journal that is not there: %v", err)
	}
}
