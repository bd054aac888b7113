package config

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

func TestSizes(t *testing.T) {
	for text, want := range map[string]Size{"64MiB": 64 << 20, "64MB": 64e6, "1024": 1024, "1 GiB": 1 << 30} {
		if got, err := ParseSize(text); err != nil || got != want {
			t.Errorf("%q gives %d, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "MiB", "-1", "64 parsecs", "99999999999EiB"} {
		if got, err := ParseSize(text); err == nil {
			t.Errorf("%q gives %d, want an error", text, got)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		want := Size(rapid.Int64Range(0, 1<<40).Draw(t, "bytes"))
		if got, err := ParseSize(want.String()); err != nil || got != want {
			t.Fatalf("%d is written %q and read %d, %v", int64(want), want, got, err)
		}
	})
}

func TestLongestGap(t *testing.T) {
	toronto, err := time.LoadLocation("America/Toronto")
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		cron string
		zone *time.Location
		want time.Duration
	}{
		{"0 */4 * * *", time.UTC, 4 * time.Hour},
		{"0 2 * * *", time.UTC, day},
		{"0 2 * * 1-5", time.UTC, 3 * day},
		{"0 1,5 * * *", time.UTC, 20 * time.Hour},
		{"*/10 * * * *", time.UTC, 10 * time.Minute},
		{"0 2 31 * *", time.UTC, 61 * day},
		{"0 3 * * *", toronto, day + time.Hour}, // the clock is put back
	} {
		spec, err := fields5.Parse(tc.cron)
		if err != nil {
			t.Fatal(err)
		}
		if got := longestGap(spec, tc.zone); got != tc.want {
			t.Errorf("%q in %s: %v, want %v", tc.cron, tc.zone, got, tc.want)
		}
	}
}

func TestSuggest(t *testing.T) {
	known := []string{"database", "west", "us-east"}
	for name, want := range map[string]string{
		"databse": `did you mean "database"?`, "datbaase": `did you mean "database"?`, "wset": `did you mean "west"?`,
		"us_east": `did you mean "us-east"?`, "nothing": "known are database, us-east, west",
	} {
		if got := suggest(name, known); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
	if got := suggest("x", nil); got != "there are none" {
		t.Error(got)
	}
}
