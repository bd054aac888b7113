package config

import (
	"log/slog"
	"time"
)

// Worker is the process that does the work.
type Worker struct {
	// Sites are those whose activities this worker runs; empty means all of the file.
	Sites []string `yaml:"sites"`
	// Concurrency is how many activities of one site run at the same time.
	Concurrency int `yaml:"concurrency"`
	// Memory is about how much the process may use, in bytes; half of it bounds the backups in flight.
	Memory Size `yaml:"memory"`
	// StopTimeout is how long running activities may go on after the worker is told to stop.
	StopTimeout time.Duration `yaml:"stop_timeout"`
}

// Temporal is where Temporal is. Fields that are empty leave the word to the TEMPORAL_* variables and
// the profile file that all of Temporal's tools read.
type Temporal struct {
	Address   string `yaml:"address"`
	Namespace string `yaml:"namespace"`
	// Profile is a profile of the profile file.
	Profile string `yaml:"profile"`
	// ConfigFile is the profile file.
	ConfigFile Path `yaml:"config_file"`
}

// Log says what is logged and how.
type Log struct {
	Level  slog.Level `yaml:"level"`
	Format LogFormat  `yaml:"format"`
}

// LogFormat is how log lines look.
type LogFormat string

// The formats of logs.
const (
	LogText LogFormat = "text"
	LogJSON LogFormat = "json"
)

func (w *Worker) defaults() {
	w.Concurrency, w.Memory, w.StopTimeout = 4, 256<<20, 30*time.Second
}

func (l *Log) defaults() { l.Format = LogText }
