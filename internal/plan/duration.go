package plan

import (
	"errors"
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"
)

const (
	day = 24 * time.Hour
	// year has no leap day: a lock that must cover seven calendar years is 2557d, not 7y.
	year = 365 * day
)

var durationPart = regexp.MustCompile(`^([0-9]+(?:\.[0-9]+)?)(ns|us|µs|ms|s|m|h|d|y)`)

// ParseDuration reads Go's durations and, besides, days of 24 hours ("d") and years of 365 days ("y"):
// "4h", "1d12h", "7y". Negative durations are refused: nothing here is meant backwards.
func ParseDuration(text string) (time.Duration, error) {
	if text == "0" {
		return 0, nil
	}
	rest, total := text, time.Duration(0)
	for rest != "" {
		part := durationPart.FindStringSubmatch(rest)
		if part == nil {
			return 0, errors.New("this is no duration: write for example 30m, 4h, 1d12h or 7y")
		}
		rest = rest[len(part[0]):]
		value, err := durationOf(part[1], part[2])
		if err != nil || total > math.MaxInt64-value {
			return 0, fmt.Errorf("this duration is too long: %dy is the most", int64(math.MaxInt64/year))
		}
		total += value
	}
	if text == "" {
		return 0, errors.New("the duration is empty: write for example 30m, 4h, 1d12h or 7y")
	}
	return total, nil
}

func durationOf(number, unit string) (time.Duration, error) {
	scale := time.Duration(0)
	switch unit {
	case "d":
		scale = day
	case "y":
		scale = year
	default:
		return time.ParseDuration(number + unit)
	}
	value, err := strconv.ParseFloat(number, 64)
	if err != nil {
		return 0, err
	}
	if value*float64(scale) >= math.MaxInt64 {
		return 0, strconv.ErrRange
	}
	if whole, err := strconv.ParseInt(number, 10, 64); err == nil {
		return time.Duration(whole) * scale, nil
	}
	return time.Duration(value * float64(scale)), nil
}

// FormatDuration writes a duration the way [ParseDuration] reads it, in the largest whole units.
func FormatDuration(d time.Duration) string {
	if d <= 0 {
		return d.String()
	}
	days, rest := d/day, d%day
	text := ""
	if days > 0 {
		text = strconv.FormatInt(int64(days), 10) + "d"
	}
	if rest > 0 {
		clock := rest.String()
		if strings.HasSuffix(clock, "m0s") {
			clock = strings.TrimSuffix(clock, "0s")
		}
		if strings.HasSuffix(clock, "h0m") {
			clock = strings.TrimSuffix(clock, "0m")
		}
		text += clock
	}
	return text
}
