package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lifeboat-dr/lifeboat/internal/roster"
	"github.com/lifeboat-dr/lifeboat/runbooks"
)

// rosterStage is a directory with a configuration that names a roster, and people's keys beside it.
type rosterStage struct {
	*testing.T
	dir, config string
}

func newRosterStage(t *testing.T, people ...string) *rosterStage {
	t.Helper()
	s := &rosterStage{T: t, dir: t.TempDir()}
	s.config = filepath.Join(s.dir, "lifeboat.yaml")
	s.pin("")
	for _, id := range people {
		s.key(id)
	}
	return s
}

func (s *rosterStage) key(id string) {
	s.Helper()
	if out, err := exec.Command("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", id+"@laptop", "-f", filepath.Join(s.dir, id)).CombinedOutput(); err != nil {
		s.Fatalf("ssh-keygen: %v %s", err, out)
	}
}

// pin writes the configuration with a fingerprint.
func (s *rosterStage) pin(fingerprint string) {
	s.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", "roster.yaml"))
	if err != nil {
		s.Fatal(err)
	}
	text = append(text, "roster: {file: roster.json, fingerprint: \""+fingerprint+"\"}\n"...)
	if err := os.WriteFile(s.config, text, 0o600); err != nil {
		s.Fatal(err)
	}
}

func (s *rosterStage) path(name string) string { return filepath.Join(s.dir, name) }

// does runs a command and wants an exit code and a text in what it says. KEY/ stands for the directory.
func (s *rosterStage) does(code int, says string, args ...string) string {
	s.Helper()
	for i := range args {
		args[i] = strings.ReplaceAll(args[i], "KEY/", s.dir+"/")
	}
	got, stdout, stderr := lifeboat(s.T, append(args, "--config", s.config)...)
	if got != code || !strings.Contains(stdout+stderr, says) {
		s.Errorf("lifeboat %v: exit %d, want %d and %q:\n%s%s", args, got, code, says, stdout, stderr)
	}
	return stdout
}

// TestARosterIsBegunChangedAndSigned goes the way that docs/roster.md describes.
func TestARosterIsBegunChangedAndSigned(t *testing.T) {
	s := newRosterStage(t, "alice", "bob", "carol", "dan", "eve")
	s.does(exitNotFound, "roster init", "roster", "show")
	s.does(exitNotFound, "roster init", "roster", "add", "bob", "--name", "Bob")
	s.does(exitUsage, "private key", "roster", "init", "alice", "--name", "Alice", "--key", "KEY/alice")
	s.does(exitUsage, "a name is needed", "roster", "init", "alice", "--key", "KEY/alice.pub")
	s.does(exitOK, "1 owners have a valid key", "roster", "init", "alice", "--name", "Alice", "--key", "KEY/alice.pub", "--role", "commander")
	s.does(exitFailed, "is there already", "roster", "init", "alice", "--name", "Alice", "--key", "KEY/alice.pub")
	s.does(exitOK, "2 owners have to sign", "roster", "add", "bob", "--name", "Bob", "--key", "KEY/bob.pub", "--role", "owner")
	s.does(exitUsage, "belongs to", "roster", "add", "carol", "--name", "Carol", "--key", "KEY/bob.pub", "--role", "owner")
	s.does(exitOK, "carol", "roster", "add", "carol", "--name", "Carol", "--key", "KEY/carol.pub", "--role", "owner")
	s.does(exitOK, "T0TEAM/U0DAN", "roster", "add", "dan", "--name", "Dan", "--email", "dan@medlink.example", "--key", "KEY/dan.pub", "--role", "approver", "--slack", "T0TEAM/U0DAN")
	s.does(exitOK, "new: dan (Dan)", "roster", "show", "--draft")
	s.does(exitFailed, "belongs to no owner", "roster", "sign", "--yes", "--key", "KEY/dan")
	s.does(exitOK, "1 of 2", "roster", "sign", "--yes", "--key", "KEY/alice")
	s.does(exitOK, "1 of 2", "roster", "sign", "--yes", "--key", "KEY/alice")
	// A change after a signature takes the signature away.
	s.does(exitOK, "1 signatures under the draft are dropped", "roster", "add", "dan", "--pager", "dan")
	s.does(exitOK, "1 of 2", "roster", "sign", "--yes", "--key", "KEY/alice")
	s.does(exitConfig, "fingerprint", "roster", "verify")
	var signed struct {
		Complete    bool
		Fingerprint string
	}
	if err := json.Unmarshal([]byte(s.does(exitOK, "", "roster", "sign", "--yes", "--key", "KEY/bob", "-o", "json")), &signed); err != nil || !signed.Complete {
		t.Fatalf("%+v %v", signed, err)
	}
	s.does(exitOK, "not pinned", "roster", "show")
	s.pin(strings.Repeat("0", 64))
	s.does(exitFailed, "does not begin with the pinned version", "roster", "verify")
	s.does(exitOK, "ANOTHER ONE IS PINNED", "roster", "show")
	s.pin(signed.Fingerprint)
	s.does(exitOK, "1 versions hold", "roster", "verify")
	s.does(exitNotFound, "nothing to sign", "roster", "sign", "--yes", "--key", "KEY/alice")

	old, err := os.ReadFile(s.path("roster.json"))
	if err != nil {
		t.Fatal(err)
	}
	// A second version: a key is revoked, a policy comes in, somebody leaves.
	if err := os.WriteFile(s.path("policies.yaml"), []byte("- name: urgent\n  repeat: 1\n  levels:\n    - {delay: 0s, targets: ['role:commander'], notify: all}\n    - {delay: 5m, targets: ['person:dan', 'pager:night'], notify: any}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	s.does(exitOK, "after 5m0s any of person:dan pager:night", "roster", "policies", "KEY/policies.yaml")
	s.does(exitOK, "loses the role approver", "roster", "remove", "dan")
	s.does(exitNotFound, "not in the roster", "roster", "remove", "nobody")
	s.does(exitUsage, "write a time", "roster", "remove", "bob", "--key", "SHA256:x", "--from", "yesterday")
	s.does(exitOK, "eve", "roster", "add", "eve", "--name", "Eve", "--key", "KEY/eve.pub", "--role", "owner")
	s.does(exitFailed, "belongs to no owner", "roster", "sign", "--yes", "--key", "KEY/eve") // not yet
	s.does(exitOK, "1 of 2", "roster", "sign", "--yes", "--key", "KEY/carol")
	s.does(exitOK, "version 2 is the roster now", "roster", "sign", "--yes", "--key", "KEY/alice")
	s.does(exitOK, "2 versions hold", "roster", "verify")
	var shown struct {
		Digest string
		Roster roster.Version
	}
	if err := json.Unmarshal([]byte(s.does(exitOK, "", "roster", "show", "-o", "json")), &shown); err != nil || shown.Roster.Number != 2 || len(shown.Roster.Policies) != 1 {
		t.Fatalf("%+v %v", shown, err)
	}
	s.does(exitOK, "", "roster", "verify", "--seen", "2:"+shown.Digest)
	s.does(exitFailed, "was forked", "roster", "verify", "--seen", "2:"+signed.Fingerprint)
	s.does(exitUsage, "NUMBER:DIGEST", "roster", "verify", "--seen", "two")
	if err := os.WriteFile(s.path("roster.json"), old, 0o600); err != nil {
		t.Fatal(err)
	}
	s.does(exitFailed, "older than one that was seen", "roster", "verify", "--seen", "2:"+shown.Digest)
	if err := os.WriteFile(s.path("roster.json"), []byte(strings.Replace(string(old), "Alice", "Malice", 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	s.does(exitFailed, "does not begin with the pinned version", "roster", "verify")
}

func TestSigningWithAnAgent(t *testing.T) {
	s := newRosterStage(t, "alice", "dan")
	s.does(exitOK, "", "roster", "init", "alice", "--name", "Alice", "--key", "KEY/alice.pub", "--role", "commander")
	t.Setenv("SSH_AUTH_SOCK", "")
	s.does(exitUsage, "no SSH agent", "roster", "sign", "--yes")
	short, err := os.MkdirTemp("", "agent")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(short) })
	cmd := exec.Command("ssh-agent", "-D", "-a", filepath.Join(short, "s"))
	said, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	if _, err := said.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	t.Setenv("SSH_AUTH_SOCK", filepath.Join(short, "s"))
	for _, id := range []string{"dan", "alice"} { // the one who may not sign comes first
		if out, err := exec.Command("ssh-add", "-q", s.path(id)).CombinedOutput(); err != nil {
			t.Fatalf("ssh-add: %v %s", err, out)
		}
	}
	s.does(exitOK, "version 1 is the roster now", "roster", "sign", "--yes")
}

// signedBy makes a roster that some owners signed, and pins it.
func (s *rosterStage) signedBy(owners ...string) {
	s.Helper()
	s.does(exitOK, "", "roster", "init", owners[0], "--name", owners[0], "--key", "KEY/"+owners[0]+".pub", "--role", "commander")
	for _, id := range owners[1:] {
		s.does(exitOK, "", "roster", "add", id, "--name", id, "--key", "KEY/"+id+".pub", "--role", "owner")
	}
	for _, id := range owners[:min(2, len(owners))] {
		s.does(exitOK, "", "roster", "sign", "--yes", "--key", "KEY/"+id)
	}
	var shown struct{ Fingerprint string }
	if err := json.Unmarshal([]byte(s.does(exitOK, "", "roster", "show", "-o", "json")), &shown); err != nil {
		s.Fatal(err)
	}
	s.pin(shown.Fingerprint)
}

func TestRunbooksAreSignedOnTheCommandLine(t *testing.T) {
	s := newRosterStage(t, "alice", "bob", "carol", "dan")
	s.signedBy("alice", "bob", "carol")
	book := s.path("rehearsal.yaml")
	text, ok := runbooks.BuiltinNamed("backup-restore-rehearsal")
	if !ok {
		t.Fatal("the runbook is gone")
	}
	write := func(data []byte) {
		if err := os.WriteFile(book, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	signatures := func() int {
		data, err := os.ReadFile(book + ".sigs")
		if err != nil {
			t.Fatal(err)
		}
		return strings.Count(string(data), "BEGIN SSH SIGNATURE")
	}
	s.does(exitNotFound, "there is no runbook", "runbook", "sign", book, "--key", "KEY/alice")
	write([]byte("name: x\n"))
	s.does(exitUsage, "is not signed, it is wrong", "runbook", "sign", book, "--key", "KEY/alice")
	write(text)
	s.does(exitFailed, "no owner", "runbook", "sign", book, "--key", "KEY/dan")
	s.does(exitOK, "1 of 2", "runbook", "sign", book, "--key", "KEY/alice")
	s.does(exitOK, "1 of 2", "runbook", "sign", book, "--key", "KEY/alice")
	s.does(exitOK, "2 of 2", "runbook", "sign", book, "--key", "KEY/bob")
	if n := signatures(); n != 2 {
		t.Errorf("%d signatures", n)
	}
	write(append(text, "# edited\n"...))
	s.does(exitOK, "1 of 2", "runbook", "sign", book, "--key", "KEY/carol")
	if n := signatures(); n != 1 {
		t.Errorf("%d signatures under the edited text", n)
	}
	s.pin("")
	s.does(exitConfig, "fingerprint", "runbook", "sign", book, "--key", "KEY/alice")
}
