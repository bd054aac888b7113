package workflows

import (
	"fmt"
	"strings"
	"time"

	"go.temporal.io/sdk/workflow"
)

// progress is the table that a person sees under "Current Details" in the Temporal UI. It holds counts,
// ids and times only.
type progress struct {
	title string
	steps []progressStep
}

type progressStep struct {
	name, state, note string
	began, ended      time.Time
}

func newProgress(component, id string, steps ...string) progress {
	p := progress{title: "**" + component + "** `" + id + "`"}
	for _, name := range steps {
		p.steps = append(p.steps, progressStep{name: name, state: "waiting"})
	}
	return p
}

func (p *progress) start(ctx workflow.Context, name string) {
	p.set(ctx, name, func(s *progressStep) { s.state, s.began = "running", workflow.Now(ctx) })
}

func (p *progress) note(ctx workflow.Context, name, format string, args ...any) {
	p.set(ctx, name, func(s *progressStep) { s.note = fmt.Sprintf(format, args...) })
}

func (p *progress) done(ctx workflow.Context, name, format string, args ...any) {
	p.set(ctx, name, func(s *progressStep) {
		s.state, s.note, s.ended = "done", fmt.Sprintf(format, args...), workflow.Now(ctx)
	})
}

func (p *progress) skip(ctx workflow.Context, name, why string) {
	p.set(ctx, name, func(s *progressStep) { s.state, s.note = "not applicable", why })
}

func (p *progress) set(ctx workflow.Context, name string, change func(*progressStep)) {
	for i := range p.steps {
		if p.steps[i].name == name {
			change(&p.steps[i])
		}
	}
	workflow.SetCurrentDetails(ctx, p.table())
}

func (p *progress) table() string {
	var b strings.Builder
	b.WriteString(p.title + "\n\n| step | state | took | |\n| --- | --- | --- | --- |\n")
	for _, s := range p.steps {
		took := ""
		if !s.began.IsZero() && !s.ended.IsZero() {
			took = s.ended.Sub(s.began).Round(100 * time.Millisecond).String()
		}
		b.WriteString(fmt.Sprintf("| %s | %s | %s | %s |\n", s.name, s.state, took, s.note)) //nolint:staticcheck // Fprintf is refused by workflowcheck
	}
	return b.String()
}
