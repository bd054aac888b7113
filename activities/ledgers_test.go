package activities_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"filippo.io/age"

	"github.com/lifeboat-dr/lifeboat/activities"
	"github.com/lifeboat-dr/lifeboat/internal/evidence"
	"github.com/lifeboat-dr/lifeboat/internal/execution"
	"github.com/lifeboat-dr/lifeboat/internal/ledger"
	"github.com/lifeboat-dr/lifeboat/internal/manifest"
	"github.com/lifeboat-dr/lifeboat/internal/plan"
	"github.com/lifeboat-dr/lifeboat/internal/store"
	"github.com/lifeboat-dr/lifeboat/internal/store/dir"
)

const ledgerRunbook = `apiVersion: lifeboat/v1
name: scale
title: Scale
scenario: maintenance
description: For tests.
target: database
inputs:
  at: {type: time, title: before the DELETE, required: true}
limits: {duration: 8h}
steps:
  - {id: point, type: branch, title: T, with: {component: database, purpose: point, at: "${inputs.at}"}, undo: {type: drop-branch, with: {component: database, purpose: point}}}
  - {id: keep, type: ledger, title: T, with: {component: database, keep: {component: database, purpose: point}, lose: {component: database}}}
  - {id: planted, type: ledger, title: T, with: {component: database, keep: {component: database, purpose: point}, lose: {component: database}}}
`

// heldAgainstTheJournal reads the ledger as people do: what the journal says of it decides.
func (s *scene) heldAgainstTheJournal(t *testing.T, vault store.Store, digest string) {
	t.Helper()
	told := func(digest string) []evidence.Vault {
		data, err := json.Marshal(execution.Event{Kind: execution.StepCompleted, Step: "keep", Time: s.clock, Outputs: map[string]any{"digest": digest}})
		must(t, err)
		elsewhere := evidence.Vault{Name: "journal", Store: emptyVault(t)}
		journal := evidence.Journal{Vaults: []evidence.Vault{elsewhere}, Signer: s.keys["erin"], Patience: time.Minute}
		_, err = journal.Append(t.Context(), scaleExecution, evidence.Head{}, []evidence.Event{{Kind: string(execution.StepCompleted), Step: "keep", Time: s.clock, Data: data}})
		must(t, err)
		return []evidence.Vault{{Name: "v", Store: vault}, elsewhere}
	}
	held, err := activities.ReadLedgers(t.Context(), told(digest), s.x.Signers, scaleExecution)
	if err != nil || len(held) != 1 || !held[0].Proven || held[0].Digest != digest || held[0].Vault.Name != "v" || held[0].Index.Inserted != 2 {
		t.Errorf("read %+v, %v", held, err)
	}
	if _, err := activities.ReadLedgers(t.Context(), told("sha256:other"), s.x.Signers, scaleExecution); activities.TypeOf(err) != activities.TypeUntrusted {
		t.Errorf("a ledger that the journal does not name: %v", err)
	}
	if _, err := activities.ReadLedgers(t.Context(), []evidence.Vault{{Name: "v", Store: vault}}, s.x.Signers, scaleExecution); activities.TypeOf(err) != activities.TypeNotFound {
		t.Errorf("without a journal: %v", err)
	}
}

// TestTheLostWindowIsKept: every row that differs lies in the vault, for who has the key and for nobody else, and a
// repeated step finds the same ledger.
func TestTheLostWindowIsKept(t *testing.T) {
	p := newProject(t, "127.96.0.0/16")
	p.exec(t, "INSERT INTO claims SELECT generate_series(1, 9)")
	at := p.point(t)
	p.exec(t, "DELETE FROM claims WHERE n > 6")
	p.exec(t, "INSERT INTO claims VALUES (20), (21)")
	p.exec(t, "UPDATE claims SET at = '2026-01-02T03:04:05Z' WHERE n = 1")
	folder := t.TempDir()
	vault, err := dir.Open(folder)
	must(t, err)
	components := map[string]*activities.Component{"database": {Name: "database", Source: p.source(), Vault: activities.Vault{Name: "v", Store: vault, Retain: time.Hour}}}
	inputs := map[string]any{"at": at.Format(time.RFC3339Nano)}
	s := newScene(t, ledgerRunbook, plan.ModeLive, inputs, components)
	key, err := age.GenerateX25519Identity()
	must(t, err)
	s.steps.Crew.Recipients = []age.Recipient{key.Recipient()}
	_, err = s.does(t, "point", false)
	must(t, err)
	done, err := s.does(t, "keep", false)
	must(t, err)
	if o := done.Outputs; o["inserted"] != 2.0 || o["updated"] != 1.0 || o["deleted"] != 3.0 || o["vault"] != "v" || done.Receipt == nil {
		t.Errorf("told %v", o)
	}
	p.exec(t, "INSERT INTO claims VALUES (30)") // comes too late for this ledger
	again, err := s.does(t, "keep", false)
	must(t, err)
	if again.Outputs["digest"] != done.Outputs["digest"] || again.Outputs["inserted"] != 2.0 {
		t.Errorf("repeated: %v", again.Outputs)
	}
	index, digest, err := ledger.Find(t.Context(), vault, nil, scaleExecution, "keep")
	must(t, err)
	if digest != done.Outputs["digest"] {
		t.Errorf("the vault has %s, told was %v", digest, done.Outputs["digest"])
	}
	var got []string
	must(t, ledger.Rows(t.Context(), vault, *index, []age.Identity{key}, func(r ledger.Row) error {
		line := r.Table + " " + r.Change + " " + string(r.Was["n"]) + ">" + string(r.Is["n"])
		if r.Change == "updated" {
			line += " " + string(r.Is["at"])
		}
		got = append(got, line)
		return nil
	}))
	slices.Sort(got)
	want := "[public.claims deleted 7> public.claims deleted 8> public.claims deleted 9> public.claims inserted >20 public.claims inserted >21 public.claims updated 1>1 2026-01-02 03:04:05+00]"
	if fmt.Sprint(got) != want {
		t.Errorf("the ledger has\n%v, want\n%s", got, want)
	}
	s.heldAgainstTheJournal(t, vault, digest)
	for o, err := range vault.Versions(t.Context(), "") {
		must(t, err)
		stat, err := vault.Stat(t.Context(), o.Key, o.Version)
		must(t, err)
		if !strings.HasPrefix(o.Key, manifest.LedgersPrefix+scaleExecution+"/keep/") || stat.RetainUntil.IsZero() {
			t.Errorf("%s is locked until %v", o.Key, stat.RetainUntil)
		}
	}
	// Whoever writes to the vault and knows the next execution puts nothing into its journal.
	_, err = vault.Create(context.Background(), manifest.LedgerKey(scaleExecution, "planted"), []byte(`{"index":"{\"format\":1}","mac":"none"}`), store.CreateOptions{})
	must(t, err)
	s.fails(t, "planted", activities.TypeUntrusted, "not this step's")

	look := newScene(t, ledgerRunbook, plan.ModePlan, inputs, components)
	if planned, err := look.does(t, "keep", false); err != nil || planned.Receipt != nil || planned.Intended == nil {
		t.Errorf("planned: %+v, %v", planned, err)
	}
}
