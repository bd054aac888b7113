package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/cobra"
)

// lifeboat runs a command line.
func lifeboat(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, err bytes.Buffer
	code = execute(context.Background(), args, &out, &err)
	return code, out.String(), err.String()
}

func TestEveryCommandHasAnExample(t *testing.T) {
	var walk func(*cobra.Command)
	walk = func(c *cobra.Command) {
		if c.Runnable() && c.Example == "" && c.Name() != "help" {
			t.Errorf("%q has no example", c.CommandPath())
		}
		for _, child := range c.Commands() {
			walk(child)
		}
	}
	walk(newRoot(&app{stdout: &bytes.Buffer{}, stderr: &bytes.Buffer{}}))
}

func TestExitCodes(t *testing.T) {
	dir := t.TempDir()
	bad := filepath.Join(dir, "bad.yaml")
	if err := os.WriteFile(bad, []byte("version: 1\nnonsense: true\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		args []string
		code int
		says string
	}{
		{[]string{"version"}, exitOK, ""},
		{[]string{"backup", "--nonsense"}, exitUsage, "--help"},
		{[]string{"schedule", "pause"}, exitUsage, "--help"},
		{[]string{"nonsense"}, exitUsage, "unknown command"},
		{[]string{"restore"}, exitUsage, "required flag"},
		{[]string{"restore", "--to", "branch:x"}, exitUsage, "which backup"},
		{[]string{"restore", "latest", "--backup", "latest", "--to", "branch:x"}, exitUsage, "name the backup once"},
		{[]string{"restore", "latest", "another", "--to", "branch:x"}, exitUsage, "--help"},
		{[]string{"status", "--output", "xml"}, exitUsage, "text or json"},
		{[]string{"status", "--config", filepath.Join(dir, "none.yaml")}, exitConfig, "lifeboat.example.yaml"},
		{[]string{"config", "check", "--config", bad}, exitConfig, "bad.yaml:2:1: nonsense"},
	} {
		code, _, stderr := lifeboat(t, tc.args...)
		if code != tc.code || !strings.Contains(stderr, tc.says) {
			t.Errorf("lifeboat %v: exit %d, %q; want %d and %q", tc.args, code, stderr, tc.code, tc.says)
		}
	}
}

// TestFirstSteps goes the way of the README: keys, a configuration that names them, an order that its owner
// signs. Then the vault can be read without any Temporal.
func TestFirstSteps(t *testing.T) {
	dir := t.TempDir()
	keys := filepath.Join(dir, "keys")
	code, out, stderr := lifeboat(t, "keygen", keys, "--owner", "alice@medlink.example", "-o", "json")
	if code != exitOK {
		t.Fatal(stderr)
	}
	var ring struct{ VerificationRecipient, EscrowRecipient string }
	if err := json.Unmarshal([]byte(out), &ring); err != nil {
		t.Fatal(err)
	}
	if code, _, stderr := lifeboat(t, "keygen", keys); code != exitFailed || !strings.Contains(stderr, "never overwritten") {
		t.Errorf("keys over keys: exit %d, %s", code, stderr)
	}
	config := filepath.Join(dir, "lifeboat.yaml")
	text := `version: 1
application: medlink
sites: {home: {role: primary}}
vaults: {disk: {dir: {path: vault}}, copy: {dir: {path: copy}}, other: {dir: {path: other}}}
components:
  database:
    tier: 1
    owner: alice@medlink.example
    rpo: 4h
    rto: 24h
    source: {postgres: {site: home, url: {env: DATABASE_URL}}}
    vault: disk
    replicas: [copy]
    verify: {scratch: {postgres: {site: home, url: {env: SCRATCH_URL}}}}
keys:
  recipients:
    - {name: verification, recipient: ` + ring.VerificationRecipient + `, use: verification}
    - {name: escrow, recipient: ` + ring.EscrowRecipient + `, use: escrow}
  identities: [{file: keys/verification.agekey}]
  signing_key: {file: keys/signing_ed25519}
  allowed_signers: keys/allowed_signers
  fleet_keys: [{file: keys/fleet.key}]
order: {file: order.json, owners: keys/owners}
temporal: {address: "127.0.0.1:1"}
`
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		args []string
		code int
		says string
	}{
		{[]string{"config", "check"}, exitOK, "is right"},
		{[]string{"order", "show"}, exitNotFound, "order new"},
		{[]string{"order", "new"}, exitOK, "target.fill"},
		{[]string{"order", "new"}, exitFailed, "is there already"},
		{[]string{"order", "show"}, exitFailed, `"copy"`},
		{[]string{"order", "show"}, exitFailed, "signed by 0 owners"},
		{[]string{"order", "sign", "--key", keys + "/signing_ed25519"}, exitOK, ""},
		{[]string{"order", "show"}, exitFailed, "signed by 0 owners"}, // a worker is no owner
		{[]string{"order", "sign", "--key", keys + "/owner_ed25519"}, exitOK, ""},
		{[]string{"order", "show"}, exitOK, "state  valid"},
		{[]string{"backups"}, exitOK, "None."},
		{[]string{"backups", "uploads"}, exitNotFound, "it has database"},
		{[]string{"status"}, exitUnprotected, "no backup at all"},
		{[]string{"status"}, exitUnprotected, "newest whole backup"},
		{[]string{"backups", "--vault", "copy"}, exitOK, "None."},
		{[]string{"backups", "--vault", "other"}, exitNotFound, "are in disk, copy"},
		{[]string{"backups", "show", "latest", "--vault", "copy"}, exitNotFound, "in vault copy"},
		{[]string{"verify"}, exitNotFound, "has none"},
		{[]string{"verify", "--vault", "copy"}, exitNotFound, "in vault copy"},
		{[]string{"restore", "latest", "--vault", "other", "--to", "target:x"}, exitNotFound, "no target"},
		{[]string{"replicate", "--to", "other"}, exitNotFound, "are in disk, copy"},
		{[]string{"replicate", "--to", "disk"}, exitUsage, "copied to itself"},
		{[]string{"replicate", "--from", "copy"}, exitUsage, "--to"},
		{[]string{"replicate"}, exitUnreachable, "127.0.0.1:1"},
		{[]string{"restore", "--backup", "latest", "--to", "branch:mars"}, exitNotFound, "no site"},
		{[]string{"restore", "--backup", "latest", "--to", "nowhere"}, exitUsage, "branch:SITE"},
		{[]string{"backup"}, exitUnreachable, "127.0.0.1:1"},
	} {
		code, out, stderr := lifeboat(t, append(tc.args, "--config", config)...)
		if code != tc.code || !strings.Contains(out+stderr, tc.says) {
			t.Errorf("lifeboat %v: exit %d, want %d with %q:\n%s%s", tc.args, code, tc.code, tc.says, out, stderr)
		}
	}
}
