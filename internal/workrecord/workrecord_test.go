package workrecord_test

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/lifeboat-dr/lifeboat/internal/secret"
	"github.com/lifeboat-dr/lifeboat/internal/workrecord"
)

func keys(t *testing.T, fills ...string) workrecord.Keys {
	t.Helper()
	var texts []secret.String
	for _, f := range fills {
		texts = append(texts, secret.New(base64.StdEncoding.EncodeToString([]byte(strings.Repeat(f, 32)))))
	}
	k, err := workrecord.ParseKeys(texts)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func box(t *testing.T, k workrecord.Keys, backup string) *workrecord.Box {
	t.Helper()
	b, err := workrecord.New(k, "database", backup)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestRecordsOpenOnlyWhereTheyBelong(t *testing.T) {
	ours := box(t, keys(t, "a"), "one")
	data, err := ours.Seal("key", map[string]int{"rows": 7})
	if err != nil {
		t.Fatal(err)
	}
	var got map[string]int
	if err := ours.Open("key", data, &got); err != nil || got["rows"] != 7 {
		t.Fatalf("%v %v", got, err)
	}
	if err := box(t, keys(t, "b", "a"), "one").Open("key", data, &got); err != nil {
		t.Errorf("after a rotation: %v", err)
	}
	for name, open := range map[string]func() error{
		"another key of the vault": func() error { return ours.Open("other", data, &got) },
		"another backup":           func() error { return box(t, keys(t, "a"), "two").Open("key", data, &got) },
		"another fleet":            func() error { return box(t, keys(t, "b"), "one").Open("key", data, &got) },
		"nothing":                  func() error { return ours.Open("key", nil, &got) },
	} {
		if err := open(); !errors.Is(err, workrecord.ErrForeign) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for bit := range len(data) * 8 {
		flipped := append([]byte{}, data...)
		flipped[bit/8] ^= 1 << (bit % 8)
		if err := ours.Open("key", flipped, &got); !errors.Is(err, workrecord.ErrForeign) {
			t.Fatalf("bit %d flipped: %v", bit, err)
		}
	}
}

func TestMACsHoldOnlyForTheirObject(t *testing.T) {
	ours := box(t, keys(t, "a"), "one")
	mac := ours.MAC("key", "0:100")
	if !ours.CheckMAC("key", "0:100", mac) || !box(t, keys(t, "b", "a"), "one").CheckMAC("key", "0:100", mac) {
		t.Error("a good MAC was refused")
	}
	if ours.CheckMAC("key2", "0:100", mac) || ours.CheckMAC("key", "0:101", mac) || ours.CheckMAC("key", "0:100", "") ||
		box(t, keys(t, "b"), "one").CheckMAC("key", "0:100", mac) {
		t.Error("a bad MAC was accepted")
	}
}

func TestKeysDoNotPrint(t *testing.T) {
	k := keys(t, "q")
	for _, verb := range []string{"%v", "%+v", "%#v", "%s"} {
		if text := fmt.Sprintf(verb, k); strings.Contains(text, "qqqq") || strings.Contains(text, "113 113") {
			t.Errorf("%s prints the key", verb)
		}
	}
	for _, bad := range []string{"", "short", base64.StdEncoding.EncodeToString([]byte("too short"))} {
		if _, err := workrecord.ParseKeys([]secret.String{secret.New(bad)}); err == nil || (bad != "" && strings.Contains(err.Error(), bad)) {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

// FuzzOpen: what is opened was sealed by the fleet, and no bytes make it panic.
func FuzzOpen(f *testing.F) {
	texts := []secret.String{secret.New(base64.StdEncoding.EncodeToString([]byte(strings.Repeat("a", 32))))}
	k, err := workrecord.ParseKeys(texts)
	if err != nil {
		f.Fatal(err)
	}
	ours, err := workrecord.New(k, "database", "one")
	if err != nil {
		f.Fatal(err)
	}
	data, err := ours.Seal("key", map[string]int{"rows": 7})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data, "key", ours.MAC("key", "text"))
	f.Add([]byte{}, "", "")
	f.Fuzz(func(t *testing.T, data []byte, key, mac string) {
		var got map[string]int
		if err := ours.Open(key, data, &got); err == nil && (key != "key" || got["rows"] != 7) {
			t.Errorf("opened %v for %q", got, key)
		}
		if ours.CheckMAC("other", key, mac) {
			t.Errorf("a MAC was guessed: %q", mac)
		}
	})
}
