package roster_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/lifeboat-dr/lifeboat/internal/plan"
	"github.com/lifeboat-dr/lifeboat/internal/roster"
)

func nothing(*roster.Version) {}

func TestAChainIsReadBackAndHolds(t *testing.T) {
	w := newTown(t)
	w.add(w.next(func(v *roster.Version) { find(v, "opal").Roles = append(find(v, "opal").Roles, plan.RoleAuditor) }), "omar", "otto")
	w.add(w.next(nothing), "olga", "otto", "omar")
	data, err := w.chain.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	chain, err := roster.ParseChain(data)
	if err != nil {
		t.Fatal(err)
	}
	r, err := chain.Verify(w.chain.Fingerprint(), now, w.roster().Mark(), roster.Mark{}, roster.Mark{Number: 1, Digest: chain.Fingerprint()})
	if err != nil {
		t.Fatal(err)
	}
	if r.Version.Number != 3 || r.Mark().Digest != chain.Versions[2].Digest() {
		t.Errorf("%+v", r.Mark())
	}
	if p, ok := r.PersonByKey(w.public("opal")); !ok || p.ID != "opal" || !p.Holds(plan.RoleAuditor) {
		t.Errorf("%+v %v", p, ok)
	}
	if p, ok := r.PersonBySlack("T0TEAM", "U0ELLA"); !ok || p.ID != "ella" {
		t.Errorf("%+v %v", p, ok)
	}
	if _, ok := r.PersonBySlack("T1TEAM", "U0ELLA"); ok {
		t.Error("an account of another team was found")
	}
	if _, ok := r.PersonByKey(w.public("stranger")); ok {
		t.Error("a stranger's key was found")
	}
	if got := len(r.Holders(plan.RoleOwner, "privacy")); got != 4 {
		t.Errorf("%d holders", got)
	}
}

// TestChainsThatDoNotHold is every way to change a roster without two of its owners.
func TestChainsThatDoNotHold(t *testing.T) {
	promote := func(v *roster.Version) { find(v, "opal").Roles = []string{plan.RoleOwner, plan.RoleCommander} }
	for name, tc := range map[string]struct {
		tamper func(w *town)
		want   error
		says   string
	}{
		"signed by one owner":              {func(w *town) { w.add(w.next(promote), "olga") }, roster.ErrUnsigned, "1 of 2"},
		"signed by one owner twice":        {func(w *town) { w.add(w.next(promote), "olga", "olga") }, roster.ErrUnsigned, "1 of 2"},
		"signed by others than owners":     {func(w *town) { w.add(w.next(promote), "olga", "carla") }, roster.ErrUnsigned, "no owner"},
		"signed by a stranger":             {func(w *town) { w.add(w.next(promote), "olga", "stranger") }, roster.ErrUnsigned, "nobody's"},
		"signed by owners it makes itself": {func(w *town) { w.add(w.next(promote), "olga", "opal") }, roster.ErrUnsigned, "opal is no owner"},
		"lowering what is needed, by one": {func(w *town) {
			w.add(w.next(func(v *roster.Version) {
				find(v, "omar").Roles, find(v, "otto").Roles, v.Required = nil, nil, 1
			}), "olga")
		}, roster.ErrUnsigned, "1 of 2"},
		"an edited version": {func(w *town) {
			w.add(w.next(nothing), "olga", "omar")
			w.chain.Versions[1].Signed = strings.Replace(w.chain.Versions[1].Signed, `"opal"`, `"opel"`, 1)
		}, roster.ErrBroken, "vanished"},
		"an edited word": {func(w *town) {
			w.add(w.next(nothing), "olga", "omar")
			w.chain.Versions[1].Signed = strings.Replace(w.chain.Versions[1].Signed, `"name": "opal"`, `"name": "Opal"`, 1)
		}, roster.ErrUnsigned, "other bytes"},
		"an edited version in the middle": {func(w *town) {
			w.add(w.next(nothing), "olga", "omar")
			w.add(w.next(nothing), "olga", "omar")
			v, _ := w.chain.Versions[1].Read()
			promote(&v)
			w.chain.Versions[1] = w.signed(v, "olga", "omar") // even with two owners: the next one names the old text
		}, roster.ErrBroken, "made after another version"},
		"a gap": {func(w *town) {
			w.add(w.next(nothing), "olga", "omar")
			w.add(w.next(nothing), "olga", "omar")
			w.chain.Versions = slices.Delete(w.chain.Versions, 1, 2)
		}, roster.ErrBroken, "version 3 stands where version 2"},
		"another beginning": {func(w *town) {
			other := newTown(t)
			w.chain = other.chain
		}, roster.ErrForeign, "pinned"},
		"an edited beginning": {func(w *town) {
			w.chain.Versions[0].Signed = strings.Replace(w.chain.Versions[0].Signed, `"required": 2`, `"required": 3`, 1)
		}, roster.ErrForeign, "pinned"},
		"a beginning without its signatures": {func(w *town) { w.chain.Versions[0].Signatures = w.chain.Versions[0].Signatures[:1] }, roster.ErrUnsigned, "1 of 2"},
		"issued before the one before": {func(w *town) {
			w.add(w.next(func(v *roster.Version) { v.Issued = noon.Add(-time.Hour) }), "olga", "omar")
		}, roster.ErrBroken, "issued"},
		"issued in the future": {func(w *town) {
			w.add(w.next(func(v *roster.Version) { v.Issued = now.Add(time.Hour) }), "olga", "omar")
		}, roster.ErrBroken, "not come yet"},
		"somebody vanished": {func(w *town) {
			w.add(w.next(func(v *roster.Version) { v.People = v.People[:9] }), "olga", "omar")
		}, roster.ErrBroken, "vanished"},
		"a key vanished": {func(w *town) {
			w.keys["new"] = newKey(t)
			w.add(w.next(func(v *roster.Version) { find(v, "opal").Keys = []roster.Key{{Key: w.public("new")}} }), "olga", "omar")
		}, roster.ErrBroken, "vanished"},
		"a key that was revoked comes back": {func(w *town) {
			w.add(w.next(func(v *roster.Version) { find(v, "opal").Keys[0].ValidBefore = v.Issued }), "olga", "omar")
			w.add(w.next(func(v *roster.Version) { find(v, "opal").Keys[0].ValidBefore = time.Time{} }), "olga", "omar")
		}, roster.ErrBroken, "stays revoked"},
		"a key counts from earlier on": {func(w *town) {
			w.add(w.next(func(v *roster.Version) { find(v, "opal").Keys[0].ValidAfter = noon.Add(-time.Hour) }), "olga", "omar")
		}, roster.ErrBroken, "valid_after"},
		"a revoked owner's key": {func(w *town) {
			w.add(w.next(func(v *roster.Version) { find(v, "otto").Keys[0].ValidBefore = v.Issued }), "olga", "omar")
			w.add(w.next(promote), "olga", "otto")
		}, roster.ErrUnsigned, "did not count"},
		"not JSON": {func(w *town) { w.chain.Versions[0].Signed = "{" }, nil, "pinned"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newTown(t)
			pinned := w.chain.Fingerprint()
			tc.tamper(w)
			_, err := w.chain.Verify(pinned, now)
			if err == nil || (tc.want != nil && !errors.Is(err, tc.want)) || !strings.Contains(err.Error(), tc.says) {
				t.Fatalf("got %v, want %v with %q", err, tc.want, tc.says)
			}
		})
	}
}

func TestDowngradesAndForksAreFound(t *testing.T) {
	w := newTown(t)
	w.add(w.next(nothing), "olga", "omar")
	w.add(w.next(func(v *roster.Version) { find(v, "opal").Roles = nil }), "olga", "omar")
	seen := w.roster().Mark()
	old := &roster.Chain{Format: 1, Versions: w.chain.Versions[:2]}
	if _, err := old.Verify(old.Fingerprint(), now, seen); !errors.Is(err, roster.ErrDowngraded) {
		t.Errorf("an older roster: %v", err)
	}
	if _, err := old.Verify(old.Fingerprint(), now); err != nil {
		t.Errorf("who has seen nothing newer: %v", err)
	}
	fork := &town{t: t, keys: w.keys, chain: old}
	fork.add(fork.next(nothing), "olga", "otto")
	if _, err := fork.chain.Verify(fork.chain.Fingerprint(), now, seen); !errors.Is(err, roster.ErrForked) {
		t.Errorf("another third version: %v", err)
	}
	fork.add(fork.next(nothing), "olga", "otto")
	if _, err := fork.chain.Verify(fork.chain.Fingerprint(), now, roster.Mark{}, seen); !errors.Is(err, roster.ErrForked) {
		t.Errorf("a longer chain on another third version: %v", err)
	}
}

func TestARevokedKeyKeepsWhatItSignedBefore(t *testing.T) {
	w := newTown(t)
	w.add(w.next(nothing), "olga", "otto")
	w.add(w.next(func(v *roster.Version) {
		find(v, "otto").Keys[0].ValidBefore = v.Issued
		find(v, "otto").Roles = nil
	}), "olga", "omar")
	r := w.roster()
	p, _ := r.Person("otto")
	if key := p.Keys[0]; !key.ValidAt(noon) || key.ValidAt(noon.Add(2*time.Hour)) || key.ValidAt(now) {
		t.Errorf("%+v", key)
	}
	if p.CanSign(now) {
		t.Error("who left can still sign")
	}
}

func TestVersionsThatMakeNoSense(t *testing.T) {
	for want, spoil := range map[string]func(*roster.Version){
		"format":                   func(v *roster.Version) { v.Format = 2 },
		"only the first":           func(v *roster.Version) { v.Previous = strings.Repeat("0", 64) },
		"when it was issued":       func(v *roster.Version) { v.Issued = time.Time{} },
		"people":                   func(v *roster.Version) { v.People = nil },
		"stands there twice":       func(v *roster.Version) { v.People = append(v.People, v.People[0]) },
		"it is 2 or more":          func(v *roster.Version) { v.Required = 1 },
		"no version could ever":    func(v *roster.Version) { v.Required = 4 },
		"belongs to":               func(v *roster.Version) { find(v, "opal").Keys = find(v, "dora").Keys },
		"the Slack account":        func(v *roster.Version) { find(v, "opal").Slack = find(v, "anna").Slack },
		"ids of team and user":     func(v *roster.Version) { find(v, "opal").Slack = &roster.Slack{Team: "team", User: "@opal"} },
		"needs a key":              func(v *roster.Version) { find(v, "cyril").Keys = nil },
		"could not decide":         func(v *roster.Version) { find(v, "aida").Keys = nil },
		"an id is":                 func(v *roster.Version) { find(v, "opal").ID = "Opal" },
		"a name is needed":         func(v *roster.Version) { find(v, "opal").Name = "" },
		"no e-mail address":        func(v *roster.Version) { find(v, "opal").Email = "Opal <opal@medlink.example>" },
		`role "Operator"`:          func(v *roster.Version) { find(v, "opal").Roles = []string{"Operator"} },
		`role "a" stands`:          func(v *roster.Version) { find(v, "opal").Roles = []string{"a", "a"} },
		"read public key":          func(v *roster.Version) { find(v, "opal").Keys[0].Key = "ssh-ed25519 nothing" },
		"a comment has":            func(v *roster.Version) { find(v, "opal").Keys[0].Key += " opal@laptop" },
		"lies before valid_after":  func(v *roster.Version) { k := &find(v, "opal").Keys[0]; k.ValidAfter, k.ValidBefore = now, noon },
		"there is no person":       func(v *roster.Version) { v.Policies = []plan.Policy{policy("p", "person:nobody")} },
		`policy "p" stands`:        func(v *roster.Version) { v.Policies = []plan.Policy{policy("p", "role:x"), policy("p", "role:x")} },
		"write kind:name":          func(v *roster.Version) { v.Policies = []plan.Policy{policy("p", "somebody")} },
		"nobody with a valid key ": func(v *roster.Version) { v.People = v.People[3:] },
	} {
		t.Run(want, func(t *testing.T) {
			v, err := newTown(t).chain.Versions[0].Read()
			if err != nil {
				t.Fatal(err)
			}
			spoil(&v)
			if _, err := roster.NewVersion(v); err == nil || !strings.Contains(err.Error(), want) {
				t.Fatalf("%v, want an error with %q", err, want)
			}
		})
	}
}

func policy(name, contact string) plan.Policy {
	return plan.Policy{Name: name, Levels: []plan.Level{{Targets: []plan.Contact{plan.Contact(contact)}, Notify: plan.NotifyAll}}}
}

func TestCompleteSaysWhoIsMissing(t *testing.T) {
	w := newTown(t)
	var empty *roster.Chain
	first := w.signed(w.first, "olga")
	if done, by, required, err := empty.Complete(first); err != nil || done || len(by) != 1 || required != 2 {
		t.Errorf("first: %v %v %d %v", done, by, required, err)
	}
	next := w.signed(w.next(nothing), "olga", "carla", "otto")
	if done, by, _, err := w.chain.Complete(next); err != nil || !done || !slices.Equal(by, []string{"olga", "otto"}) {
		t.Errorf("next: %v %v %v", done, by, err)
	}
	w.add(w.next(nothing), "olga", "omar")
	if _, _, _, err := w.chain.Complete(next); !errors.Is(err, roster.ErrBroken) {
		t.Errorf("a draft that was overtaken: %v", err)
	}
}

func TestWhatIsNoChainIsNotRead(t *testing.T) {
	for _, text := range []string{"", "{}", `{"format":2,"versions":[]}`, `{"format":1,"versions":[]}`, `{"format":1,"versions":[null]}`, `{"format":1,"more":1}`, `{"format":1,"versions":[{"signed":"","signatures":[]}]} {}`} {
		if _, err := roster.ParseChain([]byte(text)); err == nil {
			t.Errorf("%q was read", text)
		}
	}
}
