package roster_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/lifeboat-dr/lifeboat/internal/plan"
	"github.com/lifeboat-dr/lifeboat/internal/roster"
	"github.com/lifeboat-dr/lifeboat/internal/signature"
	"github.com/lifeboat-dr/lifeboat/runbooks"
)

func TestRunbooksAreSignedByOwners(t *testing.T) {
	w := newTown(t)
	var armored []string
	for _, id := range []string{"olga", "olga", "carla", "otto", "stranger"} {
		a, err := w.keys[id].Sign(signature.Runbook, []byte(runbookText))
		if err != nil {
			t.Fatal(err)
		}
		armored = append(armored, string(a))
	}
	file := roster.FormatSignatures(armored)
	back, err := roster.ParseSignatures(file)
	if err != nil || len(back) != len(armored) {
		t.Fatalf("%d signatures, %v", len(back), err)
	}
	by, refused := roster.RunbookSigners(w.roster(), runbookText, back, now)
	if !slices.Equal(by, []string{"olga", "otto"}) {
		t.Errorf("signed by %v", by)
	}
	for _, want := range []string{"carla is no owner", "nobody's"} {
		if refused == nil || !strings.Contains(refused.Error(), want) {
			t.Errorf("%v does not say %q", refused, want)
		}
	}
	if by, refused = roster.RunbookSigners(w.roster(), runbookText+" ", back, now); len(by) > 0 || refused == nil {
		t.Errorf("another text is signed by %v (%v)", by, refused)
	}

	// One signature of the file is what OpenSSH checks.
	dir := t.TempDir()
	for name, data := range map[string]string{"sig": back[0], "allowed": "olga " + string(w.public("olga")) + "\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(data), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command("ssh-keygen", "-Y", "verify", "-f", filepath.Join(dir, "allowed"), "-I", "olga", "-n", string(signature.Runbook), "-s", filepath.Join(dir, "sig"))
	cmd.Stdin = strings.NewReader(runbookText)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("ssh-keygen: %v %s", err, out)
	}
}

func TestSignatureFilesHoldNothingElse(t *testing.T) {
	if got, err := roster.ParseSignatures([]byte(" \n")); err != nil || len(got) != 0 {
		t.Errorf("an empty file: %v %v", got, err)
	}
	for _, text := range []string{"hello", "-----BEGIN X-----\nAAAA\n-----END X-----\n", "x\n-----BEGIN SSH SIGNATURE-----\nAAAA\n-----END SSH SIGNATURE-----\n", strings.Repeat("-----BEGIN SSH SIGNATURE-----\nAAAA\n-----END SSH SIGNATURE-----\n", 101)} {
		if _, err := roster.ParseSignatures([]byte(text)); err == nil {
			t.Errorf("%.40q was read", text)
		}
	}
}

func TestGatesCanBePassedWithAnyoneAbsent(t *testing.T) {
	r := newTown(t).roster() // approvers: anna, amir, aida with keys, ella by clicks, carla who is also commander
	approvers := []string{plan.RoleApprover}
	for _, tc := range []struct {
		name  string
		gate  roster.Gate
		grave bool
		want  string // part of the error
	}{
		{"two of five", roster.Gate{ID: "go", Gate: runbooks.Gate{Requires: 2, Roles: approvers, ExcludeRequester: true}}, true, ""},
		{"three of five", roster.Gate{ID: "go", Gate: runbooks.Gate{Requires: 3, Roles: approvers, ExcludeRequester: true}}, true, ""},
		{"four of five, one starts", roster.Gate{ID: "go", Gate: runbooks.Gate{Requires: 4, Roles: approvers, ExcludeRequester: true}}, true, "when carla started the execution and anna is absent"},
		{"four of five, who starts counts", roster.Gate{ID: "go", Gate: runbooks.Gate{Requires: 4, Roles: approvers}}, true, ""},
		{"all of them", roster.Gate{ID: "go", Gate: runbooks.Gate{Requires: 5, Roles: approvers}}, true, "carla is absent"},
		{"no role named: approvers", roster.Gate{ID: "go", Gate: runbooks.Gate{Requires: 3, ExcludeRequester: true}}, false, ""},
		{"one who can be absent", roster.Gate{ID: "go", Gate: runbooks.Gate{Requires: 1, Roles: []string{"privacy"}}}, false, "dora is absent"},
		{"nobody", roster.Gate{ID: "go", Gate: runbooks.Gate{Requires: 1, Roles: []string{"legal"}}}, false, "nobody is left"},
	} {
		err := r.CheckGate(tc.gate, tc.grave, now)
		if (tc.want == "") != (err == nil) || (err != nil && !strings.Contains(err.Error(), tc.want)) {
			t.Errorf("%s: %v, want %q", tc.name, err, tc.want)
		}
	}

	// Two who only click and one who signs: with that one absent nobody signs.
	w := newTown(t)
	w.add(w.next(func(v *roster.Version) {
		find(v, "dora").Slack = &roster.Slack{Team: "T0TEAM", User: "U0DORA"}
		find(v, "dora").Keys[0].ValidBefore = v.Issued
		find(v, "ella").Roles = []string{"privacy"}
		find(v, "opal").Roles = []string{"privacy"}
	}), "olga", "omar")
	gate := roster.Gate{ID: "go", Gate: runbooks.Gate{Requires: 1, Roles: []string{"privacy"}}}
	if err := w.roster().CheckGate(gate, true, now); err == nil || !strings.Contains(err.Error(), "own signature") || !strings.Contains(err.Error(), "opal is absent") {
		t.Error(err)
	}
	if err := w.roster().CheckGate(gate, false, now); err != nil {
		t.Error(err)
	}
}

func TestWarningsNameTheBus(t *testing.T) {
	w := newTown(t)
	if got := w.first.Warnings(now); len(got) != 0 {
		t.Errorf("%q", got)
	}
	v := w.next(func(v *roster.Version) {
		find(v, "otto").Keys[0].ValidBefore = now
		find(v, "cyril").Keys[0].ValidBefore = now
		find(v, "anna").Keys[0].ValidBefore = now.AddDate(0, 0, 20)
		v.Policies = []plan.Policy{policy("urgent", "role:legal")}
	})
	got := strings.Join(v.Warnings(now), "\n")
	for _, want := range []string{"2 owners have a valid key and 2", "1 commanders", "last key of anna", `role "legal"`} {
		if !strings.Contains(got, want) {
			t.Errorf("%q does not warn of %q", got, want)
		}
	}
}

func TestEveryWaitingStepOfARunbookIsProven(t *testing.T) {
	w := newTown(t)
	read := func(text string) *runbooks.Runbook {
		r, err := runbooks.Parse([]byte(strings.NewReplacer("MODES", "[live]", "TIMEOUT", "hold").Replace(text)))
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	if err := w.roster().CheckRunbook(read(runbookText), now); err != nil {
		t.Error(err)
	}
	manual := strings.Replace(runbookText, "  approver: {title: decides}\n", "  approver: {title: decides}\n  privacy: {title: tells the authority}\n", 1) +
		"  - {id: tell, type: manual, title: Tell the authority, with: {instructions: Call, roles: [privacy]}}\n"
	manual = strings.Replace(manual, "requires: 2", "requires: 5", 1)
	err := w.roster().CheckRunbook(read(manual), now)
	for _, want := range []string{`gate "go" cannot be passed`, `gate "tell" cannot be passed when dora is absent`} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v does not say %q", err, want)
		}
	}
	if err != nil && strings.Contains(err.Error(), `"loss"`) {
		t.Errorf("complains about what is right: %v", err)
	}
	w.add(w.next(func(v *roster.Version) { v.Policies = []plan.Policy{policy("urgent", "role:commander")} }), "olga", "omar")
	view := roster.View{Roster: w.roster(), At: now}
	if !view.HasPolicy("urgent") || view.HasPolicy("calm") || !slices.Equal(view.Holders("privacy"), []string{"dora"}) {
		t.Errorf("%v %v", view.HasPolicy("urgent"), view.Holders("privacy"))
	}
}
