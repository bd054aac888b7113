package config

import (
	"cmp"
	"fmt"
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
