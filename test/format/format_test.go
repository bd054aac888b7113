// Package format holds today's code and docs/backup-format.md against backups that earlier code wrote: a vault
// that nobody touched for years has to open.
package format

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"math/big"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"filippo.io/age"
	"github.com/klauspost/compress/zstd"
	"github.com/zeebo/xxh3"

	"github.com/lifeboat-dr/lifeboat/internal/keyring"
	"github.com/lifeboat-dr/lifeboat/internal/manifest"
	"github.com/lifeboat-dr/lifeboat/internal/store/dir"
	"github.com/lifeboat-dr/lifeboat/test/lab"
)

var update = flag.Bool("update", false, "write the vectors of the present version anew: never after a release")

const (
	id      = "20261125T020000Z-vector"
	vectors = "v1"
	page    = "../../docs/backup-format.md"
)

// TestVectors writes a small backup, with its keys, when it is asked to.
func TestVectors(t *testing.T) {
	if !*update {
		if _, err := os.Stat(filepath.Join(vectors, "vault")); err != nil {
			t.Fatal("the vectors are missing")
		}
		return
	}
	root := t.TempDir()
	vault, err := dir.Open(root)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = vault.Close() })
	l := lab.New(t, vault)
	l.ChunkBytes = 16 << 10
	sql, err := os.ReadFile("vector.sql")
	if err != nil {
		t.Fatal(err)
	}
	l.Fill(t, string(sql))
	l.Worker(t).Backup(t, id)
	if err := os.RemoveAll(vectors); err != nil {
		t.Fatal(err)
	}
	folder := filepath.FromSlash(strings.TrimSuffix(manifest.BackupPrefix(lab.Component, id), "/"))
	if err := os.CopyFS(filepath.Join(vectors, "vault", folder), os.DirFS(filepath.Join(root, folder))); err != nil {
		t.Fatal(err)
	}
	notes, err := filepath.Glob(filepath.Join(vectors, "vault", folder, "data", "*", "*.work"))
	if err != nil {
		t.Fatal(err)
	}
	for _, note := range notes { // no restore needs them
		if err := os.Remove(note); err != nil {
			t.Fatal(err)
		}
	}
	key, err := os.ReadFile(l.File(keyring.Escrow))
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"identity.txt":    "# A key for tests, which is known to everybody: it must never protect anything.\n" + string(key),
		"allowed_signers": "# A key for tests, whose private half was thrown away.\n" + l.Signers,
	} {
		if err := os.WriteFile(filepath.Join(vectors, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// read is the vectors' vault, copied, since a directory store keeps files of its own beside.
func read(t *testing.T) (*lab.Lab, *lab.Worker, []age.Identity) {
	t.Helper()
	root := t.TempDir()
	if err := os.CopyFS(root, os.DirFS(filepath.Join(vectors, "vault"))); err != nil {
		t.Fatal(err)
	}
	vault, err := dir.Open(root)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = vault.Close() })
	l := lab.New(t, vault)
	signers, err := os.ReadFile(filepath.Join(vectors, "allowed_signers"))
	if err != nil {
		t.Fatal(err)
	}
	l.Signers = string(signers)
	key, err := os.Open(filepath.Join(vectors, "identity.txt"))
	if err != nil {
		t.Fatal(err)
	}
	defer key.Close()
	ids, err := age.ParseIdentities(key)
	if err != nil {
		t.Fatal(err)
	}
	return l, l.Worker(t, func(w *lab.Worker) { w.Crew.Identities = ids }), ids
}

// TestVersion1IsRead restores the vectors with today's code and compares: every row, by the fingerprints of then.
func TestVersion1IsRead(t *testing.T) {
	l, w, _ := read(t)
	found, err := w.Find(id)
	if err != nil {
		t.Fatal(err)
	}
	in := l.Scratch(id, "vectors")
	w.Restore(t, in)
	compared, err := w.Compare(in)
	if err != nil {
		t.Fatal(err)
	}
	if len(compared.Checks) < 4 || found.Totals.Rows == 0 {
		t.Errorf("compared %+v of %+v", compared.Checks, found.Totals)
	}
	if n := l.Connect(t, in.Target.Database).Ask(t, `SELECT count(*) FROM "Line ""items"""`); n != 60 {
		t.Errorf("%d rows", n)
	}
}

// TestVectorsAreWhatThePageSays opens every object without Lifeboat's code and looks at what the page promises.
func TestVectorsAreWhatThePageSays(t *testing.T) {
	_, w, ids := read(t)
	b, contents := w.Open(t, id)
	whole := readFile(t, manifest.ManifestKey(lab.Component, id))
	frame := regexp.MustCompile(`^\{\n  "signed": "([^"\\]|\\.)*",\n  "signature": "([^"\\]|\\.)*"\n\}\n$`)
	if !frame.Match(whole) {
		t.Errorf("the manifest is not framed as the page says: %.100q", whole)
	}
	kinds := map[string]int{}
	for _, chunk := range append([]manifest.Chunk{contents.Schema}, contents.Chunks...) {
		var plain []byte
		for i, p := range chunk.Parts {
			if want := fmt.Sprintf("v1/database/backups/%s/data/%s/%s.%04d", id, b.Envelope.Snapshot, chunk.ID, i); p.Key != want {
				t.Errorf("part %d of %s is %s", i, chunk.ID, p.Key)
			}
			text := unseal(t, ids, readFile(t, p.Key))
			if int64(len(text)) != p.Bytes || p.Offset != int64(len(plain)) {
				t.Errorf("%s holds %d bytes at %d, says %d at %d", p.Key, len(text), len(plain), p.Bytes, p.Offset)
			}
			plain = append(plain, text...)
		}
		kinds[chunk.Kind]++
		if chunk.Kind == "schema" {
			if !bytes.HasPrefix(plain, []byte("PGDMP")) {
				t.Error("the schema is no archive of pg_dump")
			}
			continue
		}
		rows, sum := fingerprint(t, string(plain))
		if rows != chunk.Rows || sum != chunk.Fingerprint {
			t.Errorf("chunk %s has %d rows and %s, says %d and %s", chunk.ID, rows, sum, chunk.Rows, chunk.Fingerprint)
		}
	}
	if kinds["table"] < 5 || kinds["largeobjects"] < 1 || kinds["schema"] != 1 {
		t.Errorf("chunks by kind: %v", kinds)
	}
}

// fingerprint is what the page says, written down a second time: without the code that is held against it.
func fingerprint(t *testing.T, text string) (rows int64, hex string) {
	t.Helper()
	sum := new(big.Int)
	for text != "" {
		line, rest, whole := strings.Cut(text, "\n")
		if !whole {
			t.Error("the last row has no end")
		}
		hash := xxh3.HashString128(line).Bytes()
		sum.Add(sum, new(big.Int).SetBytes(hash[:]))
		rows, text = rows+1, rest
	}
	return rows, fmt.Sprintf("%032x", sum.Mod(sum, new(big.Int).Lsh(big.NewInt(1), 128)))
}

// TestFingerprintsOfThePage checks the worked example.
func TestFingerprintsOfThePage(t *testing.T) {
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	_, block, _ := strings.Cut(string(text), "```fingerprint\n")
	block, _, found := strings.Cut(block, "```\n")
	if !found {
		t.Fatal("the page has no worked example")
	}
	all := ""
	lines := 0
	for line := range strings.Lines(block) {
		line = strings.TrimSpace(line)
		at := strings.LastIndex(line, " ")
		said, hash := strings.TrimSpace(line[:at]), line[at+1:]
		want := ""
		if said == "sum" {
			_, want = fingerprint(t, all)
		} else {
			var row string
			if err := json.Unmarshal([]byte(said), &row); err != nil {
				t.Fatal(err)
			}
			all += row + "\n"
			_, want = fingerprint(t, row+"\n")
		}
		if hash != want {
			t.Errorf("%s has %s, the page says %s", said, want, hash)
		}
		lines++
	}
	if lines < 4 {
		t.Errorf("%d lines only", lines)
	}
}

// TestThePageNamesEveryField: a field that is written and not specified would be Lifeboat's secret.
func TestThePageNamesEveryField(t *testing.T) {
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	seen := map[reflect.Type]bool{}
	var look func(reflect.Type)
	look = func(of reflect.Type) {
		for of.Kind() == reflect.Slice || of.Kind() == reflect.Pointer {
			of = of.Elem()
		}
		if of.Kind() != reflect.Struct || of.PkgPath() != reflect.TypeFor[manifest.Envelope]().PkgPath() || seen[of] {
			return
		}
		seen[of] = true
		for _, f := range reflect.VisibleFields(of) {
			name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
			if name != "" && !strings.Contains(string(text), "`"+name+"`") {
				t.Errorf("%s.%s is not on the page", of.Name(), name)
			}
			look(f.Type)
		}
	}
	for _, of := range []reflect.Type{reflect.TypeFor[manifest.Envelope](), reflect.TypeFor[manifest.Contents](), reflect.TypeFor[manifest.Verified](), reflect.TypeFor[manifest.Attempt]()} {
		look(of)
	}
	if len(seen) < 15 {
		t.Errorf("only %d types were looked at", len(seen))
	}
}

func readFile(t *testing.T, key string) []byte {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(vectors, "vault", filepath.FromSlash(key)))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func unseal(t *testing.T, ids []age.Identity, sealed []byte) []byte {
	t.Helper()
	r, err := age.Decrypt(bytes.NewReader(sealed), ids...)
	if err != nil {
		t.Fatal(err)
	}
	d, err := zstd.NewReader(r, zstd.WithDecoderMaxWindow(8<<20))
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	text, err := io.ReadAll(d)
	if err != nil {
		t.Fatal(err)
	}
	return text
}
