package ledger_test

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"filippo.io/age"

	"github.com/lifeboat-dr/lifeboat/internal/ledger"
	"github.com/lifeboat-dr/lifeboat/internal/seal"
	"github.com/lifeboat-dr/lifeboat/internal/store"
	"github.com/lifeboat-dr/lifeboat/internal/store/dir"
)

const execution, step = "data-deletion/database/20261125T030000Z", "ledger"

var rows = []ledger.Row{
	{Table: "public.claims", Change: "inserted", Is: map[string]ledger.Value{"id": ledger.Value("1"), "note": nil, "text": ledger.Value("Zoë \"x\"\n\x00")}},
	{Table: "public.claims", Change: "updated", Was: map[string]ledger.Value{"raw": ledger.Value("\xff\xfe")}, Is: map[string]ledger.Value{"raw": ledger.Value("")}},
	{Table: `public.odd "name`, Change: "deleted", Was: map[string]ledger.Value{"big": bytes.Repeat([]byte("0123456789abcdef"), 1<<19)}},
	{Table: "public.claims", Change: "inserted", Is: map[string]ledger.Value{"big": bytes.Repeat([]byte("x"), 9<<20)}},
	{Table: "public.claims", Change: "inserted", Is: map[string]ledger.Value{"id": ledger.Value("5")}},
}

type shelf struct {
	store.Store
	folder string
	key    *age.X25519Identity
}

// fleet is a key that makes words which only it knows.
type fleet string

func (f fleet) MAC(key, text string) string {
	return fmt.Sprintf("%x", sha256.Sum256([]byte(string(f)+key+text)))
}
func (f fleet) CheckMAC(key, text, mac string) bool { return f.MAC(key, text) == mac }

func newShelf(t *testing.T) *shelf {
	t.Helper()
	folder := t.TempDir()
	s, err := dir.Open(folder)
	must(t, err)
	key, err := age.GenerateX25519Identity()
	must(t, err)
	return &shelf{s, folder, key}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func (s *shelf) writer(t *testing.T) *ledger.Writer {
	t.Helper()
	w, err := ledger.NewWriter(s, fleet("ours"), []age.Recipient{s.key.Recipient()}, time.Time{}, ledger.Index{Execution: execution, Step: step, Component: "database", Written: time.Now().UTC()})
	must(t, err)
	return w
}

func (s *shelf) write(t *testing.T) (ledger.Index, string) {
	t.Helper()
	w := s.writer(t)
	for _, r := range rows {
		must(t, w.Add(t.Context(), r))
	}
	index, digest, err := w.Close(t.Context())
	must(t, err)
	return index, digest
}

func (s *shelf) read(t *testing.T, index ledger.Index, key age.Identity) (all []ledger.Row, err error) {
	t.Helper()
	err = ledger.Rows(t.Context(), s, index, []age.Identity{key}, func(r ledger.Row) error {
		all = append(all, r)
		return nil
	})
	return all, err
}

func TestWhatIsWrittenIsRead(t *testing.T) {
	s := newShelf(t)
	if none, _, err := ledger.Find(t.Context(), s, fleet("ours"), execution, step); none != nil || err != nil {
		t.Fatalf("before anything is written: %v, %v", none, err)
	}
	index, digest := s.write(t)
	if index.Inserted != 3 || index.Updated != 1 || index.Deleted != 1 || len(index.Parts) != 2 {
		t.Errorf("%+v", index)
	}
	found, same, err := ledger.Find(t.Context(), s, fleet("ours"), execution, step)
	must(t, err)
	if same != digest || !reflect.DeepEqual(*found, index) {
		t.Errorf("found %+v with digest %s", found, same)
	}
	got, err := s.read(t, *found, s.key)
	must(t, err)
	if !reflect.DeepEqual(got, rows) {
		t.Error("the rows are not what was written")
	}
	// Nothing of the rows is in the clear, and not the name of a table either.
	must(t, filepath.WalkDir(s.folder, func(path string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		if bytes.Contains(text, []byte("claims")) || bytes.Contains(text, []byte("0123456789abcdef")) || strings.Contains(path, "claims") {
			t.Errorf("%s is clear", path)
		}
		return err
	}))
}

// TestTheFirstLedgerCounts: of two tries that both end, one is the ledger, and both say so.
func TestTheFirstLedgerCounts(t *testing.T) {
	s := newShelf(t)
	late := s.writer(t)
	must(t, late.Add(t.Context(), rows[0]))
	index, digest := s.write(t)
	got, same, err := late.Close(t.Context())
	must(t, err)
	if same != digest || !reflect.DeepEqual(got, index) {
		t.Errorf("the late one is %+v, %s", got, same)
	}
}

func TestAlteredLedgersAreFoundOut(t *testing.T) {
	s := newShelf(t)
	index, _ := s.write(t)
	stranger, err := age.GenerateX25519Identity()
	must(t, err)
	if _, err := s.read(t, index, stranger); !errors.Is(err, seal.ErrWrongKey) {
		t.Errorf("with another key: %v", err)
	}
	for name, alter := range map[string]func(i *ledger.Index){
		"another digest":        func(i *ledger.Index) { i.Parts[0].SHA256 = i.Parts[1].SHA256 },
		"another part":          func(i *ledger.Index) { i.Parts[0].Key = i.Parts[1].Key },
		"fewer rows":            func(i *ledger.Index) { i.Parts[1].Rows-- },
		"a part from elsewhere": func(i *ledger.Index) { i.Parts[0].Key = "v1/executions/x" },
		"a smaller part":        func(i *ledger.Index) { i.Parts[0].Size-- },
	} {
		other := index
		other.Parts = append([]ledger.Part{}, index.Parts...)
		alter(&other)
		if _, err := s.read(t, other, s.key); !errors.Is(err, ledger.ErrAltered) {
			t.Errorf("%s: %v", name, err)
		}
	}
	// Whoever can write to the vault puts no ledger there that a worker would take for its own.
	if _, _, err := ledger.Find(t.Context(), s, fleet("theirs"), execution, step); !errors.Is(err, ledger.ErrAltered) {
		t.Errorf("an index of somebody else: %v", err)
	}
	if _, err := ledger.NewWriter(s, fleet("ours"), nil, time.Time{}, ledger.Index{}); err == nil {
		t.Error("rows would be written in the clear")
	}
}
