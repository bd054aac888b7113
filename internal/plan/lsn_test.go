package plan

import "testing"

func TestParseLSN(t *testing.T) {
	for text, want := range map[string]uint64{"0/0": 0, "16/B3733C50": 0x16B3733C50, "FFFFFFFF/FFFFFFFF": 1<<64 - 1} {
		if got, ok := ParseLSN(text); !ok || got != want {
			t.Errorf("%s: %X %t", text, got, ok)
		}
	}
	for _, bad := range []string{"", "16", "16/", "/1", "16/B3733C50x", "x/1", "100000000/0"} {
		if got, ok := ParseLSN(bad); ok {
			t.Errorf("%q was read as %X", bad, got)
		}
	}
}
