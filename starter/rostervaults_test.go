package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/lifeboat-dr/lifeboat/internal/manifest"
	"github.com/lifeboat-dr/lifeboat/internal/roster"
	"github.com/lifeboat-dr/lifeboat/internal/store"
	"github.com/lifeboat-dr/lifeboat/internal/store/dir"
)

// TestTheCommandLineAsksTheVaultsForNewerRosters: a version that lies in a vault and not in the file is told of
// wherever vaults are opened anyway, and refused where the roster is verified.
func TestTheCommandLineAsksTheVaultsForNewerRosters(t *testing.T) {
	s := newRosterStage(t, "alice", "bob", "carol")
	s.signedBy("alice", "bob", "carol")
	public, err := os.ReadFile(s.path("alice.pub"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(s.path("allowed_signers"), append([]byte("worker "), public...), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(s.path("vault"), 0o700); err != nil {
		t.Fatal(err)
	}
	s.does(exitOK, "Vaults were not asked", "roster", "verify")
	s.does(exitOK, "lies no version yet", "roster", "verify", "--vaults")
	old, err := os.ReadFile(s.path("roster.json"))
	if err != nil {
		t.Fatal(err)
	}
	s.does(exitOK, "", "roster", "remove", "carol")
	s.does(exitOK, "", "roster", "sign", "--yes", "--key", "KEY/alice")
	s.does(exitOK, "version 2 is the roster now", "roster", "sign", "--yes", "--key", "KEY/bob")
	s.bringToVault()
	s.does(exitOK, "the newest is version 2", "roster", "verify", "--vaults")
	if _, _, stderr := lifeboat(t, "backups", "--config", s.config); stderr != "" {
		t.Errorf("with the newest file it says %s", stderr)
	}
	if err := os.WriteFile(s.path("roster.json"), old, 0o600); err != nil {
		t.Fatal(err)
	}
	s.does(exitFailed, "version 2 lies in vault disk", "roster", "verify", "--vaults")
	s.does(exitOK, "version 2 lies in vault disk", "backups")
	s.does(exitOK, "loses the role owner", "roster", "fetch")
	s.does(exitOK, "2 versions hold", "roster", "verify", "--vaults")
	s.does(exitOK, "is version 2 now", "roster", "fetch")
	if err := os.Remove(s.path("roster.json")); err != nil {
		t.Fatal(err)
	}
	if _, _, stderr := lifeboat(t, "backups", "--config", s.config); stderr != "" {
		t.Errorf("on a machine without the file it says %s", stderr)
	}
	s.does(exitOK, "new: bob (bob)", "roster", "fetch")
	s.does(exitOK, "2 versions hold", "roster", "verify", "--vaults")
	if err := os.WriteFile(s.path("roster.json"), []byte("please"), 0o600); err != nil {
		t.Fatal(err)
	}
	s.does(exitFailed, "move the file away", "roster", "fetch")
}

// bringToVault does what a worker does.
func (s *rosterStage) bringToVault() {
	s.Helper()
	chain, err := roster.ReadChain(s.path("roster.json"))
	if err != nil {
		s.Fatal(err)
	}
	vault, err := dir.Open(filepath.Join(s.dir, "vault"))
	if err != nil {
		s.Fatal(err)
	}
	for i, version := range chain.Versions {
		body, err := version.Bytes()
		if err != nil {
			s.Fatal(err)
		}
		if _, err := vault.Create(s.Context(), manifest.RosterKey(chain.Fingerprint(), i+1, version.Digest()), body, store.CreateOptions{}); err != nil {
			s.Fatal(err)
		}
	}
}

// TestOwnersOfTheRosterSignTheOrder: without owners in the configuration those of the roster sign, and whoever
// is removed does not count from then on.
func TestOwnersOfTheRosterSignTheOrder(t *testing.T) {
	s := newRosterStage(t, "alice", "bob", "carol", "dan")
	s.signedBy("alice", "bob", "carol")
	s.does(exitOK, "2 owner(s) of the roster", "order", "new")
	s.does(exitFailed, "belongs to no owner", "order", "sign", "--key", "KEY/dan")
	s.does(exitOK, "1 owners of the roster, 2 are needed", "order", "sign", "--key", "KEY/alice")
	s.does(exitFailed, "has signed the order already", "order", "sign", "--key", "KEY/alice")
	s.does(exitFailed, "the order does not hold", "order", "show")
	s.does(exitOK, "valid", "order", "sign", "--key", "KEY/carol")
	s.does(exitOK, "state  valid", "order", "show")
	s.does(exitOK, "", "roster", "remove", "carol")
	s.does(exitOK, "", "roster", "sign", "--yes", "--key", "KEY/alice")
	s.does(exitOK, "version 2 is the roster now", "roster", "sign", "--yes", "--key", "KEY/bob")
	s.does(exitFailed, "carol is no owner", "order", "show")
	s.does(exitOK, "valid", "order", "sign", "--key", "KEY/bob")
}
