package config

import (
	"strings"
	"time"
	_ "time/tzdata"

	"github.com/robfig/cron/v3"

	"github.com/lifeboat-dr/lifeboat/internal/plan"
	"github.com/lifeboat-dr/lifeboat/internal/strictyaml"
)

// fields5 is the part of cron that all its programs, Temporal among them, read alike.
var fields5 = cron.NewParser(cron.Minute | cron.Hour | cron.Dom | cron.Month | cron.Dow)

func (d *decoder) checkSchedules(c *Config) {
	backups, verified, replicated, evaluated := map[string]bool{}, map[string]bool{}, map[string]bool{}, false
	for _, name := range sorted(c.Schedules) {
		at, s := join("schedules", name), c.Schedules[name]
		oneOf(d, join(at, "run"), s.Run, RunBackup, RunVerify, RunReplicate, RunEvaluate)
		switch s.Run {
		case RunEvaluate:
			evaluated = evaluated || !s.Paused
			if s.Component != "" {
				d.bad(join(at, "component"), "evaluate looks at every component: remove this")
			}
		case RunBackup, RunVerify, RunReplicate:
			if !reference(d, join(at, "component"), "component", s.Component, c.Components) {
				break
			}
			if s.Run == RunBackup {
				backups[s.Component] = backups[s.Component] || !s.Paused
				break
			}
			if s.Run == RunReplicate {
				replicated[s.Component] = replicated[s.Component] || !s.Paused
				if len(c.Components[s.Component].Replicas) == 0 {
					d.bad(join(at, "component"), "component %q has no vault to be copied to: set components.%s.replicas", s.Component, s.Component)
				}
				break
			}
			verified[s.Component] = verified[s.Component] || !s.Paused
			if v := c.Components[s.Component].Verify; v.Scratch.Site() == "" && !v.AfterBackup {
				d.bad(join(at, "component"), "component %q has no place to verify in: set components.%s.verify.scratch", s.Component, s.Component)
			}
		}
		gap, ok := d.checkTimes(at, s)
		if component := c.Components[s.Component]; ok && s.Run == RunBackup && component.RPO > 0 && gap+s.Jitter >= component.RPO {
			d.warn(at, "up to %s pass between two backups, and the RPO is %s: run it more often, for a restore point counts only when it is verified",
				plan.FormatDuration(gap+s.Jitter), plan.FormatDuration(component.RPO))
		}
	}
	for _, name := range sorted(c.Components) {
		at := join("components", name)
		if !backups[name] {
			d.warn(at, "no schedule backs it up by itself: add one under schedules with run: backup")
		}
		if !c.Components[name].Verify.AfterBackup && !verified[name] {
			d.warn(at, "its backups are never verified by themselves: set verify.after_backup, or add a schedule with run: verify")
		}
		if len(c.Components[name].Replicas) > 0 && !replicated[name] {
			d.warn(join(at, "replicas"), "each backup is copied once, and what fails is never caught up by itself: add a schedule with run: replicate")
		}
	}
	if !evaluated {
		d.warn("schedules", "nothing looks whether restore points grow too old: add a schedule with run: evaluate")
	}
}

// checkTimes checks when a schedule runs, and gives the longest time between two runs.
func (d *decoder) checkTimes(at string, s Schedule) (gap time.Duration, ok bool) {
	if s.Overlap != OverlapSkip {
		d.bad(join(at, "overlap"), "%s is not known: only \"skip\" is, a run is left out while the one before it goes on", strictyaml.Quote(s.Overlap))
	}
	d.lasts(join(at, "catch_up"), s.CatchUp, "10s", "1y")
	d.lasts(join(at, "jitter"), s.Jitter, "0", "1d")
	zone, err := time.LoadLocation(s.TimeZone)
	if err != nil || s.TimeZone == "Local" || s.TimeZone == "" {
		d.bad(join(at, "time_zone"), "%s is no time zone: use an IANA name such as America/Toronto, or UTC", strictyaml.Quote(s.TimeZone))
		zone = nil
	}
	if n := count(s.Cron != "", s.Every != 0); n != 1 {
		d.bad(at, "a schedule has exactly one of cron and every; this one has %d of them", n)
		return 0, false
	}
	if s.Every != 0 {
		d.lasts(join(at, "every"), s.Every, "1m", "1y")
		if s.TimeZone != "UTC" && zone != nil {
			d.bad(join(at, "time_zone"), "every counts elapsed time, which knows no zone: remove this or use cron")
		}
		if s.Jitter >= s.Every && s.Every >= time.Minute {
			d.bad(join(at, "jitter"), "it must be shorter than every, or runs overtake each other")
		}
		return s.Every, true
	}
	spec, ok := d.cron(join(at, "cron"), s.Cron)
	if !ok || zone == nil {
		return 0, false
	}
	return longestGap(spec, zone), true
}

func (d *decoder) cron(at, text string) (cron.Schedule, bool) {
	fields := strings.Fields(text)
	switch {
	case strings.HasPrefix(text, "@") || strings.Contains(text, "TZ=") || len(fields) != 5:
		d.bad(at, "cron takes five fields, minute hour day month weekday, for example \"0 2 * * *\"; the zone is set by time_zone")
		return nil, false
	case restricted(fields[2]) && restricted(fields[4]):
		d.bad(at, "a day of the month and a weekday together mean \"both\" to some programs and \"either\" to others: use one of them")
		return nil, false
	}
	spec, err := fields5.Parse(text)
	if err != nil {
		d.bad(at, "%s is no cron expression: five fields, minute hour day month weekday, for example \"0 2 * * *\"", strictyaml.Quote(text))
		return nil, false
	}
	if spec.Next(epoch).IsZero() {
		d.bad(at, "this never comes: there is no such day")
		return nil, false
	}
	return spec, true
}

func restricted(field string) bool { return field != "*" && field != "?" }

// epoch is where the arithmetic of schedules starts: a fixed day, so that the same file always gives the
// same warnings.
var epoch = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// longestGap is the longest time between two runs, over two years or three thousand runs. It sees
// weekends, and the night in which the clock is put back.
func longestGap(spec cron.Schedule, zone *time.Location) (gap time.Duration) {
	last := spec.Next(epoch.In(zone))
	end := last.AddDate(2, 0, 0)
	for range 3000 {
		next := spec.Next(last)
		if next.IsZero() || (next.After(end) && gap > 0) {
			break
		}
		gap, last = max(gap, next.Sub(last)), next
	}
	return gap
}
