package config

import "time"

// Run is what a schedule starts.
type Run string

// What schedules can start.
const (
	RunBackup    Run = "backup"
	RunVerify    Run = "verify"
	RunReplicate Run = "replicate"
	RunEvaluate  Run = "evaluate"
)

// OverlapSkip leaves a run out while the one before it still runs. It is the only overlap there is:
// two backups of one component at a time help nobody.
const OverlapSkip = "skip"

// Schedule starts work by itself: exactly one of Cron and Every is set.
type Schedule struct {
	Run Run `yaml:"run"`
	// Component is empty for RunEvaluate, which looks at all of them.
	Component string `yaml:"component"`
	// Cron has five fields: minute, hour, day of month, month, day of week.
	Cron  string        `yaml:"cron"`
	Every time.Duration `yaml:"every"`
	// TimeZone is an IANA name that Cron is meant in.
	TimeZone string `yaml:"time_zone"`
	// Jitter delays each run by a random time up to this.
	Jitter  time.Duration `yaml:"jitter"`
	Overlap string        `yaml:"overlap"`
	// CatchUp is how late a run that was missed may still start.
	CatchUp time.Duration `yaml:"catch_up"`
	Paused  bool          `yaml:"paused"`
	// PauseOnFailure pauses the schedule when a run fails.
	PauseOnFailure bool `yaml:"pause_on_failure"`
}

func (s *Schedule) defaults() {
	s.TimeZone, s.Overlap, s.CatchUp = "UTC", OverlapSkip, 10*time.Minute
}
