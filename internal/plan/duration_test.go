package plan

import (
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestParseDuration(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"0": 0, "4h": 4 * time.Hour, "1d": day, "1d12h": 36 * time.Hour, "7y": 2555 * day, "1.5d": 36 * time.Hour,
		"1h30m": 90 * time.Minute, "250ms": 250 * time.Millisecond, "2557d": 2557 * day, "0s": 0, "292y": 292 * year,
	} {
		if got, err := ParseDuration(text); err != nil || got != want {
			t.Errorf("%q gives %v, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "4", "h", "-4h", "4 h", "4h ", "4w", "4hours", "1d-1h", "293y", "9999999999999999999d", "106752d", "292y365d", "1e3h", "+1h", "1..5h"} {
		if got, err := ParseDuration(text); err == nil {
			t.Errorf("%q gives %v, want an error", text, got)
		}
	}
}

func TestDurationsReadAsWritten(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := time.Duration(rapid.Int64Range(0, math.MaxInt64).Draw(t, "ns"))
		want = want.Truncate(rapid.SampledFrom([]time.Duration{1, time.Millisecond, time.Second, time.Minute, time.Hour, day}).Draw(t, "unit"))
		text := FormatDuration(want)
		if got, err := ParseDuration(text); err != nil || got != want {
			t.Fatalf("%v is written %q and read %v, %v", want, text, got, err)
		}
	})
}

func TestFormatDuration(t *testing.T) {
	for want, d := range map[string]time.Duration{"4h": 4 * time.Hour, "1d": day, "1d12h": 36 * time.Hour, "30m": 30 * time.Minute, "1h5m": 65 * time.Minute, "10s": 10 * time.Second, "1h0m5s": time.Hour + 5*time.Second, "2557d": 2557 * day} {
		if got := FormatDuration(d); got != want {
			t.Errorf("%v is written %q, want %q", d, got, want)
		}
	}
}
