package runbooks

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Severity says whether a runbook with the problem may run.
type Severity string

// The severities.
const (
	// SeverityError keeps a runbook from being run.
	SeverityError Severity = "error"
	// SeverityWarning is for people to look at.
	SeverityWarning Severity = "warning"
)

// Problem is one thing that is wrong in a runbook: where, and what to do about it. It never repeats what
// may be a secret.
type Problem struct {
	Severity Severity `json:"severity"`
	// Line and Column count from 1.
	Line   int `json:"line"`
	Column int `json:"column"`
	// Path is what it is about, for example "steps.restore.with.to"; empty for the text as a whole.
	Path    string `json:"path,omitempty"`
	Message string `json:"message"`
}

// String is the problem in one line, the place first, as editors expect it.
func (p Problem) String() string {
	s := fmt.Sprintf("%d:%d: %s: ", p.Line, p.Column, p.Severity)
	if p.Path != "" {
		s += p.Path + ": "
	}
	return s + p.Message
}

// Problems are all that is wrong with a runbook, in the order of its text.
type Problems []Problem

func (p Problems) Error() string {
	lines := make([]string, len(p))
	for i, problem := range p {
		lines[i] = problem.String()
	}
	return strings.Join(lines, "\n")
}

// Errors are the problems that keep the runbook from being run.
func (p Problems) Errors() Problems {
	var errors Problems
	for _, problem := range p {
		if problem.Severity == SeverityError {
			errors = append(errors, problem)
		}
	}
	return errors
}

// inOrder sorts problems as a reader of the text meets them.
func (p Problems) inOrder() Problems {
	slices.SortStableFunc(p, func(a, b Problem) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column), cmp.Compare(a.Path, b.Path), cmp.Compare(a.Message, b.Message))
	})
	return slices.Compact(p)
}
