package roster_test

import (
	"encoding/base64"
	"reflect"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"

	"github.com/lifeboat-dr/lifeboat/internal/plan"
	"github.com/lifeboat-dr/lifeboat/internal/roster"
)

func TestDocketsArePackedAndUnpacked(t *testing.T) {
	d := plan.Docket{Runbook: strings.Repeat("steps: näher\n", 500), Signatures: []string{"a", "b"}, Brief: "{}", Start: plan.SignedCommand{Signed: "{}", Signature: "s"}}
	packed, err := roster.PackDocket(d)
	if err != nil {
		t.Fatal(err)
	}
	if len(packed) > 1000 {
		t.Errorf("%d bytes packed", len(packed))
	}
	got, err := roster.UnpackDocket(packed)
	if err != nil || !reflect.DeepEqual(got, d) {
		t.Errorf("%+v %v", got, err)
	}
	if _, err := roster.PackDocket(plan.Docket{Runbook: strings.Repeat("x", 1<<20)}); err == nil {
		t.Error("a docket that is too large was packed")
	}
}

// TestUnpackingIsBounded: a few kilobytes must not become gigabytes of memory in every activity.
func TestUnpackingIsBounded(t *testing.T) {
	encoder, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer encoder.Close()
	bomb := encoder.EncodeAll(make([]byte, 64<<20), nil)
	for name, packed := range map[string]string{
		"a bomb":       base64.StdEncoding.EncodeToString(bomb),
		"too long":     strings.Repeat("A", 1<<20),
		"not base64":   "!",
		"not zstd":     "AAAA",
		"not a docket": base64.StdEncoding.EncodeToString(encoder.EncodeAll([]byte(`{"more":1}`), nil)),
		"two":          base64.StdEncoding.EncodeToString(encoder.EncodeAll([]byte(`{} {}`), nil)),
	} {
		if _, err := roster.UnpackDocket(packed); err == nil {
			t.Errorf("%s was unpacked", name)
		}
	}
}

func FuzzPeekCommand(f *testing.F) {
	text, err := roster.CommandText(command())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	f.Add(strings.ToUpper(text))
	f.Fuzz(func(t *testing.T, text string) {
		c, err := roster.PeekCommand(plan.SignedCommand{Signed: text})
		if err != nil {
			return
		}
		if again, err := roster.CommandText(c); err != nil || again != text {
			t.Errorf("a second text of one command: %q and %q (%v)", text, again, err)
		}
	})
}
