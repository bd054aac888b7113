package activities_test

import (
	"context"
	"crypto/ed25519"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"strings"
	"testing"
	"time"

	"go.temporal.io/sdk/testsuite"
	"golang.org/x/crypto/ssh"

	"github.com/lifeboat-dr/lifeboat/activities"
	"github.com/lifeboat-dr/lifeboat/internal/evidence"
	"github.com/lifeboat-dr/lifeboat/internal/plan"
	"github.com/lifeboat-dr/lifeboat/internal/roster"
	"github.com/lifeboat-dr/lifeboat/internal/secret"
	"github.com/lifeboat-dr/lifeboat/internal/signature"
	"github.com/lifeboat-dr/lifeboat/internal/store"
	"github.com/lifeboat-dr/lifeboat/internal/store/dir"
	"github.com/lifeboat-dr/lifeboat/internal/workrecord"
	"github.com/lifeboat-dr/lifeboat/runbooks"
)

// court is everybody and everything that a work order needs.
type court struct {
	keys    map[string]*signature.Signer
	chain   *roster.Chain
	people  *roster.Roster
	fleet   workrecord.Keys
	orders  *activities.Orders
	x       *activities.Executions
	steps   *activities.Steps
	ran     []string
	env     *testsuite.TestActivityEnvironment
	clock   time.Time
	runbook string
	sigs    []string
	// execution is whose commands are signed, and edit changes what a docket is before it is packed.
	execution string
	edit      func(*plan.Docket)
}

// scaler is a program that notes what it was run with.
type scaler struct{ c *court }

func (s scaler) Site() string { return "" }

func (s scaler) Run(_ context.Context, args []string) (int, string, error) {
	s.c.ran = append(s.c.ran, strings.Join(args, " "))
	return 0, "scaled", nil
}

func newCourt(t *testing.T) *court {
	t.Helper()
	c := &court{keys: map[string]*signature.Signer{}, clock: time.Now().UTC().Truncate(time.Second), runbook: scaleRunbook, execution: scaleExecution}
	v := roster.First(c.clock.Add(-time.Hour))
	for id, roles := range map[string][]string{
		"alice": {plan.RoleOwner, plan.RoleCommander}, "bob": {plan.RoleOwner, plan.RoleCommander, plan.RoleApprover}, "carol": {plan.RoleApprover}, "erin": {plan.RoleAuditor},
		"frank": {plan.RoleOwner}, "grace": {plan.RoleApprover},
	} {
		_, private, err := ed25519.GenerateKey(nil)
		must(t, err)
		block, err := ssh.MarshalPrivateKey(private, "")
		must(t, err)
		c.keys[id], err = signature.NewSigner(pem.EncodeToMemory(block))
		must(t, err)
		key, _, err := signature.ParsePublicKey(c.keys[id].PublicKey())
		must(t, err)
		v.Put(roster.Person{ID: id, Name: id, Email: id + "@medlink.example", Roles: roles, Keys: []roster.Key{{Key: key}}})
	}
	v.Require(0)
	c.chain = &roster.Chain{Format: 1}
	c.addVersion(t, v)
	c.signRunbook(t)
	var err error
	c.fleet, err = workrecord.ParseKeys([]secret.String{secret.New("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=")})
	must(t, err)
	c.orders = &activities.Orders{
		Application: "medlink", People: func() (*roster.Roster, error) { return c.people, nil }, Now: func() time.Time { return c.clock },
		Genuine: func(r plan.Receipt) bool { return activities.GenuineReceipt(c.fleet, r) },
	}
	signers, err := signature.ParseAllowedSigners([]byte("worker " + c.keys["erin"].PublicKey() + "\n"))
	must(t, err)
	c.x = &activities.Executions{
		Crew: &activities.Crew{Application: "medlink"}, Orders: c.orders, Signers: signers, Keys: c.fleet,
		Journal: &evidence.Journal{Vaults: []evidence.Vault{{Name: "v", Store: emptyVault(t)}}, Signer: c.keys["erin"]},
	}
	program := map[string]activities.Program{"scale": scaler{c}}
	c.steps = &activities.Steps{Crew: c.x.Crew, Orders: c.orders, Keys: c.fleet, Programs: program, DrillPrograms: program}
	var suite testsuite.WorkflowTestSuite
	c.env = suite.NewTestActivityEnvironment()
	c.env.RegisterActivity(c.x)
	c.env.RegisterActivity(c.steps)
	return c
}

// addVersion makes a version the newest, signed by two owners.
func (c *court) addVersion(t *testing.T, v roster.Version) {
	t.Helper()
	signed, err := roster.NewVersion(v)
	must(t, err)
	must(t, signed.Sign(c.keys["alice"]))
	must(t, signed.Sign(c.keys["bob"]))
	c.chain.Versions = append(c.chain.Versions, signed)
	c.people, err = c.chain.Verify(c.chain.Fingerprint(), c.clock)
	must(t, err)
}

// change makes a new version of the roster.
func (c *court) change(t *testing.T, change func(*roster.Version) error) {
	t.Helper()
	v, err := c.chain.Next(c.clock)
	must(t, err)
	must(t, change(&v))
	c.addVersion(t, v)
}

// signRunbook lets two owners sign the runbook as it is.
func (c *court) signRunbook(t *testing.T) {
	t.Helper()
	c.sigs = c.owned(t, c.runbook).Signatures
}

// owned is a text that two owners signed.
func (c *court) owned(t *testing.T, text string) plan.NestedText {
	t.Helper()
	signed := plan.NestedText{Text: text}
	for _, id := range []string{"alice", "bob"} {
		sig, err := c.keys[id].Sign(signature.Runbook, []byte(text))
		must(t, err)
		signed.Signatures = append(signed.Signatures, string(sig))
	}
	return signed
}

func emptyVault(t *testing.T) store.Store {
	t.Helper()
	vault, err := dir.Open(t.TempDir())
	must(t, err)
	return vault
}

// input is what RunProgram gets for the step behind the gate, when everything is in order.
func (c *court) input(t *testing.T, docket string, a activities.Admitted, facts activities.GatePrepared, approval plan.SignedCommand, dated plan.Receipt) activities.StepInput {
	t.Helper()
	signed, err := runbooks.Parse([]byte(c.runbook))
	must(t, err)
	with, err := runbooks.Resolve(signed.Step("scale").With, runbooks.Scope{Inputs: map[string]any{"size": 3.0}})
	must(t, err)
	return activities.StepInput{With: with, Guard: plan.Guard{
		Execution: scaleExecution, Step: "scale", Target: "database", Mode: a.Brief.Mode, Order: a.BriefDigest,
		Work: &plan.WorkOrder{
			Docket: docket, Receipts: []plan.Receipt{a.Accepted, dated},
			Gates: []plan.GateEvidence{{Gate: "gate", Facts: facts.Facts, Decisions: []plan.SignedCommand{approval}}},
		},
	}}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func sha(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])
}

// command is a signed command of somebody, issued now.
func (c *court) command(t *testing.T, who string, kind plan.CommandKind, step, digest string) plan.SignedCommand {
	t.Helper()
	s, err := roster.SignCommand(plan.Command{
		Format: 1, Kind: kind, ID: roster.NewCommandID(), Execution: c.execution, Step: step, Digest: digest, Person: who, Reason: "because",
		Issued: c.clock, Expires: c.clock.Add(time.Hour),
	}, c.keys[who])
	must(t, err)
	return s
}

// docket is that of an execution that somebody started.
func (c *court) docket(t *testing.T, who string, mode plan.Mode) (packed, briefDigest string) {
	t.Helper()
	return c.docketOf(t, who, c.brief(mode))
}

func (c *court) brief(mode plan.Mode) plan.Brief {
	return plan.Brief{
		Format: 1, Runbook: "scale", RunbookDigest: runbooks.Digest([]byte(c.runbook)), Application: "medlink", Mode: mode, Target: "database",
		Approach: plan.Graceful, Inputs: map[string]any{"size": 3.0}, Until: c.clock.Add(6 * time.Hour),
	}
}

func (c *court) docketOf(t *testing.T, who string, b plan.Brief) (packed, briefDigest string) {
	t.Helper()
	brief, err := json.Marshal(b)
	must(t, err)
	docket := plan.Docket{
		Runbook: c.runbook, Signatures: c.sigs, Brief: string(brief), Start: c.command(t, who, plan.CommandStart, "", sha(string(brief))),
	}
	if c.edit != nil {
		c.edit(&docket)
	}
	packed, err = roster.PackDocket(docket)
	must(t, err)
	return packed, sha(string(brief))
}

// admitted is an execution that alice started, its gate open; facts is what was shown there.
func (c *court) admitted(t *testing.T, mode plan.Mode) (docket string, a activities.Admitted, facts activities.GatePrepared) {
	t.Helper()
	docket, _ = c.docket(t, "alice", mode)
	a = call[activities.Admitted](t, c, "AdmitExecution", activities.AdmitInput{Execution: scaleExecution, Docket: docket})
	facts = call[activities.GatePrepared](t, c, "PrepareGate", activities.GateInput{Facts: plan.Facts{
		Format: 1, Execution: scaleExecution, Gate: "gate", Round: 1, Brief: a.BriefDigest, Mode: mode, Target: "database", Summary: "Go on", Requires: 1,
		Roles: []string{"approver"}, ExcludeRequester: true, Opened: c.clock,
		Steps: []plan.FactStep{{ID: "scale", Type: "exec", Effect: "reversible", With: map[string]any{"program": "scale", "args": []any{3.0}}}},
	}})
	return docket, a, facts
}

func call[T any](t *testing.T, c *court, name string, in any) (out T) {
	t.Helper()
	value, err := c.env.ExecuteActivity(name, in)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	must(t, value.Get(&out))
	return out
}

// judge asks what a command counts for at the open gate.
func (c *court) judge(t *testing.T, a activities.Admitted, facts activities.GatePrepared, signed plan.SignedCommand, used ...string) activities.Judged {
	t.Helper()
	return call[activities.Judged](t, c, "JudgeCommand", activities.JudgeInput{
		Execution: scaleExecution, Signed: signed, Brief: a.BriefDigest, Commander: "alice", Requester: "alice", Used: used, Now: c.clock,
		Gates: []activities.OpenGate{{Step: "gate", Digest: facts.Digest, Roles: []string{"approver"}, ExcludeRequester: true, Opened: c.clock}},
	})
}
