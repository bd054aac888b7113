package assemble

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"encoding/pem"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/lifeboat-dr/lifeboat/internal/config"
	"github.com/lifeboat-dr/lifeboat/internal/manifest"
	"github.com/lifeboat-dr/lifeboat/internal/plan"
	"github.com/lifeboat-dr/lifeboat/internal/roster"
	"github.com/lifeboat-dr/lifeboat/internal/signature"
	"github.com/lifeboat-dr/lifeboat/internal/store"
)

// council is a roster of two owners, in a directory with a configuration and two vaults.
type council struct {
	dir   string
	keys  []*signature.Signer
	chain *roster.Chain
}

func newCouncil(t *testing.T) *council {
	t.Helper()
	c := &council{dir: t.TempDir(), chain: &roster.Chain{Format: 1}}
	v := roster.First(time.Now().Add(-time.Hour))
	for _, id := range []string{"alice", "bob"} {
		_, private, err := ed25519.GenerateKey(nil)
		ok(t, err)
		block, err := ssh.MarshalPrivateKey(private, "")
		ok(t, err)
		key, err := signature.NewSigner(pem.EncodeToMemory(block))
		ok(t, err)
		c.keys = append(c.keys, key)
		v.Put(roster.Person{ID: id, Name: id, Roles: []string{plan.RoleOwner}, Keys: []roster.Key{{Key: signature.PublicKey(key.PublicKey())}}})
	}
	v.Require(0)
	c.sign(t, v)
	return c
}

func ok(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// sign adds a version that both owners signed.
func (c *council) sign(t *testing.T, v roster.Version) {
	t.Helper()
	signed, err := roster.NewVersion(v)
	ok(t, err)
	for _, key := range c.keys {
		ok(t, signed.Sign(key))
	}
	c.chain.Versions = append(c.chain.Versions, signed)
}

// write puts the first versions of the chain where the configuration looks for the roster.
func (c *council) write(t *testing.T, versions int) {
	t.Helper()
	data, err := (&roster.Chain{Format: 1, Versions: c.chain.Versions[:versions]}).Bytes()
	ok(t, err)
	ok(t, os.WriteFile(filepath.Join(c.dir, "roster.json"), data, 0o600))
}

// process is an engine as a new process has it, and what it says.
func (c *council) process(t *testing.T) (*Engine, *bytes.Buffer) {
	t.Helper()
	minimal, err := os.ReadFile("../config/testdata/minimal.yaml")
	ok(t, err)
	text, _, _ := strings.Cut(string(minimal), "order:\n")
	text = strings.Replace(text, "vaults:\n", "vaults:\n  other: {dir: {path: other}}\n", 1)
	text += fmt.Sprintf("order: {file: order.json}\nroster: {file: roster.json, fingerprint: %s}\n", c.chain.Fingerprint())
	path := filepath.Join(c.dir, "lifeboat.yaml")
	ok(t, os.WriteFile(path, []byte(text), 0o600))
	cfg, err := config.Load(path)
	ok(t, err)
	var log bytes.Buffer
	e, err := New(t.Context(), cfg, Options{Log: slog.New(slog.NewTextHandler(&log, nil))})
	ok(t, err)
	return e, &log
}

// TestAnOlderRosterOnAFreshWorkerIsRefused: a worker brings each version into every vault, and another one that
// has never seen any refuses an older file for it, and says where the newer one lies.
func TestAnOlderRosterOnAFreshWorkerIsRefused(t *testing.T) {
	c := newCouncil(t)
	next, err := c.chain.Next(time.Now())
	ok(t, err)
	c.sign(t, next)
	c.write(t, 2)
	first, log := c.process(t)
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	first.WatchRoster(ctx)
	if !strings.Contains(log.String(), "the roster holds") {
		t.Errorf("it said %s", log)
	}
	for _, vault := range []string{"vault", "other"} {
		if files, _ := filepath.Glob(filepath.Join(c.dir, vault, manifest.RosterPrefix(c.chain.Fingerprint()), "*.json")); len(files) != 2 {
			t.Errorf("vault %s holds %v", vault, files)
		}
	}

	c.write(t, 1)
	fresh, log := c.process(t)
	if _, err := fresh.watch.load(); !errors.Is(err, roster.ErrDowngraded) || !strings.Contains(err.Error(), "version 2 lies in vault") {
		t.Errorf("the older file was read: %v", err)
	}
	if !strings.Contains(log.String(), "does not hold") {
		t.Errorf("it said %s", log)
	}
	reader, _ := c.process(t)
	if looked, err := reader.CheckRoster(t.Context()); !errors.Is(err, roster.ErrDowngraded) || looked.Newest().Number != 2 {
		t.Errorf("the command line found %+v, %v", looked, err)
	}
	c.write(t, 2)
	if r, err := fresh.watch.load(); err != nil || r.Version.Number != 2 {
		t.Errorf("the newest file: %v", err)
	}
}

// gone is a store that does not answer.
type gone struct{ store.Store }

func (gone) Versions(context.Context, string) iter.Seq2[store.Object, error] {
	return func(yield func(store.Object, error) bool) {
		yield(store.Object{}, &store.Error{Op: "list", Kind: store.ErrUnavailable})
	}
}

// TestVaultsThatAreAwayStopNoDecision: what is said, and that the file of this machine counts.
func TestVaultsThatAreAwayStopNoDecision(t *testing.T) {
	c := newCouncil(t)
	c.write(t, 1)
	e, log := c.process(t)
	away := func(vault string) {
		t.Helper()
		for i, v := range e.watch.vaults.Vaults {
			if v.Name == vault {
				e.watch.vaults.Vaults[i].Store = gone{v.Store}
			}
		}
	}
	away("other")
	e.watch.look(t.Context())
	if said := log.String(); !strings.Contains(said, "vault other") || strings.Contains(said, "no vault could be asked") || !strings.Contains(said, "the roster holds") {
		t.Errorf("with one away it said %s", said)
	}
	log.Reset()
	e.watch.look(t.Context())
	if log.Len() > 0 {
		t.Errorf("the same was said again: %s", log)
	}
	away("disk")
	e.watch.look(t.Context())
	if said := log.String(); !strings.Contains(said, "no vault could be asked") || !strings.Contains(said, "level=ERROR") {
		t.Errorf("with all away it said %s", said)
	}
	if r, err := e.watch.load(); err != nil || r.Version.Number != 1 {
		t.Errorf("the roster was not read: %v", err)
	}
}
