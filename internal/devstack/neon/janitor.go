package neon

import (
	"time"

	"github.com/lifeboat-dr/lifeboat/internal/devstack/neon/timeline"
)

const (
	// janitorPeriod is how often expired branches and idle computes are looked for.
	janitorPeriod = time.Second
	// backupPeriods is after how many of these periods due base backups are, which asks every server.
	backupPeriods = 10
)

// janitor does what Neon does by itself.
func (e *Emulator) janitor() {
	for n := 1; sleep(e.ctx, janitorPeriod) == nil; n++ {
		e.expireBranches()
		e.suspendIdle()
		if n%backupPeriods == 0 {
			e.backUp()
		}
	}
}

// expireBranches deletes branches whose time has come, as soon as nothing else runs in their project.
func (e *Emulator) expireBranches() {
	e.mu.Lock()
	defer e.mu.Unlock()
	now := e.now()
	for _, p := range e.state.Projects {
		for _, b := range p.Branches {
			due := b.Expires != nil && b.Expires.Before(now) && b.State == stateReady && !b.Deleting
			if due && p.jobs == 0 && p.checkDeletion(b) == nil {
				e.log.Info("branch expired", "project", p.ID, "branch", b.ID, "name", b.Name)
				e.removeBranch(p, b)
			}
		}
	}
}

// suspendIdle suspends computes without sessions after their timeout, and those of disabled endpoints that
// were open for a check of availability.
func (e *Emulator) suspendIdle() {
	e.mu.Lock()
	defer e.mu.Unlock()
	now := e.now()
	for _, p := range e.state.Projects {
		for _, ep := range p.Endpoints {
			if ep.State != stateActive || p.jobs > 0 {
				continue
			}
			if ep.Disabled && !e.probing(ep) {
				e.schedule(p, []step{e.suspendStep(p, ep)}, nil)
				continue
			}
			timeout := *ep.Settings.SuspendTimeout
			if timeout == 0 {
				timeout = defaultSuspend
			}
			px := e.proxies[ep.ID]
			if timeout < 0 || px == nil || px.sessions() > 0 || ep.LastActive == nil {
				continue
			}
			if now.Sub(*ep.LastActive) > time.Duration(timeout)*time.Second {
				e.schedule(p, []step{e.suspendStep(p, ep)}, nil)
			}
		}
	}
}

// backUp takes base backups of running branches that have written much since the last one, and drops what lies
// before the history window.
func (e *Emulator) backUp() {
	type job struct {
		line   *timeline.Timeline
		window time.Duration
	}
	var jobs []job
	e.mu.Lock()
	for _, p := range e.state.Projects {
		for _, b := range p.Branches {
			line := e.lines.Get(b.Timeline)
			if b.State == stateReady && !b.Deleting && line != nil && line.Mode() == timeline.ReadWrite {
				jobs = append(jobs, job{line, time.Duration(p.RetentionSeconds) * time.Second})
			}
		}
	}
	e.mu.Unlock()
	for _, j := range jobs {
		due, err := j.line.BackupDue(e.ctx, e.cfg.BackupAfter)
		if err == nil && due {
			if err = j.line.Backup(e.ctx); err == nil {
				err = e.lines.Prune(j.line, j.window)
			}
		}
		if err != nil && e.ctx.Err() == nil && j.line.Mode() == timeline.ReadWrite {
			e.log.Warn("base backup of branch failed", "timeline", j.line.ID(), "error", err)
		}
	}
}
