package roster_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lifeboat-dr/lifeboat/internal/plan"
	"github.com/lifeboat-dr/lifeboat/internal/roster"
	"github.com/lifeboat-dr/lifeboat/internal/signature"
)

func TestEditsMakeAVersionThatFollows(t *testing.T) {
	w := newTown(t)
	w.keys["second"] = newKey(t)
	v, err := w.chain.Next(now.Add(-time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	v.Put(roster.Person{ID: "nina", Name: "Nina", Email: "nina@medlink.example", Roles: []string{plan.RoleApprover}, Keys: []roster.Key{{Key: w.public("stranger"), Comment: "laptop"}}})
	v.Put(roster.Person{ID: "opal", Name: "Opal", Pager: "P1", Slack: &roster.Slack{Team: "T0TEAM", User: "U0OPAL"}, Roles: []string{plan.RoleOperator, plan.RoleAuditor}, Keys: []roster.Key{{Key: w.public("opal")}, {Key: w.public("second")}}})
	stolen := now.Add(-3 * time.Hour)
	for _, err := range []error{
		v.Remove("otto"), v.DropRole("carla", plan.RoleApprover), v.RevokeKey("dora", w.public("dora").Fingerprint(), stolen),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	v.Policies = []plan.Policy{policy("urgent", "role:commander")}
	v.Require(0)
	for name, err := range map[string]error{
		"nobody removed": v.Remove("nobody"), "no role": v.DropRole("carla", plan.RoleApprover), "no key": v.RevokeKey("dora", "SHA256:none", now),
	} {
		if err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	got := roster.Changes(&w.first, v)
	want := []string{
		"otto: loses the role owner",
		"otto: key " + w.public("otto").Fingerprint() + " (no comment) is valid from the beginning until 2026-11-26T11:00:00Z, before from the beginning without an end",
		"carla: loses the role approver",
		"dora: key " + w.public("dora").Fingerprint() + " (no comment) is valid from the beginning until 2026-11-26T09:00:00Z, before from the beginning without an end",
		"opal: gets the role auditor",
		"opal: gets key " + w.public("second").Fingerprint() + " (no comment), valid from the beginning without an end",
		"opal: name Opal, before opal",
		"opal: Slack account T0TEAM/U0OPAL, before none",
		"opal: pager P1, before none",
		"new: nina (Nina), roles approver",
		"nina: gets key " + w.public("stranger").Fingerprint() + " laptop, valid from the beginning without an end",
		"nina: e-mail nina@medlink.example, before none",
		"new escalation policy urgent: after 0s all of role:commander; repeated 0 times",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	w.add(v, "olga", "omar")
	if r := w.roster(); r.Version.Number != 2 || r.Version.Required != 2 {
		t.Errorf("%+v", r.Version)
	}
	again := v
	again.Policies, again.Required = nil, 3
	if got := roster.Changes(&v, again); !slices.Equal(got, []string{"3 owners have to sign the next version and each runbook, before 2", "escalation policy urgent is gone"}) {
		t.Errorf("%q", got)
	}
}

// TestChangesLeaveNothingOut: whatever is changed in a version, an owner is told something before signing.
func TestChangesLeaveNothingOut(t *testing.T) {
	w := newTown(t)
	for name, change := range map[string]func(*roster.Version){
		"required": func(v *roster.Version) { v.Required = 3 }, "name": func(v *roster.Version) { v.People[0].Name = "x" },
		"email": func(v *roster.Version) { v.People[0].Email = "x@y.example" }, "roles": func(v *roster.Version) { v.People[0].Roles = nil },
		"slack": func(v *roster.Version) { v.People[0].Slack = &roster.Slack{Team: "T1", User: "U1"} }, "pager": func(v *roster.Version) { v.People[0].Pager = "x" },
		"key": func(v *roster.Version) { v.People[0].Keys = nil }, "comment": func(v *roster.Version) { v.People[0].Keys[0].Comment = "x" },
		"after": func(v *roster.Version) { v.People[0].Keys[0].ValidAfter = now }, "before": func(v *roster.Version) { v.People[0].Keys[0].ValidBefore = now },
		"gone": func(v *roster.Version) { v.People = v.People[1:] }, "policy": func(v *roster.Version) { v.Policies = []plan.Policy{policy("a", "role:x")} },
	} {
		before, err := w.chain.Versions[0].Read()
		if err != nil {
			t.Fatal(err)
		}
		after := w.next(change)
		if got := roster.Changes(&before, after); len(got) == 0 {
			t.Errorf("%s: an owner is told nothing", name)
		}
	}
	v := w.next(func(v *roster.Version) { v.Policies = []plan.Policy{policy("a", "role:x")} })
	for name, change := range map[string]func(*plan.Policy){
		"repeat": func(p *plan.Policy) { p.Repeat = 1 }, "delay": func(p *plan.Policy) { p.Levels[0].Delay = 1e9 },
		"notify": func(p *plan.Policy) { p.Levels[0].Notify = plan.NotifyAny }, "targets": func(p *plan.Policy) { p.Levels[0].Targets = nil },
		"levels": func(p *plan.Policy) { p.Levels = append(p.Levels, p.Levels[0]) },
	} {
		after := v
		after.Policies = []plan.Policy{policy("a", "role:x")}
		change(&after.Policies[0])
		if got := roster.Changes(&v, after); len(got) != 1 {
			t.Errorf("policy's %s: %q", name, got)
		}
	}
}

func TestTheFileIsReadAnewAndNeverBackwards(t *testing.T) {
	w := newTown(t)
	f := &roster.File{Path: filepath.Join(t.TempDir(), "roster.json")}
	write := func(c *roster.Chain) {
		data, err := c.Bytes()
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(f.Path, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := f.Load(now); err == nil || !strings.Contains(err.Error(), "fingerprint") {
		t.Errorf("not pinned: %v", err)
	}
	f.Fingerprint = w.chain.Fingerprint()
	if _, err := f.Load(now); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
	write(w.chain)
	if r, err := f.Load(now); err != nil || r.Version.Number != 1 {
		t.Fatalf("%v", err)
	}
	w.add(w.next(nothing), "olga", "omar")
	write(w.chain)
	if r, err := f.Load(now); err != nil || r.Version.Number != 2 {
		t.Fatalf("%v", err)
	}
	write(&roster.Chain{Format: 1, Versions: w.chain.Versions[:1]})
	if _, err := f.Load(now); !errors.Is(err, roster.ErrDowngraded) {
		t.Errorf("an older file: %v", err)
	}
	write(w.chain)
	f.See(roster.Mark{Number: 3, Digest: sum("in a vault")})
	if _, err := f.Load(now); !errors.Is(err, roster.ErrDowngraded) {
		t.Errorf("a vault has seen more: %v", err)
	}
}

func TestAllowedSignersAreWhatOpenSSHReads(t *testing.T) {
	w := newTown(t)
	v := w.next(func(v *roster.Version) { find(v, "anna").Keys[0].ValidBefore = noon })
	verifier, err := signature.ParseAllowedSigners([]byte(v.AllowedSigners()))
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		who  string
		use  signature.Namespace
		good bool
	}{{"olga", signature.Roster, true}, {"olga", signature.Command, true}, {"carla", signature.Roster, false}, {"carla", signature.Command, true}, {"anna", signature.Command, false}, {"worker", signature.Command, false}} {
		armored, err := w.keys[tc.who].Sign(tc.use, []byte("x"))
		if err != nil {
			t.Fatal(err)
		}
		if who, err := verifier.Verify(tc.use, []byte("x"), armored, now); (err == nil) != tc.good || (tc.good && who != tc.who) {
			t.Errorf("%s for %s: %q %v", tc.who, tc.use, who, err)
		}
	}
}
