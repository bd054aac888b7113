package corruption

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lifeboat-dr/lifeboat/activities"
	"github.com/lifeboat-dr/lifeboat/internal/keyring"
	"github.com/lifeboat-dr/lifeboat/internal/manifest"
	"github.com/lifeboat-dr/lifeboat/internal/signature"
	"github.com/lifeboat-dr/lifeboat/internal/store/storetest"
	"github.com/lifeboat-dr/lifeboat/test/lab"
)

var manifestKey = manifest.ManifestKey(lab.Component, thisID)

// small is a vault with two backups of a database of one table.
func small(t *testing.T) (*lab.Lab, *liar) {
	t.Helper()
	v := newLiar(storetest.Dir(t))
	l := lab.New(t, v)
	l.Fill(t, "CREATE TABLE claims AS SELECT g AS id, md5(g::text) AS note FROM generate_series(1, 2000) g")
	w := l.Worker(t)
	w.Backup(t, olderID)
	w.Backup(t, thisID)
	return l, v
}

// document makes a signed document of a text.
func document(t *testing.T, s *signature.Signer, namespace signature.Namespace, text string) []byte {
	t.Helper()
	armored, err := s.Sign(namespace, []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	data, err := manifest.Document{Signed: text, Signature: string(armored)}.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// TestManifests serves everything else in a manifest's place than the manifest.
func TestManifests(t *testing.T) {
	l, v := small(t)
	for name, test := range map[string]func(*testing.T, *lab.Lab, *liar){
		"others are not believed": othersAreNotBelieved, "every field is signed": everyField, "every byte counts": everyByte, "keys that are no more": keysThatAreNoMore,
	} {
		t.Run(name, func(t *testing.T) {
			v.honest()
			signers := l.Signers
			defer func() { l.Signers = signers }()
			test(t, l, v)
		})
	}
}

// othersAreNotBelieved goes through other manifests, of others and by others. Nothing of the backup is used.
func othersAreNotBelieved(t *testing.T, l *lab.Lab, v *liar) {
	real := v.get(t, manifestKey)
	doc, err := manifest.ParseDocument(real)
	if err != nil {
		t.Fatal(err)
	}
	stranger := newSigner(t)
	edited := func(change func(*manifest.Envelope)) string {
		var e manifest.Envelope
		if err := manifest.Decode([]byte(doc.Signed), &e); err != nil {
			t.Fatal(err)
		}
		change(&e)
		text, err := json.Marshal(e)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	resigned := func(change func(*manifest.Envelope)) []byte {
		return document(t, l.Signer, signature.Manifest, edited(change))
	}
	record, err := json.Marshal(manifest.Verified{Format: 1, Component: lab.Component, Backup: thisID})
	if err != nil {
		t.Fatal(err)
	}

	for name, served := range map[string][]byte{
		"nothing in it":                     {},
		"cut off":                           real[:len(real)-1],
		"a byte more":                       append(bytes.Clone(real), '}'),
		"not signed":                        []byte(doc.Signed),
		"a signature of nothing":            signedAs(t, doc.Signed, ""),
		"another backup's":                  v.get(t, manifest.ManifestKey(lab.Component, olderID)),
		"signed by a stranger":              document(t, stranger, signature.Manifest, doc.Signed),
		"signed as something else":          document(t, l.Signer, signature.Order, doc.Signed),
		"a record in its place":             document(t, l.Signer, signature.Manifest, string(record)),
		"another component's":               resigned(func(e *manifest.Envelope) { e.Component = "payroll" }),
		"another application's":             resigned(func(e *manifest.Envelope) { e.Application = "payroll" }),
		"a backup of another id":            resigned(func(e *manifest.Envelope) { e.Backup = olderID }),
		"a later format":                    resigned(func(e *manifest.Envelope) { e.Format = 2 }),
		"a field that nobody knows":         document(t, l.Signer, signature.Manifest, `{"trust":true,`+doc.Signed[1:]),
		"a field twice":                     document(t, l.Signer, signature.Manifest, `{"format":1,`+doc.Signed[1:]),
		"an object too many":                resigned(func(e *manifest.Envelope) { e.Objects = append(e.Objects, e.Objects[0]) }),
		"an object of another backup":       resigned(func(e *manifest.Envelope) { e.Objects[0].Key = strings.Replace(e.Objects[0].Key, thisID, olderID, 1) }),
		"bytes that do not add up":          resigned(func(e *manifest.Envelope) { e.Totals.StoredBytes++ }),
		"no recipients":                     resigned(func(e *manifest.Envelope) { e.Recipients = nil }),
		"no restore point":                  resigned(func(e *manifest.Envelope) { e.Point = manifest.Point{} }),
		"an object without a digest":        resigned(func(e *manifest.Envelope) { e.Objects[0].SHA256 = "" }),
		"two signed texts, the good second": append([]byte("{\n  \"signed\": \"x\","), real[1:]...),
		"two signed texts, in capitals":     append([]byte("{\n  \"Signed\": \"x\","), real[1:]...),
	} {
		t.Run(name, func(t *testing.T) {
			v.honest()
			v.bodies[manifestKey] = served
			s := scene{Lab: l, vault: v, worker: l.Worker(t)}
			_, err := s.worker.Find(thisID)
			refusal(t, err, activities.TypeUntrusted, manifestKey)
			in := l.Scratch(thisID, "x")
			for _, err := range []error{s.worker.OpenTarget(in), s.worker.CreateTables(in), s.worker.Load(in, 0, 1)} {
				refusal(t, err, activities.TypeUntrusted, manifestKey)
			}
			for key, n := range v.opened {
				if key != manifestKey && n > 0 {
					t.Errorf("%s was read on the word of a manifest that is not believed", key)
				}
			}
		})
	}
	v.honest()
	v.gone[manifestKey] = true
	_, err = l.Worker(t).Find(thisID)
	refusal(t, err, activities.TypeNotFound, thisID)
}

// everyField changes each value of the envelope in turn and keeps the signature.
func everyField(t *testing.T, l *lab.Lab, v *liar) {
	doc, err := manifest.ParseDocument(v.get(t, manifestKey))
	if err != nil {
		t.Fatal(err)
	}
	var tree map[string]any
	if err := json.Unmarshal([]byte(doc.Signed), &tree); err != nil {
		t.Fatal(err)
	}
	changed := []string{}
	w := l.Worker(t)
	eachLeaf("", tree, func(path string) {
		text, err := json.Marshal(tree)
		if err != nil {
			t.Fatal(err)
		}
		v.bodies[manifestKey] = signedAs(t, string(text), doc.Signature)
		_, err = w.Find(thisID)
		refusal(t, err, activities.TypeUntrusted, manifestKey)
		changed = append(changed, path)
	})
	for _, path := range []string{".totals.rows", ".objects[0].sha256", ".objects[0].size", ".objects[0].version", ".recipients[0]", ".point.time", ".point.lsn", ".component", ".contents[0].key", ".source.system"} {
		if !slices.Contains(changed, path) {
			t.Errorf("%s was not changed; changed were %v", path, changed)
		}
	}
}

// everyByte flips a bit in each byte: none is of no matter.
func everyByte(t *testing.T, l *lab.Lab, v *liar) {
	w := l.Worker(t)
	whole := v.get(t, manifestKey)
	for i := range whole {
		bad := bytes.Clone(whole)
		bad[i] ^= 1 << (i % 8)
		v.bodies[manifestKey] = bad
		_, err := w.All.Records.Finder.Load(t.Context(), w.Crew.Components[lab.Component], thisID)
		if err == nil || !strings.Contains(err.Error(), manifestKey) {
			t.Errorf("byte %d: got %v, want an error that names the manifest", i, err)
		}
	}
}

// keysThatAreNoMore: a key counts for what was signed while it was valid, and for nothing else.
func keysThatAreNoMore(t *testing.T, l *lab.Lab, _ *liar) {
	stamp := func(d time.Duration) string { return time.Now().Add(d).UTC().Format("20060102150405Z") }
	for name, tc := range map[string]struct {
		options string
		holds   bool
	}{
		"valid":                      {"", true},
		"revoked later":              {`valid-before="` + stamp(time.Hour) + `"`, true},
		"revoked before":             {`valid-before="` + stamp(-time.Hour) + `"`, false},
		"not valid yet":              {`valid-after="` + stamp(time.Hour) + `"`, false},
		"for orders only":            {`namespaces="order@lifeboat-dr"`, false},
		"for manifests":              {`namespaces="manifest@lifeboat-dr"`, true},
		"revoked, and signs for all": {`namespaces="*",valid-before="` + stamp(-time.Minute) + `"`, false},
	} {
		t.Run(name, func(t *testing.T) {
			l.Signers = fmt.Sprintf("%s %s %s\n", lab.Signer, tc.options, l.Ring.SigningKey)
			w := l.Worker(t)
			_, err := w.Find(thisID)
			if tc.holds {
				if err != nil {
					t.Errorf("got %v", err)
				}
				return
			}
			refusal(t, err, activities.TypeUntrusted, manifestKey)
			refusal(t, w.OpenTarget(l.Scratch(thisID, "x")), activities.TypeUntrusted, manifestKey)
		})
	}
}

func newSigner(t *testing.T) *signature.Signer {
	t.Helper()
	ring, err := keyring.Generate(t.TempDir(), lab.Signer, "nobody")
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(ring.Dir, keyring.Signing))
	if err != nil {
		t.Fatal(err)
	}
	s, err := signature.NewSigner(text)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// signedAs puts a text under a signature that was made for another one.
func signedAs(t *testing.T, text, armored string) []byte {
	t.Helper()
	data, err := manifest.Document{Signed: text, Signature: armored}.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// eachLeaf changes each value of a tree in turn, calls do with its path, and changes it back.
func eachLeaf(path string, node any, do func(path string)) {
	visit := func(path string, value any, set func(any)) {
		switch v := value.(type) {
		case string:
			set(v + "0")
		case float64:
			set(v + 1)
		case bool:
			set(!v)
		default:
			eachLeaf(path, value, do)
			return
		}
		do(path)
		set(value)
	}
	switch n := node.(type) {
	case map[string]any:
		for key, value := range n {
			visit(path+"."+key, value, func(v any) { n[key] = v })
		}
	case []any:
		for i, value := range n {
			visit(fmt.Sprintf("%s[%d]", path, i), value, func(v any) { n[i] = v })
		}
	}
}
