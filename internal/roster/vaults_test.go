package roster_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/lifeboat-dr/lifeboat/internal/manifest"
	"github.com/lifeboat-dr/lifeboat/internal/plan"
	"github.com/lifeboat-dr/lifeboat/internal/roster"
	"github.com/lifeboat-dr/lifeboat/internal/store"
	"github.com/lifeboat-dr/lifeboat/internal/store/dir"
)

// cellar is where vaults of a test lie, and what a process knows of them.
type cellar struct {
	dirs []string
	*roster.Vaults
}

func newCellar(t *testing.T, fingerprint string, n int) *cellar {
	t.Helper()
	c := &cellar{Vaults: &roster.Vaults{Fingerprint: fingerprint, Patience: 10 * time.Second}}
	for i := range n {
		path := t.TempDir()
		s, err := dir.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		c.dirs = append(c.dirs, path)
		c.Vaults.Vaults = append(c.Vaults.Vaults, roster.Vault{Name: []string{"east", "west", "north"}[i], Store: s})
	}
	return c
}

// fresh is the same vaults as another process sees them.
func (c *cellar) fresh() *roster.Vaults {
	return &roster.Vaults{Vaults: c.Vaults.Vaults, Fingerprint: c.Fingerprint, Patience: c.Patience}
}

// publish brings a chain into the vaults, as a worker does.
func (c *cellar) publish(t *testing.T, chain *roster.Chain) {
	t.Helper()
	if errs := c.Publish(t.Context(), chain, c.Look(t.Context(), chain, now), now); len(errs) > 0 {
		t.Fatal(errs)
	}
}

// files are the versions that lie in a vault.
func (c *cellar) files(t *testing.T, vault int) []string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(c.dirs[vault], manifest.RosterPrefix(c.Fingerprint), "*.json"))
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// onDisk writes a chain as a roster's file.
func onDisk(t *testing.T, chain *roster.Chain) *roster.File {
	t.Helper()
	data, err := chain.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "roster.json")
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return &roster.File{Path: path, Fingerprint: chain.Fingerprint()}
}

// TestADowngradeIsSeenInTheVaults: on a machine that has never seen a roster, an older file is refused for the
// newer version that lies in a vault, and the newest one is not.
func TestADowngradeIsSeenInTheVaults(t *testing.T) {
	w := newTown(t)
	w.add(w.next(nothing), "olga", "omar")
	old := &roster.Chain{Format: 1, Versions: w.chain.Versions[:2]}
	w.add(w.next(func(v *roster.Version) { find(v, "opal").Roles = nil }), "olga", "omar")
	c := newCellar(t, w.chain.Fingerprint(), 2)
	c.publish(t, w.chain)
	c.publish(t, w.chain) // again: nothing is written twice
	for i := range c.dirs {
		if got := c.files(t, i); len(got) != 3 {
			t.Errorf("vault %d holds %v", i, got)
		}
	}

	looked := c.fresh().Look(t.Context(), old, now)
	if looked.Newest().Number != 3 || len(looked.Problems)+len(looked.Unreached) > 0 || len(looked.Marks) != 3 {
		t.Fatalf("found %+v", looked)
	}
	file := onDisk(t, old)
	if _, err := file.Load(now); err != nil {
		t.Fatalf("before anybody looked: %v", err)
	}
	file = onDisk(t, old)
	file.See(looked.Marks...)
	if _, err := file.Load(now); !errors.Is(err, roster.ErrDowngraded) || !strings.Contains(err.Error(), "version 3 lies in vault east") {
		t.Errorf("an older file: %v", err)
	}
	file = onDisk(t, w.chain)
	file.See(looked.Marks...)
	if r, err := file.Load(now); err != nil || r.Version.Number != 3 {
		t.Errorf("the newest file: %v", err)
	}
	// A file behind the vaults is told also where the vaults alone hold what is between.
	first := &roster.Chain{Format: 1, Versions: w.chain.Versions[:1]}
	if got := c.fresh().Look(t.Context(), first, now).Newest(); got.Number != 3 {
		t.Errorf("with the first version only: %+v", got)
	}
	whole := c.fresh().Look(t.Context(), nil, now)
	if got := whole.Newest(); got.Number != 3 {
		t.Errorf("without a file: %+v", got)
	}
	if fetched, err := whole.Chain(c.Fingerprint); err != nil || len(fetched.Versions) != 3 {
		t.Errorf("put together: %v", err)
	} else if r, err := fetched.Verify(c.Fingerprint, now); err != nil || r.Version.Number != 3 {
		t.Errorf("what was put together does not hold: %v", err)
	}
	if _, err := (roster.Looked{}).Chain(c.Fingerprint); !errors.Is(err, roster.ErrForeign) {
		t.Errorf("out of nothing: %v", err)
	}
}

// TestVersionsInVaultsAreBelievedForSignaturesOnly: whoever can write to a vault can neither make a version
// nor keep a true one from being seen.
func TestVersionsInVaultsAreBelievedForSignaturesOnly(t *testing.T) {
	promote := func(v *roster.Version) { find(v, "opal").Roles = []string{plan.RoleOwner, plan.RoleCommander} }
	for name, tc := range map[string]struct {
		spoil    func(t *testing.T, w *town, c *cellar)
		says     string
		believed int
	}{
		"an edited version": {func(t *testing.T, w *town, c *cellar) {
			path := c.files(t, 0)[1]
			text, _ := os.ReadFile(path)
			write(t, path, strings.Replace(string(text), "opal", "opel", 1))
		}, "object is corrupt", 2},
		"another text under a version's name": {func(t *testing.T, w *town, c *cellar) {
			putAs(t, c, 3, w.signed(w.next(promote)), w.signed(w.next(nothing), "olga", "omar").Digest())
		}, "its text was changed", 2},
		"an edited version under its own digest": {func(t *testing.T, w *town, c *cellar) {
			v, _ := w.chain.Versions[1].Read()
			promote(&v)
			put(t, c, 2, w.signed(v))
		}, "0 of 2", 2},
		"a next version by one owner": {func(t *testing.T, w *town, c *cellar) { put(t, c, 3, w.signed(w.next(promote), "olga")) }, "1 of 2", 2},
		"a next version by strangers": {func(t *testing.T, w *town, c *cellar) {
			put(t, c, 3, w.signed(w.next(promote), "stranger", "worker"))
		}, "0 of 2", 2},
		"a version after one that nobody has": {func(t *testing.T, w *town, c *cellar) {
			lost := w.signed(w.next(nothing), "olga", "omar")
			w.chain.Versions = append(w.chain.Versions, lost)
			put(t, c, 4, w.signed(w.next(nothing), "olga", "omar"))
		}, "is nowhere", 2},
		"another beginning": {func(t *testing.T, w *town, c *cellar) {
			put(t, c, 1, newTown(t).chain.Versions[0])
		}, "does not begin with the pinned version", 2},
		"a version of tomorrow": {func(t *testing.T, w *town, c *cellar) {
			put(t, c, 3, w.signed(w.next(func(v *roster.Version) { v.Issued = now.Add(24 * time.Hour) }), "olga", "omar"))
		}, "not come yet", 2},
		"a version under another number": {func(t *testing.T, w *town, c *cellar) { put(t, c, 7, w.chain.Versions[1]) }, "another number", 2},
		"rubbish": {func(t *testing.T, w *town, c *cellar) {
			write(t, filepath.Join(c.dirs[0], manifest.RosterKey(c.Fingerprint, 3, strings.Repeat("0", 64))), "please")
		}, "decode", 2},
		"a fork that owners signed": {func(t *testing.T, w *town, c *cellar) {
			w.chain.Versions = w.chain.Versions[:1]
			put(t, c, 2, w.signed(w.next(promote), "olga", "otto"))
		}, "", 3},
	} {
		t.Run(name, func(t *testing.T) {
			w := newTown(t)
			w.add(w.next(nothing), "olga", "omar")
			local := &roster.Chain{Format: 1, Versions: w.chain.Versions[:2]}
			c := newCellar(t, w.chain.Fingerprint(), 1)
			c.publish(t, w.chain)
			tc.spoil(t, w, c)
			for who, chain := range map[string]*roster.Chain{"with the file": local, "without": nil} {
				if who == "without" && name == "an edited version" {
					continue // then version 2 is nowhere, as it should be
				}
				looked := c.fresh().Look(t.Context(), chain, now)
				var said strings.Builder
				for _, p := range looked.Problems {
					said.WriteString(p.Error() + "\n")
				}
				if !strings.Contains(said.String(), tc.says) || tc.says == "" && said.Len() > 0 {
					t.Errorf("%s: %q is said, not %q", who, said.String(), tc.says)
				}
				file := onDisk(t, local)
				file.See(looked.Marks...)
				switch r, err := file.Load(now); {
				case tc.believed > 2:
					if !errors.Is(err, roster.ErrForked) {
						t.Errorf("%s: a fork ended with %v", who, err)
					}
					if _, err := looked.Chain(c.Fingerprint); !errors.Is(err, roster.ErrForked) {
						t.Errorf("%s: a chain was put together of a fork: %v", who, err)
					}
				case err != nil || r.Version.Number != 2:
					t.Errorf("%s: %v", who, err)
				}
			}
		})
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// put lays a version into the first vault, as somebody with its credentials can.
func put(t *testing.T, c *cellar, number int, signed *roster.SignedVersion) {
	t.Helper()
	putAs(t, c, number, signed, signed.Digest())
}

// putAs is put under the name of another version.
func putAs(t *testing.T, c *cellar, number int, signed *roster.SignedVersion, digest string) {
	t.Helper()
	body, err := signed.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Vaults.Vaults[0].Store.Create(t.Context(), manifest.RosterKey(c.Fingerprint, number, digest), body, store.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
}

// TestAVaultThatIsAwayIsNamed: the others are read, what is missing in one lies in another, and when all are
// away nothing is taken for seen.
func TestAVaultThatIsAwayIsNamed(t *testing.T) {
	w := newTown(t)
	w.add(w.next(nothing), "olga", "omar")
	w.add(w.next(nothing), "olga", "omar")
	c := newCellar(t, w.chain.Fingerprint(), 3)
	c.publish(t, w.chain)
	if err := os.Remove(c.files(t, 1)[1]); err != nil { // west lacks version 2, and has version 3
		t.Fatal(err)
	}
	away := c.fresh()
	away.Vaults = append([]roster.Vault{}, away.Vaults...)
	away.Vaults[0].Store = gone{away.Vaults[0].Store}
	looked := away.Look(t.Context(), nil, now)
	if looked.Newest().Number != 3 || len(looked.Reached) != 2 || len(looked.Unreached) != 1 || !strings.Contains(looked.Unreached[0].Error(), "vault east") || len(looked.Problems) > 0 {
		t.Errorf("with one away: %+v", looked)
	}
	if errs := away.Publish(t.Context(), w.chain, looked, now); len(errs) > 0 || len(c.files(t, 1)) != 3 {
		t.Errorf("west was not made whole: %v, %v", errs, c.files(t, 1))
	}
	for i := range away.Vaults {
		away.Vaults[i].Store = gone{away.Vaults[i].Store}
	}
	if looked := away.Look(t.Context(), w.chain, now); len(looked.Marks)+len(looked.Reached) > 0 || len(looked.Unreached) != 3 {
		t.Errorf("with all away: %+v", looked)
	}
}
