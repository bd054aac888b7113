package config

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

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
		{"0 2 * * *", time.UTC, 24 * time.Hour},
		{"0 2 * * 1-5", time.UTC, 3 * 24 * time.Hour},
		{"0 1,5 * * *", time.UTC, 20 * time.Hour},
		{"*/10 * * * *", time.UTC, 10 * time.Minute},
		{"0 2 31 * *", time.UTC, 61 * 24 * time.Hour},
		{"0 3 * * *", toronto, 25 * time.Hour}, // the clock is put back
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
