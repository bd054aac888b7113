package runbooks

import (
	"bytes"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/lifeboat-dr/lifeboat/internal/plan"
	"github.com/lifeboat-dr/lifeboat/internal/strictyaml"
)

// times compares the timeouts with what the runbook promises. Gates and tasks for people do not count:
// waiting for people is measured apart.
func (l *linter) times() {
	longest, last := map[string]time.Duration{}, ""
	for _, id := range l.r.Order() {
		step := l.r.Step(id)
		if !applies(step.When, plan.ModeLive) {
			continue
		}
		var before time.Duration
		for need := range l.before[id] {
			before = max(before, longest[need])
		}
		longest[id] = before
		if step.Type != "approval" && step.Type != "manual" {
			longest[id] += step.Timeout
		}
		if last == "" || longest[id] > longest[last] {
			last = id
		}
		if step.Timeout > l.r.Duration {
			l.warn(join(l.path(step), "timeout"), "the step may take %s, but the whole execution only %s", plan.FormatDuration(step.Timeout), plan.FormatDuration(l.r.Duration))
		}
	}
	rto := l.r.Objectives.RTO
	if rto > 0 && longest[last] > rto {
		l.warn("objectives.rto", "when every step on the way to %s takes all its time, people's waiting aside, it is %s: shorten timeouts, or promise less", last, plan.FormatDuration(longest[last]))
	}
	if rto > 0 && l.r.Duration < rto {
		l.warn("limits.duration", "the execution is ended before its RTO of %s", plan.FormatDuration(rto))
	}
}

// drillOnly wants steps that only drills have use for to apply in drills only.
func (l *linter) drillOnly(step *Step) {
	t := TypeNamed(step.Type)
	if t == nil || !t.DrillOnly || step.When != nil && slices.Equal(step.When.Modes, []plan.Mode{plan.ModeDrill}) {
		return
	}
	l.wrong(join(l.path(step), "when"), "a step of type %s is for drills, and refused everywhere else: write when: {mode: drill}", step.Type)
}

// unused finds inputs and roles that nothing refers to.
func (l *linter) unused() {
	for _, in := range l.r.Inputs {
		if !l.used[Reference{Root: RootInputs, Name: in.Name}] && !in.Lost {
			l.warn(join("inputs", in.Name), "nothing refers to this input")
		}
	}
	var named []string
	for i := range l.r.Steps {
		step := &l.r.Steps[i]
		named = append(named, texts(step.With["roles"])...)
		if step.Undo != nil {
			named = append(named, texts(step.Undo.With["roles"])...)
		}
	}
	for _, role := range l.written.Roles {
		if !slices.Contains(named, role.Name) {
			l.warn(join("roles", role.Name), "no step asks for this role")
		}
	}
	l.policy(l.r.Escalation, "escalation")
}

// unchecked says what nobody looked at: silence is never success.
func (l *linter) unchecked() {
	waits := slices.ContainsFunc(l.r.Steps, func(s Step) bool { return s.Type == "approval" || s.Type == "manual" })
	if l.views.Roster == nil && waits {
		l.warn("", "without a roster it was not checked that every gate can be passed when one person is absent, nor the escalation policies")
	}
	if l.views.Configuration == nil {
		l.warn("", "without a configuration it was not checked that the names in it exist, nor that nothing needs a site that is gone")
	}
	if l.views.Runbook == nil && len(l.written.Runs()) > 0 {
		l.warn("", "the runbooks that this one runs were not looked at")
	}
}

// inline matches what looks like a secret, wherever it stands, comments included.
var inline = regexp.MustCompile(`(?i)\b(?:napi_|whsec_|xox[abeoprs]-|xapp-|gh[pousr]_|github_pat_|glpat-|sk[-_](?:live|proj|ant|test)[-_])[a-z0-9_-]{8,}` +
	`|\bAKIA[0-9A-Z]{16}\b|AGE-SECRET-KEY-1|-----BEGIN [A-Z ]*PRIVATE KEY|://[^/\s:@"']+:[^/\s@"']+@|\bbearer\s+[a-z0-9._~+/-]{16,}` +
	`|\b(?:password|passwd|pwd|secret|token|api[_-]?key)["']?\s*[:=]\s*["']?[^\s"'$*<{\[]{8,}`)

// secretHeaders are headers whose values are secrets.
var secretHeaders = []string{"Authorization", "Proxy-Authorization", "Cookie", "X-Api-Key", "X-Auth-Token"}

// secrets finds what looks like a secret, anywhere in the text, and never repeats it.
func (l *linter) secrets() {
	line := 0
	for text := range bytes.Lines(l.text) {
		line++
		if found := inline.FindIndex(text); found != nil {
			column := utf8.RuneCount(text[:found[0]]) + 1
			l.report(SeverityWarning, strictyaml.Place{Line: line, Column: column}, "", "this looks like a secret: everybody who may read the runbook would have it. Put it into the configuration, and its name here")
		}
	}
	for i := range l.r.Steps {
		step := &l.r.Steps[i]
		l.headers(step.Type, step.With, join(l.path(step), "with"))
		if step.Undo != nil {
			l.headers(step.Undo.Type, step.Undo.With, join(l.path(step), "undo.with"))
		}
	}
}

func (l *linter) headers(typeName string, with map[string]any, path string) {
	if typeName == "wait" {
		with, _ = with["http"].(map[string]any)
		path = join(path, "http")
	}
	headers, _ := with["headers"].(map[string]any)
	for _, name := range sortedKeys(headers) {
		if slices.ContainsFunc(secretHeaders, func(secret string) bool { return strings.EqualFold(secret, strings.TrimSpace(name)) }) {
			l.wrong(join(join(path, "headers"), name), "the value of this header is a secret: put it under secrets, by its name in the configuration")
		}
	}
}
