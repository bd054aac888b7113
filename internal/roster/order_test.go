package roster_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/lifeboat-dr/lifeboat/internal/keyring"
	"github.com/lifeboat-dr/lifeboat/internal/plan"
	"github.com/lifeboat-dr/lifeboat/internal/roster"
	"github.com/lifeboat-dr/lifeboat/internal/signature"
)

// ownerKey has a key of his own.
type ownerKey struct {
	name, public string
	signer       *signature.Signer
}

func newOwner(t testing.TB, name string) ownerKey {
	t.Helper()
	ring, err := keyring.Generate(t.TempDir(), "worker", name)
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(ring.Dir, keyring.Owner))
	if err != nil {
		t.Fatal(err)
	}
	signer, err := signature.NewSigner(text)
	if err != nil {
		t.Fatal(err)
	}
	return ownerKey{name, ring.OwnerKey, signer}
}

var midday = time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)

func standingOrder() plan.Order {
	return plan.Order{
		Format: 1, Kind: "standing", Application: "medlink", Actions: plan.StandingActions, Components: []string{"database"},
		Issued: midday.Add(-time.Hour), Expires: midday.Add(time.Hour),
	}
}

func verifier(t testing.TB, lines ...string) *signature.Verifier {
	t.Helper()
	v, err := signature.ParseAllowedSigners([]byte(strings.Join(lines, "\n")))
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func signedBy(t testing.TB, by ...ownerKey) *roster.Signed {
	t.Helper()
	s, err := roster.NewSigned(standingOrder())
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range by {
		if err := s.Sign(p.signer); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

func TestSignedOrdersComeBackAsTheyWent(t *testing.T) {
	alice := newOwner(t, "alice")
	s := signedBy(t, alice)
	data, err := s.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	back, err := roster.ParseSigned(data)
	if err != nil || back.Digest() != s.Digest() {
		t.Fatalf("%+v: %v", back, err)
	}
	opened, err := back.Open(verifier(t, "alice "+alice.public), 1, midday)
	if err != nil || opened.Application != "medlink" || !opened.Expires.Equal(midday.Add(time.Hour)) {
		t.Errorf("%+v: %v", opened, err)
	}
}

func TestOwnersAreCountedNotSignatures(t *testing.T) {
	alice, bob, mallory := newOwner(t, "alice"), newOwner(t, "bob"), newOwner(t, "mallory")
	both := []string{"alice " + alice.public, "bob " + bob.public}
	revoked := []string{"alice " + alice.public, `bob valid-before="20261125110000Z" ` + bob.public}
	elsewhere := []string{"alice " + alice.public, `bob namespaces="manifest@lifeboat-dr" ` + bob.public}
	for name, tc := range map[string]struct {
		by       []ownerKey
		owners   []string
		required int
		holds    bool
	}{
		"one of one":               {[]ownerKey{alice}, both, 1, true},
		"two of two":               {[]ownerKey{alice, bob}, both, 2, true},
		"one of two":               {[]ownerKey{alice}, both, 2, false},
		"the same twice":           {[]ownerKey{alice, alice}, both, 2, false},
		"nobody":                   {nil, both, 1, false},
		"nobody, none required":    {nil, both, 0, false},
		"a stranger":               {[]ownerKey{mallory}, both, 1, false},
		"a stranger besides":       {[]ownerKey{mallory, alice}, both, 1, true},
		"a stranger for a second":  {[]ownerKey{alice, mallory}, both, 2, false},
		"a revoked key":            {[]ownerKey{alice, bob}, revoked, 2, false},
		"a key for something else": {[]ownerKey{alice, bob}, elsewhere, 2, false},
		"one person, two keys":     {[]ownerKey{alice, bob}, []string{"alice " + alice.public, "alice " + bob.public}, 2, false},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := signedBy(t, tc.by...).Open(verifier(t, tc.owners...), tc.required, midday); (err == nil) != tc.holds {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestAnOrderIsWhatWasSigned(t *testing.T) {
	alice := newOwner(t, "alice")
	known := verifier(t, "alice "+alice.public)
	s := signedBy(t, alice)
	for i := range s.Order {
		if i%7 != 0 {
			continue
		}
		other := *s
		other.Order = s.Order[:i] + string(s.Order[i]^1) + s.Order[i+1:]
		if _, err := other.Open(known, 1, midday); err == nil {
			t.Fatalf("byte %d changed, and it is believed", i)
		}
	}
	// What an owner signed by mistake, or with another tool, still has to be an order.
	for name, text := range map[string]string{
		"no JSON":         "please",
		"another format":  strings.Replace(s.Order, `"format": 1`, `"format": 2`, 1),
		"another kind":    strings.Replace(s.Order, `"standing"`, `"sitting"`, 1),
		"a field more":    strings.Replace(s.Order, `"format": 1`, `"format": 1, "also": true`, 1),
		"a field twice":   strings.Replace(s.Order, `"format": 1`, `"format": 1, "expires": "2099-01-01T00:00:00Z"`, 1),
		"in another case": strings.Replace(s.Order, `"format": 1`, `"format": 1, "Expires": "2099-01-01T00:00:00Z"`, 1),
		"text behind":     s.Order + "]",
		"a bad action":    strings.Replace(s.Order, string(plan.OwnBranches), "branch.any", 1),
		"ends early":      strings.Replace(s.Order, midday.Add(time.Hour).Format(time.RFC3339), "2020-01-01T00:00:00Z", 1),
	} {
		t.Run(name, func(t *testing.T) {
			if text == s.Order {
				t.Fatal("the text was not changed")
			}
			other := &roster.Signed{Order: text}
			if err := other.Sign(alice.signer); err != nil {
				t.Fatal(err)
			}
			if _, err := other.Open(known, 1, midday); err == nil {
				t.Error("it was believed")
			}
		})
	}
}

func TestSignedOrdersAreReadStrictly(t *testing.T) {
	good, err := signedBy(t).Bytes()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := roster.ParseSigned(good); err != nil {
		t.Fatal(err)
	}
	for _, bad := range []string{
		"", "{", `{"signed":"x","signed":"y","signatures":[]}`, `{"Signed":"x","signatures":[]}`, `{"signed":"x","signatures":[],"more":1}`,
		string(good) + "]", string(good) + string(good), `{"signed":"` + strings.Repeat("x", 64<<10) + `"}`,
	} {
		if _, err := roster.ParseSigned([]byte(bad)); err == nil {
			t.Errorf("%.80q was read", bad)
		}
	}
	if _, err := roster.NewSigned(plan.Order{}); err == nil {
		t.Error("an empty order was rendered")
	}
}

// FuzzParseOrder: whatever a file holds, reading it ends in an error or in an order that says what it says.
func FuzzParseOrder(f *testing.F) {
	alice := newOwner(f, "alice")
	known := verifier(f, "alice "+alice.public)
	s := signedBy(f, alice)
	data, _ := s.Bytes()
	f.Add(data)
	f.Add([]byte(`{"signed":"{}","signatures":["x"]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		parsed, err := roster.ParseSigned(data)
		if err != nil {
			return
		}
		if opened, err := parsed.Open(known, 1, midday); err == nil && parsed.Order != s.Order {
			t.Errorf("nobody signed %+v", opened)
		}
		// Signed by an owner it may hold or not, and what holds is valid and can be rendered again.
		again := &roster.Signed{Order: parsed.Order}
		if again.Sign(alice.signer) != nil {
			return
		}
		if opened, err := again.Open(known, 1, midday); err == nil {
			if opened.Validate() != nil {
				t.Errorf("an invalid order was opened: %+v", opened)
			}
			if _, err := json.Marshal(opened); err != nil {
				t.Error(err)
			}
		}
	})
}

// TestOrdersOfTheRoster: where there is a roster its owners sign orders, as many as it asks for, and whoever is
// removed or loses a key does not count any more, also under what they signed before.
func TestOrdersOfTheRoster(t *testing.T) {
	w := newTown(t)
	order, err := roster.NewSigned(standingOrder())
	if err != nil {
		t.Fatal(err)
	}
	opens := func(want bool, what string) {
		t.Helper()
		opened, err := order.OpenBy(w.roster(), now)
		if (err == nil) != want || want && opened.Application != "medlink" {
			t.Errorf("%s: %v", what, err)
		}
	}
	sign := func(who string) {
		t.Helper()
		if order.SignedBy(w.public(who)) {
			t.Errorf("%s is said to have signed", who)
		}
		if err := order.Sign(w.keys[who]); err != nil || !order.SignedBy(w.public(who)) {
			t.Fatalf("%s did not sign: %v", who, err)
		}
	}
	opens(false, "nobody")
	sign("olga")
	opens(false, "one owner")
	sign("carla")
	sign("stranger")
	opens(false, "one owner, a commander and a stranger")
	sign("otto")
	opens(true, "two owners")
	w.add(w.next(func(v *roster.Version) {
		if err := v.Remove("otto"); err != nil {
			t.Fatal(err)
		}
	}), "olga", "omar")
	opens(false, "one of them was removed")
	sign("omar")
	opens(true, "another one signed")
	w.keys["new"] = newKey(t)
	w.add(w.next(func(v *roster.Version) {
		omar := find(v, "omar")
		omar.Keys[0].ValidBefore = v.Issued
		omar.Keys = append(omar.Keys, roster.Key{Key: w.public("new")})
	}), "olga", "omar")
	opens(false, "the key of one was revoked")
	sign("new")
	opens(true, "and signed with the new one")
}
