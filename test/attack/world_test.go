// Package attack shows against a real Temporal server what somebody can reach who owns its namespace. The
// activities' own checks are attacked in package activities; docs/security.md says which test shows what.
package attack

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.temporal.io/sdk/client"

	"github.com/lifeboat-dr/lifeboat/internal/assemble"
	"github.com/lifeboat-dr/lifeboat/internal/config"
	"github.com/lifeboat-dr/lifeboat/internal/embedded"
	"github.com/lifeboat-dr/lifeboat/internal/keyring"
	"github.com/lifeboat-dr/lifeboat/internal/plan"
	"github.com/lifeboat-dr/lifeboat/internal/roster"
	"github.com/lifeboat-dr/lifeboat/internal/signature"
	"github.com/lifeboat-dr/lifeboat/runbooks"
	"github.com/lifeboat-dr/lifeboat/workflows"
)

// runbookText has one gate, and behind it one program that cannot be taken back.
const runbookText = `apiVersion: lifeboat/v1
name: scale
title: Scale
scenario: maintenance
description: For tests.
target: database
roles:
  approver: {title: Approver}
limits: {duration: 8h}
steps:
  - {id: gate, type: approval, title: Gate, with: {requires: 1, roles: [approver], message: Go on}}
  - {id: run, type: exec, title: Run, with: {program: scale}, effect: irreversible}
`

// patience bounds everything that is waited for.
const patience = time.Minute

// world is a Temporal, a worker with its vaults and people, and an attacker: a client without any key.
type world struct {
	t        *testing.T
	dir      string
	engine   *assemble.Engine
	config   *config.Config
	fleet    client.Client
	attacker client.Client
	people   map[string]*signature.Signer
	// hands counts the activities that were started by hand.
	hands int
}

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, dir: t.TempDir(), people: map[string]*signature.Signer{}}
	server, err := embedded.Start(t.Context(), embedded.Options{UIAddress: "-", Namespace: "lifeboat", SearchAttributes: workflows.SearchAttributes(), Log: slog.New(slog.DiscardHandler)})
	w.must(err)
	t.Cleanup(func() { w.check(server.Stop()) })
	w.configure(server.Address())
	w.engine, err = assemble.New(t.Context(), w.config, assemble.Options{Version: "test", Working: true, Log: slog.New(slog.DiscardHandler)})
	w.must(err)
	w.fleet, err = assemble.Dial(t.Context(), w.config, nil)
	w.must(err)
	t.Cleanup(w.fleet.Close)
	workers, err := w.engine.Workers(w.fleet)
	w.must(err)
	w.engine.WatchRoster(t.Context())
	w.must(workers.Start())
	t.Cleanup(workers.Stop)
	w.attacker, err = client.Dial(client.Options{HostPort: server.Address(), Namespace: "lifeboat", Logger: quiet{}})
	w.must(err)
	t.Cleanup(w.attacker.Close)
	return w
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) check(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Error(err)
	}
}

func (w *world) path(name string) string { return filepath.Join(w.dir, name) }

func (w *world) write(name, text string, mode os.FileMode) {
	w.t.Helper()
	w.must(os.WriteFile(w.path(name), []byte(text), mode))
}

// configure makes keys, people, a roster, a standing order, two vaults, and a program that notes each run.
func (w *world) configure(address string) {
	w.t.Helper()
	ring, err := keyring.Generate(w.path("keys"), "worker", "owner")
	w.must(err)
	v := roster.First(time.Now().Add(-time.Minute))
	for id, roles := range map[string][]string{
		"alice": {plan.RoleOwner, plan.RoleCommander}, "bob": {plan.RoleOwner, plan.RoleApprover}, "carol": {plan.RoleApprover}, "erin": {plan.RoleAuditor},
	} {
		w.must(keyring.Person(w.path("keys"), id, id))
		w.people[id], err = signature.OpenKey(w.path("keys/"+id), signature.Terminal{})
		w.must(err)
		v.Put(roster.Person{ID: id, Name: id, Roles: roles, Keys: []roster.Key{{Key: signature.PublicKey(w.people[id].PublicKey())}}})
	}
	v.Require(0)
	signed, err := roster.NewVersion(v)
	w.must(err)
	order, err := roster.NewSigned(plan.Order{
		Format: 1, Kind: "standing", Application: "medlink", Actions: plan.StandingActions, Components: []string{"database"}, Issued: v.Issued, Expires: v.Issued.Add(24 * time.Hour),
	})
	w.must(err)
	for _, id := range []string{"alice", "bob"} {
		w.must(signed.Sign(w.people[id]))
		w.must(order.Sign(w.people[id]))
	}
	chain := &roster.Chain{Format: 1, Versions: []*roster.SignedVersion{signed}}
	file, err := chain.Bytes()
	w.must(err)
	w.write("roster.json", string(file), 0o600)
	text, err := order.Bytes()
	w.must(err)
	w.write("order.json", string(text), 0o600)
	w.write("url", "postgresql://nobody@127.0.0.1:1/none", 0o600)
	w.write("scale", "#!/bin/sh\necho ran >> \"$0.ran\"\n", 0o700)
	for _, vault := range []string{"east", "west"} {
		w.must(os.Mkdir(w.path(vault), 0o700))
	}
	w.write("lifeboat.yaml", fmt.Sprintf(`version: 1
application: medlink
sites: {home: {role: primary}}
vaults: {east: {dir: {path: east}}, west: {dir: {path: west}}}
components:
  database:
    tier: 1
    owner: me
    rpo: 4h
    rto: 24h
    source: {postgres: {site: home, url: {file: url}}}
    vault: east
    verify: {after_backup: false}
keys:
  recipients:
    - {name: verification, recipient: %s, use: verification}
    - {name: escrow, recipient: %s, use: escrow}
  identities: [{file: keys/verification.agekey}]
  signing_key: {file: keys/signing_ed25519}
  allowed_signers: keys/allowed_signers
  fleet_keys: [{file: keys/fleet.key}]
order: {file: order.json}
roster: {file: roster.json, fingerprint: %s}
programs: {scale: {path: %s}}
temporal: {address: "%s", namespace: lifeboat}
`, ring.VerificationRecipient, ring.EscrowRecipient, chain.Fingerprint(), w.path("scale"), address), 0o600)
	w.config, err = config.Load(w.path("lifeboat.yaml"))
	w.must(err)
}

// ran is how often the program ran.
func (w *world) ran() int {
	w.t.Helper()
	text, err := os.ReadFile(w.path("scale.ran"))
	if err != nil && !os.IsNotExist(err) {
		w.t.Fatal(err)
	}
	return strings.Count(string(text), "ran\n")
}

// objects are the files of a vault below a prefix.
func (w *world) objects(vault, prefix string) (files []string) {
	w.t.Helper()
	_ = filepath.WalkDir(w.path(vault+"/"+prefix), func(path string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			files = append(files, path)
		}
		return nil
	})
	return files
}

// signed is somebody's command to an execution.
func (w *world) signed(id, who string, kind plan.CommandKind, step, digest string) plan.SignedCommand {
	w.t.Helper()
	now := time.Now().UTC().Truncate(time.Second)
	s, err := roster.SignCommand(plan.Command{
		Format: 1, Kind: kind, ID: roster.NewCommandID(), Execution: id, Step: step, Digest: digest, Person: who, Reason: "a test", Issued: now, Expires: now.Add(time.Hour),
	}, w.people[who])
	w.must(err)
	return s
}

// begin lets alice start the runbook for real.
func (w *world) begin() (id string, run client.WorkflowRun) {
	w.t.Helper()
	now := time.Now().UTC().Truncate(time.Second)
	id = workflows.ExecutionID("scale", "database", now)
	brief, err := json.Marshal(plan.Brief{
		Format: 1, Runbook: "scale", RunbookDigest: runbooks.Digest([]byte(runbookText)), Application: "medlink", Mode: plan.ModeLive, Target: "database",
		Approach: plan.Graceful, Inputs: map[string]any{}, Until: now.Add(time.Hour),
	})
	w.must(err)
	docket := plan.Docket{Runbook: runbookText, Brief: string(brief), Start: w.signed(id, "alice", plan.CommandStart, "", runbooks.Digest(brief))}
	for _, who := range []string{"alice", "bob"} {
		sig, err := w.people[who].Sign(signature.Runbook, []byte(runbookText))
		w.must(err)
		docket.Signatures = append(docket.Signatures, string(sig))
	}
	packed, err := roster.PackDocket(docket)
	w.must(err)
	run, err = w.fleet.ExecuteWorkflow(w.t.Context(), client.StartWorkflowOptions{ID: id, TaskQueue: workflows.Queue}, workflows.RunbookName, workflows.RunbookInput{Docket: packed})
	w.must(err)
	return id, run
}

// view is where an execution stands; ok says whether it answered.
func (w *world) view(id string) (v workflows.View, ok bool) {
	ctx, cancel := context.WithTimeout(w.t.Context(), 10*time.Second)
	defer cancel()
	value, err := w.fleet.QueryWorkflow(ctx, id, "", workflows.ViewQuery)
	return v, err == nil && value.Get(&v) == nil
}

// await waits until an execution is as wanted.
func (w *world) await(id, what string, wanted func(workflows.View) bool) workflows.View {
	w.t.Helper()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); time.Sleep(50 * time.Millisecond) {
		if v, ok := w.view(id); ok && wanted(v) {
			return v
		}
	}
	w.t.Fatalf("%s: %s does not happen", id, what)
	return workflows.View{}
}

// gate waits until the gate is open.
func (w *world) gate(id string) *workflows.ViewGate {
	w.t.Helper()
	v := w.await(id, "the gate opens", func(v workflows.View) bool {
		return v.Steps[0].Gate != nil && v.Steps[0].State == plan.StepAwaitingApproval
	})
	return v.Steps[0].Gate
}

// tell gives a command to an execution and returns what is heard.
func (w *world) tell(c client.Client, id string, command any) (workflows.CommandOutcome, error) {
	w.t.Helper()
	ctx, cancel := context.WithTimeout(w.t.Context(), patience)
	defer cancel()
	var outcome workflows.CommandOutcome
	handle, err := c.UpdateWorkflow(ctx, client.UpdateWorkflowOptions{
		WorkflowID: id, UpdateName: workflows.CommandUpdate, Args: []any{command}, WaitForStage: client.WorkflowUpdateStageCompleted,
	})
	if err != nil {
		return outcome, err
	}
	var sealed json.RawMessage
	if c == w.fleet {
		return outcome, handle.Get(ctx, &outcome)
	}
	_ = handle.Get(ctx, &sealed) // the attacker cannot read the answer
	return outcome, nil
}

// quiet is a logger that says nothing.
type quiet struct{}

func (quiet) Debug(string, ...any) {}
func (quiet) Info(string, ...any)  {}
func (quiet) Warn(string, ...any)  {}
func (quiet) Error(string, ...any) {}
