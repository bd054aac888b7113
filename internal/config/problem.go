package config

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// Problem is one thing that is wrong in the file: where, and what to do about it. It never repeats what
// may be a secret.
type Problem struct {
	File string
	// Line and Column count from 1; both are 0 when the file itself cannot be read.
	Line, Column int
	// Path is the setting, for example "components.database.rpo"; empty for the file as a whole.
	Path    string
	Message string
}

// String is the problem in one line, the place first, as editors expect it.
func (p Problem) String() string {
	s := p.File
	if p.Line > 0 {
		s += fmt.Sprintf(":%d:%d", p.Line, p.Column)
	}
	if p.Path != "" {
		s += ": " + p.Path
	}
	return s + ": " + p.Message
}

// Problems are all the mistakes of a file, in its order. They are the error that [Load] returns.
type Problems []Problem

func (p Problems) Error() string {
	lines := make([]string, len(p))
	for i, problem := range p {
		lines[i] = problem.String()
	}
	return strings.Join(lines, "\n")
}

// inOrder sorts problems as a reader of the file meets them.
func inOrder(p []Problem) []Problem {
	slices.SortStableFunc(p, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column), cmp.Compare(a.Path, b.Path), cmp.Compare(a.Message, b.Message))
	})
	return slices.Compact(p)
}

// secretive matches what people paste into the wrong place: connection strings and URLs with a password,
// private keys, and tokens by their well-known beginnings.
var secretive = regexp.MustCompile(`(?i)://|@|password|passwd|secret|private key|\b(napi_|whsec_|xox[a-z]-|xapp-|gh[pousr]_|sk[-_]|akia)`)

// quote repeats a value of the file in a message, unless it may be a secret or is too long to be a name.
func quote(value string) string {
	if len(value) > 48 || secretive.MatchString(value) || strings.ContainsAny(value, "\n\r") {
		return "the value here"
	}
	return fmt.Sprintf("%q", value)
}

// suggest is " (did you mean …?)" with the known name that is nearest to name, or a list of all.
func suggest(name string, known []string) string {
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
