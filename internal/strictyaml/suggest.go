package strictyaml

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// Secretive matches what people paste into the wrong place: connection strings and URLs with a password,
// private keys, and tokens by their well-known beginnings.
var Secretive = regexp.MustCompile(`(?i)://|@|password|passwd|secret|private key|\b(napi_|whsec_|xox[a-z]-|xapp-|gh[pousr]_|sk[-_]|akia)`)

// Quote repeats a value of the file in a message, unless it may be a secret or is too long to be a name.
func Quote(value string) string {
	if len(value) > 48 || Secretive.MatchString(value) || strings.ContainsAny(value, "\n\r") {
		return "the value here"
	}
	return fmt.Sprintf("%q", value)
}

// Suggest is " (did you mean …?)" with the known name that is nearest to name, or a list of all.
func Suggest(name string, known []string) string {
	best, distance := "", 1+max(1, len(name)/3)
	for _, k := range known {
		if d := edits(name, k); d < distance {
			best, distance = k, d
		}
	}
	switch {
	case best != "":
		return fmt.Sprintf("did you mean %q?", best)
	case len(known) == 0:
		return "there are none"
	}
	known = slices.Clone(known)
	slices.Sort(known)
	return "known are " + strings.Join(known, ", ")
}

// edits counts the letters to add, drop, change or swap with their neighbour to turn a into b.
func edits(a, b string) int {
	before, row := make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := 1; i <= len(a); i++ {
		older := before
		before, row = row, make([]int, len(b)+1)
		row[0] = i
		for j := 1; j <= len(b); j++ {
			change := before[j-1]
			if a[i-1] != b[j-1] {
				change++
			}
			row[j] = min(before[j]+1, row[j-1]+1, change)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				row[j] = min(row[j], older[j-2]+1)
			}
		}
	}
	return row[len(b)]
}
