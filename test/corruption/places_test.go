package corruption

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lifeboat-dr/lifeboat/activities"
	"github.com/lifeboat-dr/lifeboat/internal/keyring"
	"github.com/lifeboat-dr/lifeboat/internal/manifest"
	"github.com/lifeboat-dr/lifeboat/internal/seal"
	"github.com/lifeboat-dr/lifeboat/internal/store/dir"
	"github.com/lifeboat-dr/lifeboat/test/lab"
)

func mustJSON(t *testing.T, v any) []byte {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// TestEveryFileOfABackup flips a bit of every file in a backup's folder on disk, where a directory is the
// vault. Files that a restore needs are refused by name; the workers' notes are needed by none.
func TestEveryFileOfABackup(t *testing.T) {
	root := t.TempDir()
	vault, err := dir.Open(root)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = vault.Close() })
	l := lab.New(t, vault)
	l.Fill(t, "CREATE TABLE claims AS SELECT g AS id, md5(g::text) AS note FROM generate_series(1, 2000) g; SELECT lo_create(1)")
	w := l.Worker(t)
	w.Backup(t, thisID)
	in := l.Scratch(thisID, "files")
	record, err := lab.Do[string](w, w.All.Records.RecordVerified, w.Verified(t, in))
	if err != nil {
		t.Fatal(err)
	}
	_, contents := w.Open(t, thisID)

	folder := manifest.BackupPrefix(lab.Component, thisID)
	kinds := map[string]int{}
	err = filepath.WalkDir(filepath.Join(root, filepath.FromSlash(folder)), func(path string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		rel, _ := filepath.Rel(root, path)
		key := filepath.ToSlash(rel)
		whole, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		bad := bytes.Clone(whole)
		bad[len(bad)/2] ^= 1
		if err := os.WriteFile(path, bad, 0o600); err != nil {
			return err
		}
		restored := func(n string) error {
			w := l.Worker(t)
			in := l.Scratch(thisID, n)
			defer func() { _, _ = w.Drop(in) }()
			if _, err := w.Find(thisID); err != nil {
				return err
			}
			for _, err := range []error{w.OpenTarget(in), w.CreateTables(in), w.Load(in, 0, len(contents.Chunks))} {
				if err != nil {
					return err
				}
			}
			return nil
		}
		switch {
		case key == record:
			kinds["record"]++
			if found, err := l.Worker(t).Find(thisID); err != nil || found.Verified {
				t.Errorf("a damaged record still counts: %t, %v", found.Verified, err)
			}
		case strings.HasSuffix(key, ".work"):
			kinds["note"]++
			if kinds["note"] == 1 {
				if err := restored("notes"); err != nil {
					t.Errorf("a restore needs the note %s: %v", key, err)
				}
			}
		case key == manifestKey:
			kinds["manifest"]++
			refusal(t, restored("manifest"), activities.TypeUntrusted, key)
		default:
			kinds["object"]++
			refusal(t, restored("object"), activities.TypeCorrupt, key)
		}
		return os.WriteFile(path, whole, 0o600)
	})
	if err != nil {
		t.Fatal(err)
	}
	if kinds["manifest"] != 1 || kinds["record"] != 1 || kinds["object"] < 4 || kinds["note"] < 3 {
		t.Errorf("flipped a bit in %v", kinds)
	}
	if found, err := l.Worker(t).Find(thisID); err != nil || !found.Verified {
		t.Errorf("put back, it is verified %t: %v", found.Verified, err)
	}
}

// TestNotesThatAreNotOurs spoils what workers note for each other while a backup is on its way: no manifest is
// written over it.
func TestNotesThatAreNotOurs(t *testing.T) {
	l, v := small(t)
	w := l.Worker(t)
	const id = "20261124T020000Z-k3v7qa"
	in := w.Copy(t, id)
	note := func(name string) string { return manifest.WorkKey(lab.Component, id, in.Snapshot.ID, name) }
	before := func(name string) string { return manifest.WorkKey(lab.Component, thisID, "s1", name) }
	for _, name := range []string{"plan", "schema", "c00000"} {
		for what, served := range map[string][]byte{
			"flipped": flip(func(n int) int { return n / 2 })(t, v, note(name)), "of another backup": v.get(t, before(name)), "made up": []byte("{}"), "nothing": {},
		} {
			v.honest()
			v.bodies[note(name)] = served
			t.Run(name+" "+what, func(t *testing.T) { refusal(t, w.Commit(in), activities.TypeCorrupt, note(name)) })
		}
		v.honest()
		v.gone[note(name)] = true
		t.Run(name+" missing", func(t *testing.T) {
			refusal(t, w.Commit(in), activities.TypeNoSuchChunk, id)
		})
	}
	v.honest()
	if _, err := v.Stat(t.Context(), manifest.ManifestKey(lab.Component, id), ""); err == nil {
		t.Error("a manifest was written on the word of such notes")
	}
	if err := w.Commit(in); err != nil {
		t.Error(err)
	}
}

// TestKeys: a worker with another key opens nothing and says that it is the key; the escrow key opens everything;
// and without recipients nothing is ever written.
func TestKeys(t *testing.T) {
	l, v := small(t)
	other, err := keyring.Generate(t.TempDir(), "x", "y")
	if err != nil {
		t.Fatal(err)
	}
	wrong := *l
	wrong.Ring = other
	b, _ := l.Worker(t).Open(t, thisID)
	stranger := l.Worker(t, func(w *lab.Worker) { w.Crew.Identities = wrong.Identities(t, keyring.Escrow) })
	for name, err := range map[string]error{
		"find": second(stranger.Find(thisID)), "open": stranger.OpenTarget(l.Scratch(thisID, "x")), "load": stranger.Load(l.Scratch(thisID, "x"), 0, 1),
	} {
		t.Run(name, func(t *testing.T) { refusal(t, err, wrongKey, b.Envelope.Contents[0].Key) })
	}
	escrow := l.Worker(t, func(w *lab.Worker) { w.Crew.Identities = l.Identities(t, keyring.Escrow) })
	if _, err := escrow.Find(thisID); err != nil {
		t.Errorf("the escrow key: %v", err)
	}
	nobody := l.Worker(t, func(w *lab.Worker) { w.Crew.Recipients = nil })
	const id = "20261124T020000Z-k3v7qa"
	if _, err := lab.Do[activities.ServerCopy](nobody, nobody.All.Dumps.CopyServer, activities.CopyServerInput{Guard: l.Guard(), Component: lab.Component, Backup: id}); err == nil || !strings.Contains(err.Error(), "no recipients") {
		t.Errorf("a worker without recipients: %v", err)
	}
	if _, err := seal.ParseRecipients(nil); err == nil {
		t.Error("an empty list of recipients was read")
	}
	for o, err := range v.Store.Versions(t.Context(), manifest.BackupPrefix(lab.Component, id)) {
		if err != nil || !strings.HasSuffix(o.Key, "plan.work") { // sealed with the fleet's key
			t.Errorf("it wrote %s: %v", o.Key, err)
		}
	}
}

// wrongKey is how a key that does not fit is told from a damage.
const wrongKey = activities.TypeConfiguration

func second[T any](_ T, err error) error { return err }
