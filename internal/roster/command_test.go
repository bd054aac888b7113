package roster_test

import (
	"strings"
	"testing"
	"time"

	"github.com/lifeboat-dr/lifeboat/internal/plan"
	"github.com/lifeboat-dr/lifeboat/internal/roster"
	"github.com/lifeboat-dr/lifeboat/internal/signature"
)

const execution = "region-outage/us-east/20261126T115500Z"

// command is a good approval by anna, to be spoiled.
func command() plan.Command {
	return plan.Command{
		Format: 1, Kind: plan.CommandApprove, ID: roster.NewCommandID(), Execution: execution, Step: "go", Digest: sum("facts"),
		Person: "anna", Reason: "the loss of <10 claims & a session is fine", Issued: now.Add(-time.Minute), Expires: now.Add(time.Hour),
	}
}

func expectation() roster.Expectation {
	return roster.Expectation{
		Execution: execution, Kinds: []plan.CommandKind{plan.CommandApprove, plan.CommandReject}, Step: "go", Digest: sum("facts"),
		Requester: "carla", Now: now,
	}
}

func (w *town) say(c plan.Command, by string) plan.SignedCommand {
	w.t.Helper()
	s, err := roster.SignCommand(c, w.keys[by])
	if err != nil {
		w.t.Fatal(err)
	}
	return s
}

func (w *town) vouch(c plan.Command) plan.SignedCommand {
	w.t.Helper()
	s, err := roster.VouchCommand(c, w.keys["worker"])
	if err != nil {
		w.t.Fatal(err)
	}
	return s
}

// workers believes the worker's vouchers.
func (w *town) workers() *signature.Verifier {
	w.t.Helper()
	v, err := signature.ParseAllowedSigners([]byte("worker " + w.keys["worker"].PublicKey()))
	if err != nil {
		w.t.Fatal(err)
	}
	return v
}

func TestCommandsOfThoseWhoMayAreAccepted(t *testing.T) {
	w := newTown(t)
	r := w.roster()
	got, err := r.Check(w.say(command(), "anna"), expectation())
	if err != nil {
		t.Fatal(err)
	}
	if got.Person.ID != "anna" || got.Vouched || got.By != w.public("anna").Fingerprint() || got.Command.Reason != command().Reason {
		t.Errorf("%+v", got)
	}
	want := expectation()
	want.Vouchers = w.workers()
	if got, err = r.Check(w.vouch(command()), want); err != nil || !got.Vouched || got.By != "worker" || got.Person.ID != "anna" {
		t.Errorf("%+v %v", got, err)
	}
	// Whoever consented may still say no.
	c := command()
	c.Kind = plan.CommandReject
	want = expectation()
	want.Decided = []string{"anna"}
	if _, err := r.Check(w.say(c, "anna"), want); err != nil {
		t.Error(err)
	}
	// A role that a runbook made up.
	c = command()
	c.Person = "dora"
	want = expectation()
	want.StepRoles = []string{"privacy"}
	if _, err := r.Check(w.say(c, "dora"), want); err != nil {
		t.Error(err)
	}
	c = command()
	c.Kind, c.Step, c.Person, c.To, c.Digest = plan.CommandHandover, "", "cyril", "carla", sum("brief")
	want = roster.Expectation{Execution: execution, Kinds: []plan.CommandKind{plan.CommandHandover}, Digest: sum("brief"), Now: now}
	if _, err := r.Check(w.say(c, "cyril"), want); err != nil {
		t.Error(err)
	}
}

// TestCommandsThatDoNotCount is every way for a command to be worth nothing, with the cause that is recorded.
func TestCommandsThatDoNotCount(t *testing.T) {
	w := newTown(t)
	w.keys["old"] = newKey(t)
	w.add(w.next(func(v *roster.Version) {
		amir := find(v, "amir")
		amir.Keys[0].ValidBefore = v.Issued
		amir.Keys = append(amir.Keys, roster.Key{Key: w.public("old"), ValidAfter: now.Add(time.Hour)})
	}), "olga", "omar")
	r := w.roster()
	// made is a command that anna signed after a change, or somebody else.
	made := func(by string, change func(*plan.Command)) func(*roster.Expectation) plan.SignedCommand {
		return func(*roster.Expectation) plan.SignedCommand {
			c := command()
			change(&c)
			return w.say(c, by)
		}
	}
	as := func(person string) func(*plan.Command) { return func(c *plan.Command) { c.Person = person } }
	// raw signs a text that nobody would make with Lifeboat.
	raw := func(text string) func(*roster.Expectation) plan.SignedCommand {
		return func(*roster.Expectation) plan.SignedCommand {
			armored, err := w.keys["anna"].Sign(signature.Command, []byte(text))
			if err != nil {
				t.Fatal(err)
			}
			return plan.SignedCommand{Signed: text, Signature: string(armored)}
		}
	}
	text, err := roster.CommandText(command())
	if err != nil {
		t.Fatal(err)
	}
	steer := func(kind plan.CommandKind, by string) func(*roster.Expectation) plan.SignedCommand {
		return func(want *roster.Expectation) plan.SignedCommand {
			c := command()
			c.Kind, c.Person, c.Step = kind, by, ""
			if kind == plan.CommandSkip || kind == plan.CommandRetry {
				c.Step = "copy"
			}
			want.Kinds, want.Step = []plan.CommandKind{kind}, c.Step
			return w.say(c, by)
		}
	}
	voucher := func(change func(*plan.Command, *roster.Expectation)) func(*roster.Expectation) plan.SignedCommand {
		return func(want *roster.Expectation) plan.SignedCommand {
			want.Vouchers = w.workers()
			c := command()
			change(&c, want)
			return w.vouch(c)
		}
	}
	for _, tc := range []struct {
		name  string
		make  func(*roster.Expectation) plan.SignedCommand
		cause roster.Cause
	}{
		{"forged: the name of another", made("anna", as("amir")), roster.CauseBadSignature},
		{"forged: a stranger's key", made("stranger", func(*plan.Command) {}), roster.CauseBadSignature},
		{"forged: a text changed afterwards", func(*roster.Expectation) plan.SignedCommand {
			s := w.say(command(), "anna")
			s.Signed = strings.Replace(s.Signed, `"anna"`, `"aida"`, 1)
			return s
		}, roster.CauseBadSignature},
		{"forged: signed for another use", func(*roster.Expectation) plan.SignedCommand {
			armored, err := w.keys["anna"].Sign(signature.Runbook, []byte(text))
			if err != nil {
				t.Fatal(err)
			}
			return plan.SignedCommand{Signed: text, Signature: string(armored)}
		}, roster.CauseBadSignature},
		{"somebody unknown", made("stranger", as("stranger")), roster.CauseUnknownPerson},
		{"a key that was revoked", made("amir", as("amir")), roster.CauseRevokedKey},
		{"a key that was revoked, dated back", made("amir", func(c *plan.Command) {
			c.Person, c.Issued = "amir", noon
		}), roster.CauseRevokedKey},
		{"a key that does not count yet", made("old", as("amir")), roster.CauseRevokedKey},
		{"no signature", func(*roster.Expectation) plan.SignedCommand { return plan.SignedCommand{Signed: text} }, roster.CauseMalformed},
		{"signature and voucher", func(want *roster.Expectation) plan.SignedCommand {
			want.Vouchers = w.workers()
			s := w.vouch(command())
			s.Signature = s.Voucher
			return s
		}, roster.CauseMalformed},
		{"expired", made("anna", func(c *plan.Command) { c.Expires = now }), roster.CauseExpired},
		{"of the future", made("anna", func(c *plan.Command) { c.Issued = now.Add(3 * time.Minute) }), roster.CauseNotYet},
		{"replayed", func(want *roster.Expectation) plan.SignedCommand {
			c := command()
			want.Seen = func(id string) bool { return id == c.ID }
			return w.say(c, "anna")
		}, roster.CauseReplayed},
		{"for another execution", made("anna", func(c *plan.Command) { c.Execution = "drill/us-east/20261101T000000Z" }), roster.CauseWrongExecution},
		{"for an execution nobody expects", func(want *roster.Expectation) plan.SignedCommand {
			want.Execution = ""
			return w.say(command(), "anna")
		}, roster.CauseWrongExecution},
		{"for another gate", made("anna", func(c *plan.Command) { c.Step = "commit" }), roster.CauseWrongStep},
		{"about something else", made("anna", func(c *plan.Command) { c.Digest = sum("other facts") }), roster.CauseWrongDigest},
		{"after the end", func(want *roster.Expectation) plan.SignedCommand {
			want.Kinds = nil
			return w.say(command(), "anna")
		}, roster.CauseWrongKind},
		{"a start in place of an approval", func(want *roster.Expectation) plan.SignedCommand {
			s := steer(plan.CommandStart, "carla")(want)
			want.Kinds = []plan.CommandKind{plan.CommandApprove}
			return s
		}, roster.CauseWrongKind},
		{"approved by an operator", made("opal", as("opal")), roster.CauseWrongRole},
		{"approved by an owner", made("olga", as("olga")), roster.CauseWrongRole},
		{"approved by an approver where others are asked", func(want *roster.Expectation) plan.SignedCommand {
			want.StepRoles = []string{"privacy"}
			return w.say(command(), "anna")
		}, roster.CauseWrongRole},
		{"skipped by an operator", steer(plan.CommandSkip, "opal"), roster.CauseWrongRole},
		{"undone by an approver", steer(plan.CommandUndo, "anna"), roster.CauseWrongRole},
		{"canceled by an owner", steer(plan.CommandCancel, "olga"), roster.CauseWrongRole},
		{"started by an approver", steer(plan.CommandStart, "anna"), roster.CauseWrongRole},
		{"handed over to an approver", func(want *roster.Expectation) plan.SignedCommand {
			c := command()
			c.Kind, c.Person, c.Step, c.To = plan.CommandHandover, "carla", "", "anna"
			want.Kinds, want.Step = []plan.CommandKind{plan.CommandHandover}, ""
			return w.say(c, "carla")
		}, roster.CauseWrongRole},
		{"handed over to nobody", func(want *roster.Expectation) plan.SignedCommand {
			c := command()
			c.Kind, c.Person, c.Step, c.To = plan.CommandHandover, "carla", "", "nobody"
			want.Kinds, want.Step = []plan.CommandKind{plan.CommandHandover}, ""
			return w.say(c, "carla")
		}, roster.CauseUnknownPerson},
		{"by whoever asked for it", made("carla", as("carla")), roster.CauseRequester},
		{"by the same person twice", func(want *roster.Expectation) plan.SignedCommand {
			want.Decided = []string{"aida", "anna"}
			return w.say(command(), "anna")
		}, roster.CauseDuplicatePerson},
		{"clicked where clicks do not count", func(*roster.Expectation) plan.SignedCommand { return w.vouch(command()) }, roster.CauseNotVouchable},
		{"clicked, but no worker vouches", voucher(func(_ *plan.Command, want *roster.Expectation) {
			want.Vouchers, _ = signature.ParseAllowedSigners([]byte("other " + w.keys["stranger"].PublicKey()))
		}), roster.CauseBadSignature},
		{"clicked by somebody without an account", voucher(func(c *plan.Command, _ *roster.Expectation) { c.Person = "aida" }), roster.CauseNotVouchable},
		{"a start by a click", voucher(func(c *plan.Command, want *roster.Expectation) {
			c.Kind, c.Step = plan.CommandStart, ""
			want.Kinds, want.Step = []plan.CommandKind{plan.CommandStart}, ""
		}), roster.CauseNotVouchable},
		{"a worker's key in place of the person's", func(want *roster.Expectation) plan.SignedCommand {
			want.Vouchers = w.workers()
			return w.say(command(), "worker")
		}, roster.CauseBadSignature},
		{"not JSON", raw("approve"), roster.CauseMalformed},
		{"an unknown field", raw(strings.Replace(text, `{`, `{"force":true,`, 1)), roster.CauseMalformed},
		{"two persons in one text", raw(strings.Replace(text, `"person":"anna"`, `"person":"amir","person":"anna"`, 1)), roster.CauseMalformed},
		{"another spelling", raw(strings.Replace(text, `"person"`, `"Person"`, 1)), roster.CauseMalformed},
		{"spaces", raw(" " + text), roster.CauseMalformed},
		{"too long", raw(strings.Replace(text, "fine", strings.Repeat("fine", 5000), 1)), roster.CauseMalformed},
		{"no reason", raw(strings.Replace(text, `"reason":"the loss of <10 claims & a session is fine",`, "", 1)), roster.CauseMalformed},
		{"a month long", raw(strings.Replace(text, `"expires":"2026-11-26`, `"expires":"2026-12-26`, 1)), roster.CauseMalformed},
	} {
		t.Run(tc.name, func(t *testing.T) {
			want := expectation()
			s := tc.make(&want)
			got, err := r.Check(s, want)
			if cause := roster.CauseOf(err); cause != tc.cause {
				t.Fatalf("%v: cause %q, want %q (%+v)", err, cause, tc.cause, got)
			}
			if err.Error() == "" {
				t.Error("no reason is given")
			}
		})
	}
}

func TestARefusedCommandIsStillToldForTheRecord(t *testing.T) {
	w := newTown(t)
	c := command()
	c.Step = "commit"
	got, err := w.roster().Check(w.say(c, "anna"), expectation())
	if err == nil || got.Command.ID != c.ID || got.Person.ID != "anna" || got.By == "" {
		t.Errorf("%+v %v", got, err)
	}
	if roster.CauseOf(nil) != "" {
		t.Error("no error has a cause")
	}
}
