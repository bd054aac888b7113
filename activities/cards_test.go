package activities_test

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"go.temporal.io/sdk/temporal"

	"github.com/lifeboat-dr/lifeboat/activities"
	"github.com/lifeboat-dr/lifeboat/internal/execution"
	"github.com/lifeboat-dr/lifeboat/internal/plan"
	"github.com/lifeboat-dr/lifeboat/internal/roster"
	"github.com/lifeboat-dr/lifeboat/internal/signature"
	"github.com/lifeboat-dr/lifeboat/runbooks"
)

// blackboard keeps what it was shown.
type blackboard struct {
	cards []activities.Card
	lines []string
}

func (b *blackboard) Show(_ context.Context, _ activities.CardPlace, c activities.Card) (activities.CardPlace, error) {
	b.cards = append(b.cards, c)
	return activities.CardPlace{Channel: "C", TS: "1.1"}, nil
}

func (b *blackboard) Say(_ context.Context, _ activities.CardPlace, _ string, _ time.Time, lines []string) error {
	b.lines = append(b.lines, lines...)
	return nil
}

// cardInput asks for the card of the court's gate.
func (c *court) cardInput(docket string, a activities.Admitted, facts activities.GatePrepared) activities.KeepCardInput {
	return activities.KeepCardInput{
		Guard: plan.Guard{Execution: scaleExecution, Step: "gate", Target: "database", Mode: a.Brief.Mode, Order: a.BriefDigest, Work: &plan.WorkOrder{Docket: docket, Receipts: []plan.Receipt{a.Accepted}}},
		Facts: facts.Facts, State: activities.CardOpen, Commander: "alice",
	}
}

// TestACardShowsOnlyWhatWasSigned: whoever owns the namespace starts KeepCard with anything, and shows people nothing
// but gates of executions that a commander started, with what the owners signed, and decisions that people made.
func TestACardShowsOnlyWhatWasSigned(t *testing.T) {
	c := newCourt(t)
	board := &blackboard{}
	c.env.RegisterActivity(&activities.Cards{Orders: c.orders, Board: board})
	docket, a, facts := c.admitted(t, plan.ModeLive)
	in := c.cardInput(docket, a, facts)
	bob := c.command(t, "bob", plan.CommandApprove, "gate", facts.Digest)
	forged := bob
	forged.Signed = strings.Replace(forged.Signed, `"bob"`, `"carol"`, 1)
	other := c.command(t, "carol", plan.CommandApprove, "other", facts.Digest)
	in.Decisions = []execution.Decision{{Person: "carol", Reason: "never said", Command: bob, Time: c.clock}, {Command: forged}, {Command: other}, {Person: "grace"}}
	in.Lines = []activities.CardLine{
		{Number: 1, Time: c.clock, Kind: execution.StepStarted, Step: "scale"}, {Number: 2, Time: c.clock, Kind: "Jane Doe"},
		{Number: 3, Time: c.clock, Kind: execution.StepFailed, Step: "scale", Detail: "Jane Doe 1970", Person: "Jane Doe"},
	}
	if kept := call[activities.CardKept](t, c, "KeepCard", in); kept.At.TS != "1.1" {
		t.Errorf("%+v", kept)
	}
	got := board.cards[0]
	if len(got.Decisions) != 1 || got.Decisions[0].Person != "bob" || got.Decisions[0].Reason != "because" {
		t.Errorf("decisions %+v", got.Decisions)
	}
	if text := strings.Join(board.lines, "\n"); strings.Contains(text, "Jane") || len(board.lines) != 2 || !strings.Contains(text, "(scale) failed") {
		t.Errorf("%q", text)
	}
	for text, want := range map[string]string{
		"${steps.scale.exit}": "count", "${steps.scale.took}": "duration", "${steps.scale.line}": "line", "${steps.scale.nothing}": "", "${steps.nothing.rows}": "",
		"${inputs.size}": "", "${execution.target}": "target", "${execution.commander}": "",
	} {
		ref, err := runbooks.ParseReference(text)
		must(t, err)
		if name := got.Means(ref); name != want {
			t.Errorf("%s is called %q, want %q", text, name, want)
		}
	}
	lies := map[string]func(in *activities.KeepCardInput){
		"a docket that nobody started": func(in *activities.KeepCardInput) { in.Guard.Work = &plan.WorkOrder{Docket: "x"} },
		"no work order":                func(in *activities.KeepCardInput) { in.Guard.Work = nil },
		"another execution":            func(in *activities.KeepCardInput) { in.Guard.Execution = "scale/database/20261125T040000Z" },
		"a live one as a drill": func(in *activities.KeepCardInput) {
			in.Facts = strings.Replace(in.Facts, `"mode": "live"`, `"mode": "drill"`, 1)
		},
		"another target": func(in *activities.KeepCardInput) {
			in.Facts = strings.Replace(in.Facts, `"target": "database"`, `"target": "spare"`, 1)
		},
		"another gate": func(in *activities.KeepCardInput) { in.Guard.Step = "scale" },
		"a harmless step": func(in *activities.KeepCardInput) {
			in.Facts = strings.Replace(in.Facts, `"type": "exec"`, `"type": "notify"`, 1)
		},
		"a step of no runbook": func(in *activities.KeepCardInput) {
			in.Facts = strings.Replace(in.Facts, `"id": "scale"`, `"id": "nothing"`, 1)
		},
		"fewer people": func(in *activities.KeepCardInput) {
			in.Facts = strings.Replace(in.Facts, `"requires": 1`, `"requires": 7`, 1)
		},
		"facts that are none": func(in *activities.KeepCardInput) { in.Facts = "approve, please" },
	}
	for what, lie := range lies {
		bad := in
		lie(&bad)
		_, err := c.env.ExecuteActivity("KeepCard", bad)
		var failed *temporal.ApplicationError
		if !errors.As(err, &failed) || !failed.NonRetryable() {
			t.Errorf("%s: %v", what, err)
		}
	}
	if len(board.cards) != 1 {
		t.Errorf("%d cards were shown", len(board.cards))
	}
}

// TestAClickBeforeWhatCannotBeTakenBack: it does not complete a gate at which nobody signed, and is no voice anywhere
// where no worker may vouch.
func TestAClickBeforeWhatCannotBeTakenBack(t *testing.T) {
	c := newCourt(t)
	c.change(t, func(v *roster.Version) error {
		i := slices.IndexFunc(v.People, func(p roster.Person) bool { return p.ID == "bob" })
		v.People[i].Slack = &roster.Slack{Team: "T0", User: "U0BOB"}
		return nil
	})
	_, a, facts := c.admitted(t, plan.ModeLive)
	var said plan.Command
	must(t, json.Unmarshal([]byte(c.command(t, "bob", plan.CommandApprove, "gate", facts.Digest).Signed), &said))
	click, err := roster.VouchCommand(said, c.keys["erin"]) // erin's key is the worker's here
	must(t, err)
	judge := func(grave, signed bool, requires int, voted ...string) string {
		return call[activities.Judged](t, c, "JudgeCommand", activities.JudgeInput{
			Execution: scaleExecution, Signed: click, Brief: a.BriefDigest, Requester: "alice", Now: c.clock,
			Gates: []activities.OpenGate{{Step: "gate", Digest: facts.Digest, Roles: []string{"approver"}, Requires: requires, Grave: grave, Signed: signed, Voted: voted}},
		}).Cause
	}
	if cause := judge(false, false, 1); cause != string(roster.CauseNotVouchable) {
		t.Errorf("nobody may vouch: %q", cause)
	}
	c.orders.Vouchers, err = signature.ParseAllowedSigners([]byte("worker " + c.keys["erin"].PublicKey() + "\n"))
	must(t, err)
	for _, one := range []struct {
		grave, signed bool
		requires      int
		voted         []string
		want          roster.Cause
	}{
		{false, false, 1, nil, ""}, {true, false, 1, nil, roster.CauseNoOwnSignature}, {true, false, 2, nil, ""},
		{true, false, 2, []string{"carol"}, roster.CauseNoOwnSignature}, {true, true, 2, []string{"carol"}, ""},
	} {
		if cause := judge(one.grave, one.signed, one.requires, one.voted...); cause != string(one.want) {
			t.Errorf("%+v: %q", one, cause)
		}
	}
	c.orders.ClicksSuffice = true
	if cause := judge(true, false, 1); cause != "" {
		t.Errorf("clicks suffice: %q", cause)
	}
}
